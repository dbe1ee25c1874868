"""Requirements hold, are broken or undecided, by the report's own tests; exit codes say which."""

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.config.run_config import RunConfig
from benchmarks.report.__main__ import main
from benchmarks.report.baseline import read_baseline, write_baseline
from benchmarks.report.comparisons import Group, compare
from benchmarks.report.gate import Judged, exit_code_of, judge, junit, read_requirement
from benchmarks.report.terminal import Report

PROBLEMS = tuple(f"p{n}" for n in range(200))


def table(share: float, seed: int, seeds: int = 5) -> np.ndarray:
    """Outcomes of a method: problems differ in difficulty, which is the same for all methods."""
    difficulty = np.random.default_rng(7).normal(size=len(PROBLEMS))
    noise = np.random.default_rng(seed).normal(size=(seeds, len(PROBLEMS))) * 0.3
    return (difficulty + noise < np.quantile(difficulty, share)).astype(float)


def group(seeds: int = 5) -> Group:
    tables = {
        "good": table(0.7, 1, seeds), "bad": table(0.4, 2, seeds), "alike": table(0.7, 3, seeds),
        "near": table(0.72, 4, seeds),
    }  # fmt: skip
    return Group(tables=tables, primary=[("good", "bad")], missing=("lost",), problems=PROBLEMS)


def outcome(text: str, own: Group, baseline: Path | None = None) -> Judged:
    runs = SimpleNamespace(
        groups=lambda: [own], comparisons=lambda: compare([own], ComparisonConfig())[0]
    )
    given = None if baseline is None else read_baseline(baseline)
    [judged] = judge(runs, [read_requirement(text)], given)  # type: ignore[arg-type]
    return judged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good > bad", "holds"),
        ("bad < good", "holds"),
        ("bad > good", "broken"),
        ("good not worse than bad by 2", "holds"),
        ("bad not worse than good by 2", "broken"),
        ("good not worse than near by 0.1", "undecided"),
        ("lost > good", "undecided"),
    ],
)
def test_a_requirement_is_judged_by_the_reports_tests(text: str, expected: str) -> None:
    assert outcome(text, group()).outcome == expected


def test_what_is_undecided_says_what_it_would_take() -> None:
    assert "seeds" in outcome("good not worse than near by 1", group(4)).why
    few = outcome("good > bad", group(2))
    assert few.outcome == "undecided"
    assert "methods are compared from 4 seeds on, and there are 2" in few.why


def test_a_baseline_of_a_few_kilobytes_is_compared_with(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write_baseline(group(), path)
    assert path.stat().st_size < 8_000
    kept = read_baseline(path)
    assert np.array_equal(kept.tables["good"], group().tables["good"])
    assert outcome("good not worse than baseline by 2", group(), path).outcome == "holds"
    assert outcome("bad not worse than baseline:good by 2", group(), path).outcome == "broken"
    assert outcome("good > baseline:bad", group(), path).outcome == "holds"
    other = Group(tables=group().tables, primary=[], problems=PROBLEMS[::-1])
    with pytest.raises(ConfigError, match=r"is of other problems than the run"):
        outcome("good > baseline", other, path)
    with pytest.raises(ConfigError, match=r"has no method 'goood' \(did you mean 'good'\?\)"):
        outcome("good > baseline:goood", group(), path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1, "count": 2, "problems": "x", "methods": {"a": ["x"]}}']
)
def test_a_file_that_is_no_baseline_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"is not a baseline .*: write one with --write-baseline"):
        read_baseline(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_baseline(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("good", "give 'A > B'"),
        ("good >= bad", "give 'A > B'"),
        ("good not worse than bad by 0", "with points above 0"),
        ("good not worse than bad", "give 'A > B'"),
        ("good > good", "compares a method with itself"),
    ],
)
def test_a_requirement_of_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_requirement(text)
    assert message in str(caught.value)


def test_a_method_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"'goood' \(did you mean 'good'\?\), which is not a method"
    ):
        outcome("goood > bad", group())
    with pytest.raises(ConfigError, match="give the --baseline FILE"):
        outcome("good > baseline", group())


def test_the_exit_code_and_junit_say_the_worst() -> None:
    holds, broken, undecided = (
        Judged(text=f"a > {n}", outcome=n, why="<&>")  # type: ignore[arg-type]
        for n in ("holds", "broken", "undecided")
    )
    assert exit_code_of([holds]) == 0
    assert exit_code_of([holds, undecided]) == 4
    assert exit_code_of([undecided, broken]) == 3
    root = ElementTree.fromstring(junit([holds, broken, undecided], "run"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    assert [len(case) for case in root] == [0, 1, 1]
    assert root[1][0].get("message") == "<&>"


def test_the_command_has_the_exit_code_and_writes_junit(
    whole: tuple[RunConfig, Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, report = whole
    given = [report.name, "--output", str(config.output), "--to", str(tmp_path / "report")]
    require = ["--require", "repeating > no-data", "--junit", str(tmp_path / "junit.xml")]
    assert main([*given, *require, "--write-baseline", str(tmp_path / "b.json")]) == 4
    assert "undecided: repeating > no-data (" in capsys.readouterr().out
    assert 'errors="1"' in (tmp_path / "junit.xml").read_text()
    assert "repeating" in read_baseline(tmp_path / "b.json").tables
    assert main([*given, "--junit", "x"]) == 2
