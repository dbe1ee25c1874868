"""The funnel adds up, step by step, and with the stages' own records."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.pipeline.rows import FailedRun, SeedRun, row_steps
from benchmarks.report.funnel import NEVER_DRAWN, ROW_FAILED, STEP_NAMES, Funnel, funnel
from benchmarks.report.terminal import Report, funnel_table, lossless_steps
from benchmarks.run import run_rows
from benchmarks.stages.sieve import CountError
from domino.records import Dropped
from tests.benchmarks import tiny_run
from tests.benchmarks.test_table import finished

Whole = tuple[RunConfig, Report]


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


def row(root: Path, **changes: dict) -> SeedRun:
    """A row of which every stage drops something; `changes` go into the stages' summaries."""
    summaries = {
        "synthesize": {"drawn": 90, "missing": 10, "refused": {"too similar": 7}},
        "filter-instructions": {"kept": 75, "dropped": {"empty": 9, "duplicate": 4, "judge": 2}},
        "respond": {"kept": 75, "dropped": {}},
        "filter-responses": {"kept": 60, "dropped": {"no agreement": 15}},
        "decontaminate": {"kept": 40, "dropped": {"repeats a reference": 5, "over budget": 15}},
        "finetune": {"kept": 39, "dropped": {"over-long": 1}},
        "evaluate": {},
    }
    stages = [finished(root, n, {**s, **changes.get(n, {})}) for n, s in summaries.items()]
    fields = ("synthesized", "filtered", "responded", "agreed", "pairs", "tuned", "evaluated")
    return SeedRun(method="m", seed=0, **dict(zip(fields, stages, strict=True)))


def assert_reconciles(made: Funnel) -> None:
    incoming = made.asked
    for step in made.steps:
        assert step.incoming == incoming, step.name
        assert step.incoming == step.kept + sum(step.dropped.values()), step.name
        incoming = step.kept
    assert made.asked == made.steps[-1].kept + sum(made.dropped.values())


def test_each_drop_is_counted_in_the_step_that_it_belongs_to(tmp_path: Path) -> None:
    made = funnel("m", [row(tmp_path)])
    assert_reconciles(made)
    assert made.asked == 100
    assert made.refused == {"too similar": 7}
    assert {step.name: (step.kept, step.dropped) for step in made.steps} == {
        "generated": (90, {NEVER_DRAWN: 10}),
        "parsed": (81, {"empty": 9}),
        "kept by filter": (75, {"duplicate": 4, "judge": 2}),
        "answered": (75, {}),
        "kept by response filter": (60, {"no agreement": 15}),
        "not contaminated": (55, {"repeats a reference": 5}),
        "fine-tuned on": (39, {"over budget": 15, "over-long": 1}),
    }


def test_a_row_that_failed_drops_what_was_under_way(tmp_path: Path) -> None:
    whole = row(tmp_path)
    early = FailedRun(method="m", seed=1, asked=100, stages=(), stage="synthesize", reason="?")
    late = replace(early, seed=2, stages=whole.stages[:4], stage="decontaminate")
    for failed, step, lost in ((early, "generated", 100), (late, "not contaminated", 60)):
        made = funnel("m", [failed])
        assert_reconciles(made)
        dropped = {s.name: s.dropped for s in made.steps if ROW_FAILED in s.dropped}
        assert dropped == {step: {ROW_FAILED: lost}}
    together = funnel("m", [whole, early, late])
    assert_reconciles(together)
    assert together.asked == 300
    assert together.steps[-1].kept == 39


@pytest.mark.parametrize("name", ["filter-instructions", "respond", "filter-responses", "finetune"])
def test_a_stage_whose_counts_do_not_add_up_is_a_defect(tmp_path: Path, name: str) -> None:
    with pytest.raises(CountError, match="kept"):
        funnel("m", [row(tmp_path, **{name: {"kept": 1}})])


def test_the_funnel_of_a_run_is_that_of_its_records(whole: Whole) -> None:
    config, report = whole
    pipeline = open_pipeline(
        config, display=Display(), steps=row_steps(config),
        make_engine=tiny_run.make_engine,
    )  # fmt: skip
    rows = run_rows(pipeline)
    for method_row in report.rows:
        assert_reconciles(method_row.funnel)
        written: Counter[str] = Counter()
        for own in (row for row in rows if row.method == method_row.method):
            for stage in own.stages:
                written.update(drop.reason for drop in stage.read("dropped.jsonl", Dropped))
        counted = {k: v for k, v in method_row.funnel.dropped.items() if k != NEVER_DRAWN}
        assert counted == dict(written)


def test_the_funnel_is_printed_and_part_of_the_json(whole: Whole) -> None:
    _, report = whole
    stream = io.StringIO()
    Console(file=stream, width=140).print(funnel_table(report))
    (line,) = [text for text in stream.getvalue().splitlines() if "counting" in text]
    assert line.split() == ["counting", "20", "10", "0"]
    assert lossless_steps(report) == list(STEP_NAMES[:-1])
    (written,) = [r for r in report.to_dict()["methods"] if r["method"] == "counting"]
    assert [step["name"] for step in written["funnel"]["steps"]] == list(STEP_NAMES)
    columns = report.funnel_columns()
    assert len({len(column) for column in columns.values()}) == 1
    assert len(columns["step"]) == 3 * len(STEP_NAMES)
