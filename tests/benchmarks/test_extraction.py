import ast
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import check_programs
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.base import Extracted, SuiteError
from benchmarks.suites.code_text import with_prompt
from benchmarks.suites.extraction.pool import ExtractionPool
from benchmarks.suites.extraction.rules import RULES, Extraction
from benchmarks.suites.official import packages
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Outcome, Problem, Program
from tests.benchmarks.shared_data import shared_data
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, write
from tests.sandbox.machine import needs_bubblewrap

PROMPT = 'from typing import List\n\n\ndef total(values: List[int]) -> int:\n    """Sum."""\n'
RIGHT = "def total(values):\n    return sum(values)"
DRAFT = "def total(values):\n    return 0"


def fenced(code: str, mark: str = "```", tag: str = "python") -> str:
    return f"{mark}{tag}\n{code}\n{mark}\n"


def indented(text: str, by: str) -> str:
    return "".join(by + line + "\n" for line in text.splitlines())


# Responses with the right function, and whether EvalPlus's own tool finds it.
RESPONSES = {
    "block": (fenced(RIGHT), True),
    "bare": (RIGHT + "\n\nIt adds them up.\n", True),
    "unclosed": (f"Sure.\n```python\n{RIGHT}\n", True),
    "fence in mid-line": (f"Answer: ```python\n{RIGHT}\n```", True),
    "tildes": (fenced(RIGHT, "~~~"), True),
    "carriage returns": (fenced(RIGHT).replace("\n", "\r\n"), True),
    "future import": (fenced("from __future__ import annotations\n\n" + RIGHT), True),
    "reads input after": (fenced(RIGHT + "\n\nn = int(input())\nprint(total([n]))"), True),
    "wrong test of its own": (fenced(RIGHT + "\n\nassert total([1]) == 2"), True),
    "undefined name after": (fenced(RIGHT + "\n\nprint(total(numbers))"), True),
    "session after": (fenced(RIGHT + "\n\n>>> total([1])\n1"), True),
    "install line before": (fenced("pip install x", tag="bash") + fenced(RIGHT), True),
    "fence in a docstring": (
        fenced('def total(values):\n    """Sum.\n\n    ```\n    total([])\n    ```\n    """\n'
               "    return sum(values)"), True,
    ),
    "missing library after": (fenced(RIGHT + "\n\nimport not_there as plt\nplt.show()"), False),
    "draft, then the answer": (fenced(DRAFT) + "Wrong. Better:\n" + fenced(RIGHT), False),
    "draft in a thought": (f"<think>\n{fenced(DRAFT)}</think>\n{fenced(RIGHT)}", False),
    "bare draft in a thought": (f"<think>\n{DRAFT}\n\nis wrong.\n</think>\n{RIGHT}\n", False),
    "thought that the prompt opened": (f"{fenced(DRAFT)}No.\n</think>\n\n{fenced(RIGHT)}", False),
    "list of three": ("1. Do:\n\n" + indented(fenced(RIGHT), "   "), False),
    "list of four": ("* Do:\n\n" + indented(fenced(RIGHT), "    "), False),
    "quoted": (indented(fenced(RIGHT), "> "), False),
    "one line": (fenced("total = lambda values: sum(values)"), False),
    "inline": ("`total = lambda values: sum(values)`", False),
    "import before": (
        fenced("from functools import reduce")
        + fenced("def total(values):\n    return reduce(lambda a, v: a + v, values, 0)"), False,
    ),
    "helper after": (
        fenced("def total(values):\n    return added(values)")
        + fenced("def added(values):\n    return sum(values)"), False,
    ),
    "body alone": (fenced("    return sum(values)"), False),
    "bare body": ("    return sum(values)\n", False),
    "end token on the code's line": (f"{RIGHT}<|im_end|>", False),
    "attribute of the function": (
        fenced("def total(v):\n    total.calls += 1\n    return sum(v)\n\ntotal.calls = 0"), False,
    ),
    "decorator of an earlier block": (
        fenced("import functools\n\ndef same(f):\n    return functools.wraps(f)(f)")
        + fenced("@same\ndef total(values):\n    return sum(values)"), False,
    ),
    "cut off in a second function": (f"```python\n{RIGHT}\n\ndef other(values):\n    for", True),
    "tabs in a list": ("1. Do:\n\n" + indented(fenced(RIGHT), "\t"), False),
    "closed on the code's line": (f"```python\n{RIGHT}```\nDone.", False),
}  # fmt: skip


@pytest.fixture(scope="module")
def pool() -> Any:
    made = ExtractionPool()
    yield made
    made.close()


def is_right(code: str) -> bool:
    names: dict[str, Any] = {}
    try:
        exec(code, names)
        return bool(names["total"]([1, 2]) == 3)
    except Exception:  # noqa: BLE001
        return False


def test_the_official_rule_finds_what_evalplus_finds_and_no_more(pool: ExtractionPool) -> None:
    taken = pool.extract([Extraction("evalplus", text, "total") for text, _ in RESPONSES.values()])
    found = {name for name, one in zip(RESPONSES, taken, strict=True) if is_right(one.code)}
    assert found == {name for name, (_, official) in RESPONSES.items() if official}


def test_the_official_rule_is_evalplus_own_function(pool: ExtractionPool) -> None:
    from evalplus.sanitize import sanitize

    texts = [text for text, _ in RESPONSES.values()]
    taken = pool.extract([Extraction("evalplus", text, "total") for text in texts])
    assert [one.code for one in taken] == [sanitize(text, "total") for text in texts]


def test_the_lenient_rule_finds_what_a_reader_finds(pool: ExtractionPool) -> None:
    texts = [
        Extraction("lenient function", text, "total", PROMPT) for text, _ in RESPONSES.values()
    ]
    taken = pool.extract(texts)
    wrong = [name for name, one in zip(RESPONSES, taken, strict=True) if not is_right(one.code)]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["", "I cannot.", "```\n```", "def f(:", "\0", "return sum(values)"]
)
def test_a_text_without_a_function_gives_no_function(pool: ExtractionPool, text: str) -> None:
    for rule in ("evalplus", "lenient function"):
        [taken] = pool.extract([Extraction(rule, text, "total", PROMPT)])  # type: ignore[arg-type]
        assert not is_right(taken.code)


def test_a_lenient_program_keeps_what_the_function_needs(pool: ExtractionPool) -> None:
    code = (
        "import math\nimport sys\nimport json\n\nsys.setrecursionlimit(5000)\nTABLE = {}\n"
        "TABLE[0] = 1\n\nfor n in range(3):\n    TABLE[n] = n\n\n"
        "def total(values):\n    return math.fsum(TABLE[v] for v in values)\n\nprint(total([1]))\n"
    )
    [taken] = pool.extract([Extraction("lenient function", code, "total")])
    assert "json" not in taken.code
    assert "print" not in taken.code
    names: dict[str, Any] = {}
    exec(taken.code, names)
    assert names["total"]([1, 2]) == 3


def test_a_text_that_takes_too_long_costs_its_limit_and_nothing_else() -> None:
    pool = ExtractionPool(limit_s=1.0)
    looping = Extraction("evalplus", "@cache\n" * 800, "total")
    right = Extraction("evalplus", fenced(RIGHT), "total")
    began = time.process_time()
    first, second, third = pool.extract([right, looping, right])
    assert time.process_time() - began < 1
    assert second == Extracted("", Outcome.EXTRACTION_TIMEOUT, "more than 1 s of processor time")
    assert first == third
    assert is_right(first.code)
    pool.close()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "x = " + "[" * 50_000 + "]" * 50_000,
        "-" * 100_000 + "1",
        "def total(values):\n    return 1" + "+1" * 50_000,
        "\n".join(" " * level + "if x:" for level in range(150)),
        "x" * 1_000_000,
        "\ud800\n\0\nx",
        '"""' * 1001,
    ],
)
@pytest.mark.parametrize("rule", ["evalplus", "lenient function", "lenient program"])
def test_hostile_text_ends_no_run(pool: ExtractionPool, rule: Any, text: str) -> None:
    hostile, right = pool.extract(
        [Extraction(rule, text, "total", PROMPT), Extraction(rule, fenced(RIGHT), "total")]
    )
    assert isinstance(hostile.code, str)
    assert hostile.failure in (None, Outcome.EXTRACTION_TIMEOUT, Outcome.EXTRACTION_FAILED)
    assert is_right(right.code)


@pytest.mark.parametrize("line", ["def f(x):\n", "@cache\n", "x = 1\n", "if x:\n", "```\n"])
def test_a_looping_models_text_takes_the_lenient_rules_under_seconds(
    pool: ExtractionPool, line: str
) -> None:
    [found] = pool.extract([Extraction("lenient function", line * 800, "total", PROMPT)])
    assert found.failure is None, "not within the seconds of processor time that a text has"


def test_a_dead_worker_is_replaced(pool: ExtractionPool) -> None:
    right = Extraction("lenient function", fenced(RIGHT), "total")
    before = pool.extract([right])
    for worker in pool._idle:
        worker._process.kill()
        worker._process.wait()
    assert pool.extract([right]) == before


def test_every_rule_can_be_loaded(pool: ExtractionPool) -> None:
    packages.require("bigcodebench.sanitize", "livecodebench.utils.extraction_utils")
    found = pool.extract([Extraction(rule, fenced(RIGHT), "total") for rule in RULES])
    assert all(one.failure is None for one in found)


@pytest.mark.parametrize(
    ("rule", "text", "code"),
    [
        ("bigcodebench", f"Here:\n{fenced(RIGHT)}\nprint(1)", RIGHT),
        ("livecodebench", "Answer: ```python\nprint(1)\n```", "print(1)"),
        ("livecodebench", fenced("print(1)") + "then\n" + fenced("print(2)"), "print(2)"),
        ("livecodebench", "print(1)", ""),
        ("livecodebench base", "print(1)\n", "print(1)"),
        ("livecodebench execution", "assert f(1) == [1, 2]\n[/ANSWER]\nmore", "[1, 2]"),
        ("livecodebench execution", "[1, 2]\nmore", "[1, 2]"),
        (
            "lenient program",
            "<think>" + fenced("x") + "</think>" + fenced("print(2)"),
            "print(2)\n",
        ),
        ("lenient value", "[ANSWER]\nassert f(1 == 2) == [1]\n[/ANSWER]", "[1]"),
        ("lenient value", "<think>[ANSWER]0[/ANSWER]</think>[ANSWER]1[/ANSWER]", "1"),
        ("lenient value", "x == y", "y"),
        ("lenient value", "'a'\nas it is", "'a'"),
    ],
)
def test_rules_take_what_their_tools_take(
    pool: ExtractionPool, rule: Any, text: str, code: str
) -> None:
    assert pool.extract([Extraction(rule, text, "total")]) == [Extracted(code)]


def test_ordinary_completions_of_a_whole_benchmark_take_seconds() -> None:
    import gzip

    path = shared_data("published/qwen2.5-coder-1.5b/humaneval.samples.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    texts = [Extraction("evalplus", row["completion"], row["task_id"]) for row in rows]
    found = ExtractionPool().extract(texts)
    assert len(found) == 164
    assert all(one.failure is None for one in found), "each within its seconds of processor time"


def humaneval(tmp_path: Path, **options: Any) -> Any:
    path = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    return load_suite("humaneval+", SuiteOptions(dataset=path, **options))


def test_the_option_decides_by_which_rule_a_suite_extracts(tmp_path: Path) -> None:
    [problem] = humaneval(tmp_path).problems("test")
    response = "<think>\n" + fenced("def double(x):\n    return x") + "</think>\n"
    response += fenced("def double(x):\n    return 2 * x")
    assert "2 * x" not in humaneval(tmp_path).extract(problem, response)
    lenient = humaneval(tmp_path, extraction="lenient")
    assert "2 * x" in lenient.extract(problem, response)
    with pytest.raises(SuiteError, match="give official or lenient"):
        humaneval(tmp_path, extraction="strict")


def test_the_filter_refuses_by_what_the_evaluator_takes(tmp_path: Path) -> None:
    asked = 'def double(x):\n    """Twice x."""'
    right = "def double(x):\n    return 2 * x"
    suite = humaneval(tmp_path)
    kept = [
        fenced(right) + fenced("pip install x", tag="bash"),
        fenced(right + "\n\n>>> double(1)"),
    ]
    refused = ["Yes", "return 1", "", fenced("def other(x):\n    return x"), "def double(x"]
    found = suite.refuse_responses([(asked, text) for text in [*kept, *refused]])
    assert [bool(refusal) for refusal in found] == [False] * 2 + [True] * 5
    body = fenced("    return 2 * x")
    assert suite.refuse_response(asked, body)
    assert humaneval(tmp_path, extraction="lenient").refuse_response(asked, body) is None


def nested_finally(name: str, depth: int) -> str:
    """A program whose bytecode is twice as long with every level."""
    lines = [f"def {name}(x):"]
    for level in range(1, depth + 1):
        lines += [" " * level + "try: x", " " * level + "finally:"]
    return "\n".join([*lines, " " * (depth + 1) + "pass", " return 2 * x\n"])


def test_what_takes_long_to_compile_is_given_up_in_a_worker(tmp_path: Path) -> None:
    suite = humaneval(tmp_path)
    suite._pool = ExtractionPool(limit_s=0.5)
    [problem] = suite.problems("test")
    asked, name = suite.instruction(problem), problem.entry_point
    small, large = (fenced(nested_finally(name, depth)) for depth in (3, 19))
    [kept, refused] = suite.refuse_responses([(asked, small), (asked, large)])
    assert kept is None
    assert refused is not None
    assert refused[0].startswith("extraction")


def test_a_completion_gets_its_prompt_without_being_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = compile

    def parse(source: Any, name: str, mode: str, flags: int = 0, **options: Any) -> Any:
        assert flags & ast.PyCF_ONLY_AST
        return real(source, name, mode, flags, **options)

    monkeypatch.setattr("builtins.compile", parse)
    code = nested_finally("f", 5)
    assert with_prompt("import math\n", "f", code) == f"import math\n\n{code}"
    future = f"from __future__ import annotations\n{code}"
    assert with_prompt("import math\n", "f", future) == future


def test_a_missing_package_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if ".official" not in p])
    for name in [name for name in sys.modules if name.partition(".")[0] == "livecodebench"]:
        monkeypatch.delitem(sys.modules, name)
    suite = load_suite("cruxeval", SuiteOptions())
    with pytest.raises(SuiteError, match="make official") as caught:
        suite.check()
    assert "\n" not in str(caught.value)
    load_suite("cruxeval", SuiteOptions(protocol="plain")).check()


@needs_bubblewrap
def test_official_verdicts_and_those_that_a_user_expects_are_met() -> None:
    folder = shared_data("README.md").parents[1] / "cases"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    row = json.loads((folder / "problem_of_responses.json").read_text())
    rows = [json.loads(line) for line in (folder / "responses.jsonl").read_text().splitlines()]
    problem = Problem(
        id=row["task_id"], prompt=row["prompt"], entry_point=row["entry_point"],
        canonical_solution=row["canonical_solution"], base_inputs=row["base_input"],
        plus_inputs=row["plus_input"], meta={"comparison": "evalplus", "dataset": "humaneval"},
    )  # fmt: skip
    for option, column in (("official", "evalplus"), ("lenient", "a_user_expects")):
        suite = load_suite("humaneval+", SuiteOptions(extraction=option))
        taken = suite.extract_all([(problem, one["response"]) for one in rows])
        programs = [
            Program(id=one["id"], problem_id=problem.id, code=found.code)
            for one, found in zip(rows, taken, strict=True)
        ]
        verdicts = check_programs([problem], programs, SandboxConfig(workers=2))
        passed = {verdict.program_id for verdict in verdicts if verdict.passed}
        assert passed == {one["id"] for one in rows if one[column] == "pass"}
