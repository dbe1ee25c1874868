"""The bounds that a universe must hold: each is named where it does not."""

from collections.abc import Mapping

import pytest

from benchmarks.calibrate import DIALECT_ROWS, DialectCalibration, report

GOOD = {
    "no-data": 0.05, "references-only": 0.10, "plain-wording": 0.08, "other-domain": 0.09,
    "recombined": 0.40, "ceiling": 0.86,
}  # fmt: skip


def calibrated(changes: Mapping[str, float], coherence: str = "weak") -> DialectCalibration:
    return DialectCalibration(coherence=coherence, domain="ledger", scores={**GOOD, **changes})


def test_good_rows_hold_every_bound_of_both_backbones() -> None:
    assert tuple(GOOD) == DIALECT_ROWS
    assert calibrated({}).failures() == calibrated({}, "coherent").failures() == []
    assert str(calibrated({})).endswith("holds")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"no-data": 0.11}, "no-data above 10.0%"),
        ({"references-only": 0.16}, "references-only above 15.0%"),
        ({"plain-wording": 0.11}, "plain-wording above 10.0%"),
        ({"other-domain": 0.11}, "other-domain above 10.0%"),
        ({"recombined": 0.62}, "recombined above 61.0%"),
    ],
)
def test_each_row_that_scores_too_much_is_named(changes: Mapping[str, float], named: str) -> None:
    assert calibrated(changes).failures() == [named]


def test_the_coherent_backbone_has_a_higher_ceiling() -> None:
    low = {"ceiling": 0.80}
    assert calibrated(low).failures() == []
    assert calibrated(low, "coherent").failures() == ["ceiling below 85%"]


def test_the_report_says_whether_every_bound_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert report("head", [calibrated({})])
    assert not report("head", [calibrated({}), calibrated({"ceiling": 0.5, "recombined": 0.1})])
    assert capsys.readouterr().out.count("head\n") == 2
