import itertools
import json
import re
from dataclasses import replace

import pytest

from benchmarks.console.display import Display
from benchmarks.stages.errors import BackboneError, StageError
from benchmarks.stages.synthesize import SynthesizeConfig, run
from domino.engines.base import EngineError
from domino.engines.transformers_engine import TransformersEngine
from domino.fit_run import FitRun
from domino.records import Sampling, Synthetic
from domino.synthesizer import SynthesisError, Tally
from tests.stages.small import (
    METHODS,
    Counting,
    SmallSuite,
    assert_same_after_every_kill,
    context,
    files,
    fresh,
    killed_after,
    synthetic,
)

REFERENCES = SmallSuite().references()


def summary(**counts):
    none = {"missing": 0, "why": "", "refused": {}, "tokens": 0, "undecodable": 0}
    kinds = {"synthesizes": True, "keeps_responses": False}
    return {**none, **kinds, **counts}


def config(method="counting", draws=6, **options):
    return SynthesizeConfig(method=method, draws=draws, sampling=Sampling(), options=options)


def test_a_kill_at_any_record_changes_nothing(tmp_path):
    whole = assert_same_after_every_kill(
        tmp_path, "synthesize", lambda stage: run(config(), REFERENCES, stage, context())
    )
    assert whole.summary == summary(drawn=6, tokens=42)


def test_a_method_that_had_learned_before_a_kill_does_not_learn_again(tmp_path):
    stage = fresh(tmp_path, "synthesize")
    losses, drawn = 3, 2
    with killed_after(stage, losses + drawn) as dying:
        run(config(), REFERENCES, dying, context())
    assert (stage.path / "method").is_dir()
    run(config(), REFERENCES, stage, context())
    assert Counting.fits == [4]


@pytest.fixture
def fit_domino(tiny_backbone, monkeypatch):
    """Run the stage with DOMINO on a tiny backbone; return the steps that this run took."""
    monkeypatch.setitem(METHODS, "domino", "domino.method:DominoSynthesizer")
    engine = TransformersEngine.load(tiny_backbone)
    real = replace(context(), model=str(tiny_backbone), make_engine=lambda model, adapter: engine)
    options = {"domain_tokens": 2, "sample_tokens": 2, "steps": 6, "batch_size": 2}
    options |= {"evaluate_every": 3, "checkpoint_every": 2}
    step = FitRun.step

    def fit(stage):
        taken = []
        monkeypatch.setattr(
            FitRun, "step", lambda self, *args, **more: taken.append(1) or step(self, *args, **more)
        )
        try:
            run(config("domino", draws=2, **options), REFERENCES, stage, real)
        finally:
            steps.append(len(taken))

    steps = []
    return fit, steps


def test_a_killed_fit_goes_on_from_its_checkpoint_and_ends_the_same(tmp_path, fit_domino):
    fit, steps = fit_domino
    whole, stage = fresh(tmp_path / "whole", "synthesize"), fresh(tmp_path, "synthesize")
    fit(whole)
    with killed_after(stage, 4) as dying:  # in the fifth step
        fit(dying)
    fit(stage)
    assert steps == [6, 5, 2]
    assert files(stage) == files(whole)
    assert (stage.path / "method" / "adapter" / "adapter_model.safetensors").read_bytes() == (
        whole.path / "method" / "adapter" / "adapter_model.safetensors"
    ).read_bytes()
    assert not (stage.path / ".fit").exists()


def test_what_a_fit_found_out_is_in_the_summary(tmp_path, fit_domino):
    stage = fresh(tmp_path, "synthesize")
    fit_domino[0](stage)
    found = stage.summary["findings"]
    assert found["step"] == 6
    assert {"norm_ratio", "nearest_cosine", "swap_gap", "copy_rate", "distinct_rate"} <= set(found)


def test_what_a_fit_found_out_and_the_memory_that_it_needs_are_lines_that_stay(
    tmp_path, fit_domino, monkeypatch
):
    said = []
    monkeypatch.setattr(Display, "line", lambda self, text: said.append(text))
    fit_domino[0](fresh(tmp_path, "synthesize"))
    memory, findings = said
    assert re.match(r"a step needs about .* GiB plus the weights", memory)
    assert re.match(r"domino seed 0, as fitted: step 6, .*swap_gap .*copy_rate ", findings)


def test_the_curve_goes_to_the_log_and_to_a_file(tmp_path):
    logged = []
    stage = fresh(tmp_path, "synthesize")
    run(
        config(), REFERENCES, stage, context(log=lambda values, step: logged.append((step, values)))
    )
    lines = (stage.path / "losses.jsonl").read_text(encoding="utf-8").splitlines()
    assert [(json.loads(line)["step"], json.loads(line)["values"]) for line in lines] == logged
    assert len(logged) == 3


def test_options_reach_the_method(tmp_path):
    stage = fresh(tmp_path, "synthesize")
    run(config(start=500), REFERENCES, stage, context())
    assert stage.read("synthetic.jsonl", Synthetic)[0].instruction == (
        "Add 500 to the given number."
    )


def test_the_summary_has_the_words_that_the_method_was_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Counting, "description", "Additions of one number.")
    stage = fresh(tmp_path, "synthesize")
    run(config(), REFERENCES, stage, context())
    assert stage.summary["description"] == "Additions of one number."


def test_a_method_that_runs_dry_says_how_many_are_missing(tmp_path):
    stage = fresh(tmp_path, "synthesize")
    run(config(supply=4), REFERENCES, stage, context())
    assert stage.summary == summary(drawn=4, missing=2, tokens=28)


def test_what_a_method_refused_itself_and_why_it_stopped_are_kept(tmp_path, monkeypatch):
    def choosy(self, count, sampling, *, first=0):
        yield synthetic(first)
        tally.rejected.update({"too_long": 3, "empty": 4, "never": 0})
        tally.stopped = "ran out\nof ideas"

    tally = Tally()
    monkeypatch.setattr(Counting, "synthesize", choosy)
    monkeypatch.setattr(Counting, "tally", lambda self: tally)
    stage = fresh(tmp_path, "synthesize")
    run(config(), REFERENCES, stage, context())
    assert stage.summary == summary(
        drawn=1, missing=5, why="ran out of ideas", refused={"empty": 4, "too_long": 3}
    )


@pytest.mark.parametrize("draws", [1, 100])
def test_references_are_neither_padded_nor_cut(tmp_path, draws):
    stage = fresh(tmp_path, "synthesize")
    run(config("repeating", draws=draws), REFERENCES, stage, context())
    assert stage.summary == summary(drawn=4, synthesizes=False, keeps_responses=True)


def test_rows_of_different_seeds_sample_with_different_seeds(tmp_path):
    seeds = []
    for seed in (0, 1):
        stage = fresh(tmp_path / str(seed), "synthesize")
        run(config(), REFERENCES, stage, context(seed=seed))
        seeds.append({r.provenance.seed for r in stage.read("synthetic.jsonl", Synthetic)})
    assert not seeds[0] & seeds[1]


def test_repeated_ids_are_refused(tmp_path, monkeypatch):
    counted = Counting.synthesize

    def twice(self, count, sampling, *, first=0):
        return iter([*counted(self, 1, sampling), *counted(self, 1, sampling)])

    monkeypatch.setattr(Counting, "synthesize", twice)
    with pytest.raises(SynthesisError, match="yielded the id 's0' twice"):
        run(config(), REFERENCES, fresh(tmp_path, "synthesize"), context())


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        (lambda count: (synthetic(n) for n in itertools.count()), "more than the 6 records asked"),
        (lambda count: ["a text"] * count, "yielded a str"),
        (lambda count: None, "synthesize returned None"),
    ],
)
def test_a_method_that_does_not_yield_what_it_was_asked_for_is_refused(
    tmp_path, monkeypatch, yielded, message
):
    monkeypatch.setattr(
        Counting, "synthesize", lambda self, count, sampling, *, first=0: yielded(count)
    )
    with pytest.raises(SynthesisError, match=message):
        run(config(), REFERENCES, fresh(tmp_path, "synthesize"), context())


def test_a_backbone_that_cannot_be_loaded_is_no_rows_fault(tmp_path):
    def broken(model, adapter):
        raise EngineError("the weights are damaged")

    broken_context = replace(context(), make_engine=broken)
    with pytest.raises(BackboneError, match="the weights are damaged"):
        run(config(), REFERENCES, fresh(tmp_path, "synthesize"), broken_context)


def test_a_domain_of_one_reference_is_refused(tmp_path):
    with pytest.raises(SynthesisError, match="at least 2 references"):
        run(config(), REFERENCES[:1], fresh(tmp_path, "synthesize"), context())


def test_a_run_that_draws_nothing_is_refused():
    with pytest.raises(StageError, match="draws is 0"):
        config(draws=0)
