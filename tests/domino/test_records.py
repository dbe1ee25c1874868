"""Records take any text, are stored as UTF-8, and are read back or refused by one error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.console.events import Event
from benchmarks.stages.respond import Candidates
from domino.engines.base import Completion
from domino.records import Program, Provenance, RecordError, Synthetic, Verdict
from domino.text import storable

ANY_TEXT = st.lists(
    st.sampled_from(["\ud83d", "\ude00", "\udcff", "\x00", "\u2028", "é", "\n", "a"])
).map("".join)
VERDICT = {"v": 1, "program_id": "p", "problem_id": "q", "base": "passed", "plus": "wrong"}


@given(ANY_TEXT, ANY_TEXT)
def test_a_record_of_any_text_is_stored_and_read_back(text: str, other: str) -> None:
    origin = Provenance(method=text, seed=0, parents=(other, text))
    record = Synthetic(id=other, instruction=text, response=other, provenance=origin)
    line = record.to_json().encode()
    assert b"\n" not in line
    assert Synthetic.from_json(line.decode()) == record
    assert record.instruction == storable(text)
    assert record.provenance.parents == (storable(other), storable(text))
    assert Candidates(id="a", responses=(text,)).responses == (storable(text),)
    event = Event(at="now", event="run", about={"output": text})
    read = Event.from_json(event.to_json().encode().decode())
    assert storable(read.about["output"]) == storable(text)


@given(ANY_TEXT)
def test_completions_and_programs_hold_text_that_can_be_stored(text: str) -> None:
    made = Completion(text=text, tokens=1, prompt_tokens=1, truncated=False)
    made.text.encode()
    Program(id="a", problem_id="b", code=text).code.encode()
    assert made.text == storable(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"base": "perfect"},
        {"base": 5},
        {"base": None},
        {"seconds": "1"},
        {"seconds": True},
        {"retried": 1},
        {"detail": ["a"]},
        {"program_id": None},
        {"more": 1},
        {"v": 2},
    ],
)
def test_a_line_with_a_field_of_another_type_is_refused(changes: dict[str, object]) -> None:
    assert Verdict.from_json(json.dumps(VERDICT)).seconds == 0.0
    assert Verdict.from_json(json.dumps({**VERDICT, "seconds": 2})).seconds == 2
    with pytest.raises(RecordError, match="Verdict"):
        Verdict.from_json(json.dumps({**VERDICT, **changes}))


@pytest.mark.parametrize(
    "line", ["", "{", "null", "[1]", "5", "[" * 100_000, '{"v": ' + "1" * 5000 + "}", '{"v": NaN}']
)
def test_what_is_not_a_record_is_refused(line: str) -> None:
    for record in (Verdict, Synthetic, Event):
        with pytest.raises(RecordError):
            record.from_json(line)
