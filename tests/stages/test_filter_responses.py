import pytest

from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.filter_responses import majority, run
from benchmarks.stages.respond import Candidates
from domino.records import Dropped, Synthetic
from tests.stages.small import (
    SmallSuite,
    assert_reconciles,
    assert_same_after_every_kill,
    context,
    fresh,
    solution,
    synthetic,
)

VOTE = FilterConfig(consistency=True, consistency_samples=4, consistency_share=0.5)
DOUBLE = "def f(x):\n    return x + x\n"
TWICE = "def f(y):\n    return 2 * y\n"
FAILS = "def f(x):\n    raise ValueError(x)\n"


def responded(root, records, candidates=()):
    """A finished respond stage."""
    stage = fresh(root / "respond", "respond")
    with stage.writing():
        for record in records:
            stage.append("responses.jsonl", record)
        for record_id, texts in candidates:
            stage.append("candidates.jsonl", Candidates(id=record_id, responses=texts))
        stage.finish({})
    return stage


def filtered(root, config, records, candidates=(), **changes):
    stage = fresh(root, "filter-responses")
    run(config, responded(root, records, candidates), stage, context(**changes))
    kept = {record.id: record.response for record in stage.read("kept.jsonl", Synthetic)}
    assert_reconciles(stage, [record.id for record in records], list(kept))
    return kept, {drop.id: drop.reason for drop in stage.read("dropped.jsonl", Dropped)}


def voted(root, *texts, config=VOTE, suite=None, text=None):
    record = synthetic(100, response=texts[0], text=text)
    return filtered(root, config, [record], [("s100", texts)], suite=suite)


def test_a_response_that_does_not_parse_is_dropped(tmp_path):
    records = [
        synthetic(1, response="def f(:"),
        synthetic(2, response=" "),
        synthetic(3, response="x"),
    ]
    kept, dropped = filtered(tmp_path, FilterConfig(), records)
    assert kept == {"s3": "x"}
    assert dropped == {"s1": "does not parse", "s2": "empty response"}


def test_the_kept_response_is_the_first_of_the_largest_group(tmp_path):
    """Programs of different text that do the same are one group."""
    kept, _ = voted(tmp_path, solution(3), DOUBLE, TWICE, solution(4))
    assert kept == {"s100": DOUBLE}


def test_too_small_a_group_is_no_agreement(tmp_path):
    config = FilterConfig(consistency=True, consistency_samples=4, consistency_share=0.75)
    _, dropped = voted(tmp_path, solution(3), DOUBLE, TWICE, solution(4), config=config)
    assert dropped == {"s100": "no agreement"}


def test_programs_that_fail_alike_do_not_agree(tmp_path):
    kept, _ = voted(tmp_path / "a", FAILS, FAILS, DOUBLE, TWICE)
    assert kept == {"s100": DOUBLE}
    _, dropped = voted(tmp_path / "b", FAILS, FAILS, FAILS, FAILS)
    assert dropped == {"s100": "no candidate runs"}


def test_a_candidate_that_does_not_parse_counts_against_the_share(tmp_path):
    _, dropped = voted(tmp_path / "a", "def f(:", "def f(:", "def f(:", DOUBLE)
    assert dropped == {"s100": "no agreement"}
    _, dropped = voted(tmp_path / "b", "def f(:", "def f(:", "def f(:", "def f(:")
    assert dropped == {"s100": "does not parse"}


def test_without_inputs_the_texts_must_agree(tmp_path):
    kept, _ = voted(tmp_path / "a", "a =  1", "a = 1", "b = 1", "c = 1", text="text only")
    assert kept == {"s100": "a =  1"}
    _, dropped = voted(tmp_path / "b", "a = 1", "b = 1", "c = 1", "d = 1", text="text only")
    assert dropped == {"s100": "no agreement"}


def test_a_response_that_was_there_needs_no_vote(tmp_path):
    kept, _ = filtered(tmp_path, VOTE, [synthetic(21, response=solution(21))])
    assert kept == {"s21": solution(21)}


def test_the_judge_grades_what_the_vote_kept(tmp_path):
    grades = {solution(1): "good", solution(2): "poor", solution(3): "?"}

    def judge(request):
        return next(grade for text, grade in grades.items() if text in request.prompt)

    records = [synthetic(n, response=solution(n)) for n in (1, 2, 3)]
    kept, dropped = filtered(tmp_path, FilterConfig(judge_responses=True), records, script=judge)
    assert list(kept) == ["s1"]
    assert dropped == {"s2": "judge", "s3": "judge gave no grade"}


def test_a_kill_at_any_record_changes_nothing(tmp_path):
    records = [synthetic(n, response=solution(n)) for n in (1, 2, 3, 4)]
    candidates = [
        ("s1", (solution(1), solution(1), DOUBLE, FAILS)),
        ("s2", (FAILS, FAILS, FAILS, FAILS)),
        ("s3", (solution(3), DOUBLE, solution(4), TWICE)),
    ]
    inputs = responded(tmp_path, records, candidates)
    assert_same_after_every_kill(
        tmp_path,
        "filter-responses",
        lambda stage: run(VOTE, inputs, stage, context(SmallSuite())),
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a", "b", "b", "a"], ("0", 0.5)),
        (["a", "b", "b", None], ("1", 0.5)),
        ([None, None, None, "a"], ("3", 0.25)),
        ([None, None, None, None], (None, 0.0)),
    ],
)
def test_majorities(keys, expected):
    assert majority(["0", "1", "2", "3"], keys, 4) == expected
