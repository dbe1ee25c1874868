"""What is held equal between methods stays equal, whatever a method does."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.config.presets import load_preset
from benchmarks.config.run_config import RunConfig, respond_config, synthesize_config
from benchmarks.methods import METHODS
from benchmarks.pipeline.pipeline import take_references
from benchmarks.report.terminal import Report
from benchmarks.run import execute
from benchmarks.stages.synthesize import run as synthesize
from benchmarks.suites.registry import SuiteOptions, load_suite
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.benchmarks.shared_data import shared_data
from tests.stages import small

Whole = tuple[RunConfig, Report]
SPY = "tests.benchmarks.test_fairness:Spy"


class Spy(small.Counting):
    """Keeps all that `fit` is given, and rewrites what it can get hold of."""

    name = "spy"
    seen: ClassVar[list[str]] = []

    def fit(self, domain, context):
        given = {f.name: getattr(context, f.name) for f in dataclasses.fields(context)}
        self.seen.append(repr((domain, {**given, "engine": None, "log": None})))
        super().fit(domain, context)

    def synthesize(self, count, sampling, *, first=0):
        object.__setattr__(sampling, "temperature", 9.0)
        object.__setattr__(sampling, "max_new_tokens", 1)
        yield from super().synthesize(count, sampling, first=first)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    Spy.seen.clear()
    yield
    Spy.seen.clear()


def stage_configs(config: RunConfig, row: Any) -> dict[str, Any]:
    """The stored config of every stage of a method, as its address holds it."""
    found = {}
    for name in row.stages["0"]:
        manifest = json.loads((config.output / "stages" / name / "manifest.json").read_text())
        found[manifest["name"]] = manifest["config"]["config"]
    return found


def test_every_stage_after_synthesis_has_one_config_for_all_methods(whole: Whole) -> None:
    config, report = whole
    no_data, repeating, counting = (stage_configs(config, row) for row in report.rows)
    for stage in ("filter-instructions", "filter-responses", "finetune", "evaluate"):
        assert no_data[stage] == repeating[stage] == counting[stage], stage
    for configs in (no_data, repeating, counting):
        del configs["respond"]["method"], configs["synthesize"]["method"]
    assert no_data["respond"] == repeating["respond"] == counting["respond"]
    assert no_data["synthesize"]["sampling"] == counting["synthesize"]["sampling"]
    assert no_data["synthesize"]["draws"] == counting["synthesize"]["draws"] == 10
    assert counting["decontaminate"]["pairs"] == config.pairs


@pytest.mark.parametrize("preset", ["housestyle", "housestyle-conventions", "mbpp+"])
def test_only_a_methods_own_options_differ_between_methods(preset: str) -> None:
    config = load_preset(preset)
    asked = [replace(synthesize_config(config, m), method="", options={}) for m in METHODS]
    answered = [replace(respond_config(config, m), method="") for m in METHODS]
    assert all(one == asked[0] for one in asked)
    assert all(one == answered[0] for one in answered)


def test_a_method_that_rewrites_its_sampling_changes_no_other_and_no_later_stage(
    whole: Whole, tiny_backbone: Path, tmp_path: Path
) -> None:
    _, report = whole
    with tiny_run.names():
        config = tiny_run.config(
            tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW, methods=(SPY, "counting")
        )
        spied, counted = execute(config, plain=True, make_engine=tiny_run.make_engine).rows
        fair = tiny_run.config(tiny_backbone, tmp_path / "runs")
    assert config.sampling == fair.sampling
    assert counted.stages["0"] == report.rows[2].stages["0"], "the same stages, address by address"
    assert stage_configs(config, spied)["synthesize"]["sampling"]["temperature"] == 1.0
    assert spied.scores == counted.scores


@pytest.mark.parametrize(
    ("suite", "data"),
    [
        ("housestyle", {}),
        ("housestyle-conventions", {}),
        (
            "mbpp+",
            {
                "dataset": "evalplus/MbppPlus-v0.2.0.jsonl.gz",
                "references_path": "mbpp/mbpp.jsonl",
            },
        ),
    ],
)
def test_no_problem_reaches_fit(suite: str, data: dict[str, str], tmp_path: Path) -> None:
    paths = {name: shared_data(file) for name, file in data.items()}
    loaded = load_suite(suite, SuiteOptions(**paths))
    references = take_references(loaded, None, 0)
    config = replace(synthesize_config(load_preset(suite), "no-data"), method=SPY, draws=1)
    problems = [*loaded.problems("test"), *loaded.problems("development")]

    def refuse(split: str) -> Any:
        raise AssertionError(f"the {split} problems were asked for")

    loaded.problems = refuse  # type: ignore[method-assign]
    stage = small.fresh(tmp_path, "synthesize")
    synthesize(config, references, stage, small.context(loaded))
    (given,) = Spy.seen
    assert all(repr(reference.instruction) in given for reference in references)
    for problem in problems:
        for text in (loaded.instruction(problem), problem.prompt, problem.canonical_solution):
            assert repr(text.strip())[1:-1] not in given, problem.id
