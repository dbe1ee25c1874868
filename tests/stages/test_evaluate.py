import json
from dataclasses import replace

import pytest

from benchmarks.console.display import Display
from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.context import StageContext
from benchmarks.stages.errors import StageError
from benchmarks.stages.evaluate import EvaluateConfig, Solution, check, run
from benchmarks.stages.finetune import run as finetune
from benchmarks.stages.finetuning.config import FinetuneConfig
from benchmarks.stages.gold import GoldConfig, GoldError
from benchmarks.stages.gold import run as gold
from benchmarks.suites.base import Extracted
from benchmarks.suites.protocol import Protocol
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.engines.scripted import ScriptedEngine
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Outcome, Program, Verdict
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, write
from tests.stages.small import (
    NUMBER,
    BrokenSuite,
    SmallSuite,
    assert_same_after_every_kill,
    context,
    fresh,
    solution,
    source,
    synthetic,
)
from tests.tiny import make_model, make_tokenizer

GREEDY = EvaluateConfig(max_new_tokens=50)


def answer(request):
    """Right on problem 1, right on the base inputs alone on 2, no program on 3."""
    number = int(NUMBER.findall(request.prompt)[-1])
    shaky = "def f(x):\n    return x + 2 if x < 50 else 0\n"
    return {1: solution(1), 2: shaky, 3: "I do not know"}[number]


def sampled(request):
    """Half of the samples are right, by their seed."""
    number = int(NUMBER.findall(request.prompt)[-1])
    return solution(number + request.seed % 2)


@pytest.fixture
def untrained(tmp_path):
    return source(tmp_path, "losses.jsonl", [], name="finetune")


class Thinking(ScriptedEngine):
    """A model whose thought about the third problem never ends."""

    def generate(self, requests, sampling, *, on_done=None):
        made = super().generate(requests, sampling, on_done=on_done)
        return [
            replace(one, text="", unfinished_thought=True) if one.text.startswith("I do") else one
            for one in made
        ]


def test_a_thought_that_never_ended_is_an_outcome_of_its_own(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    thinking = replace(context(), make_engine=lambda model, adapter: Thinking(answer))
    run(GREEDY, untrained, stage, thinking)
    assert stage.summary["outcomes"] == {"passed": 1, "unfinished thought": 1, "wrong": 1}
    assert sum(verdict.passed for verdict in stage.read("verdicts.jsonl", Verdict)) == 1


def test_the_summary_counts_problems_outcomes_and_passes(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    run(GREEDY, untrained, stage, context(script=answer))
    assert stage.summary["problems"] == 3
    assert stage.summary["pass@1"] == pytest.approx(1 / 3)
    assert stage.summary["base pass@1"] == pytest.approx(2 / 3)
    assert sum(stage.summary["outcomes"].values()) == 3
    assert stage.summary["outcomes"]["passed"] == 1
    assert stage.summary["outcomes"]["wrong"] == 1
    assert stage.summary["truncated"] == 0
    assert stage.summary["retried_timeouts"] == 0


def test_programs_solutions_and_verdicts_join_by_id(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    run(EvaluateConfig(samples=4, temperature=0.5), untrained, stage, context(script=sampled))
    ids = [f"test/{problem}/{number}" for problem in (1, 2, 3) for number in range(4)]
    assert [program.id for program in stage.read("programs.jsonl", Program)] == ids
    assert [solution.id for solution in stage.read("completions.jsonl", Solution)] == ids
    assert [verdict.program_id for verdict in stage.read("verdicts.jsonl", Verdict)] == ids


def test_pass_at_k_comes_from_the_samples(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    config = EvaluateConfig(samples=8, temperature=0.5, ks=(1, 8))
    run(config, untrained, stage, context(script=sampled))
    verdicts = stage.read("verdicts.jsonl", Verdict)
    passed = sum(verdict.passed for verdict in verdicts)
    assert 0 < passed < 24
    assert stage.summary["pass@1"] == pytest.approx(passed / 24)
    assert stage.summary["pass@8"] == 1.0


def test_truncated_completions_are_counted(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    run(EvaluateConfig(max_new_tokens=3), untrained, stage, context(script=answer))
    assert stage.summary["truncated"] == 3
    assert stage.summary["pass@1"] == 0.0


def test_solutions_with_undecodable_characters_are_counted_and_can_be_stored(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    halves = lambda request: answer(request) + "# half an emoji: \ud83d"  # noqa: E731
    run(GREEDY, untrained, stage, context(script=halves))
    assert stage.summary["undecodable"] == 3
    assert stage.summary["outcomes"]["passed"] == 1
    assert "\ufffd" in stage.read("completions.jsonl", Solution)[0].text


def test_the_development_split_is_scored_on_demand(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    script = lambda request: solution(int(NUMBER.findall(request.prompt)[-1]))  # noqa: E731
    run(EvaluateConfig(split="development"), untrained, stage, context(script=script))
    assert stage.summary["problems"] == 2
    assert stage.summary["pass@1"] == 1.0


def test_the_adapter_is_used_where_there_is_one(tmp_path, untrained):
    asked = []
    trained = source(tmp_path / "trained", "losses.jsonl", [], name="finetune")
    (trained.path / "adapter").mkdir()

    def make_engine(model, adapter):
        asked.append(adapter)
        return ScriptedEngine(answer)

    for finetuned in (untrained, trained):
        stage = fresh(tmp_path / str(len(asked)), "evaluate")
        given = context()
        run(
            GREEDY,
            finetuned,
            stage,
            StageContext(
                suite=given.suite,
                model="m",
                seed=0,
                sandbox=given.sandbox,
                make_engine=make_engine,
            ),
        )
    assert asked == [None, trained.path / "adapter"]


def test_a_kill_at_any_record_changes_nothing(tmp_path, untrained):
    config = EvaluateConfig(temperature=0.5)
    assert_same_after_every_kill(
        tmp_path,
        "evaluate",
        lambda stage: run(config, untrained, stage, context(script=sampled)),
    )


def test_a_real_model_that_learned_the_answers_passes(tmp_path):
    """Fine-tuning and evaluation meet: what is trained with one prompt is asked with the same."""
    backbone = tmp_path / "backbone"
    tokenizer = make_tokenizer("im")
    tokenizer.save_pretrained(backbone)
    make_model(vocabulary=len(tokenizer)).save_pretrained(backbone)
    pairs = [synthetic(n, response=f"def f(x):\n    return x + {n}") for n in (1, 2, 3)]
    finetuned = fresh(tmp_path, "finetune")
    given = StageContext(
        suite=SmallSuite(),
        model=str(backbone),
        seed=0,
        sandbox=SandboxConfig(),
        make_engine=lambda model, adapter: TransformersEngine.load(model, adapter=adapter),
    )
    recipe = FinetuneConfig(rank=32, alpha=64, learning_rate=1e-2, steps=120, batch_size=3)
    finetune(recipe, source(tmp_path, "kept.jsonl", pairs), (), finetuned, given)
    stage = fresh(tmp_path, "evaluate")
    run(GREEDY, finetuned, stage, given)
    assert stage.summary["pass@1"] == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"samples": 4}, "at temperature 0"),
        ({"ks": (2,)}, "every k must be"),
        ({"ks": ()}, "every k must be"),
        ({"split": "training"}, "split is 'training'"),
    ],
)
def test_what_has_no_estimate_is_refused(changes, message):
    with pytest.raises(StageError, match=message):
        EvaluateConfig(**changes)


def test_canonical_solutions_that_pass_open_the_way(tmp_path):
    stage = fresh(tmp_path, "gold")
    progress = Display()
    gold(GoldConfig(suite="small"), stage, context(progress=progress))
    assert stage.summary == {"problems": 3, "failures": 0}
    assert (progress.now.total, progress.now.done) == (6, 6), (
        "each runs once to show, once to be checked"
    )


def test_a_suite_whose_canonical_solutions_fail_refuses_to_score(tmp_path):
    stage = fresh(tmp_path, "gold")
    with pytest.raises(GoldError, match=r"broken: .* 1 of 3 problems fail: test/1") as caught:
        gold(GoldConfig(suite="broken"), stage, context(BrokenSuite()))
    assert caught.value.problem_ids == ("test/1",)
    assert not stage.complete


def test_the_programs_are_exported_for_the_official_tools(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    run(EvaluateConfig(samples=2, temperature=0.5), untrained, stage, context(script=sampled))
    programs = stage.read("programs.jsonl", Program)
    lines = (stage.path / "export" / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"task_id": program.problem_id, "solution": program.code} for program in programs
    ]
    assert "export/samples.jsonl" in stage.digests


def test_a_limit_tries_the_same_problems_for_every_row(tmp_path, untrained):
    tried = []
    for seed in (0, 7):
        stage = fresh(tmp_path / str(seed), "evaluate")
        given = replace(context(script=answer), seed=seed)
        run(replace(GREEDY, limit=2), untrained, stage, given)
        assert stage.summary["problems"] == 2
        tried.append([verdict.problem_id for verdict in stage.read("verdicts.jsonl", Verdict)])
    assert tried[0] == tried[1]
    with pytest.raises(StageError, match=r"evaluate\.limit is 0"):
        EvaluateConfig(limit=0)


def test_shots_stand_before_every_problem_as_finished_turns(tmp_path, untrained):
    asked = []

    def script(request):
        asked.append(request.prompt)
        return answer(request)

    stage = fresh(tmp_path, "evaluate")
    run(replace(GREEDY, shots=2), untrained, stage, context(script=script))
    for prompt in asked:
        assert prompt.count("<|user|>") == 3
        assert prompt.count("<|assistant|>") == 3
        assert "Add 21 to" in prompt and solution(22) in prompt


def test_shots_that_cannot_be_shown_are_refused():
    suite = SmallSuite()
    check(replace(GREEDY, shots=4), suite, suite.references())
    unsolved = [replace(reference, response=None) for reference in suite.references()]
    with pytest.raises(StageError, match="have a response"):
        check(replace(GREEDY, shots=4), suite, unsolved)
    official = load_suite("humaneval+", SuiteOptions())
    with pytest.raises(StageError, match="protocol plain"):
        check(replace(GREEDY, shots=1), official, suite.references())


class TimedOutSuite(SmallSuite):
    """Its tool gives up on the second problem."""

    def extract_all(self, pairs, *, direct=False):
        return [
            Extracted("", Outcome.EXTRACTION_TIMEOUT, "more than 10 s")
            if problem.id == "test/2"
            else Extracted(response)
            for problem, response in pairs
        ]


def test_a_response_on_which_extraction_gave_up_has_an_outcome_of_its_own(tmp_path, untrained):
    stage = fresh(tmp_path, "evaluate")
    run(GREEDY, untrained, stage, context(TimedOutSuite(), script=answer))
    assert stage.summary["outcomes"]["extraction timed out"] == 1
    assert stage.summary["problems"] == 3
    verdicts = {verdict.problem_id: verdict for verdict in stage.read("verdicts.jsonl", Verdict)}
    assert verdicts["test/2"].base is Outcome.EXTRACTION_TIMEOUT
    assert verdicts["test/1"].passed


def test_the_limit_of_new_tokens_is_the_tools_where_none_is_given():
    assert EvaluateConfig().token_limit() == 512
    assert EvaluateConfig().token_limit(Protocol(max_new_tokens=768)) == 768
    assert EvaluateConfig(max_new_tokens=9).token_limit(Protocol(max_new_tokens=768)) == 9


def test_a_base_models_answer_is_judged_behind_the_prompt_that_it_continues(tmp_path, untrained):
    class Base(ScriptedEngine):
        has_turns = False

    row = {**HUMANEVAL_ROW, "prompt": 'def double(x):\n    """Twice x."""\n'}
    suite = load_suite("humaneval+", SuiteOptions(dataset=write(tmp_path / "he.jsonl", row)))
    asked = []

    def script(request):
        asked.append(request)
        return "\treturn 2 * x\ndef other():\n    pass"

    given = replace(context(), suite=suite, make_engine=lambda model, adapter: Base(script))
    stage = fresh(tmp_path, "evaluate")
    run(EvaluateConfig(), untrained, stage, given)
    assert [(r.prompt, r.special_tokens) for r in asked] == [(row["prompt"], True)]
    [program] = stage.read("programs.jsonl", Program)
    assert program.code == 'def double(x):\n    """Twice x."""\n    return 2 * x'
    assert stage.summary["outcomes"] == {"passed": 1}
