from dataclasses import replace

import pytest

from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.pairs import training_pairs
from benchmarks.stages.respond import TRAITS, Candidates, RespondConfig, run
from benchmarks.stages.synthesize import SynthesizeConfig
from benchmarks.stages.synthesize import run as synthesize
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.engines.scripted import ScriptedEngine
from domino.records import Reference, Sampling, Synthetic
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, write
from tests.benchmarks.tokenizers_of_families import family_tokenizer
from tests.stages.small import (
    NUMBER,
    SmallSuite,
    answer,
    assert_reconciles,
    assert_same_after_every_kill,
    context,
    fresh,
    solution,
    source,
    synthetic,
)

REFERENCES = SmallSuite().references()
RECORDS = [synthetic(100), synthetic(101, response="given"), synthetic(102)]


def config(**changes):
    return RespondConfig(**{"method": "counting", "sampling": Sampling(seed=5), **changes})


def drawn_by(method, tmp_path):
    drawn = fresh(tmp_path, "synthesize")
    config = SynthesizeConfig(method=method, draws=1, sampling=Sampling())
    synthesize(config, REFERENCES, drawn, context())
    return drawn


def answered(tmp_path, given, *, records=RECORDS, references=REFERENCES, script=answer):
    """Run the stage; return it with the requests and samplings that the engine saw."""
    inputs = source(tmp_path, "kept.jsonl", records)
    drawn = drawn_by(given.method, tmp_path)
    shared = context(script=script)
    stage = fresh(tmp_path, "respond")
    run(given, inputs, drawn, references, stage, shared)
    return stage, shared.engine()


def test_the_plain_responder_answers_with_nothing_else_in_the_context(tmp_path):
    stage, engine = answered(tmp_path, config())
    assert [request.prompt for request in engine.requests] == [
        engine.render([{"role": "user", "content": record.instruction}]) for record in RECORDS
    ]
    assert len(stage.read("responses.jsonl", Synthetic)) == 3


@pytest.mark.parametrize("responder", ["plain", "references"])
def test_what_a_method_answered_itself_is_set_aside_under_another_rule(tmp_path, responder):
    stage, engine = answered(tmp_path, config(responder=responder))
    assert len(engine.requests) == len(RECORDS)
    assert stage.summary["given"] == 0
    assert "given" not in {r.response for r in stage.read("responses.jsonl", Synthetic)}


@pytest.mark.parametrize("responder", ["plain", "own"])
def test_a_references_own_response_stays_under_every_rule(tmp_path, responder):
    stage, engine = answered(tmp_path, config(responder=responder, method="repeating"))
    responses = {r.id: r.response for r in stage.read("responses.jsonl", Synthetic)}
    assert responses["s101"] == "given"
    assert len(engine.requests) == len(RECORDS) - 1


def test_a_single_response_is_greedy_and_the_methods_own_stays_where_it_answers(tmp_path):
    own = config(responder="own", sampling=Sampling(temperature=0.9))
    stage, engine = answered(tmp_path, own)
    responses = {r.id: r.response for r in stage.read("responses.jsonl", Synthetic)}
    assert responses["s101"] == "given"
    assert responses["s100"].startswith("def f(x):")
    assert {sampling.temperature for sampling in engine.samplings} == {0.0}
    assert stage.summary["in"] == stage.summary["kept"] == 3
    assert stage.summary["given"] == 1


def test_references_stand_before_the_instruction_as_finished_turns(tmp_path):
    stage, engine = answered(tmp_path, config(responder="references", shots=2))
    for request in engine.requests:
        turns = request.prompt.split("<|end|>")
        assert request.prompt.count("<|user|>") == 3
        assert turns[1].strip().removeprefix("<|assistant|>\n") in {
            reference.response.strip() for reference in REFERENCES
        }
    assert len(stage.read("responses.jsonl", Synthetic)) == 3


def test_instructions_get_references_of_their_own(tmp_path):
    many = [synthetic(100 + number) for number in range(20)]
    _, engine = answered(tmp_path, config(responder="references", shots=1), records=many)
    assert len({request.prompt.split("<|end|>")[0] for request in engine.requests}) > 1


def test_the_methods_own_conditioning_answers(tmp_path):
    _, engine = answered(tmp_path, config(responder="own"))
    assert all("own conditioning" in request.prompt for request in engine.requests)


def test_several_samples_are_all_kept_as_candidates(tmp_path):
    sampling = Sampling(temperature=0.7)
    stage, engine = answered(tmp_path, config(responder="own", responses=8, sampling=sampling))
    candidates = stage.read("candidates.jsonl", Candidates)
    assert [candidate.id for candidate in candidates] == ["s100", "s102"]
    assert {len(candidate.responses) for candidate in candidates} == {8}
    assert set(candidates[0].responses) <= {solution(100), solution(101)}
    assert len({request.seed for request in engine.requests}) == 16
    assert {sampling.temperature for sampling in engine.samplings} == {0.7}
    assert stage.summary["generated"] == 16


@pytest.mark.parametrize("responder", ["plain", "references"])
def test_all_samples_of_a_chunk_are_asked_for_in_one_call(tmp_path, responder):
    given = config(responder=responder, responses=4, sampling=Sampling(temperature=0.7))
    stage, engine = answered(tmp_path, given)
    assert len({sampling.seed for sampling in engine.samplings}) == 1, "one call has one sampling"
    candidates = stage.read("candidates.jsonl", Candidates)
    for candidate, record in zip(candidates, RECORDS, strict=True):
        number = int(record.id.removeprefix("s"))
        assert candidate.id == record.id
        assert len(candidate.responses) == 4
        assert set(candidate.responses) <= {solution(number), solution(number + 1)}
    seeds = [request.seed for request in engine.requests]
    assert len(set(seeds)) == len(seeds) == 12


def test_the_first_candidate_is_the_response_until_a_vote(tmp_path):
    stage, _ = answered(tmp_path, config(responder="own", responses=3))
    first = {c.id: c.responses[0] for c in stage.read("candidates.jsonl", Candidates)}
    responses = {r.id: r.response for r in stage.read("responses.jsonl", Synthetic)}
    assert responses == {**first, "s101": "given"}


def test_tokens_count_what_was_generated(tmp_path):
    stage, engine = answered(tmp_path, config(responder="own"))
    generated = [r for r in stage.read("responses.jsonl", Synthetic) if r.id != "s101"]
    assert stage.summary["tokens"] == sum(engine.count_tokens(r.response) for r in generated)


@pytest.mark.parametrize("responses", [1, 3])
def test_a_kill_at_any_record_changes_nothing(tmp_path, responses):
    inputs = source(tmp_path, "kept.jsonl", RECORDS)
    drawn = drawn_by("counting", tmp_path)
    assert_same_after_every_kill(
        tmp_path,
        "respond",
        lambda stage: run(config(responses=responses), inputs, drawn, REFERENCES, stage, context()),
    )


def test_references_without_responses_cannot_respond(tmp_path):
    bare = [Reference(id="a", instruction="x"), Reference(id="b", instruction="y")]
    with pytest.raises(StageError, match=r"2 of 2 have none .* use responder plain or own"):
        answered(tmp_path, config(responder="references"), references=bare)


def test_responses_with_undecodable_characters_are_counted(tmp_path):
    odd = iter(["half an emoji: \udc4d", "\ud83d\udc4d whole", "\ufffd already"])
    stage, _ = answered(tmp_path, config(), script=lambda request: next(odd))
    assert stage.summary["undecodable"] == 2


def test_no_records_need_no_engine(tmp_path):
    stage, engine = answered(tmp_path, config(), records=[])
    assert not engine.requests
    assert stage.summary["kept"] == 0


@pytest.mark.parametrize("changes", [{"responses": 0}, {"shots": 0}, {"responder": "oracle"}])
def test_a_responder_that_cannot_work_is_refused(changes):
    with pytest.raises(StageError, match=next(iter(changes))):
        config(**changes)


class SolvingSuite(SmallSuite):
    """Solves additions of an even number, and says what limits it was given."""

    solves = True

    def __init__(self) -> None:
        self.limits_seen: list[SandboxConfig] = []

    def solve(self, instructions, config):
        self.limits_seen.append(config)
        numbers = [int(NUMBER.findall(text)[0]) for text in instructions]
        return [solution(number) if number % 2 == 0 else None for number in numbers]


def solved(tmp_path, records=RECORDS, **changes):
    shared = context(SolvingSuite())
    stage = fresh(tmp_path, "respond")
    inputs = source(tmp_path, "kept.jsonl", records)
    given = config(responder="solver", **changes)
    run(given, inputs, drawn_by(given.method, tmp_path), REFERENCES, stage, shared)
    return stage, shared


def test_the_solver_answers_once_and_what_it_cannot_answer_is_dropped_with_a_reason(tmp_path):
    stage, shared = solved(tmp_path, responses=8, sampling=Sampling(temperature=0.7))
    responses = {r.id: r.response for r in stage.read("responses.jsonl", Synthetic)}
    assert responses == {"s100": solution(100), "s102": solution(102)}
    assert not stage.read("candidates.jsonl", Candidates)
    assert stage.summary["dropped"] == {"no solution": 1}
    assert_reconciles(stage, ["s100", "s101", "s102"], list(responses))
    assert not shared.engine().requests
    assert stage.summary["tokens"] == stage.summary["generated"] == 0
    assert shared.suite.limits_seen == [shared.sandbox]


def test_a_kill_at_any_record_changes_nothing_with_a_solver(tmp_path):
    inputs = source(tmp_path, "kept.jsonl", RECORDS)
    drawn = drawn_by("counting", tmp_path)
    given = config(responder="solver")
    assert_same_after_every_kill(
        tmp_path,
        "respond",
        lambda stage: run(given, inputs, drawn, REFERENCES, stage, context(SolvingSuite())),
    )


def test_a_solver_depends_on_limits_and_not_on_the_seed():
    given = config(responder="solver")
    assert TRAITS.runs_programs(given) and not TRAITS.random(given)
    assert TRAITS.random(config()) and not TRAITS.runs_programs(config())


def test_a_suite_without_a_solver_is_refused_in_one_line(tmp_path):
    with pytest.raises(StageError, match=r"small knows no right responses .*: use responder plain"):
        answered(tmp_path, config(responder="solver"))


@pytest.mark.parametrize("has_turns", [True, False])
def test_responses_under_an_official_protocol_are_kept_and_learned_as_they_were_asked(
    tmp_path, has_turns
):
    class Asked(ScriptedEngine):
        @property
        def has_turns(self):
            return has_turns

    def script(request):
        body = "    return 2 * x\n"
        return HUMANEVAL_ROW["prompt"] + body + "```" if has_turns else body

    path = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    suite = load_suite("humaneval+", SuiteOptions(dataset=path))
    content = suite.instruction(suite.problems("test")[0])
    engine = Asked(script)
    given = replace(context(), suite=suite, make_engine=lambda model, adapter: engine)
    stage = fresh(tmp_path, "respond")
    inputs = source(tmp_path, "kept.jsonl", [synthetic(0, text=content)])
    run(config(), inputs, drawn_by("counting", tmp_path), REFERENCES, stage, given)
    [record] = stage.read("responses.jsonl", Synthetic)
    assert suite.refuse_response(record.instruction, record.response) is None
    [request] = engine.requests
    tokenizer = family_tokenizer("chatml" if has_turns else "base")
    [pair] = training_pairs([record], suite.protocol(chat=has_turns), tokenizer)
    assert request.prefill == suite.protocol(chat=has_turns).prefill
    assert engine.samplings[0].stop == suite.protocol(chat=has_turns).stop
    assert pair.prompt.endswith(request.prefill if has_turns else request.prompt)
    assert pair.completion.count("return 2 * x") == 1
    assert pair.completion.count("def double") == has_turns
