"""Rows that show what the measurements can show: right pairs, wrong ones, a method twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig, synthesize_config
from benchmarks.controls import (
    Ceiling,
    Control,
    OtherDomain,
    PlainWording,
    Recombined,
    ShuffledResponses,
)
from benchmarks.methods import CONTROLS, TEACHER_ROW, load_method
from benchmarks.run import execute
from benchmarks.suites.housestyle.dialects.suite import DialectSuite
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling, Synthetic
from domino.synthesizer import Domain, FitContext, SynthesisError
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW

SUITE = HousestyleSuite("ledger", "compositions")
DIALECT = DialectSuite("sensor", "weak")
ONLY_OF_DIALECTS = (Recombined, PlainWording)


def fitted(control: type[Control], seed: int = 0) -> Control:
    suite = DIALECT if control in ONLY_OF_DIALECTS else SUITE
    made = control()
    made.open_suite(suite)
    context = FitContext(engine=ScriptedEngine(lambda request: ""), model="", seed=seed)
    made.fit(Domain(references=suite.references()[:8]), context)
    return made


def drawn(control: type[Control], count: int = 20, seed: int = 0) -> list[Synthetic]:
    return list(fitted(control, seed).synthesize(count, Sampling()))


def facts(records: list[Synthetic], name: str) -> set[bool]:
    return {bool((SUITE.oracle(r.instruction, r.response) or {})[name]) for r in records}


def test_the_ceiling_has_right_pairs_of_the_domain_that_no_method_was_given() -> None:
    made = drawn(Ceiling)
    assert len({record.id for record in made}) == 20
    assert facts(made, "aligned") == facts(made, "in_domain") == {True}
    assert facts(made, "copy") == {False}


def test_shuffled_responses_are_right_answers_to_other_instructions() -> None:
    made = drawn(ShuffledResponses)
    assert facts(made, "in_domain") == {True}
    assert facts(made, "aligned") == {False}


def test_another_domains_pairs_are_right_and_not_of_this_domain() -> None:
    made = drawn(OtherDomain)
    assert facts(made, "valid") == {True}
    assert sum(bool((SUITE.oracle(r.instruction, None) or {})["in_domain"]) for r in made) < 5


def test_recombined_pairs_are_right_and_have_the_references_terms_alone() -> None:
    references = DIALECT.references()[:8]
    for record in drawn(Recombined):
        found = DIALECT.oracle(record.instruction, record.response, references) or {}
        assert found["recombined"] and found["aligned"] and found["in_domain"]
    fresh = [DIALECT.oracle(p.instruction, None, references) for p in DIALECT.right_pairs()[:100]]
    assert sum(bool(found and found["new_terms"]) for found in fresh) > 40


def test_plain_wording_has_right_pairs_of_the_same_tasks_out_of_the_dialect() -> None:
    made = drawn(PlainWording)
    found = [DIALECT.oracle(r.instruction, r.response) or {} for r in made]
    assert all(f["valid"] and f["aligned"] and not f["in_domain"] for f in found)
    tasks = {DIALECT.program_key(pair.instruction) for pair in DIALECT.right_pairs()}
    assert {DIALECT.program_key(record.instruction) for record in made} <= tasks


@pytest.mark.parametrize("name", [name for name in CONTROLS if name != TEACHER_ROW])
def test_a_control_is_a_function_of_its_seed_and_is_loaded_as_it_was_saved(
    name: str, tmp_path: Path
) -> None:
    control = load_method(name)
    assert issubclass(control, Control)
    assert control.name == name
    assert drawn(control) == drawn(control)
    assert drawn(control) != drawn(control, seed=1)
    first = fitted(control)
    first.save(tmp_path)
    loaded = control.load(tmp_path, FitContext(engine=None, model="", seed=0))  # type: ignore[arg-type]
    assert list(loaded.synthesize(5, Sampling(), first=3)) == drawn(control)[3:8]


def test_a_control_that_runs_out_of_pairs_says_how_many_there_are() -> None:
    control = fitted(Ceiling)
    made = list(control.synthesize(5_000, Sampling()))
    assert control.tally().stopped == f"the suite has {len(made)} such pairs"


@pytest.fixture
def config(tiny_backbone: Path, tmp_path: Path) -> Iterator[RunConfig]:
    with tiny_run.names():
        yield tiny_run.config(tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW)


def test_controls_and_a_method_twice_are_rows_of_a_run(config: RunConfig) -> None:
    methods = ("no-data", "counting", "counting@again", "ceiling")
    config = replace(config, methods=methods, references=2, pairs=2, oversample=1)
    report = execute(config, plain=True, make_engine=tiny_run.make_engine)
    assert [row.method for row in report.rows] == list(methods)
    assert not report.failed
    by_name = {row.method: row for row in report.rows}
    assert by_name["ceiling"].kept == 2


def test_a_suite_without_such_pairs_is_refused_before_any_work(config: RunConfig) -> None:
    with pytest.raises(SynthesisError, match="other-domain: small has 0"):
        execute(replace(config, methods=("no-data", "other-domain")), quiet=True)
    assert not list(config.output.glob("stages/*"))


def test_a_method_under_another_name_has_its_options_and_draws_of_its_own() -> None:
    options = {"few-shot": {"examples": 2}}
    run = RunConfig(methods=("few-shot", "few-shot@again"), method_options=options)
    first, again = (synthesize_config(run, method) for method in run.methods)
    assert first.options == again.options == {"examples": 2}
    assert first != again


@pytest.mark.parametrize("name", ["few-shot@", "few-shot@a b", "no-such@again"])
def test_an_alias_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        RunConfig(methods=("no-data", name))
