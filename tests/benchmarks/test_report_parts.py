"""Sentences, tables and samples of a report."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report.data_measure_tables import character_tables
from benchmarks.report.data_measures import correlation_lines
from benchmarks.report.display_table import NONE, DisplayTable
from benchmarks.report.side_by_side import SHARED_RUN, closest, mark
from domino.records import Reference
from domino.text import words


def table(*rows: tuple[str, ...]) -> DisplayTable:
    return DisplayTable(name="x", title="50 % & more", columns=("method", "a|b"), rows=rows)


def test_markdown_and_latex_keep_their_own_characters_out_of_the_cells() -> None:
    made = table(("few_shot", "1|2 % < 3"))
    assert made.to_markdown().splitlines()[2:] == [
        "| method | a\\|b |", "| --- | ---: |", "| few_shot | 1\\|2 % < 3 |",
    ]  # fmt: skip
    latex = made.to_latex()
    assert r"few\_shot & 1|2 \% \textless{} 3 \\" in latex
    assert r"\caption{50 \% \& more}" in latex


texts = st.lists(
    st.sampled_from(["Take", "a", "list,", "sort", "it;", "then", "add.", "\n"]), max_size=25
).map(" ".join)


@given(texts, texts)
def test_marking_loses_no_character_and_marks_the_same_words_on_both_sides(a: str, b: str) -> None:
    left, right = mark(a, b)
    assert "".join(piece.text for piece in left) == a
    assert "".join(piece.text for piece in right) == b
    shared = [[words(piece.text) for piece in side if piece.shared] for side in (left, right)]
    assert shared[0] == shared[1]
    assert all(len(run) >= SHARED_RUN for run in shared[0])


def test_a_short_run_is_no_copy_and_a_long_one_is_marked() -> None:
    left, right = mark("one two three four! six", "zero; One, two three four five")
    assert not [piece for piece in (*left, *right) if piece.shared]
    left, _ = mark("x: One, two three four five.", "one two three four five six")
    assert [piece.text for piece in left] == ["x: ", "One, two three four five", "."]


def samples(*instructions: str) -> pd.DataFrame:
    lines = [{"instruction": text, "fate": f"fate {n}"} for n, text in enumerate(instructions)]
    return pd.DataFrame(lines, columns=["instruction", "fate"])


def test_the_closest_pairs_come_first_and_a_copy_is_called_one() -> None:
    references = [
        Reference(id="r1", instruction="Sort the list and add one."),
        Reference(id="r2", instruction="Take every third number."),
        Reference(id="r3", instruction="Nothing alike here at all"),
    ]
    made = samples("unrelated words", "take EVERY third number", "Sort the list and add two.")
    first, second = closest(references, made, shown=2)
    assert (first.copy, first.similarity, first.fate) == (True, 1.0, "fate 1")
    assert (second.copy, second.fate) == (False, "fate 2")
    assert second.similarity == pytest.approx(10 / 12)


def test_a_method_that_drew_nothing_has_no_pairs() -> None:
    assert closest([Reference(id="r", instruction="x")], samples()) == []
    assert closest([], samples("x")) == []


def character(values: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """Each method's exact share of copies and its estimate."""
    lines = [
        {"method": m, "seed": 0, "against": against, "measure": measure, "value": value, "n": 5}
        for m, pair in values.items()
        for against, measure, value in (
            ("", "oracle: copy", pair[0]), ("references", "near copies", pair[1])
        )
    ]  # fmt: skip
    return pd.DataFrame(lines)


METHODS = "abcdefghij"
RANKED = tuple(n / 20 for n in range(10))


@pytest.mark.parametrize(
    ("estimates", "rho"),
    [(RANKED, 1.0), (RANKED[::-1], -1.0), ((*RANKED[1::2], *RANKED[::2]), 1 / 3)],
)
def test_an_estimate_is_trusted_by_how_it_ranks_the_methods(
    estimates: tuple[float, ...], rho: float
) -> None:
    given = dict(zip(METHODS, zip(RANKED, estimates, strict=True), strict=True))
    given["the references"] = (1.0, 0.0)  # not a method
    (line,) = correlation_lines(character(given))
    assert (line["oracle"], line["estimate"], line["methods"]) == ("copy", "near copies", 10)
    assert line["rho"] == pytest.approx(rho)
    assert line["low"] < line["rho"] < line["high"] or abs(rho) == 1


@pytest.mark.parametrize("estimates", [RANKED[:9], [0.5] * 10], ids=["nine methods", "no rank"])
def test_few_methods_or_equal_ones_have_no_rank_correlation(estimates: list[float]) -> None:
    given = dict(zip(METHODS, zip(RANKED, estimates, strict=False), strict=False))
    assert list(correlation_lines(character(given))) == []


@pytest.mark.parametrize(("seeds", "cell"), [(3, "20.0%"), (4, "25.0% ± 20.5%")])
def test_measures_of_the_data_have_intervals_over_seeds(seeds: int, cell: str) -> None:
    lines = pd.concat(
        [character({"a": (0.0, (seed + 1) / 10)}).assign(n=4, seed=seed) for seed in range(seeds)]
    )
    frames: Any = SimpleNamespace(character=lines, correlations=pd.DataFrame())
    (copies,) = [table for table in character_tables(frames) if table.name == "copies"]
    assert copies.rows[0][:4] == ("a", f"4 × {seeds}", NONE, cell)
