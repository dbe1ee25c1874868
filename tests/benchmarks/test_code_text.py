import pytest

from benchmarks.suites.code_text import extract_program, program_text, with_prompt

PROMPT = (
    'from typing import List\n\ndef helper(): return 1\n\ndef f(x: List[int]):\n    """Doc."""\n'
)
WHOLE = "def f(x):\n    return helper() + x"


def run(code: str, argument: int = 4) -> object:
    names: dict[str, object] = {}
    exec(code, names)
    return names["f"](argument)  # type: ignore[operator]


@pytest.mark.parametrize(
    "response",
    [
        WHOLE,
        f"```python\n{WHOLE}\n```",
        f"```\n{WHOLE}\n```",
        f"Sure! Here it is:\n\n```python\n{WHOLE}\n```\nIt adds one.",
        f"```python\n{WHOLE}",
        f"First an example:\n```python\nprint('no')\n```\nthen\n```python\n{WHOLE}\n```",
        f"Here is the code:\n\n{WHOLE}\n\nThis function adds one to x.",
        "    return helper() + x",
        "    return helper() + x\n\nThat is all there is to it.",
        "```python\n    return helper() + x\n```",
        PROMPT + "    return helper() + x\n",
        f"```python\n{PROMPT}    return helper() + x\n```",
        f"import math\n\n{WHOLE}\n",
    ],
)
def test_the_program_is_found_in_a_response(response: str) -> None:
    assert run(extract_program(PROMPT, "f", response)) == 5


@pytest.mark.parametrize("response", ["", "I cannot do that.", "```\n```", "def f(:", "\0"])
def test_a_response_without_a_program_still_gives_text(response: str) -> None:
    assert isinstance(extract_program(PROMPT, "f", response), str)


def test_a_completion_that_repeats_its_prompt_does_not_get_it_twice() -> None:
    completion = PROMPT + "    return 1\n"
    assert with_prompt(PROMPT, "f", completion) == completion


def test_a_whole_program_keeps_the_prompts_helpers() -> None:
    assert run(with_prompt(PROMPT, "f", WHOLE)) == 5


def test_a_prompt_that_does_not_stand_alone_is_left_out_before_a_whole_program() -> None:
    assert with_prompt("def f(x):\n", "f", "def f(x): return x") == "def f(x): return x"


def test_program_text_is_the_fenced_part() -> None:
    assert program_text("a\n```python\nx = 1\n```\nb") == "x = 1\n"
    assert program_text("x = 1") == "x = 1"
