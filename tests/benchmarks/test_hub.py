"""What is loaded from a hub, from one that runs here: the real clients, files made by the tests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.livecodebench_rows import dated, script_row
from tests.benchmarks.test_evalplus_suite import MBPP_OWN_ROWS, MBPP_ROW, write
from tests.hub import Hub, files_of, serving
from tests.sandbox.machine import needs_bubblewrap

MODEL = "tiny/backbone"
CRUXEVAL = [
    {
        "id": f"sample_{n}", "code": f"def f(x):\n    return x + {n}",
        "input": "1", "output": str(n + 1),
    }
    for n in range(24)
]  # fmt: skip
EXECUTION = [
    {
        **row, "question_id": str(n // 2), "contest_date": "2024-01-01T00:00:00",
        "function_name": "f", "input": "f(1)",
    }
    for n, row in enumerate(CRUXEVAL[:4])
]  # fmt: skip
RELEASES = {
    f"test{n if n > 1 else ''}.jsonl": [dated(script_row(n), f"2025-01-0{n}")] for n in range(1, 7)
}
MBPP = "---\nconfigs:\n- config_name: full\n  data_files:\n" + "".join(
    f"  - split: {split}\n    path: full/{split}.jsonl\n" for split in ("train", "validation")
)

LOADING = """
import json, sys
from pathlib import Path
from benchmarks.common.process import prepare_process
prepare_process()
from benchmarks.models import model_digest, resolve_model
from benchmarks.suites.registry import SuiteOptions, load_suite
model = resolve_model(sys.argv[1])
mbpp = load_suite("mbpp+", SuiteOptions(dataset=Path(sys.argv[2])))
suites = ("cruxeval", "livecodebench-execution", "livecodebench")
print(json.dumps({
    "model": [str(model), model_digest(model, Path(sys.argv[3]))],
    "references": [reference.id for reference in mbpp.references()],
    **{name: [p.id for p in load_suite(name, SuiteOptions()).everything()] for name in suites},
}))
"""


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def hub(tiny_backbone: Path) -> Iterator[Hub]:
    datasets = {
        "cruxeval-org/cruxeval": {"test.jsonl": lines(CRUXEVAL)},
        "livecodebench/execution-v2": {"test.jsonl": lines(EXECUTION)},
        "livecodebench/code_generation_lite": {
            name: lines(rows) for name, rows in RELEASES.items()
        },
        "google-research-datasets/mbpp": {
            "README.md": f"{MBPP}---\n".encode(),
            "full/train.jsonl": lines([r for r in MBPP_OWN_ROWS if r["task_id"] > 600]),
            "full/validation.jsonl": lines([r for r in MBPP_OWN_ROWS if 511 <= r["task_id"] < 600]),
        },
    }
    with serving({MODEL: files_of(tiny_backbone)}, datasets) as served:
        yield served


def python(hub: Hub, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **hub.environment(cache)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_suites_and_a_model_come_from_a_hub_once(hub: Hub, tmp_path: Path) -> None:
    dataset = write(tmp_path / "m.jsonl", MBPP_ROW)
    command = ("-c", LOADING, MODEL, str(dataset), str(tmp_path))
    done = python(hub, tmp_path / "hf", *command)
    assert done.returncode == 0, done.stderr
    assert "Generating" not in done.stderr, "progress of a library between our own lines"
    found = json.loads(done.stdout)
    assert Path(found["model"][0]).is_relative_to(tmp_path / "hf")
    assert found["references"] == ["mbpp-601", "mbpp-602", "mbpp-974"]
    assert found["cruxeval"] == [row["id"] for row in CRUXEVAL]
    assert found["livecodebench-execution"] == [row["id"] for row in EXECUTION]
    assert found["livecodebench"] == [rows[0]["question_id"] for rows in RELEASES.values()]
    assert f"{MODEL}/model.safetensors" in hub.downloads
    assert len(set(hub.downloads)) == len(hub.downloads)

    hub.downloads.clear()
    again = python(hub, tmp_path / "hf", *command)
    assert json.loads(again.stdout) == found
    assert hub.downloads == []


def test_a_data_set_that_the_hub_lacks_is_one_error(hub: Hub, tmp_path: Path) -> None:
    hub.datasets = {}
    samples = write(tmp_path / "samples.jsonl", {"question_id": "x", "code_list": ["pass"]})
    done = python(
        hub, tmp_path / "hf", "-m", "benchmarks.evaluate", "--suite", "livecodebench",
        "--samples", str(samples),
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "livecodebench/code_generation_lite" in line
    assert "--dataset" in line or "dataset" in line


@needs_bubblewrap
@pytest.mark.slow
def test_a_run_takes_its_model_and_its_suite_from_a_hub(hub: Hub, tmp_path: Path) -> None:
    done = python(
        hub, tmp_path / "hf", "-m", "benchmarks.run", "--suite", "cruxeval", "--model", MODEL,
        "--methods", "no-data", "--references", "4", "--output", str(tmp_path / "runs"),
        "--tracking_uri", f"sqlite:///{tmp_path}/mlflow.db", "--plain", "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["about"]["model"] == MODEL
    assert report["methods"][0]["scores"][0]["problems"] == 12
