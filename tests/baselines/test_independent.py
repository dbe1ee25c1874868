import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.independent import user_turn, whole
from domino.engines.base import Completion
from domino.engines.scripted import ScriptedEngine
from domino.engines.transformers_engine import TransformersEngine
from tests.tiny import make_model, make_tokenizer


def completion(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text=text, tokens=1, prompt_tokens=1, truncated=truncated)


@pytest.mark.parametrize(
    ("text", "truncated", "expected"),
    [
        (" Sort it.\n", False, ("Sort it.", None)),
        (" \n", False, ("", "empty")),
        ("Sort", True, ("Sort", "truncated")),
    ],
)
def test_an_answer_is_whole_or_says_why_not(text, truncated, expected):
    assert whole(completion(text, truncated=truncated)) == expected


@given(st.text())
def test_an_answer_without_a_reason_is_never_empty(text):
    found, reason = whole(completion(text))
    assert reason is not None or found


def test_what_follows_the_user_turn_is_cut_where_only_a_marker_ends_it():
    engine = TransformersEngine(make_model(), make_tokenizer("marker"))
    answered = completion("Sort it<|assistant|>sorted(", truncated=True)
    assert user_turn(engine, answered) == ("Sort it", None)
    assert user_turn(engine, completion("Sort", truncated=True)) == ("Sort", "truncated")
    assert user_turn(engine, completion("<|assistant|>sorted()")) == ("", "empty")


def test_a_user_turn_that_ends_by_a_token_is_left_as_it_is():
    engine = ScriptedEngine([])
    assert user_turn(engine, completion("4. Sort it.")) == ("4. Sort it.", None)
