import dataclasses
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.evol_instruct import (
    BREADTH,
    OPERATIONS,
    STOP_WORDS,
    EvolInstruct,
    EvolInstructConfig,
    copies_prompt,
    eliminate,
    equal_prompt,
    judged,
    operation_prompt,
)
from domino.engines.base import Completion
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling
from domino.synthesizer import Domain, FitContext
from tests.baselines.backbone import healthy_engine
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import EngineAround, references

CONFIG = EvolInstructConfig()
PARENT = "Sort the even values."
SAMPLING = Sampling(temperature=1.0, max_new_tokens=120, seed=5)


def completion(text: str) -> Completion:
    return Completion(text=text, tokens=1, prompt_tokens=1, truncated=False)


def fitted(engine, **options) -> EvolInstruct:
    method = EvolInstruct(EvolInstructConfig(**options))
    method.fit(Domain(references=references(6)), FitContext(engine=engine, model="", seed=0))
    return method


def appending(request) -> str:
    """Answer each evolution with its task and one more word, each verdict with "different"."""
    if "Do these two tasks" in request.prompt:
        return "different"
    return request.prompt.partition("Task: ")[2].partition("<|end|>")[0] + f" x{request.seed}"


class TestContract(BaselineContract):
    method = "evol-instruct"
    batches = ({"lineages_per_call": 1}, {"lineages_per_call": 5})


class TestContractWithRetries(BaselineContract):
    method = "evol-instruct"
    options: ClassVar[dict[str, Any]] = {"retry_failed": True, "breadth": True}


@pytest.mark.parametrize("operation", [*OPERATIONS, BREADTH])
def test_every_operation_has_a_prompt_that_ends_with_the_task(operation):
    assert operation_prompt(operation, "Sort $x.").endswith("Task: Sort $x.")


def test_operations_have_different_prompts():
    assert len({operation_prompt(name, "t") for name in (*OPERATIONS, BREADTH)}) == 6


def test_every_round_evolves_the_survivor_of_the_round_before():
    made = list(fitted(ScriptedEngine(appending)).synthesize(9, SAMPLING))
    assert [record.provenance.round for record in made] == [1, 2, 3] * 3
    for parent, child in pairwise(made):
        if child.provenance.round > 1:
            assert child.instruction.startswith(parent.instruction)
            assert child.provenance.parents == (parent.id,)
    assert [r.provenance.parents for r in made[::3]] == [("r0",), ("r1",), ("r2",)]


def test_lineages_cycle_over_the_references_with_seeds_of_their_own():
    made = list(fitted(ScriptedEngine(appending)).synthesize(36, SAMPLING))
    first, again = made[:3], made[18:21]
    assert [r.provenance.parents[0] for r in (first[0], again[0])] == ["r0", "r0"]
    assert first[0].instruction != again[0].instruction


def test_all_operations_are_drawn_and_breadth_only_on_demand():
    for breadth in (False, True):
        engine = ScriptedEngine(appending)
        list(fitted(engine, breadth=breadth).synthesize(100, SAMPLING))
        prompts = [request.prompt for request in engine.requests]
        for operation in (*OPERATIONS, BREADTH):
            opening = operation_prompt(operation, "")[:40]
            drawn = any(opening in prompt for prompt in prompts)
            assert drawn == (breadth or operation != BREADTH)


def test_an_eliminated_evolution_ends_its_lineage_or_is_tried_again():
    def failing_once(request) -> str:
        return appending(request) if " x" in request.prompt or request.seed % 2 else "No."

    ended = list(fitted(ScriptedEngine(failing_once)).synthesize(60, SAMPLING))
    retried = list(fitted(ScriptedEngine(failing_once), retry_failed=True).synthesize(60, SAMPLING))
    from_references = [r.provenance for r in ended if r.provenance.parents[0].startswith("r")]
    assert {provenance.round for provenance in from_references} == {1}
    late = [r.provenance for r in retried if r.provenance.parents[0].startswith("r")]
    assert {provenance.round for provenance in late} == {1, 2, 3}


def test_a_task_that_was_yielded_before_is_a_duplicate():
    def constant(request) -> str:
        return "different" if "two tasks" in request.prompt else "Rotate every matrix twice."

    method = fitted(ScriptedEngine(constant), barren_lineages=20)
    made = list(method.synthesize(10, SAMPLING))
    assert [record.instruction for record in made] == ["Rotate every matrix twice."]
    assert method.counts.rejected["duplicate"] > 0
    assert "20 lineages in a row" in method.counts.stopped


def test_a_task_judged_equal_to_its_parent_is_eliminated():
    def equal(request) -> str:
        return "equal" if "two tasks" in request.prompt else appending(request)

    method = fitted(ScriptedEngine(equal), barren_lineages=20)
    assert list(method.synthesize(10, SAMPLING)) == []
    assert set(method.counts.rejected) == {"no information gain"}


def test_the_judge_sees_parent_and_child_and_decides_greedily():
    engine = ScriptedEngine(appending)
    (record,) = fitted(engine).synthesize(1, SAMPLING)
    pairs = [
        (request, sampling)
        for request, sampling in zip(engine.requests, engine.samplings, strict=True)
        if "two tasks" in request.prompt
    ]
    request, sampling = pairs[0]
    assert equal_prompt(references(1)[0].instruction, record.instruction) in request.prompt
    assert sampling == dataclasses.replace(SAMPLING, temperature=0.0, max_new_tokens=8)


def test_a_smaller_limit_of_the_harness_holds_for_the_judge():
    engine = ScriptedEngine(appending)
    list(fitted(engine, barren_lineages=1).synthesize(1, Sampling(max_new_tokens=6)))
    assert {sampling.max_new_tokens for sampling in engine.samplings} == {6}


def test_a_record_is_charged_for_the_eliminated_ones_before_it():
    spy = EngineAround(healthy_engine(bad_share=0.5))
    method = fitted(spy, lineages_per_call=1)
    drawn = method.synthesize(1000, SAMPLING)
    made, spent = [], []
    for record in drawn:
        made.append(record)
        spent.append(spy.tokens)
        if len(made) == 40:
            break
    charged = [sum(r.provenance.tokens for r in made[: n + 1]) for n in range(len(made))]
    assert all(owed <= paid for owed, paid in zip(charged, spent, strict=True))
    assert max(charged) > 0.8 * spent[-1]


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("Sort the even values, largest first.", None),
        ("", "only punctuation or stop words"),
        ("?! --", "only punctuation or stop words"),
        ("of the and to", "only punctuation or stop words"),
        ("Sorry, I cannot do that.", "sorry"),
        ("Sorry " + "word " * 79, None),
        ("Sorry " + "word " * 78, "sorry"),
        ("Make this task harder: sort the values.", "prompt words copied"),
        ("Sort it now", "too short"),
        ("sort the  even values.", "unchanged"),
    ],
)
def test_each_elimination_rule(instruction, reason):
    assert eliminate(instruction, PARENT, "constraint", CONFIG) == reason


def test_an_instruction_of_too_many_tokens_is_eliminated():
    method = fitted(ScriptedEngine(appending), max_tokens=8, barren_lineages=20)
    list(method.synthesize(30, SAMPLING))
    assert method.counts.rejected["too long"] > 0


def test_words_that_the_parent_has_are_not_copied_from_the_prompt():
    parent = "Say how to make this task harder."
    assert not copies_prompt("Say how to make this task harder twice.", parent, "rarer")
    assert copies_prompt("Say how to make this task harder twice.", PARENT, "rarer")


@given(st.lists(st.sampled_from(sorted(STOP_WORDS))), st.text("?!.,;: \n"))
def test_stop_words_and_punctuation_never_survive(words, punctuation):
    text = " ".join(words) + punctuation
    assert eliminate(text, PARENT, "rarer", CONFIG) == "only punctuation or stop words"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("different", None),
        (" Different.\n", None),
        ("equal", "no information gain"),
        ("Equal.", "no information gain"),
        ("", "unreadable verdict"),
        ("different tasks", "unreadable verdict"),
        ("not equal", "unreadable verdict"),
    ],
)
def test_a_verdict_is_one_word_and_anything_else_eliminates(answer, reason):
    assert judged(completion(answer)) == reason


@pytest.mark.parametrize("field", ["rounds", "min_words", "lineages_per_call", "barren_lineages"])
def test_options_that_leave_nothing_to_do_are_refused(field):
    with pytest.raises(ValueError, match=f"EvolInstructConfig.{field} is 0: give at least 1"):
        EvolInstructConfig(**{field: 0})
