import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.few_shot import FewShotConfig, parse, prompt
from domino.engines.base import Completion
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import EngineAround


def completion(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text=text, tokens=1, prompt_tokens=1, truncated=truncated)


class TestContract(BaselineContract):
    method = "few-shot"
    batches = ({"requests_per_call": 1}, {"requests_per_call": 7})

    def test_examples_differ_between_requests(self, domain, context, sampling):
        parents = {r.provenance.parents for r in self.records(domain, context, sampling)}
        assert len(parents) > self.count // 2
        assert all(len(set(drawn)) == 3 for drawn in parents)

    def test_pairs_are_turns_of_a_chat_and_a_user_turn_is_left_open(
        self, domain, template, engine, context, sampling
    ):
        spy = EngineAround(engine)
        self.records(domain, dataclasses.replace(context, engine=spy), sampling)
        for request in spy.requests:
            assert request.prompt.endswith("<|user|>\n") == (template == "pair")
            assert ("def task_" in request.prompt) == (template == "pair")

    def test_responses_come_behind_references_where_these_are_pairs(
        self, domain, template, engine, context, sampling
    ):
        spy = EngineAround(engine)
        self.fitted(domain, dataclasses.replace(context, engine=spy)).respond(["Do it."], sampling)
        (request,) = spy.requests
        assert request.prompt.count("def task_") == (3 if template == "pair" else 0)
        assert request.prompt.endswith("<|user|>\nDo it.<|end|>\n<|assistant|>\n")


def test_the_prompt_lists_each_example_on_one_numbered_line():
    assert "\n1. first\n2. second line\n" in prompt(["first", "second\n  line"])


@pytest.mark.parametrize(
    ("text", "instruction", "reason"),
    [
        (" Sort the list.\n", "Sort the list.", None),
        ("4. Sort the list.", "Sort the list.", None),
        ("Sort the list.\nExample: [1]", "Sort the list.\nExample: [1]", None),
        ("Round 2.5 up.", "Round 2.5 up.", None),
        ("", "", "empty"),
        (" \n", "", "empty"),
        ("3. Sort the list.", "3. Sort the list.", "wrong number"),
        ("4. Sort.\n5. Count.", "4. Sort.\n5. Count.", "several tasks"),
    ],
)
def test_an_answer_is_one_instruction_or_ill_formed(text, instruction, reason):
    assert parse(completion(text), listed=3) == (instruction, reason)


def test_a_truncated_answer_is_ill_formed():
    assert parse(completion("Sort the", truncated=True), listed=3)[1] == "truncated"


@given(st.text())
def test_a_parsed_instruction_is_never_empty(text):
    instruction, reason = parse(completion(text), listed=3)
    assert reason is not None or instruction.strip()


@pytest.mark.parametrize("field", ["examples", "tries", "requests_per_call"])
def test_options_that_leave_nothing_to_do_are_refused(field):
    with pytest.raises(ValueError, match=f"FewShotConfig.{field} is 0: give at least 1"):
        FewShotConfig(**{field: 0})
