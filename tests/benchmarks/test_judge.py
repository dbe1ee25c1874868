import pytest

from benchmarks.judge import (
    INSTRUCTION_GRADES,
    RESPONSE_GRADES,
    grade,
    instruction_prompt,
    parse_grade,
    response_prompt,
)
from domino.engines.scripted import ScriptedEngine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("excellent", "excellent"),
        (" Very  poor.\n\nIt lacks an input.", "very poor"),
        ("**Good**", "good"),
        ("It is good", None),
        ("superb", None),
        ("", None),
        ("\n", None),
    ],
)
def test_a_grade_is_the_whole_first_line(text, expected):
    assert parse_grade(text, INSTRUCTION_GRADES) == expected


def test_a_grade_of_the_other_scale_is_none():
    assert parse_grade("excellent", RESPONSE_GRADES) is None


def test_prompts_name_every_grade_and_end_with_what_is_graded():
    prompt = instruction_prompt("Return $x, {y} and %s.")
    assert all(name in prompt for name in INSTRUCTION_GRADES)
    assert prompt.endswith("Task: Return $x, {y} and %s.")
    prompt = response_prompt("Sort.", "$instruction")
    assert all(name in prompt for name in RESPONSE_GRADES)
    assert prompt.endswith("Task: Sort.\n\nSolution:\n$instruction")


def test_grading_is_greedy_and_in_order():
    engine = ScriptedEngine(["good", "no idea", "very poor"])
    grades = grade(engine, ["a", "b", "c"], INSTRUCTION_GRADES)
    assert grades == ["good", None, "very poor"]
    assert {sampling.temperature for sampling in engine.samplings} == {0.0}
