"""A whole small run by vLLM: methods of each kind to a score, and what an engine's death costs."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.chaos.compare import Stored, differences, of_the_data
from benchmarks.config.presets import load_preset
from tests.vllm.conftest import workers

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("few-shot", "domino", "no-data")  # by text, by soft tokens, and the plain backbone
VLLM = (
    "--engine", "vllm", "--vllm.eager", "true", "--vllm.dtype", "float32",
    "--methods", ",".join(METHODS),
)  # fmt: skip


def command(folder: Path, *options: str) -> list[str]:
    return [
        sys.executable, "-m", "benchmarks.run", "--preset", "smoke", "--output",
        str(folder / "runs"), "--json", str(folder / "table.json"), *options,
    ]  # fmt: skip


def type_command(folder: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        command(folder, *options), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "table.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The directory and the table of a run that nothing befell."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, type_command(folder, *VLLM)


def test_each_kind_of_method_goes_to_a_score_and_nothing_is_computed_twice(undisturbed):
    folder, values = undisturbed
    assert values["about"]["engine"] == "vllm"
    config = load_preset("smoke")
    assert tuple(row["method"] for row in values["methods"]) == METHODS
    drawn = {row["method"]: row["drawn"] for row in values["methods"]}
    assert drawn["domino"] == drawn["few-shot"] == config.draws

    again = type_command(folder, *VLLM)
    assert again["methods"] == values["methods"]
    assert again["reused"] == again["stages"] == values["stages"]

    by_transformers = type_command(folder, "--methods", "no-data")
    (greedy,) = [row for row in values["methods"] if row["method"] == "no-data"]
    assert by_transformers["methods"][0]["scores"] == greedy["scores"]
    evaluations = list((folder / "runs/stages").glob("evaluate-*"))
    assert len(evaluations) == len(METHODS) + 1  # an engine has addresses of its own


def test_an_engine_that_dies_costs_its_row_alone_and_the_same_command_ends_as_undisturbed(
    undisturbed, tmp_path
):
    options = (*VLLM[:-1], "few-shot,no-data")
    with subprocess.Popen(
        command(tmp_path, *options), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as run:  # fmt: skip
        kill_worker_of(run, within=tmp_path / "runs/stages")
        out, err = run.communicate()
    assert run.returncode == 1, err[-3000:]
    rows = json.loads((tmp_path / "table.json").read_text())["methods"]
    failed = [row for row in rows if row["failures"]]
    assert [row["method"] for row in failed] == ["few-shot"]
    assert "ended (killed by SIGKILL)" in out + err
    whole = [path.parent.name for path in (tmp_path / "runs/stages").glob("*/manifest.json")]
    assert {"synthesize", "respond", "finetune"} <= {name.rpartition("-")[0] for name in whole}
    half = Stored.at(tmp_path / "runs")
    assert list(half.summaries.values()).count(None) == 1  # the stage in which it died

    again = type_command(tmp_path, *options)
    folder, values = undisturbed
    assert timeless(again) == [
        row for row in timeless(values) if row["method"] in ("few-shot", "no-data")
    ]
    expected, found = Stored.at(folder / "runs"), Stored.at(tmp_path / "runs")
    assert set(half.summaries) == set(found.summaries) < set(expected.summaries)
    assert None not in found.summaries.values()
    assert [line for line in differences(expected, found) if not line.endswith(": missing")] == []


def timeless(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [of_the_data(row) for row in values["methods"]]


def kill_worker_of(run: subprocess.Popen[str], *, within: Path) -> None:
    """Kill the process that answers an evaluation: its answers are stored when all are there."""
    process = psutil.Process(run.pid)
    while run.poll() is None:
        started = workers(process)
        if started and any(within.glob("evaluate-*")):
            started[0].kill()
            return
        time.sleep(0.05)
