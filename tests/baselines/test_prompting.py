import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.base import spread
from baselines.prompting import PROMPTS, fill, numbered, one_line, pair_messages
from domino.records import Reference
from tests.contracts.synthesizer_contract import references


@given(st.lists(st.text()), st.integers(1, 9))
def test_a_numbered_list_has_one_line_for_each_item(instructions, start):
    lines = numbered(instructions, start).split("\n") if instructions else []
    assert lines == [f"{n}. {one_line(text)}" for n, text in enumerate(instructions, start)]


def test_white_space_in_an_item_becomes_one_space():
    assert numbered([" a\n\tb ", "c"], 4) == "4. a b\n5. c"


def test_a_dollar_sign_in_a_value_stays():
    assert "cost $x and $$" in fill("evol_rarer", instruction="cost $x and $$")


def test_a_missing_value_is_an_error():
    with pytest.raises(KeyError, match="last"):
        fill("self_instruct", examples="")


def test_no_prompt_ends_in_a_line_break():
    fields = ("examples", "last", "instruction", "first", "second", "description", "snippet")
    values = dict.fromkeys(fields, "v")
    names = [file.stem for file in PROMPTS.glob("*.txt")]
    assert len(names) >= 12
    assert all(fill(name, **values) == fill(name, **values).strip() for name in names)


def test_pairs_become_turns():
    first, second = references(2)
    assert [m["content"] for m in pair_messages([first, second])] == [
        first.instruction, first.response, second.instruction, second.response,
    ]  # fmt: skip


def test_a_pair_without_a_response_is_an_error():
    with pytest.raises(ValueError, match="'r' has no response"):
        pair_messages([Reference(id="r", instruction="i")])


@given(st.integers(0, 10**6), st.integers(1, 50))
def test_a_spread_cost_adds_up_and_is_even(tokens, shares):
    parts = spread(tokens, shares)
    assert len(parts) == shares
    assert sum(parts) == tokens
    assert max(parts) - min(parts) <= 1
