from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.suites.base import Suite
from benchmarks.suites.registry import SuiteOptions, load_suite
from tests.benchmarks.livecodebench_rows import case, dated, method_row, script_row
from tests.benchmarks.livecodebench_rows import write_rows as write
from tests.benchmarks.test_bigcodebench import make_environment, task
from tests.benchmarks.test_code_execution import crux_row, livecode_row
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW
from tests.contracts.suite_contract import SuiteContract

DAYS = [f"2024-0{month}-01" for month in range(1, 9)]


def humaneval(folder: Path) -> Suite:
    rows = [
        {**HUMANEVAL_ROW, "task_id": f"HumanEval/{n}", "prompt": f"def double(x):\n    # {n}\n"}
        for n in range(6)
    ]
    dataset = write(folder / "he.jsonl", *rows)
    return load_suite("humaneval+", SuiteOptions(dataset=dataset, folds=3, track="pair"))


def livecodebench(folder: Path) -> Suite:
    rows = [
        dated((method_row if n % 2 else script_row)(n), day, []) for n, day in enumerate(DAYS[:4])
    ]
    hidden = [case("5", "6")]
    rows += [dated(script_row(1, question_id="late"), DAYS[4], hidden)]
    return load_suite("livecodebench", SuiteOptions(dataset=write(folder / "l.jsonl", *rows)))


def execution(folder: Path) -> Suite:
    dataset = write(folder / "x.jsonl", *(livecode_row(n) for n in range(12)))
    return load_suite("livecodebench-execution", SuiteOptions(dataset=dataset))


def cruxeval(folder: Path) -> Suite:
    dataset = write(folder / "c.jsonl", *(crux_row(n) for n in range(8)))
    return load_suite("cruxeval", SuiteOptions(dataset=dataset, track="pair"))


def bigcodebench(folder: Path) -> Suite:
    absent = task(9, test="import no_such_library\n")
    absent["test"] += task(1)["test"]
    rows = [{**task(n), "complete_prompt": _prompt(n)} for n in range(6)]
    dataset = write(folder / "b.jsonl", *rows, absent)
    options = SuiteOptions(dataset=dataset, environment=make_environment(folder))
    return load_suite("bigcodebench", options)


def _prompt(number: int) -> str:
    return task(number)["complete_prompt"].replace("Add them", f"Add them, {number}")


def dialect(folder: Path) -> Suite:
    return load_suite("housestyle", SuiteOptions(track="dialects", domain="stock"))


SUITES = (humaneval, livecodebench, execution, cruxeval, bigcodebench, dialect)


@pytest.mark.parametrize("make", SUITES, ids=lambda make: make.__name__)
class TestSuites(SuiteContract):
    @pytest.fixture
    def suite(self, make: Callable[[Path], Suite], tmp_path: Path) -> Suite:
        return make(tmp_path)

    @pytest.fixture
    def same(self, make: Callable[[Path], Suite], tmp_path: Path) -> Suite:
        return make(tmp_path)
