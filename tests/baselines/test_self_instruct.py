import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from baselines.self_instruct import (
    Pool,
    SelfInstruct,
    SelfInstructConfig,
    items,
    list_prompt,
    refuse,
)
from domino.engines.base import Completion
from domino.engines.scripted import ScriptedEngine
from domino.records import Reference, Sampling
from domino.synthesizer import Domain, FitContext
from tests.baselines.backbone import healthy_engine, task
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import EngineAround, references

CONFIG = SelfInstructConfig()


def completion(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text=text, tokens=1, prompt_tokens=1, truncated=truncated)


def pool_of(*instructions: str) -> Pool:
    return Pool([Reference(id=str(n), instruction=text) for n, text in enumerate(instructions)])


def fitted(engine, **options) -> SelfInstruct:
    method = SelfInstruct(SelfInstructConfig(**options))
    method.fit(Domain(references=references(6)), FitContext(engine=engine, model="", seed=0))
    return method


class TestContract(BaselineContract):
    method = "self-instruct"


def test_the_prompt_continues_a_list_up_to_its_last_number():
    text = list_prompt(["one", "two"], 6)
    assert "number 6" in text
    assert text.endswith("\n1. one\n2. two")


def test_the_first_round_shows_references_and_later_ones_a_machine_made_task_too():
    method = fitted(healthy_engine(), requests_per_round=4)
    made = list(method.synthesize(40, Sampling(max_new_tokens=120, seed=3)))
    from_references = {f"r{n}" for n in range(6)}
    assert made[-1].provenance.round > 2
    for record in made:
        machine_made = set(record.provenance.parents) - from_references
        assert len(record.provenance.parents) == 3
        assert len(machine_made) == (0 if record.provenance.round == 1 else 1)


def test_kept_instructions_are_novel_against_references_and_each_other():
    made = list(fitted(healthy_engine()).synthesize(60, Sampling(max_new_tokens=120)))
    texts = [r.instruction for r in references(6)] + [r.instruction for r in made]
    scorer = RougeScorer(["rougeL"])
    for position, text in enumerate(texts[6:], 6):
        scores = [scorer.score(other, text)["rougeL"].fmeasure for other in texts[:position]]
        assert max(scores) <= 0.7 + 1e-9


class Meter(EngineAround):
    """Notes the tokens spent up to the end of each call."""

    def __init__(self, engine):
        super().__init__(engine)
        self.after = []

    def generate(self, requests, sampling, *, on_done=None):
        completions = super().generate(requests, sampling, on_done=on_done)
        self.after.append(self.tokens)
        return completions


def test_records_up_to_a_round_are_charged_for_all_that_was_spent_up_to_it():
    meter = Meter(healthy_engine(bad_share=0.5))
    method = fitted(meter, requests_per_round=2)
    made = list(method.synthesize(60, Sampling(max_new_tokens=120)))
    last = made[-1].provenance.round - 1
    for finished in {record.provenance.round for record in made} & set(range(1, last + 1)):
        charged = sum(r.provenance.tokens for r in made if r.provenance.round <= finished)
        assert charged == meter.after[finished - 1]


def test_a_backbone_that_repeats_itself_runs_dry():
    method = fitted(ScriptedEngine(lambda request: "4. Rotate every matrix by one.\n5. No"))
    made = list(method.synthesize(50, Sampling()))
    assert [record.instruction for record in made] == ["Rotate every matrix by one."]
    assert "5 rounds kept fewer than 1" in method.counts.stopped
    assert set(method.counts.rejected) == {"duplicate", "too short"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4. a\n5. b\n6. c", [("a", None), ("b", None), ("c", None)]),
        ("4. a\n\n5.   b  ", [("a", None), ("b", None)]),
        ("4. a\n6. b", [("a", None), ("6. b", "ill-formed item")]),
        ("1. a", [("1. a", "ill-formed item")]),
        ("Sure:\n4. a", [("Sure:", "ill-formed item"), ("a", None)]),
        ("4. a\n in: 3\n5. b", [("4. a\n in: 3", "ill-formed item"), ("5. b", "ill-formed item")]),
        ("4.", [("4.", "ill-formed item")]),
        ("6. a\n7. b", [("6. a", "ill-formed item"), ("7. b", "ill-formed item")]),
        ("", [("", "empty")]),
        (" \n", [("", "empty")]),
    ],
)  # fmt: skip
def test_items_are_numbered_lines_in_sequence(text, expected):
    assert items(completion(text), 4, 6) == expected


def test_items_past_the_end_of_the_list_are_dropped():
    assert items(completion("6. a\n7. b\n8. c"), 6, 6) == [
        ("a", None), ("b", "past the end of the list"), ("c", "past the end of the list"),
    ]  # fmt: skip


def test_a_truncated_answer_is_dropped_as_a_whole():
    text = "4. Sort the list.\n5. Reverse the"
    assert items(completion(text, truncated=True), 4, 6) == [(text, "truncated")]


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), min_size=1))
def test_a_well_formed_list_is_read_as_it_was_written(tasks):
    text = "\n".join(f"{number}. {item}" for number, item in enumerate(tasks, 4))
    assert items(completion(text), 4, len(tasks) + 3) == [(item, None) for item in tasks]


@given(st.text())
def test_no_item_without_a_reason_is_empty_or_has_two_lines(text):
    for instruction, reason in items(completion(text), 4, 6):
        assert reason is not None or (instruction.strip() and "\n" not in instruction)


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("Write a program that plots a graph from a file.", None),
        ("Sort the list", "too short"),
        ("Sort the given list", None),
        (" ".join(["word"] * 150), None),
        (" ".join(["word"] * 151), "too long"),
        ("- Sort the given list", "leading punctuation"),
        ("Übersetze jedes Wort der Liste", "leading non-ASCII"),
        ("Translate “each” word: über", None),
        ("sum  the even values of list 0.", "duplicate"),
        ("Sum the even values of list 1.", "too similar"),
    ],
)
def test_each_filter_rule(instruction, reason):
    assert refuse(instruction, Pool(references(1)), CONFIG) == reason


def test_a_similarity_of_exactly_the_limit_is_novel():
    pool = pool_of("a b c d e f g h i j")
    assert pool.rouge_l("a b c d e f g x y z") == 0.7
    assert refuse("a b c d e f g x y z", pool, CONFIG) is None
    assert refuse("a b c d e f g h y z", pool, CONFIG) == "too similar"


words = st.lists(st.sampled_from(list("abcdefgh")), min_size=1, max_size=20)


@given(words, st.lists(words, min_size=1, max_size=4))
def test_similarity_is_rouge_l_of_the_reference_package(candidate, pool):
    scorer = RougeScorer(["rougeL"])
    text, others = " ".join(candidate), [" ".join(other) for other in pool]
    expected = max(scorer.score(other, text)["rougeL"].fmeasure for other in others)
    assert pool_of(*others).rouge_l(text) == pytest.approx(expected)


@given(st.text())
def test_words_are_counted_as_the_reference_package_counts_them(text):
    scorer = RougeScorer(["rougeL"])
    expected = scorer.score("sort the list", text)["rougeL"].fmeasure
    assert pool_of("sort the list").rouge_l(text) == pytest.approx(expected)


def test_five_hundred_candidates_against_five_hundred_take_seconds_not_minutes():
    rng = random.Random(0)
    pool = pool_of(*(task(rng) for _ in range(500)))
    begun = time.process_time()
    for _ in range(500):
        pool.rouge_l(task(rng))
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": 0}, "examples is 0: give at least 1"),
        ({"last": 3}, "last is 3: give at least 4"),
        ({"machine_made": 3}, "machine_made is 3: give less than examples"),
        ({"max_words": 2}, "max_words is 2: give at least 4"),
        ({"fruitless_rounds": 0}, "fruitless_rounds is 0: give at least 1"),
    ],
)
def test_options_that_leave_nothing_to_do_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SelfInstructConfig(**options)
