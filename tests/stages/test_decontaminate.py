from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics.overlap import NearDuplicates, NgramIndex, jaccard, ngrams
from benchmarks.stages.decontaminate import DecontaminateConfig, run
from benchmarks.stages.errors import StageError
from domino.records import Dropped, Synthetic
from domino.text import words
from tests.stages.small import (
    KeyedSuite,
    SmallSuite,
    assert_reconciles,
    assert_same_after_every_kill,
    context,
    fresh,
    source,
    synthetic,
)

LONG = "Write a function that takes a list of words and returns the longest of them in upper case."


class WordySuite(SmallSuite):
    """One more text than the small suite: the long prompt of the first test problem."""

    def instruction(self, problem):
        return LONG if problem.id == "test/1" else super().instruction(problem)


def cleaned(tmp_path, config, records, suite):
    stage = fresh(tmp_path, "decontaminate")
    inputs = source(tmp_path, "kept.jsonl", records)
    run(config, inputs, suite.references(), stage, context(suite))
    kept = [record.id for record in stage.read("kept.jsonl", Synthetic)]
    assert_reconciles(stage, [record.id for record in records], kept)
    return kept, {
        drop.id: (drop.reason, drop.detail) for drop in stage.read("dropped.jsonl", Dropped)
    }


def test_with_keys_the_same_task_is_a_repeat_and_shared_wording_is_not(tmp_path):
    records = [synthetic(n, response="x") for n in (1, 12, 21, 100, 101)]
    kept, dropped = cleaned(tmp_path, DecontaminateConfig(), records, KeyedSuite())
    assert kept == ["s100", "s101"]
    assert dropped == {
        "s1": ("repeats a test problem", "test/1: same task"),
        "s12": ("repeats a development problem", "development/12: same task"),
        "s21": ("repeats a reference", "r21: same task"),
    }


def test_references_pass_where_the_run_says_that_they_are_the_data(tmp_path):
    records = [synthetic(n, response="x") for n in (1, 21)]
    config = DecontaminateConfig(references=False)
    kept, _ = cleaned(tmp_path, config, records, KeyedSuite())
    assert kept == ["s21"]


def test_a_shared_run_of_words_is_a_repeat(tmp_path):
    shared = "Please do this: a function that takes a list of words and counts them!"
    response = "# takes a LIST of words, and returns the longest\n"
    records = [
        synthetic(0, text=shared, response="x"),
        synthetic(1, text="Something else altogether.", response=response),
        synthetic(2, text="Multiply two matrices of numbers.", response="x"),
    ]
    kept, dropped = cleaned(tmp_path, DecontaminateConfig(), records, WordySuite())
    assert kept == ["s2"]
    assert dropped["s0"][0] == dropped["s1"][0] == "repeats a test problem"
    assert "shares 'a function that takes a list of words'" in dropped["s0"][1]


def test_a_canonical_solution_of_twenty_tokens_is_protected_and_a_short_one_is_not(tmp_path):
    long = (
        "def f(x):\n    totals = [value * weight for value, weight in zip(x, sorted(x))]\n"
        "    return max(totals)\n"
    )
    short = "def f(x):\n    return sum(v * v for v in x)\n"

    class Solved(SmallSuite):
        def problems(self, split):
            found = super().problems(split)
            return (
                replace(found[0], canonical_solution=long),
                *(replace(problem, canonical_solution=short) for problem in found[1:]),
            )

    records = [
        synthetic(0, text="Weigh the numbers.", response=f"```python\n{long}```"),
        synthetic(1, text="Square the numbers.", response=f"```python\n{short}```"),
    ]
    kept, dropped = cleaned(tmp_path, DecontaminateConfig(), records, Solved())
    assert kept == ["s1"]
    assert dropped["s0"][0] == "repeats a test problem"


def test_a_near_duplicate_is_a_repeat(tmp_path):
    near = "Add 1 to the given number, then."
    records = [
        synthetic(0, text=near, response="x"),
        synthetic(1, text="Sort a list.", response=""),
    ]
    config = DecontaminateConfig(similarity=0.5)
    kept, dropped = cleaned(tmp_path, config, records, SmallSuite())
    assert kept == ["s1"]
    assert dropped["s0"] == ("repeats a test problem", "test/1: similarity 0.80")


def test_only_the_first_of_equal_instructions_stays(tmp_path):
    records = [synthetic(0, text=text, response="x") for text in ("Sort it.",)]
    records += [synthetic(1, text="sort IT", response="y")]
    kept, dropped = cleaned(tmp_path, DecontaminateConfig(), records, SmallSuite())
    assert kept == ["s0"]
    assert dropped == {"s1": ("duplicate", "of s0")}


CALLS = ("f([1, -2])", "f([1, 2])", "a + b", "a - b", "x < y", "x > y", "f('Ab')", "f('aB')")


def test_instructions_with_code_are_equal_only_sign_by_sign(tmp_path):
    texts = [*(f"What does {call} give?" for call in CALLS), "What does f('aB') give?"]
    records = [synthetic(n, text=text, response="x") for n, text in enumerate(texts)]
    for suite in (SmallSuite(), KeyedSuite()):
        folder = tmp_path / type(suite).__name__
        kept, dropped = cleaned(folder, DecontaminateConfig(), records, suite)
        assert kept == [f"s{n}" for n in range(8)]
        assert dropped == {"s8": ("duplicate", "of s7")}


def test_the_first_clean_pairs_fill_the_budget(tmp_path):
    records = [synthetic(n, response="x") for n in (100, 1, 101, 102)]
    kept, dropped = cleaned(tmp_path, DecontaminateConfig(pairs=2), records, KeyedSuite())
    assert kept == ["s100", "s101"]
    assert dropped["s102"] == ("over budget", "")
    assert dropped["s1"][0] == "repeats a test problem"


def test_an_unfilled_budget_is_said(tmp_path):
    stage = fresh(tmp_path, "decontaminate")
    inputs = source(tmp_path, "kept.jsonl", [synthetic(100, response="x")])
    run(DecontaminateConfig(pairs=5), inputs, (), stage, context(KeyedSuite()))
    assert stage.summary["missing"] == 4


def test_a_kill_at_any_record_changes_nothing(tmp_path):
    numbers = (100, 1, 21, 101, 102, 103)
    inputs = source(tmp_path, "kept.jsonl", [synthetic(n, response="x") for n in numbers])
    suite = KeyedSuite()
    assert_same_after_every_kill(
        tmp_path,
        "decontaminate",
        lambda stage: run(
            DecontaminateConfig(pairs=3), inputs, suite.references(), stage, context(suite)
        ),
    )


def test_a_runs_template_wording_is_no_evidence():
    lead = "write a python function that solves the following task"
    texts = [(("test problem", str(n)), f"{lead} {n} {n + 1}") for n in range(12)]
    assert NgramIndex(texts, n=8, common=10).find(f"{lead} something new") is None
    assert NgramIndex(texts, n=8, common=12).find(f"{lead} something new") is not None


def test_a_short_protected_text_is_found_by_equality_alone():
    index = NgramIndex([(("reference", "a"), "Sort the list.")], n=8, common=10)
    assert index.find("sort THE list") == (("reference", "a"), "sort the list")
    assert index.find("Sort the list and reverse it, then drop the first five.") is None


WORDS = ("add", "the", "sum", "of", "all", "even", "odd", "numbers", "sort")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12)


@given(TEXTS, TEXTS)
def test_shared_runs_agree_with_a_slow_search(left, right):
    """A run is shared when the padded strings share it, or when two short texts are equal."""
    shared = any(
        left[i : i + 4] == right[j : j + 4]
        for i in range(len(left) - 3)
        for j in range(len(right) - 3)
    )
    equal = left == right and 0 < len(left) < 4
    index = NgramIndex([(("g", "x"), " ".join(right))], n=4, common=1)
    assert (index.find(" ".join(left)) is not None) == (shared or equal)


def test_near_duplicates_are_decided_by_the_exact_similarity():
    text = " ".join(f"w{n}" for n in range(60))
    near = NearDuplicates([(("g", "x"), text)], threshold=0.7)
    similar = " ".join(f"w{n}" for n in range(52))
    exact = jaccard(ngrams(words(text), 3), ngrams(words(similar), 3))
    assert near.find(similar) == (("g", "x"), exact)
    assert near.find(" ".join(f"w{n}" for n in range(36))) is None


@pytest.mark.parametrize(
    "changes", [{"ngram": 1}, {"common": 0}, {"similarity": 0.0}, {"pairs": 0}]
)
def test_limits_that_cannot_work_are_refused(changes):
    with pytest.raises(StageError, match=next(iter(changes))):
        DecontaminateConfig(**changes)
