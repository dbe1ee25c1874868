"""A whole small run by vLLM: every method to a score, and what an engine's death costs."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.presets import load_preset
from tests.vllm.conftest import workers

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
VLLM = ("--engine", "vllm", "--vllm.eager", "true", "--vllm.dtype", "float32")


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


def test_every_method_goes_from_references_to_a_score_and_nothing_is_computed_twice(tmp_path):
    values = type_command(tmp_path, *VLLM)
    assert values["about"]["engine"] == "vllm"
    config = load_preset("smoke")
    assert tuple(row["method"] for row in values["methods"]) == config.methods
    drawn = {row["method"]: row["drawn"] for row in values["methods"]}
    assert drawn["domino"] == drawn["few-shot"] == config.draws

    began = time.monotonic()
    assert type_command(tmp_path, *VLLM)["methods"] == values["methods"]
    assert time.monotonic() - began < 60  # no engine is started to show what is stored

    by_transformers = type_command(tmp_path, "--methods", "no-data")
    (greedy,) = [row for row in values["methods"] if row["method"] == "no-data"]
    assert by_transformers["methods"][0]["scores"] == greedy["scores"]
    evaluations = list((tmp_path / "runs/stages").glob("evaluate-*"))
    assert len(evaluations) == len(config.methods) + 1  # an engine has addresses of its own


def test_an_engine_that_dies_costs_its_row_and_no_finished_stage(tmp_path):
    options = (*VLLM, "--methods", "few-shot,no-data")
    with subprocess.Popen(
        command(tmp_path, *options), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as run:  # fmt: skip
        kill_worker_of(run.pid, once=tmp_path / "runs/stages", name="evaluate-*")
        out, err = run.communicate()
    assert run.returncode == 1, err[-3000:]
    rows = json.loads((tmp_path / "table.json").read_text())["methods"]
    failed = [row for row in rows if row["failures"]]
    assert [row["method"] for row in failed] == ["few-shot"]
    assert "ended (killed by SIGKILL)" in out + err
    whole = [path.parent.name for path in (tmp_path / "runs/stages").glob("*/manifest.json")]
    assert {"synthesize", "respond", "finetune"} <= {name.rpartition("-")[0] for name in whole}
    again = type_command(tmp_path, *options)
    assert not [row for row in again["methods"] if row["failures"]]


def kill_worker_of(pid: int, *, once: Path, name: str) -> None:
    """Kill the engine's process as soon as a file shows that it is at work."""
    run = psutil.Process(pid)
    while run.is_running():
        started = workers(run)
        if started and list(once.glob(name)):
            started[0].kill()
            return
        time.sleep(0.05)
