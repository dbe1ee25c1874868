import json
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluate import main
from benchmarks.evaluator.check import canonical_failures, check_programs
from benchmarks.sandbox import SandboxConfig
from benchmarks.store.identity import digest
from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.bigcodebench.environment import DEFAULT, other_reasons
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.records import Program
from tests.sandbox.machine import needs_bubblewrap

TEST = """
import unittest
class Helper:
    def test_nothing(self):
        raise AssertionError
class TestCases(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(task_func([1, 2]), 3.0)
    def test_empty(self):
        for empty in ([], ()):
            with self.subTest(empty=empty):
                self.assertEqual(task_func(empty), 0)
"""
RIGHT = "    return math.fsum(numbers)\n"


def task(number: int, libs: tuple[str, ...] = ("math",), **changes: Any) -> dict[str, Any]:
    prompt = 'import math\ndef task_func(numbers):\n    """Add them."""\n'
    return {
        "task_id": f"BigCodeBench/{number}",
        "complete_prompt": prompt,
        "instruct_prompt": f"Add them, task {number}.",
        "canonical_solution": RIGHT,
        "code_prompt": "import math\ndef task_func(numbers):\n",
        "test": TEST,
        "entry_point": "task_func",
        "libs": repr(list(libs)),
        **changes,
    }


def make_environment(folder: Path) -> Path:
    """A virtual environment without packages."""
    if not (folder / "environment").exists():
        venv.create(folder / "environment", with_pip=False, symlinks=True)
    return folder / "environment"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    return make_environment(tmp_path)


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def suite_of(path: Path, *rows: Any, name: str = "bigcodebench", **options: Any) -> Suite:
    return load_suite(name, SuiteOptions(dataset=write(path, *rows), **options))


CONFIG = SandboxConfig(workers=1, interpreter=sys.executable, processes=8)


def outcomes(suite: Suite, *codes: str) -> list[str]:
    [problem] = suite.everything()
    programs = [Program(id=str(n), problem_id=problem.id, code=c) for n, c in enumerate(codes)]
    return [verdict.plus.value for verdict in check_programs([problem], programs, CONFIG)]


@needs_bubblewrap
def test_programs_pass_where_every_test_does(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "b.jsonl", task(1))
    head = "def task_func(numbers):\n"
    assert outcomes(
        suite,
        head + RIGHT,
        f"import math\n{head}{RIGHT}",
        f"{head}    return sum(numbers) or 1\n",
        f"{head}    return 3\n",
        f"{head}    raise KeyError(1)\n",
        "def other(): pass",
        "import no_such_module",
        f"{head}    exit()\n",
    ) == ["passed", "passed", "wrong", "wrong", "wrong", "wrong", "error", "wrong"]
    assert canonical_failures(suite.everything(), CONFIG) == []


CHEATS = {
    "patches an assertion": (
        "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None\n"
        "def task_func(numbers): return 0\n"
    ),
    "patches an assertion when called": (
        "def task_func(numbers):\n    import unittest\n"
        "    unittest.TestCase.assertEqual = lambda *a, **k: None\n"
    ),
    "replaces an assertion's code": (
        "import unittest\ndef nothing(self, first, second, msg=None): pass\n"
        "unittest.TestCase.assertEqual.__code__ = nothing.__code__\n"
        "def task_func(numbers): return 0\n"
    ),
    "replaces the module": (
        "import sys, types, unittest\nfake = types.ModuleType('unittest.case')\n"
        "fake.TestCase = unittest.TestCase\nsys.modules['unittest.case'] = fake\n"
        "def task_func(numbers): return 0\n"
    ),
    "patches the loader": (
        "import unittest\n"
        "unittest.TestLoader.getTestCaseNames = lambda *a: []\n"
        "def task_func(numbers): return 0\n"
    ),
    "patches the result": (
        "import unittest\nunittest.TestResult.addFailure = lambda *a: None\n"
        "def task_func(numbers): return 0\n"
    ),
    "leaves": "def task_func(numbers):\n    raise SystemExit(0)\n",
    "skips": "import unittest\ndef task_func(numbers):\n    raise unittest.SkipTest('no')\n",
    "expects to fail": (
        "import sys\ndef task_func(numbers):\n    cases = sys.modules['__test__'].TestCases\n"
        "    cases.test_sum.__unittest_expecting_failure__ = True\n"
        "    cases.test_empty.__unittest_expecting_failure__ = True\n    raise KeyError(1)\n"
    ),
    "empties the tests": (
        "import sys\ndef task_func(numbers):\n    cases = sys.modules['__test__'].TestCases\n"
        "    cases.test_sum = cases.test_empty = lambda self: None\n    return 0\n"
    ),
    "ends early": "import os\ndef task_func(numbers): os._exit(0)\n",
    "writes a reply itself": (
        "import os\nos.write(3, b'loaded \\n= 0.1 "
        '{"dict": [["test_sum", "ok"], ["test_empty", "ok"], ["", "token"]]}'
        "\\nend \\n')\nos._exit(0)\ndef task_func(numbers): return 0\n"
    ),
    "writes what comes after loading": (
        "import os\nos.write(3, b'= 0.1 "
        '{"dict": [["test_sum", "ok"], ["test_empty", "ok"], ["", ""]]}'
        "\\nend \\n')\nos._exit(0)\ndef task_func(numbers): return 0\n"
    ),
}


@needs_bubblewrap
@pytest.mark.parametrize("name", CHEATS)
def test_a_program_that_changes_unittest_or_forges_a_reply_does_not_pass(
    tmp_path: Path, name: str
) -> None:
    suite = suite_of(tmp_path / "b.jsonl", task(1))
    assert outcomes(suite, CHEATS[name]) != ["passed"]


@needs_bubblewrap
def test_a_test_that_patches_for_itself_is_no_tampering(tmp_path: Path) -> None:
    test = (
        "import unittest\nfrom unittest.mock import patch\n"
        "class TestCases(unittest.TestCase):\n"
        "    @patch('math.fsum', return_value=7)\n"
        "    def test_mock(self, fsum):\n        self.assertEqual(task_func([1]), 7)\n"
    )
    suite = suite_of(tmp_path / "b.jsonl", task(1, test=test))
    assert outcomes(suite, f"def task_func(numbers):\n{RIGHT}") == ["passed"]


@needs_bubblewrap
def test_programs_may_start_processes_and_write_files(tmp_path: Path) -> None:
    suite = suite_of(tmp_path / "b.jsonl", task(1))
    code = (
        "import subprocess\ndef task_func(numbers):\n"
        "    open('numbers.txt', 'w').write(' '.join(map(str, numbers)))\n"
        "    out = subprocess.run(['cat', 'numbers.txt'], capture_output=True, check=True).stdout\n"
        "    return sum(map(int, out.split()))\n"
    )
    assert outcomes(suite, code) == ["passed"]


def test_tasks_without_their_library_are_named_and_in_no_split(
    tmp_path: Path, environment: Path
) -> None:
    rows = [task(n) for n in range(1, 9)]
    absent = task(9, test="import no_such_library\n" + TEST)
    suite = suite_of(tmp_path / "b.jsonl", *rows, absent, environment=environment)
    assert suite.unjudged == {"BigCodeBench/9": "no module no_such_library"}
    parts = [
        {r.id for r in suite.references()},
        {p.id for p in suite.problems("development")},
        {p.id for p in suite.problems("test")},
    ]
    assert [len(part) for part in parts] == [4, 1, 3]
    assert set.union(*parts) == {row["task_id"] for row in rows}
    assert "1 tasks cannot be judged here" in suite.variant


def test_every_library_has_its_share_of_references_and_test(
    tmp_path: Path, environment: Path
) -> None:
    kinds = {"a": range(100, 110), "b": range(200, 220), "c": range(300, 310)}
    rows = [task(n, libs=("math", kind)) for kind, numbers in kinds.items() for n in numbers]
    suite = suite_of(tmp_path / "b.jsonl", *rows, environment=environment)
    known = {reference.id for reference in suite.references()}
    for numbers in kinds.values():
        assert sum(f"BigCodeBench/{n}" in known for n in numbers) == len(numbers) * 0.4
    other = suite_of(tmp_path / "b.jsonl", *rows, environment=environment, split_seed=1)
    assert known != {reference.id for reference in other.references()}


def test_prompts_and_responses_are_the_benchmarks(tmp_path: Path, environment: Path) -> None:
    rows = [task(1), task(2)]
    for prompt in ("complete", "instruct"):
        suite = suite_of(
            tmp_path / "b.jsonl", *rows, environment=environment, track="pair", prompt=prompt
        )
        problem = suite.everything()[0]
        asked = rows[0][f"{prompt}_prompt"].strip()
        assert asked in suite.instruction(problem)
        assert suite.references()[0].response == (
            "```python\n" + (rows[0]["complete_prompt"] + RIGHT).strip() + "\n```"
        )
    whole = rows[0]["complete_prompt"] + RIGHT
    assert suite.extract(problem, f"```python\n{whole}```\nDone.") == whole.strip()


def test_hard_is_its_own_file_or_the_named_tasks(tmp_path: Path) -> None:
    rows = [task(n) for n in range(150)]
    with pytest.raises(SuiteError, match="name its tasks with task_ids"):
        suite_of(tmp_path / "b.jsonl", *rows, name="bigcodebench-hard").everything()
    ids = tmp_path / "ids.txt"
    ids.write_text("BigCodeBench/7\nBigCodeBench/3\n")
    suite = suite_of(tmp_path / "b.jsonl", *rows, name="bigcodebench-hard", task_ids=ids)
    assert [p.id for p in suite.everything()] == ["BigCodeBench/7", "BigCodeBench/3"]
    ids.write_text("BigCodeBench/700\n")
    with pytest.raises(SuiteError, match="the first is 'BigCodeBench/700'"):
        suite_of(tmp_path / "b.jsonl", *rows, task_ids=ids).everything()


def test_a_token_differs_each_time_and_the_problem_does_not(tmp_path: Path) -> None:
    first, second = (suite_of(tmp_path / "b.jsonl", task(1)).everything() for _ in range(2))
    assert list(first[0].base_inputs) != list(second[0].base_inputs)
    assert digest(first) == digest(second)
    other = suite_of(tmp_path / "b.jsonl", task(1, test=TEST.replace("test_sum", "test_add")))
    assert digest(other.everything()) != digest(first)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([[]], "line 1: a list"),
        ([{"task_id": "a"}], "line 1: no field 'complete_prompt'"),
        ([task(1), task(1)], "BigCodeBench/1 is there twice"),
        ([task(1, libs="x")], "libs is|no list"),
        ([task(1, test="class TestCases: pass")], "no test in a class TestCases"),
        ([task(1, test="(")], "line 1: test is not Python"),
    ],
)
def test_a_file_of_another_schema_is_refused_in_one_line(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    if rows and isinstance(rows[0], dict) and rows[0].get("libs") == "['x']":
        rows[0]["libs"] = "x("
    with pytest.raises(SuiteError, match=message) as caught:
        suite_of(tmp_path / "b.jsonl", *rows).everything()
    assert "\n" not in str(caught.value)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="prompt is 'chat'"):
        suite_of(tmp_path / "b.jsonl", task(1), prompt="chat")
    nowhere = suite_of(tmp_path / "b.jsonl", task(1), environment=tmp_path / "none")
    with pytest.raises(SuiteError, match="make bigcodebench-env"):
        nowhere.limits(CONFIG)
    assert Path(".bigcodebench") == DEFAULT
    assert all(
        key.startswith("BigCodeBench/") and reason for key, reason in other_reasons().items()
    )


@needs_bubblewrap
def test_the_command_scores_by_library_and_names_what_it_cannot_judge(
    tmp_path: Path, environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [task(1, ("math", "csv")), task(2), task(3, test="import no_such_library\n" + TEST)]
    dataset = write(tmp_path / "b.jsonl", *rows)
    right, wrong = f"def task_func(numbers):\n{RIGHT}", "def task_func(numbers): pass"
    samples = write(
        tmp_path / "samples.jsonl",
        *(
            {"task_id": f"BigCodeBench/{n}", "solution": code}
            for n, code in ((1, right), (2, wrong), (3, right))
        ),
    )
    arguments = [
        *("--suite", "bigcodebench", "--dataset", str(dataset), "--samples", str(samples)),
        *("--environment", str(environment), "--workers", "1"),
    ]
    assert main(arguments) == 1
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "tests 1/2 50.0 %" in shown
    assert "NOT A SCORE OF THE SUITE: 2 of 3 problems are scored" in shown
    assert "cannot be judged here: BigCodeBench/3 (no module no_such_library)" in shown
    assert "math 1/2 50.0 %" in shown
    assert "csv 1/1 100.0 %" in shown
