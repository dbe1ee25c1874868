"""Stages that ask the teacher: what is answered is kept in the stage, and asked once."""

from dataclasses import replace

import pytest

from benchmarks.stages import evaluate, filter_instructions, filter_responses
from benchmarks.stages.answers import ANSWERS, KeptAnswers, TeacherAnswer
from benchmarks.stages.errors import StageError
from benchmarks.stages.evaluate import EvaluateConfig, TeacherEvaluateConfig
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.respond import TRAITS, RespondConfig
from benchmarks.stages.respond import run as respond
from benchmarks.stages.synthesize import SynthesizeConfig
from benchmarks.stages.synthesize import run as synthesize
from domino.engines.base import EngineError, Request
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling, Synthetic
from tests.stages.small import (
    SmallSuite,
    answer,
    assert_same_after_every_kill,
    context,
    fresh,
    killed_after,
    solution,
    source,
    synthetic,
)

REFERENCES = SmallSuite().references()
RECORDS = [synthetic(100), synthetic(101, response="the method's own"), synthetic(102)]
SAMPLING = Sampling(temperature=0.0, max_new_tokens=40)
TEACHES = RespondConfig(method="counting", sampling=Sampling(), responder="teacher")


class Mute(ScriptedEngine):
    """The backbone, which must not be asked."""

    def generate(self, requests, sampling, *, on_done=None):
        raise AssertionError("the backbone was asked")


def taught(script=answer, **changes):
    """Return a context whose backbone must not be asked, and its teacher."""
    teacher = ScriptedEngine(script)
    made = context(make_teacher=lambda: teacher, **changes)
    object.__setattr__(made, "make_engine", lambda model, adapter: Mute(script))
    return made, teacher


def drawn_by(method, tmp_path):
    drawn = fresh(tmp_path, "synthesize")
    synthesize(SynthesizeConfig(method=method, draws=1, sampling=Sampling()), REFERENCES, drawn,
               context())  # fmt: skip
    return drawn


def answered(tmp_path, shared, config=TEACHES, records=RECORDS):
    stage = fresh(tmp_path, "respond")
    inputs = source(tmp_path, "kept.jsonl", records)
    respond(config, inputs, drawn_by(config.method, tmp_path), REFERENCES, stage, shared)
    return stage


def test_the_teacher_answers_for_every_method_and_its_tokens_are_counted(tmp_path):
    shared, teacher = taught()
    stage = answered(tmp_path, shared)
    responses = {r.id: r.response for r in stage.read("responses.jsonl", Synthetic)}
    assert list(responses.values()) == [answer(request) for request in teacher.requests]
    assert list(responses) == ["s100", "s101", "s102"]
    tokens = sum(teacher.count_tokens(text) for text in responses.values())
    assert stage.summary["tokens"] == tokens
    counted = stage.summary["teacher"]
    assert (counted["answers"], counted["tokens"]) == (3, tokens)
    assert counted["prompt_tokens"] > 3


def test_of_references_alone_the_teacher_writes_the_responses_too(tmp_path):
    shared, teacher = taught()
    references = RespondConfig(method="repeating", sampling=Sampling(), responder="teacher")
    records = [synthetic(21, response="the reference's own")]
    stage = answered(tmp_path, shared, references, records)
    (record,) = stage.read("responses.jsonl", Synthetic)
    assert len(teacher.requests) == 1
    assert record.response == answer(teacher.requests[0]) != "the reference's own"


def test_several_samples_are_asked_of_the_teacher(tmp_path):
    shared, teacher = taught()
    stage = answered(tmp_path, shared, replace(TEACHES, responses=4))
    assert len(teacher.requests) == 12
    assert stage.summary["generated"] == stage.summary["teacher"]["answers"] == 12


def test_after_a_kill_only_what_has_no_answer_is_asked(tmp_path):
    inputs, drawn = source(tmp_path, "kept.jsonl", RECORDS), drawn_by("counting", tmp_path)
    first, asked_first = taught()
    with killed_after(fresh(tmp_path, "respond"), 2) as dying:
        respond(TEACHES, inputs, drawn, REFERENCES, dying, first)
    again, asked_again = taught()
    stage = fresh(tmp_path, "respond")
    respond(TEACHES, inputs, drawn, REFERENCES, stage, again)
    assert len(asked_first.requests) == 3
    assert [request.prompt for request in asked_again.requests] == [asked_first.requests[2].prompt]
    assert stage.summary["teacher"]["answers"] == 3


def test_a_teacher_that_fails_costs_none_of_the_answers_before(tmp_path):
    inputs, drawn = source(tmp_path, "kept.jsonl", RECORDS), drawn_by("counting", tmp_path)
    written = iter(["one", "two"])

    def runs_out(request):
        try:
            return next(written)
        except StopIteration:
            raise EngineError("the server has gone") from None

    failing, _ = taught(runs_out)
    stage = fresh(tmp_path, "respond")
    with stage.writing(), pytest.raises(EngineError, match="has gone"):
        respond(TEACHES, inputs, drawn, REFERENCES, stage, failing)
    kept = fresh(tmp_path, "respond").read(ANSWERS, TeacherAnswer)
    assert [found.text for found in kept] == ["one", "two"]


def test_a_kill_at_any_record_changes_nothing(tmp_path):
    inputs, drawn = source(tmp_path, "kept.jsonl", RECORDS), drawn_by("counting", tmp_path)
    assert_same_after_every_kill(
        tmp_path,
        "respond",
        lambda stage: respond(TEACHES, inputs, drawn, REFERENCES, stage, taught()[0]),
    )


def test_an_answer_is_that_of_its_prompt_its_seed_and_its_sampling(tmp_path):
    engine = ScriptedEngine(lambda request: f"answer {request.seed}")
    kept = KeptAnswers(engine, fresh(tmp_path, "respond"))
    requests = [Request(prompt="a", seed=seed) for seed in (1, 2, 1)]
    seen: list[int] = []
    made = kept.generate(requests, SAMPLING, on_done=lambda n, done: seen.append(n))
    assert [done.text for done in made] == ["answer 1", "answer 2", "answer 1"]
    assert seen == [0, 1, 2]
    assert len(engine.requests) == 2
    kept.generate(requests, Sampling(temperature=0.5, max_new_tokens=40))
    assert len(engine.requests) == 4
    kept.generate(requests, Sampling(temperature=0.0, max_new_tokens=40, seed=9))
    assert len(engine.requests) == 4


def test_the_judge_is_the_teacher_where_the_filter_says_so(tmp_path):
    shared, teacher = taught(lambda request: "good" if "100" in str(request.prompt) else "poor")
    config = FilterConfig(judge="teacher", judge_responses=True, judge_instructions=True,
                          instruction_grades=("good",))  # fmt: skip
    drawn = source(tmp_path, "synthetic.jsonl", RECORDS, "synthesize")
    stage = fresh(tmp_path, "filter-instructions")
    filter_instructions.run(config, drawn, stage, shared)
    assert stage.summary["kept"] == 1
    assert stage.summary["teacher"]["answers"] == len(teacher.requests) == 3
    written = [synthetic(n, response=solution(n)) for n in (100, 101)]
    responded = source(tmp_path, "responses.jsonl", written, "respond")
    stage = fresh(tmp_path, "filter-responses")
    filter_responses.run(config, responded, stage, shared)
    assert stage.summary["dropped"] == {"judge": 1}
    assert filter_responses.TRAITS.asks_teacher(config)
    assert not filter_responses.TRAITS.asks_teacher(FilterConfig(judge_responses=True))
    assert TRAITS.asks_teacher(TEACHES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"judge": "someone"}, "give one of backbone, teacher"), ({"judge": "teacher"}, "no grade")],
)
def test_a_judge_that_is_not_known_or_judges_nothing_is_refused(changes, message):
    with pytest.raises(StageError, match=message):
        FilterConfig(**changes)


def test_the_teacher_solves_the_problems_in_its_row_alone(tmp_path):
    shared, teacher = taught()
    tuned = fresh(tmp_path, "finetune")
    with tuned.writing():
        tuned.finish({"adapter": False})
    config = TeacherEvaluateConfig(max_new_tokens=200)
    stage = fresh(tmp_path, "evaluate")
    evaluate.run(config, tuned, stage, shared)
    assert len(teacher.requests) == stage.summary["teacher"]["answers"] == 3
    assert evaluate.TRAITS.asks_teacher(config)
    assert not evaluate.TRAITS.asks_teacher(EvaluateConfig())


def test_the_backbone_is_released_before_the_teacher_is_loaded_and_the_other_way_round(tmp_path):
    events: list[str] = []

    class Loaded(ScriptedEngine):
        def __init__(self, name):
            super().__init__(answer)
            self.name = name
            events.append(f"load {name}")

        def close(self):
            events.append(f"close {self.name}")

    made = context(make_teacher=lambda: Loaded("teacher"))
    object.__setattr__(made, "make_engine", lambda model, adapter: Loaded("backbone"))
    stage = fresh(tmp_path, "respond")
    made.engine()
    made.teacher(stage)
    made.teacher(stage)
    made.engine()
    assert events == ["load backbone", "close backbone", "load teacher", "close teacher",
                      "load backbone"]  # fmt: skip


def test_a_run_without_a_teacher_cannot_ask_one(tmp_path):
    with pytest.raises(StageError, match="the run has no teacher: give --responder teacher"):
        context().teacher(fresh(tmp_path, "respond"))
