import dataclasses
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.oss_instruct import (
    SEPARATOR,
    OSSInstruct,
    OSSInstructConfig,
    code_of,
    parse,
    prompt,
    snippet,
)
from domino.engines.base import Completion
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling
from domino.synthesizer import Domain, FitContext, Template
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import references

SAMPLING = Sampling(temperature=1.0, max_new_tokens=120, seed=5)


def completion(text: str, *, truncated: bool = False) -> Completion:
    return Completion(text=text, tokens=1, prompt_tokens=1, truncated=truncated)


def answer(request) -> str:
    if "Take inspiration" in request.prompt:
        return f"Task number {request.seed}.{SEPARATOR}def task(): ..."
    return "def answered(values):\n    return values"


def fitted(engine, template: Template = "pair", **options: Any) -> OSSInstruct:
    method = OSSInstruct(OSSInstructConfig(**options))
    domain = Domain(references=references(6), template=template)
    method.fit(domain, FitContext(engine=engine, model="", seed=0))
    return method


class TestContract(BaselineContract):
    method = "oss-instruct"
    batches = ({"requests_per_call": 1}, {"requests_per_call": 7})


def test_a_snippet_of_the_parents_response_is_shown():
    engine = ScriptedEngine(answer)
    made = list(fitted(engine).synthesize(60, SAMPLING))
    code = {reference.id: reference.response for reference in references(6)}
    shown = [request.prompt.partition("Code:\n")[2] for request in engine.requests]
    for record, text in zip(made, shown, strict=True):
        (parent,) = record.provenance.parents
        assert text.removesuffix("<|end|>\n<|assistant|>\n") in code[parent]
    assert len(set(shown)) > 6
    assert {record.provenance.parents[0] for record in made} == set(code)


def test_references_without_responses_are_first_answered_by_the_backbone():
    engine = ScriptedEngine(answer)
    method = fitted(engine, "instruction")
    assert [r.prompt for r in engine.requests] == [
        engine.render([{"role": "user", "content": reference.instruction}])
        for reference in references(6)
    ]
    list(method.synthesize(20, SAMPLING))
    snippets = {r.prompt for r in engine.requests if "Take inspiration" in r.prompt}
    assert all("answered" in text or "return values" in text for text in snippets)
    assert not any("def task_" in text for text in snippets)


def test_loading_does_not_answer_the_references_again(tmp_path):
    engine = ScriptedEngine(answer)
    fitted(engine, "instruction").save(tmp_path)
    before = len(engine.requests)
    OSSInstruct.load(tmp_path, FitContext(engine=engine, model="", seed=0))
    assert len(engine.requests) == before
    learned = json.loads((tmp_path / "method.json").read_text())["learned"]
    assert list(learned) == [reference.id for reference in references(6)]


def test_the_solution_is_left_to_the_run_s_own_rule_for_responses():
    made = list(fitted(ScriptedEngine(answer)).synthesize(5, SAMPLING))
    assert all(record.response is None for record in made)
    assert all(SEPARATOR.strip() not in record.instruction for record in made)


def test_own_responses_continue_the_form_that_the_task_came_from():
    engine = ScriptedEngine(answer)
    fitted(engine).respond(["Do it."], SAMPLING)
    (request,) = engine.requests
    turn, _, rest = request.prompt.partition("<|assistant|>\n")
    assert prompt("")[:20] in turn
    assert rest == f"Do it.{SEPARATOR}"


def test_references_whose_answers_are_cut_off_or_empty_give_no_snippet():
    def script(request) -> str:
        if "list 0" in request.prompt:
            return ""
        return "word " * 90 if "list 1" in request.prompt else answer(request)

    method = fitted(ScriptedEngine(script), "instruction", answer_tokens=80)
    parents = {r.provenance.parents[0] for r in method.synthesize(60, SAMPLING)}
    assert parents == {"r2", "r3", "r4", "r5"}


def test_without_any_code_the_method_stops_with_a_reason():
    method = fitted(ScriptedEngine(lambda request: ""), "instruction")
    assert list(method.synthesize(5, SAMPLING)) == []
    assert method.counts.stopped == "no reference has a response to take a snippet from"
    assert method.counts.requests == 6


@given(st.lists(st.sampled_from(["", "  ", "a = 1", "    b = 2", "c"]), min_size=1).filter(
    lambda lines: any(line.strip() for line in lines)
), st.integers(1, 15), st.integers())  # fmt: skip
def test_a_snippet_is_one_to_so_many_consecutive_lines(lines, longest, seed):
    taken = snippet("\n".join(lines), longest, random.Random(seed)).split("\n")
    assert 1 <= len(taken) <= longest
    assert taken[0].strip()
    stripped = [line.rstrip() for line in lines]
    windows = [stripped[at : at + len(taken)] for at in range(len(lines))]
    assert [line.rstrip() for line in taken] in windows


def test_snippets_of_every_length_up_to_fifteen_lines_are_drawn():
    code = "\n".join(f"line {number}" for number in range(40))
    randomness = random.Random(0)
    sizes = {len(snippet(code, 15, randomness).splitlines()) for _ in range(500)}
    assert sizes == set(range(1, 16))


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ("x = 1", "x = 1"),
        ("Here:\n```python\nx = 1\ny = 2\n```\nand\n```\nz\n```", "x = 1\ny = 2\n"),
        ("an open ```fence", "an open ```fence"),
    ],
)
def test_code_is_the_first_fenced_block_or_all(response, code):
    assert code_of(response) == code


@pytest.mark.parametrize(
    ("text", "truncated", "expected"),
    [
        ("Sort it.\n\nSolution:\nsorted(x)", False, ("Sort it.", None)),
        ("Sort it.\n\nSolution:\nsorted(", True, ("Sort it.", None)),
        ("Sort it", True, ("Sort it", "truncated")),
        ("Sort it.", False, ("Sort it.", "no solution")),
        ("Sort it. Solution:\nx", False, ("Sort it. Solution:\nx", "no solution")),
        ("\n\nSolution:\nx", False, ("", "empty")),
        ("Sort it.\n\nSolution:\n \n", False, ("Sort it.", "empty solution")),
        ("", False, ("", "no solution")),
    ],
)
def test_an_answer_is_a_task_and_its_solution_or_ill_formed(text, truncated, expected):
    assert parse(completion(text, truncated=truncated)) == expected


@given(st.text())
def test_a_parsed_task_is_never_empty(text):
    task, reason = parse(completion(text))
    assert reason is not None or task


@pytest.mark.parametrize("field", ["snippet_lines", "answer_tokens", "tries"])
def test_options_that_leave_nothing_to_do_are_refused(field):
    with pytest.raises(ValueError, match=f"OSSInstructConfig.{field} is 0: give at least 1"):
        dataclasses.replace(OSSInstructConfig(), **{field: 0})
