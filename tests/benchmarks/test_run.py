import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display, PlainLines, ProgressEvent
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.pipeline.rows import row_steps
from benchmarks.report.terminal import Report
from benchmarks.run import execute, run_rows
from benchmarks.stages.gold import GoldError
from benchmarks.store.store import StoreError
from domino.records import Dropped, Synthetic
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.sandbox.machine import needs_bubblewrap
from tests.stages import small

Whole = tuple[RunConfig, Report]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


def run(config: RunConfig) -> Report:
    return execute(config, plain=True, make_engine=tiny_run.make_engine)


def comparable(report: Report) -> dict[str, Any]:
    """What may not differ between two runs of one config: all but the clock and the place."""
    values = report.to_dict()
    for name in ("stored", "seconds", "reused"):
        del values[name]
    for row in values["methods"]:
        del row["seconds"]
    return json.loads(json.dumps(values))


def row_of(report: Report, method: str) -> Any:
    return next(row for row in report.rows if row.method == method)


def stage_names(report: Report) -> set[str]:
    return {name for row in report.rows for names in row.stages.values() for name in names}


def file_times(config: RunConfig, report: Report) -> dict[Path, int]:
    """When each file of the run's stages was last written; other tests write to the same folder."""
    folders = [config.output / "stages" / name for name in stage_names(report)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path: path.stat().st_mtime_ns for path in files}


def test_the_table_says_what_happened(whole: Whole) -> None:
    _, report = whole
    no_data, repeating, counting = report.rows
    assert [row.method for row in report.rows] == ["no-data", "repeating", "counting"]
    assert [row.scores[0].value for row in report.rows] == [0.0, 1.0, 1.0]
    assert no_data.kept == 0
    assert no_data.untrained_seeds == (0, 1)
    assert not no_data.synthesizes
    assert repeating.kept == 2 * 4, "references are neither cut nor padded"
    assert counting.kept == 2 * 5
    assert counting.drawn == 2 * 10
    assert counting.dropped == {"over budget": 2 * 5}
    assert counting.outcomes == {"passed": 6}
    assert counting.tokens >= 2 * 10 * 7
    score = counting.scores[0]
    assert (score.problems, score.samples, score.seeds) == (3, 1, (0, 1))
    assert 0 < score.low < score.value == score.high == 1
    assert report.stages == 1 + 3 * 2 * 7 + 3 + 3 * 2 * 2, "the suite's, the rows', descriptions"


def test_what_comes_in_is_kept_or_dropped_in_every_stage(whole: Whole) -> None:
    config, _ = whole
    pipeline = open_pipeline(
        config, display=Display(), steps=row_steps(config),
        make_engine=tiny_run.make_engine,
    )  # fmt: skip
    for row in run_rows(pipeline):
        drawn = row.synthesized.read("synthetic.jsonl", Synthetic)
        coming = [record.id for record in drawn]
        for stage in (row.filtered, row.agreed, row.pairs):
            kept = [record.id for record in stage.read("kept.jsonl", Synthetic)]
            dropped = [drop.id for drop in stage.read("dropped.jsonl", Dropped)]
            assert sorted(coming) == sorted(kept + dropped), stage.name
            coming = kept
        assert row.tuned.summary["kept"] == len(coming)


def test_a_finished_run_is_reused_whole_without_loading_a_model(
    whole: Whole, capsys: pytest.CaptureFixture[str]
) -> None:
    config, report = whole
    before = file_times(config, report)

    def refuse(model: str, adapter: Path | None) -> Any:
        raise AssertionError("an engine was made")

    again = execute(config, plain=True, make_engine=refuse)
    assert comparable(again) == comparable(report)
    assert again.reused == again.stages
    assert file_times(config, report) == before
    out, err = capsys.readouterr()
    assert "nothing recomputed" in out
    assert err.count(": reused") == again.stages


def test_stages_that_do_not_depend_on_seed_or_method_are_shared(
    whole: Whole,
) -> None:
    _, report = whole
    counts = Counter(name.rpartition("-")[0] for name in stage_names(report))
    # one evaluation of the plain backbone, one for each adapter
    assert (counts["synthesize"], counts["finetune"], counts["evaluate"]) == (6, 6, 1 + 2 * 2)
    evaluated = [stages[-1] for stages in row_of(report, "no-data").stages.values()]
    assert len(set(evaluated)) == 1


@pytest.mark.parametrize(
    ("changes", "redone"),
    [
        ({"tracking_uri": "elsewhere"}, set()),
        ({"attention": "eager"}, set()),
        ({"accelerate": {"processes": 2}}, set()),
        ({"sandbox": {"workers": 2}}, set()),
        ({"sandbox": {"memory_mib": 1024}}, {"gold", "filter-responses", "decontaminate",
                                             "finetune", "evaluate"}),
        ({"evaluate": {"max_new_tokens": 150}}, {"evaluate"}),
        ({"finetune": {"steps": 3}}, {"finetune", "evaluate"}),
        ({"pairs": 4, "oversample": 2.5}, {"decontaminate", "finetune", "evaluate"}),
        ({"method_options": {"counting": {"start": 50}}}, {
            "synthesize", "filter-instructions", "respond", "filter-responses", "decontaminate",
            "finetune", "evaluate"}),
    ],
    ids=lambda value: str(sorted(value)),  # a set's own order differs between test processes
)  # fmt: skip
def test_a_change_redoes_what_depends_on_it_and_nothing_else(
    whole: Whole, changes: dict[str, Any], redone: set[str]
) -> None:
    from benchmarks.common.fields import update

    config, _ = whole
    changed = update(config, {**changes, "methods": ["counting"], "seeds": [0]})
    pipeline = open_pipeline(changed, display=Display(), steps=0, make_engine=tiny_run.make_engine)
    seen = []
    fresh = replace(pipeline, on_stage=lambda stage, reused: seen.append((stage.name, reused)))
    run_rows(fresh)
    assert {name for name, reused in seen if not reused} == redone


class Killed(BaseException):
    """Ends an invocation at one instant, as no handler of ours may catch it."""


class Killer:
    """A listener that kills at the n-th stage or count."""

    def __init__(self, survives: int) -> None:
        self.survives = survives

    def __call__(self, event: ProgressEvent) -> None:
        if event.kind in ("stage", "advance"):
            if not self.survives:
                raise Killed
            self.survives -= 1


def test_killed_anywhere_and_typed_again_it_gives_the_same_table(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, report = whole
    config = replace(config, output=tmp_path / "runs")
    deaths = 0
    for survives in (0, 1, 3, 5, 8, 13, 21, 34, 55):  # each continues what the last one left
        display = Display(PlainLines(sys.stderr), Killer(survives))
        monkeypatch.setattr("benchmarks.session.make_display", lambda d=display, **_: d)
        try:
            run(config)
        except Killed:
            deaths += 1
    monkeypatch.undo()
    assert deaths >= 5
    assert comparable(run(config)) == comparable(report)


def start(arguments: list[str], **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.tiny_run", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )


def test_a_killed_process_continues_and_gives_the_same_table(
    whole: Whole, tiny_backbone: Path, tmp_path: Path
) -> None:
    _, report = whole
    runs, table = tmp_path / "runs", tmp_path / "table.json"
    arguments = ["--model", str(tiny_backbone), "--output", str(runs), "--seeds", "0,1",
                 "--json", str(table), "--tracking_uri", NO_MLFLOW]  # fmt: skip
    with start(arguments) as child:
        deadline = time.monotonic() + 120
        while not list(runs.glob("stages/finetune-*/.lock")) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    finished = set(runs.glob("stages/*/manifest.json"))
    assert finished
    times = {path: path.stat().st_mtime_ns for path in finished}
    with start(arguments) as child:
        text = child.communicate()[0]
    assert child.returncode == 0, text
    assert {path: path.stat().st_mtime_ns for path in finished} == times
    assert not table.with_suffix(".tmp").exists()
    written = json.loads(table.read_text())
    expected = comparable(report)
    for name in ("stored", "seconds", "reused"):
        del written[name]
    for row in written["methods"]:
        del row["seconds"]
    written["about"]["model"] = expected["about"]["model"]
    assert written == expected
    assert "counting" in text
    assert "Stored in" in text


@needs_bubblewrap
def test_ctrl_c_finishes_the_record_in_flight_and_the_same_command_continues(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    arguments = ["--model", str(tiny_backbone), "--methods", "no-data", "--output", str(runs),
                 "--tracking_uri", NO_MLFLOW, "--quiet", "--json", "-"]  # fmt: skip
    with start(arguments, start_new_session=True, preexec_fn=heed_ctrl_c) as child:
        deadline = time.monotonic() + 120
        while not list(runs.glob("stages/gold-*/.lock")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does: the sandbox's processes too
        text = child.communicate()[0]
    assert child.returncode == 130, text
    assert "Ctrl-C: finishing the current record" in text
    assert "repeat the command to resume" in text
    with start(arguments) as child:
        text = child.communicate()[0]
    assert child.returncode == 0, text
    report = json.loads(text)  # --quiet leaves nothing else
    assert report["methods"][0]["method"] == "no-data"


def heed_ctrl_c() -> None:
    """Where the tests themselves run in the background, their children would ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@needs_bubblewrap
def test_two_runs_in_one_directory_share_every_stage(tiny_backbone: Path, tmp_path: Path) -> None:
    def arguments(number: int) -> list[str]:
        table = tmp_path / f"{number}.json"
        return ["--model", str(tiny_backbone), "--output", str(tmp_path / "runs"),
                "--json", str(table), "--tracking_uri", NO_MLFLOW]  # fmt: skip

    with start(arguments(0)) as one, start(arguments(1)) as other:
        said = [child.communicate()[0] for child in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (0, 1))
    made = [report["stages"] - report["reused"] for report in (first, second)]
    assert sum(made) == first["stages"]  # each stage by one of them
    assert [row["scores"] for row in first["methods"]] == [r["scores"] for r in second["methods"]]
    assert not list((tmp_path / "runs" / "stages").glob("*/.holder"))


def test_a_finished_run_typed_again_takes_seconds_and_loads_no_torch(
    whole: Whole, tiny_backbone: Path
) -> None:
    config, _ = whole
    code = (
        "import sys\n"
        "from tests.benchmarks.tiny_run import main\n"
        f"assert main(['--model', {str(tiny_backbone)!r}, '--seeds', '0,1', '--output', "
        f"{str(config.output)!r}, '--tracking_uri', {config.tracking_uri!r}]) == 0\n"
        "print('HEAVY', sorted({'torch', 'transformers', 'trl', 'peft'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "nothing recomputed" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_a_suite_whose_own_solutions_fail_scores_nothing(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    config = tiny_run.config(tiny_backbone, tmp_path / "runs", suite="broken")
    with pytest.raises(GoldError, match="nothing is scored"):
        run(config)
    assert not list((tmp_path / "runs" / "stages").glob("synthesize-*"))


def test_a_full_disk_is_one_line_and_the_rest_continues_later(
    whole: Whole, tiny_backbone: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    config, report = whole
    config = replace(config, output=tmp_path / "runs")
    left = 6000

    def full(handle: int, data: bytes) -> None:
        nonlocal left
        left -= len(data)
        if left < 0:
            os.write(handle, data[:10])
            raise OSError(28, "No space left on device")
        os.write(handle, data)

    monkeypatch.setattr("benchmarks.store.store.write_all", full)
    with pytest.raises(StoreError, match=r"no space left to write .*repeat the command to resume"):
        run(config)
    monkeypatch.undo()
    with tiny_run.names():
        assert comparable(run(config)) == comparable(report)


def test_mlflow_that_fails_costs_a_warning_and_no_result(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, report = whole
    unreachable = replace(config, tracking_uri="http://127.0.0.1:1")
    assert comparable(run(unreachable)) == comparable(report)
    out, err = capsys.readouterr()
    assert err.count("warning: MLflow at http://127.0.0.1:1 failed") == 1
    assert "MLflow: not logged" in out


def test_the_table_is_written_whole_beside_what_is_printed(
    whole: Whole, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, report = whole
    path = tmp_path / "table.json"
    execute(config, json_path=path, plain=True, make_engine=tiny_run.make_engine)
    assert comparable_values(json.loads(path.read_text())) == comparable(report)
    out = capsys.readouterr().out
    assert re.search(r"counting +100\.0 .*3 × 2 +10 ", out), out
    assert "counting dropped 10: 10 over budget" in out
    for line in ("no-data: no pair to train on (seed 0, 1)", "no-data: no program passed",
                 "Stored in", "MLflow: not logged"):  # fmt: skip
        assert line in out
    assert not [p for p in tmp_path.iterdir() if p != path]


def comparable_values(values: dict[str, Any]) -> dict[str, Any]:
    for name in ("stored", "seconds", "reused"):
        del values[name]
    for row in values["methods"]:
        del row["seconds"]
    return values


def test_the_model_is_known_by_its_files_wherever_they_lie(
    whole: Whole, tiny_backbone: Path, tmp_path: Path
) -> None:
    config, _ = whole
    moved = tmp_path / "moved"
    shutil.copytree(tiny_backbone, moved)

    def reused(model: Path) -> list[bool]:
        seen: list[bool] = []
        changed = replace(config, model=str(model), methods=("no-data",), seeds=(0,))
        pipeline = open_pipeline(
            changed, display=Display(), steps=0, make_engine=tiny_run.make_engine,
            on_stage=lambda stage, was: seen.append(was),
        )  # fmt: skip
        run_rows(pipeline)
        return seen

    assert all(reused(moved))
    settings = moved / "config.json"
    settings.write_text(settings.read_text() + "\n")
    assert not any(reused(moved))


def test_small_methods_are_fitted_once_for_each_seed(whole: Whole) -> None:
    config, _ = whole
    small.Counting.fits.clear()
    run(config)
    assert small.Counting.fits == []
