"""The command that a user types, on the embedded suite and its shipped backbone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from benchmarks.config.presets import load_preset
from tests.benchmarks.snippets import run_snippet
from tests.sandbox.machine import needs_bubblewrap

pytestmark = needs_bubblewrap  # the runs are processes of their own

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any]]:
    """The directory, the output and the JSON of one run of every method, rows at the same time."""
    folder = tmp_path_factory.mktemp("smoke")
    return folder, *type_command(folder, "--local.processes", "2")


def type_command(folder: Path, *more: str) -> tuple[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.run", "--preset", "smoke", "--output",
         str(folder / "runs"), "--json", str(folder / "table.json"), *more],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, json.loads((folder / "table.json").read_text())


def test_every_method_goes_from_references_to_a_score(smoke: Any) -> None:
    _, text, values = smoke
    config = load_preset("smoke")
    assert tuple(row["method"] for row in values["methods"]) == config.methods
    for row in values["methods"]:
        (score,) = row["scores"]
        assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1
        assert score["problems"] == 64
        assert row["method"] in text
        assert row["kept"] <= max(config.pairs, config.references or 0)
    drawn = {row["method"]: row["drawn"] for row in values["methods"]}
    assert drawn["no-data"] == 0
    assert drawn["references-only"] == config.references
    assert drawn["domino"] == drawn["few-shot"] == config.draws


def test_nothing_is_lost_between_what_was_drawn_and_what_was_kept(smoke: Any) -> None:
    _, _, values = smoke
    for row in values["methods"]:
        never = row["dropped"].get("never drawn", 0)
        assert row["drawn"] + never == row["kept"] + sum(row["dropped"].values()), row["method"]


def test_typed_again_it_reuses_everything_and_shows_the_same_table(smoke: Any) -> None:
    folder, _, first = smoke
    text, second = type_command(folder)
    assert "nothing recomputed" in text
    assert second["methods"] == first["methods"]
    assert second["facts"] == first["facts"]


def test_exact_facts_are_given_for_every_method_that_made_something(smoke: Any) -> None:
    _, _, values = smoke
    made = {row["method"] for row in values["methods"] if row["drawn"]}
    assert {row["method"] for row in values["facts"]} == made
    (references,) = [row for row in values["facts"] if row["method"] == "references-only"]
    assert references["shares"]["drawn valid"] == 1
    assert references["shares"]["drawn copy"] == 1


@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")  # peft, rightly
def test_what_the_registry_says_of_an_adapter_loads_it(smoke: Any) -> None:
    """Fine-tuned adapters and fitted soft tokens: the very code of their descriptions."""
    folder, _, _ = smoke
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    models = {model.name: model for model in client.search_registered_models()}
    assert {"housestyle.domino.lora", "housestyle.domino.domain-tokens",
            "housestyle.few-shot.lora"} <= set(models)  # fmt: skip
    assert "housestyle.no-data.lora" not in models
    for name in ("housestyle.domino.lora", "housestyle.domino.domain-tokens"):
        (version,) = client.search_model_versions(f"name = '{name}'")
        for words in (models[name].description, version.description):
            found = run_snippet(str(words))
            assert found["text"].strip()
    assert version.tags["seed"] == "0"
