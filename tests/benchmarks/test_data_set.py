"""A data set that exists already is a row like any other: `dataset/NAME`."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.cli.options import read_command
from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import (
    RunConfig,
    finetune_config,
    respond_config,
    synthesize_config,
)
from benchmarks.data_set import DataSet, DataSetConfig, usable_examples
from benchmarks.methods import is_data_set, is_known
from benchmarks.run import execute
from benchmarks.suites.base import SuiteError
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling, Synthetic
from domino.synthesizer import FitContext, SynthesisError
from tests.benchmarks import tiny_run
from tests.benchmarks.own_rows import write
from tests.sandbox.machine import needs_bubblewrap
from tests.stages import small


def rows(first: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"instruction": small.instruction(n), "input": "", "output": small.solution(n), **more}
        for n in range(first, first + count)
    ]


def fitted(path: Path, seed: int = 0, **options: Any) -> DataSet:
    method = DataSet(DataSetConfig(path=str(path), **options))
    method.fit(None, FitContext(engine=ScriptedEngine(lambda r: "x"), model="m", seed=seed))  # type: ignore[arg-type]
    return method


def drawn(method: DataSet, count: int, first: int = 0) -> list[Synthetic]:
    return list(method.synthesize(count, Sampling(seed=1), first=first))


def test_each_seed_draws_a_subset_of_its_own_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", *rows(100, 30))
    method = fitted(path)
    ten = drawn(method, 10)
    assert [r.instruction for r in ten] == [r.instruction for r in drawn(fitted(path), 10)]
    assert {r.instruction for r in ten} != {r.instruction for r in drawn(fitted(path, 1), 10)}
    assert drawn(method, 4) + drawn(method, 6, first=4) == ten
    assert method.tally().stopped == ""
    assert len(drawn(method, 50)) == 30
    assert method.tally().stopped == "the data set has 30 usable rows"


def test_responses_are_kept_or_left_to_the_run(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", *rows(100, 3), {"instruction": "Alone", "output": ""})
    assert [r.response is None for r in drawn(fitted(path), 9)] == [False] * 3
    assert [r.response for r in drawn(fitted(path, responses="answer"), 9)] == [None] * 4


def test_what_is_loaded_yields_the_same_and_other_data_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", *rows(100, 9))
    config = synthesize_config(
        RunConfig(methods=("dataset/a",), method_options={"dataset/a": {"path": str(path)}}),
        "dataset/a",
    )
    method = fitted(path, seed=3, sha256=config.options["sha256"])
    method.save(tmp_path / "saved")
    context = FitContext(engine=ScriptedEngine(lambda r: "x"), model="m", seed=8)
    assert drawn(DataSet.load(tmp_path / "saved", context), 5) == drawn(method, 5)
    write(path, *rows(500, 9))
    with pytest.raises(SynthesisError, match=r"has sha256 .* is asked for"):
        DataSet.load(tmp_path / "saved", context)


def test_the_data_and_not_its_place_is_part_of_the_address(tmp_path: Path) -> None:
    def config_of(path: Path) -> Any:
        return synthesize_config(
            RunConfig(methods=("dataset/a",), method_options={"dataset/a": {"path": str(path)}}),
            "dataset/a",
        )

    first = config_of(write(tmp_path / "a.jsonl", *rows(1, 4)))
    assert first.options == config_of(write(tmp_path / "b.jsonl", *rows(1, 4))).options
    assert first.options != config_of(write(tmp_path / "c.jsonl", *rows(2, 4))).options


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has 0 usable rows"),
        (rows(1, 1), "has 1 usable rows"),
        ([*rows(1, 1), {"instruction": "x", "output": ""}], "(1 with no response)"),
        ([*rows(1, 2), {"instruction": 5, "output": "x"}], "line 3: instruction is a int"),
    ],
)
def test_data_that_cannot_be_used_is_refused(
    tmp_path: Path, lines: list[dict[str, Any]], message: str
) -> None:
    path = write(tmp_path / "d.jsonl", *lines)
    with pytest.raises(SuiteError) as caught:
        usable_examples(DataSetConfig(path=str(path)))
    assert message in str(caught.value)


def test_names_of_data_sets() -> None:
    assert is_data_set("dataset/mine")
    assert is_known("dataset/mine@again")
    assert not is_data_set("dataset/")
    assert not is_known("datasets/mine")
    with pytest.raises(ConfigError, match=r"'dataset/other', which is not among the methods"):
        RunConfig(methods=("dataset/a",), method_options={"dataset/other": {"path": "x"}})


def test_fields_reach_every_file_of_ones_own() -> None:
    command = read_command(
        ["--suite", "own", "--suite_options.dataset", "p", "--methods", "no-data,dataset/a",
         "--method_options.dataset/a.path", "x", "--fields", "instruction=question"]
    )  # fmt: skip
    assert command.config.suite_options.fields == "instruction=question"
    assert dict(command.config.method_options["dataset/a"]) == {
        "path": "x", "fields": "instruction=question",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="the run reads no file of yours"):
        read_command(["--fields", "instruction=question"])


def run_with(model: Path, output: Path, path: Path | None, **changes: Any) -> Any:
    options = {"dataset/mine": {} if path is None else {"path": str(path)}}
    config = tiny_run.config(
        model, output, methods=("no-data", "dataset/mine"), method_options=options, **changes
    )
    return execute(config, quiet=True, make_engine=tiny_run.make_engine)


@needs_bubblewrap
def test_a_data_set_is_filtered_decontaminated_and_cut_like_any_method(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    repeats = rows(1, 3) + rows(22, 1)  # problems of the test, and a reference
    path = write(tmp_path / "d.jsonl", *rows(100, 7), *repeats)
    with tiny_run.names():
        report = run_with(tiny_backbone, tmp_path / "runs", path, pairs=5)
    [plain, row] = report.rows
    assert (row.method, row.kept, row.scores[0].value) == ("dataset/mine", 5, 1.0)
    assert plain.scores[0].value == 0.0


def test_a_data_set_of_which_nothing_is_left_is_refused_before_any_work(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    path = write(tmp_path / "d.jsonl", *rows(1, 3))
    with tiny_run.names(), pytest.raises(ConfigError, match=r"no row of .* is left after the fil"):
        run_with(tiny_backbone, tmp_path / "runs", path)
    with tiny_run.names(), pytest.raises(ConfigError, match=r"give --method_options.dataset/NAME"):
        run_with(tiny_backbone, tmp_path / "runs", None)
    assert not (tmp_path / "runs" / "stages").exists()


def test_a_row_may_add_the_references_to_what_another_row_draws() -> None:
    config = RunConfig(
        methods=("few-shot", "references+few-shot"), method_options={"few-shot": {"examples": 2}}
    )
    assert is_known("references+few-shot@again")
    assert not is_known("references+nothing")
    assert synthesize_config(config, "references+few-shot") == synthesize_config(config, "few-shot")
    assert respond_config(config, "references+few-shot") == respond_config(config, "few-shot")
    assert finetune_config(config, "references+few-shot").references
    assert not finetune_config(config, "few-shot").references
