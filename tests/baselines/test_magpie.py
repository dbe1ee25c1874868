import dataclasses
import json
from typing import Any, ClassVar

import pytest

from baselines.magpie import MagpieConfig, describe_prompt, system_prompt
from benchmarks.methods import load_method
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling
from domino.synthesizer import Domain, FitContext
from tests.baselines.backbone import healthy_engine
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import EngineAround, references

SAMPLING = Sampling(temperature=1.0, max_new_tokens=120, seed=5)
WORDS = "Tasks about the values of lists."


def answer(request) -> str:
    return WORDS if "in common" in request.prompt else f"Task number {request.seed}"


def fitted(name: str, engine=None, *, description: str = "", **options: Any):
    method = load_method(name)(MagpieConfig(**options))
    domain = Domain(references=references(6), description=description)
    method.fit(domain, FitContext(engine=engine or ScriptedEngine(answer), model="", seed=0))
    return method


class TestPlainContract(BaselineContract):
    method = "magpie"
    batches = ({"requests_per_call": 1}, {"requests_per_call": 7})
    shows_references = False


class TestDescribedContract(BaselineContract):
    method = "magpie-described"
    batches = ({"requests_per_call": 7},)


class TestDescribedByTheUserContract(BaselineContract):
    method = "magpie-described"
    shows_references = False

    @pytest.fixture
    def domain(self, template):
        return Domain(references=references(6), template=template, description=WORDS)


class TestInducedContract(BaselineContract):
    method = "magpie-induced"
    options: ClassVar[dict[str, Any]] = {"examples": 2}


def test_plain_magpie_continues_the_bare_template_and_sees_no_reference():
    engine = ScriptedEngine(answer)
    method = fitted("magpie", engine, description=WORDS)
    list(method.synthesize(5, SAMPLING))
    assert {request.prompt for request in engine.requests} == {"<|user|>\n"}
    assert method.description == ""


def test_the_user_describes_and_nothing_is_asked_while_learning():
    engine = ScriptedEngine(answer)
    method = fitted("magpie-described", engine, description="Lists,\n  mostly sorted.")
    assert engine.requests == []
    list(method.synthesize(3, SAMPLING))
    expected = f"<|system|>\n{system_prompt('Lists, mostly sorted.')}<|end|>\n<|user|>\n"
    assert {request.prompt for request in engine.requests} == {expected}


@pytest.mark.parametrize(
    ("name", "description"), [("magpie-described", ""), ("magpie-induced", "Of the user.")]
)
def test_the_backbone_describes_a_few_references(name, description):
    engine = ScriptedEngine(answer)
    method = fitted(name, engine, description=description, examples=3)
    (asked,) = engine.requests
    (record, *_) = method.synthesize(3, SAMPLING)
    by_id = {reference.id: reference.instruction for reference in references(6)}
    shown = [by_id[parent] for parent in record.provenance.parents]
    assert len(set(shown)) == 3
    assert describe_prompt(shown) in asked.prompt
    assert system_prompt(WORDS) in engine.requests[-1].prompt
    assert method.description == WORDS


def test_the_run_records_what_the_method_was_told_and_by_whom(tmp_path):
    fitted("magpie-described", description="Mine.").save(tmp_path / "user")
    fitted("magpie-induced", examples=2).save(tmp_path / "backbone")
    user, backbone = (
        json.loads((tmp_path / name / "method.json").read_text())["learned"]
        for name in ("user", "backbone")
    )
    assert user == {"description": "Mine.", "author": "user", "references": []}
    assert (backbone["description"], backbone["author"]) == (WORDS, "backbone")
    assert len(backbone["references"]) == 2


def test_a_failed_description_is_asked_for_again_about_other_references():
    def script(request) -> str:
        told = "in common" in request.prompt and len(engine.requests) > 3
        return WORDS if told else ""

    engine = ScriptedEngine(script)
    method = fitted("magpie-induced", engine)
    assert method.description == WORDS
    assert len({request.prompt for request in engine.requests}) == 4


def test_without_a_description_the_method_stops_with_the_remedy():
    method = fitted("magpie-induced", ScriptedEngine(lambda request: ""), description_tries=3)
    assert list(method.synthesize(5, SAMPLING)) == []
    assert "no description in 3 tries: give --description" in method.counts.stopped
    assert method.counts.requests == 3


def test_responses_stand_behind_the_same_system_turn():
    engine = ScriptedEngine(answer)
    fitted("magpie-described", engine, description="Mine.").respond(["Do it."], SAMPLING)
    assert engine.requests[-1].prompt.startswith(f"<|system|>\n{system_prompt('Mine.')}<|end|>")


def test_the_first_record_is_charged_for_the_description():
    spy = EngineAround(healthy_engine(bad_share=0))
    method = fitted("magpie-induced", spy)
    learning = spy.tokens
    (first, second) = method.synthesize(2, SAMPLING)
    assert first.provenance.tokens + second.provenance.tokens == spy.tokens
    assert first.provenance.tokens > learning > 0


def test_a_task_that_announces_an_input_is_asked_for_again():
    def script(request) -> str:
        return "Sort these:" if request.seed % 2 else "Sort the list."

    method = fitted("magpie", ScriptedEngine(script))
    assert {r.instruction for r in method.synthesize(20, SAMPLING)} == {"Sort the list."}
    assert method.counts.rejected["trailing colon"] > 0


def test_a_backbone_that_never_ends_its_turn_stops_the_method_with_a_reason():
    method = fitted("magpie", ScriptedEngine(lambda request: "word " * 500), tries=4)
    assert list(method.synthesize(5, SAMPLING)) == []
    assert method.counts.stopped == "record 0 had 4 ill-formed answers"
    assert method.counts.rejected == {"truncated": 20}


@pytest.mark.parametrize(
    "field", ["examples", "tries", "requests_per_call", "description_tokens", "description_tries"]
)
def test_options_that_leave_nothing_to_do_are_refused(field):
    with pytest.raises(ValueError, match=f"MagpieConfig.{field} is 0: give at least 1"):
        dataclasses.replace(MagpieConfig(), **{field: 0})
