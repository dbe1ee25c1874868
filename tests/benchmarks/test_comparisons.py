"""Every two methods of a run are compared by problem, and the verdicts are sentences."""

from math import sqrt
from pathlib import Path
from statistics import NormalDist

import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmarks.pipeline.rows import SeedRun
from benchmarks.report.comparisons import compare
from domino.records import Outcome, Verdict
from tests.benchmarks.test_table import finished, method_row, printed, report


def row(root: Path, method: str, solved: str, seed: int = 0) -> SeedRun:
    """A row that solves the problems marked by 1."""
    outcome = {"1": Outcome.PASSED, "0": Outcome.WRONG}
    verdicts = [
        Verdict(program_id=f"{n}/0", problem_id=f"{n:03}", base=outcome[mark], plus=outcome[mark])
        for n, mark in enumerate(solved)
    ]
    other = finished(root / f"{method}{seed}", "other", {})
    evaluated = finished(root / f"{method}{seed}", "evaluate", {}, verdicts=verdicts)
    return SeedRun(
        method=method, seed=seed, synthesized=other, filtered=other, responded=other, agreed=other,
        pairs=other, tuned=other, evaluated=evaluated,
    )  # fmt: skip


def test_a_clear_difference_is_a_sentence_and_a_small_one_is_not_distinguishable(
    tmp_path: Path,
) -> None:
    found = compare(
        [
            row(tmp_path, "no-data", "0" * 30 + "1" * 10),
            row(tmp_path, "few-shot", "0" * 29 + "1" * 11),
            row(tmp_path, "domino", "1" * 40),
        ]
    )
    assert found is not None
    assert found.sentences() == [
        "few-shot is not distinguishable from no-data (+2.5).",
        "domino is better than no-data (+75.0), few-shot (+72.5).",
    ]
    assert "exact McNemar, Holm over 3 pairs" in found.note()


def test_the_p_of_a_pair_is_mcnemars_exact_one(tmp_path: Path) -> None:
    found = compare([row(tmp_path, "a", "1100000011"), row(tmp_path, "b", "1111110000")])
    assert found is not None
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("b", "a")
    expected = mcnemar([[2, 4], [2, 2]], exact=True).pvalue
    assert pair.difference.p == pytest.approx(expected)
    assert pair.difference.interval.value == pytest.approx(0.2)


def test_several_seeds_are_compared_by_bootstrap(tmp_path: Path) -> None:
    rows = [
        row(tmp_path, m, s * 12, seed) for m, s in (("a", "01"), ("b", "11")) for seed in (0, 1)
    ]
    found = compare(rows)
    assert found is not None
    assert found.pairs[0].difference.test == "bootstrap"
    assert found.pairs[0].verdict == "better"


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["exact", "bootstrap"])
def test_what_a_run_can_find_is_less_where_more_pairs_are_compared(
    tmp_path: Path, seeds: tuple[int, ...]
) -> None:
    """The pairs differ in equally many problems: what is left is Holm's correction."""
    solved = {"a": "1000" * 16, "b": "0100" * 16, "c": "0010" * 16, "d": "0001" * 16}

    def detectable(methods: str) -> float:
        found = compare(
            [row(tmp_path / methods, m, solved[m], seed) for seed in seeds for m in methods]
        )
        assert found is not None
        return found.detectable

    error = sqrt(0.5 / 64)
    normal = NormalDist().inv_cdf
    for methods, pairs in (("ab", 1), ("abcd", 6)):
        near = (normal(1 - 0.025 / pairs) + normal(0.8)) * error
        assert detectable(methods) == pytest.approx(near, rel=0.15)


def test_a_method_that_lacks_a_seed_is_not_compared(tmp_path: Path) -> None:
    rows = [row(tmp_path, "a", "0101", seed) for seed in (0, 1)]
    assert compare([*rows, row(tmp_path, "b", "1111")]) is None
    assert compare([]) is None


def test_the_report_prints_the_sentences_and_writes_every_pair(tmp_path: Path) -> None:
    found = compare([row(tmp_path, "a", "0101"), row(tmp_path, "b", "1111")])
    shown = report(method_row("a"), method_row("b"), comparisons=found)
    assert "b is not distinguishable from a (+50.0)." in printed(shown)
    (pair,) = shown.to_dict()["comparisons"]
    assert pair["verdict"] == "not distinguishable"
    assert pair["low"] <= pair["difference"] <= pair["high"]
