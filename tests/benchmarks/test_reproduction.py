import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reproduction import published as checks
from benchmarks.reproduction.__main__ import main
from benchmarks.reproduction.published import CHECKS, PublishedCheck, run_check, table, unexplained
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.bigcodebench.environment import DEFAULT
from tests.benchmarks.livecodebench_rows import write_rows as write
from tests.benchmarks.shared_data import shared_data
from tests.benchmarks.test_evaluate_cli import ROWS, SAMPLES
from tests.sandbox.machine import needs_bubblewrap

SMALL = PublishedCheck(
    suite="humaneval+",
    dataset="data.jsonl",
    generations="samples.jsonl",
    verdicts="verdicts.json",
    reasons={"HumanEval/2": "the published evaluator had a defect"},
)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four problems; our verdicts are pass, pass, pass on base alone, fail."""
    write(tmp_path / "data.jsonl", *ROWS)
    write(tmp_path / "samples.jsonl", *SAMPLES)
    published = [("pass", "pass"), ("pass", "fail"), ("fail", "fail"), ("fail", "fail")]
    rows = {
        f"HumanEval/{n}": [{"base_status": base, "plus_status": plus}]
        for n, (base, plus) in enumerate(published)
    }
    (tmp_path / "verdicts.json").write_text(json.dumps({"eval": rows}))
    monkeypatch.setattr(checks, "CHECKS", {"humaneval+": SMALL})
    return tmp_path


@needs_bubblewrap
def test_verdicts_are_compared_one_by_one_and_unexplained_ones_fail(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(small), "--output", str(small / "out"), "--workers", "1"]
    assert main(arguments) == 1
    result = json.loads((small / "out" / "humaneval+.json").read_text())
    assert [(s["tests"], s["ours"], s["published"], s["of"]) for s in result["scores"]] == [
        ("base", 3, 2, 4),
        ("base + plus", 2, 1, 4),
    ]
    assert set(result["differences"]) == {"HumanEval/1", "HumanEval/2"}
    assert unexplained(result) == ["HumanEval/1"]
    shown = capsys.readouterr().out
    assert "| humaneval+ | data.jsonl | base + plus | 2/4 | 1/4 | 0 | 2 |" in shown
    assert "HumanEval/1: passes and passes here, passes and fails as published: NO REASON" in shown
    assert shown == (small / "out" / "table.md").read_text()
    assert str(small) not in shown + (small / "out" / "humaneval+.json").read_text()


def result_of(name: str) -> dict[str, Any]:
    one = CHECKS[name]
    data = shared_data("README.md").parent
    shared_data(one.dataset)
    if one.suite.startswith("bigcodebench") and not DEFAULT.is_dir():
        pytest.skip(f"{DEFAULT} is not there: make bigcodebench-env")
    return run_check(name, data, SandboxConfig())


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if check.verdicts])
def test_published_verdicts_are_reproduced_but_for_known_reasons(name: str) -> None:
    result = result_of(name)
    assert unexplained(result) == [], table([result])


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if not check.verdicts])
def test_every_canonical_solution_passes(name: str) -> None:
    result = result_of(name)
    assert result["differences"] == {}, table([result])
