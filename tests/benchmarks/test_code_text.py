import pytest

from benchmarks.suites.code_text import asked_function, with_prompt
from benchmarks.suites.extraction.refusal import refuse_function, refuse_program

PROMPT = (
    'from typing import List\n\ndef helper(): return 1\n\ndef f(x: List[int]):\n    """Doc."""\n'
)
WHOLE = "def f(x):\n    return helper() + x"


def run(code: str, argument: int = 4) -> object:
    names: dict[str, object] = {}
    exec(code, names)
    return names["f"](argument)  # type: ignore[operator]


def test_a_completion_that_repeats_its_prompt_does_not_get_it_twice() -> None:
    completion = PROMPT + "    return 1\n"
    assert with_prompt(PROMPT, "f", completion) == completion


def test_a_whole_program_keeps_the_prompts_helpers() -> None:
    assert run(with_prompt(PROMPT, "f", WHOLE)) == 5


def test_a_prompt_that_does_not_stand_alone_is_left_out_before_a_whole_program() -> None:
    assert with_prompt("def f(x):\n", "f", "def f(x): return x") == "def f(x): return x"


@pytest.mark.parametrize(
    ("instruction", "name"),
    [
        ("import math\n\ndef helper(x):\n    return x\n\ndef f(x):\n    ...", "f"),
        ("Sort it.\nassert set(ordered([2, 1])) == {1, 2}", "ordered"),
        ("Add them.\nassert sum([2, 1]) == 3", "sum"),
        ("Write a function.", ""),
    ],
)
def test_the_function_that_an_instruction_asks_for_is_found(instruction: str, name: str) -> None:
    assert asked_function(instruction) == name


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "empty"),
        ("```\n```", "empty"),
        ("def f(:", "does not parse"),
        ("return 1", "does not parse"),
        ("x = 1", None),
    ],
)
def test_code_is_refused_where_it_is_no_program(code: str, reason: str | None) -> None:
    refusal = refuse_program(code)
    assert (refusal and refusal[0]) == reason


@pytest.mark.parametrize(
    ("code", "name", "reason"),
    [
        ("def f(x): return x", "f", None),
        ("f = lambda x: x", "f", None),
        ("try:\n    import a\n    def f(): return 1\nexcept ImportError:\n    f = None", "f", None),
        ("def g(x): return x", "f", "no function"),
        ("def g(x): return x", "", None),
        ("Yes", "", "no function"),
    ],
)
def test_a_response_is_refused_where_it_lacks_the_function(
    code: str, name: str, reason: str | None
) -> None:
    refusal = refuse_function(code, name)
    assert (refusal and refusal[0]) == reason
