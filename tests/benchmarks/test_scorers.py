"""Answers are found and compared by the definitions that the field has."""

import time

import pytest

from benchmarks.evaluator.matching import search_all
from benchmarks.evaluator.scorers import SCORERS, Target, choice, last_number, squad, target_meta
from benchmarks.evaluator.targets import target_verdicts
from domino.records import Outcome, Problem, Program


def judged(scorer: str, answers: str | tuple[str, ...], text: str, **options: object) -> Outcome:
    if scorer == "choice":
        options = {"letters": "ABCD", **options}
    given = (answers,) if isinstance(answers, str) else answers
    problem = Problem(
        id="p", prompt="?", entry_point="", canonical_solution="", base_inputs=[], plus_inputs=[],
        meta=target_meta(Target(scorer, given, options)),
    )  # fmt: skip
    program = Program(id="a", problem_id="p", code=text)
    return target_verdicts([problem], [program])[0].base


RIGHT, WRONG = Outcome.PASSED, Outcome.WRONG


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is 12.", "12"),
        ("first 3, then 1,234.50 dollars", "1234.50"),
        ("$-5$", "-5"),
        ("−7 degrees", "-7"),
        ("\\boxed{42}", "42"),
        ("1.5e3", "1.5e3"),
        (".5", ".5"),
        ("3.", "3"),
        ("10 % of 20", "20"),
        ("7-3=4", "4"),
        ("1,23", "23"),
        ("none at all", None),
        ("", None),
    ],
)
def test_the_last_number_counts(text: str, found: str | None) -> None:
    assert last_number(text) == found


@pytest.mark.parametrize(
    ("answer", "text", "options", "outcome"),
    [
        ("12", "So it is 12.0.", {}, RIGHT),
        ("12", "12, not 13", {}, WRONG),
        ("1000001", "1000000", {}, WRONG),
        ("3.14159", "3.14", {"absolute_tolerance": 0.01}, RIGHT),
        ("3.14159", "3.2", {"absolute_tolerance": 0.01}, WRONG),
        ("200", "201", {"relative_tolerance": 0.01}, RIGHT),
        ("200", "203", {"relative_tolerance": 0.01}, WRONG),
        ("5", "1e9999 and 1e-9999", {"relative_tolerance": 0.1}, WRONG),
        ("5", "nan", {}, WRONG),
        ("5", "9" * 100_000, {"absolute_tolerance": 1}, WRONG),
    ],
)
def test_numbers_are_compared_within_a_tolerance(
    answer: str, text: str, options: dict[str, float], outcome: Outcome
) -> None:
    assert judged("number", answer, text, **options) is outcome


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b)", "B"),
        ("(C)", "C"),
        ("**D**", "D"),
        ("The answer is (B).", "B"),
        ("Answer: C. Because A and B are wrong.", "C"),
        ("A is wrong. The correct answer is D", "D"),
        ("B. A lamp", "B"),
        ("\\boxed{A}", "A"),
        ("\\boxed{\\text{C}}", "C"),
        ("I think that (A) is wrong and (D) is right", "D"),
        ("It must be C, I think", "C"),
        ("no idea", None),
        ("The answer is F.", None),
    ],
)
def test_the_letter_that_a_text_settles_on_counts(text: str, letter: str | None) -> None:
    assert choice(text, "ABCD") == letter


@pytest.mark.parametrize(
    ("scorer", "answers", "text", "options", "outcome"),
    [
        ("exact", "The Eiffel Tower", "eiffel tower.", {}, RIGHT),
        ("exact", "Eiffel Tower", "It is the Eiffel Tower", {}, WRONG),
        ("exact", "Yes", "yes", {"normalise": "none"}, WRONG),
        ("exact", "->", " -> ", {"normalise": "none"}, RIGHT),
        ("exact", ("x", "y"), "Y", {}, RIGHT),
        ("exact", "x", "", {}, WRONG),
        ("contains", "Paris", "In Paris, I think.", {}, RIGHT),
        ("contains", "cat", "concatenate", {}, WRONG),
        ("contains", "cat", "concatenate", {"normalise": "none"}, RIGHT),
        ("regex", r"^\d{4}-\d\d$", "2024-08", {}, RIGHT),
        ("regex", "yes|oui", "OUI", {}, WRONG),
        ("regex", "yes|oui", "OUI", {"ignore_case": True}, RIGHT),
        ("choice", "B", "The answer is (B).", {}, RIGHT),
        ("choice", "B", "The answer is (A).", {}, WRONG),
    ],
)
def test_each_scorer_tells_right_from_wrong(
    scorer: str, answers: str, text: str, options: dict[str, object], outcome: Outcome
) -> None:
    assert judged(scorer, answers, text, **options) is outcome


def test_squads_normalisation_is_the_published_one() -> None:
    assert squad("  The  U.S. had  an apple ") == "us had apple"


def test_a_pattern_that_explodes_costs_its_limit_and_no_other_answer() -> None:
    began = time.monotonic()
    hard = ("(a+)+$", 0, "a" * 5000 + "b")
    found = search_all([("b", 0, "abc"), hard, ("(", 0, "x"), ("z", 0, "abc"), hard], limit_s=0.2)
    assert found == [True, None, None, False, None]
    assert time.monotonic() - began < 30


def test_an_answer_that_a_pattern_cannot_be_tried_on_has_run_out_of_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.evaluator.matching.LIMIT_S", 0.2)
    assert judged("regex", "(a+)+$", "a" * 5000 + "b") is Outcome.TIMEOUT


def test_a_text_with_any_character_reaches_the_pattern() -> None:
    assert search_all([("^.$", 0, "\U0001f600"), ("\\u2028", 0, "\u2028")]) == [True, True]


def test_every_scorer_says_no_to_an_empty_answer() -> None:
    for scorer in SCORERS:
        assert judged(scorer, "A" if scorer == "choice" else "1", "") is not RIGHT
