"""A result that can be committed: the same bytes for the same records, nothing of a machine."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from benchmarks.common.fields import update
from benchmarks.config.portable import portable
from benchmarks.config.run_config import RunConfig, read_config_file
from benchmarks.report.__main__ import main
from benchmarks.report.published import FRACTION
from benchmarks.report.stored import load_run
from benchmarks.report.terminal import Report
from tests.benchmarks import tiny_run

Whole = tuple[RunConfig, Report]


@pytest.fixture
def stored(whole: Whole) -> str:
    config, report = whole
    return str(config.output / "invocations" / f"{report.name}.json")


@pytest.fixture
def published(stored: str, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "results" / "one"
    assert main([stored, "--publish", str(folder)]) == 0
    yield folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_records_are_published_in_the_same_bytes_wherever_they_lie(
    published: Path, whole: Whole, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "moved" / "elsewhere"
    shutil.copytree(whole[0].output, elsewhere)
    again = tmp_path / "again"
    assert main([whole[1].name, "--output", str(elsewhere), "--publish", str(again)]) == 0
    assert contents(again) == contents(published)


def test_a_publication_replaces_its_own_files_and_no_others(
    published: Path, stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(published)
    manifest = json.loads((published / "manifest.json").read_text())
    (published / "figures" / "old.svg").write_text("old")
    manifest["files"]["figures/old.svg"] = "0"
    (published / "manifest.json").write_text(json.dumps(manifest))
    assert main([stored, "--publish", str(published)]) == 0
    assert contents(published) == before
    (published / "notes.txt").write_text("mine")
    assert main([stored, "--publish", str(published)]) == 2
    assert "contains notes.txt, which --publish did not write" in capsys.readouterr().err
    assert contents(published) == before | {"notes.txt": b"mine"}


def test_nothing_of_the_machine_is_published(published: Path, whole: Whole) -> None:
    text = b"\n".join(contents(published).values()).decode()
    assert str(whole[0].output) not in text
    assert str(Path(whole[0].model).parent) not in text
    assert str(Path.cwd()) not in text
    assert sys.executable not in text
    assert "golds" not in text
    assert "workers" not in text
    assert "figures/cost_tokens.svg" in contents(published)
    assert not any("costs" in name or "seconds" in name for name in contents(published))


def test_the_manifest_holds_digests_versions_and_the_command(published: Path, whole: Whole) -> None:
    manifest = json.loads((published / "manifest.json").read_text())
    files = contents(published)
    del files["manifest.json"]
    assert manifest["files"] == {n: hashlib.sha256(b).hexdigest() for n, b in files.items()}
    (run,) = manifest["runs"]
    assert run["name"] == whole[1].name
    assert {"version.torch", "version.python"} <= set(run["versions"])
    assert len(run["about"]["suite_digest"]) == 64
    assert len(run["stages"]) > 10
    assert manifest["commands"][0] == "python -m benchmarks.run --config run-1.yaml"
    assert manifest["commands"][0] in (published / "README.md").read_text()


def test_the_config_makes_the_same_run_again(published: Path, whole: Whole) -> None:
    with tiny_run.names():
        base = tiny_run.config(
            Path("another"), Path("runs"), pairs=77, seeds=(5,), methods=("no-data",)
        )
        config = update(base, read_config_file(published / "run-1.yaml"))
    for name in ("methods", "seeds", "pairs", "finetune", "evaluate", "sampling", "filter"):
        assert getattr(config, name) == getattr(whole[0], name)
    assert config.model == Path(whole[0].model).name


def test_tables_are_those_of_the_report_and_figures_are_readable_in_the_dark(
    published: Path, whole: Whole
) -> None:
    scores = pd.read_csv(published / "tables" / "scores.csv")
    assert set(scores["method"]) == {row.method for row in whole[1].rows}
    page = (published / "README.md").read_text()
    assert "Estimates of 2 seeds × 3 problems and no verdict" in page
    assert (published / "tables" / "pass_at_1.md").read_text().strip() in page
    for name in ("pass_at_1", "growth", "embedding_map"):
        assert f"(figures/{name}.svg)" in page
        root = ElementTree.fromstring((published / "figures" / f"{name}.svg").read_text())
        assert root[0].attrib["fill"] == "#ffffff"


def test_the_papers_numbers_stand_beside_ours_marked_as_published(published: Path) -> None:
    text = (published / "tables" / "published_references.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| paper, published |")]
    assert len(rows) == len(FRACTION) == 5
    assert "| paper, published | DOMINO | 20 % | 14.54 | 20.17 | 24.34 |" in rows
    assert "| paper, published | DOMINO | 100 % | 17.31 | 26.81 | 29.94 |" in rows
    headline = (published / "tables" / "published_headline.md").read_text()
    assert (
        "| paper, published | DOMINO over the backbone, the best case | up to +4.63 |" in headline
    )
    assert "compare directions, not numbers" in headline


def test_places_of_files_are_cut_to_names_and_hub_names_stay(stored: str) -> None:
    config = dict(load_run(stored).invocation.config)
    given = {**config, "model": "/home/me/models/x", "suite_options": {"dataset": "~/d.jsonl"}}
    made = portable(given)
    assert made["model"] == "x"
    assert made["suite_options"]["dataset"] == "d.jsonl"
    assert portable({**config, "model": "Qwen/Qwen2.5"})["model"] == "Qwen/Qwen2.5"
    remembered = portable({**config, "sandbox": {**config["sandbox"], "golds": "/home/me/.cache"}})
    assert "golds" not in remembered["sandbox"], "as older records have it"
    elsewhere = {**config["sandbox"], "interpreter": "/home/me/bin/python3.12", "workers": 8}
    cut = portable({**config, "sandbox": elsewhere})["sandbox"]
    assert (cut["interpreter"], cut.get("workers")) == ("python3.12", None)
    assert "golds" not in config["sandbox"], "the path of a cache does not change a run's name"


def test_two_places_at_once_are_refused(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([stored, "--to", "a", "--publish", "b"]) == 2
    assert "give one of them" in capsys.readouterr().err
