import pytest

from benchmarks.stages.errors import StageError
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.filter_instructions import run
from domino.records import Dropped, Synthetic
from tests.stages.small import (
    assert_reconciles,
    assert_same_after_every_kill,
    context,
    fresh,
    source,
    synthetic,
)

RECORDS = [
    synthetic(100),
    synthetic(101, text="  "),
    synthetic(102, text="ADD 100 to  the given number."),
    synthetic(103),
    synthetic(104),
]


def judge(request):
    """Grades by the number in the task; 104 gets a sentence."""
    for number, grade in ((100, "Excellent."), (103, "good"), (104, "I think it is excellent")):
        if f"Add {number} to" in request.prompt:
            return grade
    raise AssertionError(f"graded what is dropped already: {request.prompt}")


def reasons(stage):
    return {drop.id: drop.reason for drop in stage.read("dropped.jsonl", Dropped)}


def test_empty_and_repeated_instructions_are_dropped(tmp_path):
    stage = fresh(tmp_path, "filter-instructions")
    run(FilterConfig(), source(tmp_path, "synthetic.jsonl", RECORDS), stage, context())
    kept = [record.id for record in stage.read("kept.jsonl", Synthetic)]
    assert kept == ["s100", "s103", "s104"]
    assert reasons(stage) == {"s101": "empty", "s102": "duplicate"}
    assert_reconciles(stage, [record.id for record in RECORDS], kept)


def test_instructions_with_code_are_repeated_only_sign_by_sign(tmp_path):
    calls = ("f([1, -2])", "f([1, 2])", "f('Ab')", "f('aB')", "f('a b')", "f('a  b')", "f('aB')")
    records = [synthetic(n, text=f"What does {call} give?") for n, call in enumerate(calls)]
    stage = fresh(tmp_path, "filter-instructions")
    run(FilterConfig(), source(tmp_path, "synthetic.jsonl", records), stage, context())
    assert [record.id for record in stage.read("kept.jsonl", Synthetic)] == [
        f"s{n}" for n in range(6)
    ]
    assert reasons(stage) == {"s6": "duplicate"}


def test_the_judge_keeps_the_grades_asked_for(tmp_path):
    stage = fresh(tmp_path, "filter-instructions")
    config = FilterConfig(judge_instructions=True)
    inputs = source(tmp_path, "synthetic.jsonl", RECORDS)
    run(config, inputs, stage, context(script=judge))
    assert [record.id for record in stage.read("kept.jsonl", Synthetic)] == ["s100"]
    assert reasons(stage)["s103"] == "judge"
    assert reasons(stage)["s104"] == "judge gave no grade"
    assert stage.summary["dropped"] == {
        "duplicate": 1,
        "empty": 1,
        "judge": 1,
        "judge gave no grade": 1,
    }


def test_a_kill_at_any_record_changes_nothing(tmp_path):
    inputs = source(tmp_path, "synthetic.jsonl", RECORDS)
    config = FilterConfig(judge_instructions=True, instruction_grades=("good", "excellent"))
    assert_same_after_every_kill(
        tmp_path,
        "filter-instructions",
        lambda stage: run(config, inputs, stage, context(script=judge)),
    )


def test_no_records_in_gives_no_records_out(tmp_path):
    stage = fresh(tmp_path, "filter-instructions")
    run(FilterConfig(), source(tmp_path, "synthetic.jsonl", []), stage, context())
    assert stage.summary == {"in": 0, "kept": 0, "dropped": {}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instruction_grades": ("superb",)}, "instruction_grades"),
        ({"response_grades": ()}, "response_grades"),
        ({"consistency_samples": 1}, "consistency_samples is 1"),
        ({"consistency_share": 0.0}, "consistency_share is 0.0"),
    ],
)
def test_a_filter_that_cannot_work_is_refused(changes, message):
    with pytest.raises(StageError, match=message):
        FilterConfig(**changes)
