"""Cells: one small file a row, from which any machine goes on and makes tables."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.fields import ConfigError, update
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import make_display
from benchmarks.pipeline import pipeline as pipelines
from benchmarks.pipeline.cell import (
    Cell,
    ProgramOutcomes,
    pack_bits,
    pack_ids,
    unpack_bits,
    unpack_ids,
)
from benchmarks.pipeline.cell_folder import CellFolder, file_name
from benchmarks.pipeline.pipeline import Pipeline
from benchmarks.report.__main__ import main
from benchmarks.report.compared_runs import combine
from benchmarks.report.comparisons import Comparisons
from benchmarks.report.from_cells import load_cells
from benchmarks.report.page import StaticReport, make_report
from benchmarks.report.stored import load_run
from benchmarks.report.terminal import Report, comparison_lines, score_table
from benchmarks.run import execute
from domino.records import Outcome, RecordError, Verdict
from domino.synthesizer import SynthesisError
from tests.benchmarks import tiny_run
from tests.stages import small

Whole = tuple[RunConfig, Report]
ROOT = Path(__file__).resolve().parents[2]
FILES = [f"small.{m}.{s}.json" for m in ("counting", "no-data", "repeating") for s in (0, 1)]


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


def run(config: RunConfig, **changes: Any) -> Report:
    return execute(update(config, changes), quiet=True, make_engine=tiny_run.make_engine)


@pytest.fixture(scope="module")
def made(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Report]:
    """The whole run once more, with a cell for each of its rows."""
    folder = tmp_path_factory.mktemp("made") / "cells"
    with tiny_run.names():
        config = replace(whole[0], cells=folder)
        return config, run(config)


@pytest.fixture
def cells(made: Whole, tmp_path: Path) -> Path:
    """A copy of those cells, as another machine has it that shares nothing but a repository."""
    folder = tmp_path / "cells"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes((made[0].cells / name).read_bytes())
    return folder


@pytest.fixture
def elsewhere(made: Whole, cells: Path, tmp_path: Path) -> RunConfig:
    """The same command there."""
    return replace(made[0], output=tmp_path / "runs", cells=cells)


def report_of(folder: Path) -> StaticReport:
    return make_report(combine(load_cells(folder)[0]))


def synthesized(output: Path) -> int:
    return len(list((output / "stages").glob("synthesize-*/manifest.json")))


def test_each_row_is_a_file_of_a_few_kb_in_canonical_bytes(made: Whole) -> None:
    folder = made[0].cells
    assert sorted(path.name for path in folder.iterdir()) == FILES
    for path in folder.iterdir():
        data = path.read_bytes()
        assert len(data) < 12_000
        assert b"\r" not in data
        assert data.endswith(b"\n")
        values = json.loads(data)
        text = json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        assert data.decode() == text
        assert str(made[0].output.parent).encode() not in data, "nothing of this machine"


def test_tables_verdicts_and_figures_come_from_cells_alone(whole: Whole, made: Whole) -> None:
    config, report = whole
    stored = load_run(config.output / "invocations" / f"{report.name}.json")
    from_run, from_cells = make_report(combine([stored])), report_of(made[0].cells)
    assert [t.to_markdown() for t in from_cells.tables] == [
        t.to_markdown() for t in from_run.tables
    ]
    assert from_cells.summary == from_run.summary
    drawn = {figure.name: figure.svg for figure in from_cells.figures}
    assert drawn == {f.name: f.svg for f in from_run.figures if f.name != "embedding_map"}
    assert "Cells contain no texts; they are on the machine of the run." in from_cells.html
    assert from_run.pages
    assert not from_cells.pages, "cells do not contain programs"


def test_a_run_with_cells_prints_the_table_of_one_without(whole: Whole, made: Whole) -> None:
    def printed(report: Report) -> list[str]:
        return [
            *("  ".join(column._cells) for column in score_table(report).columns),
            *comparison_lines(report),
        ]

    assert printed(made[1]) == printed(whole[1])
    assert [row.to_dict() for row in made[1].rows] == [row.to_dict() for row in whole[1].rows]


def test_only_rows_that_are_missing_are_run_and_then_nothing_is(
    elsewhere: RunConfig, cells: Path
) -> None:
    before = {name: (cells / name).read_bytes() for name in FILES}
    more = replace(elsewhere, methods=("no-data", "counting"), seeds=(0, 1, 2))
    report = run(more)
    assert synthesized(more.output) == 2
    assert [len(row.scores[0].seeds) for row in report.rows] == [3, 3]
    assert {name: (cells / name).read_bytes() for name in FILES} == before
    assert (cells / "small.counting.2.json").is_file()

    def refuse(model: str, adapter: Path | None) -> Any:
        raise AssertionError("an engine was made")

    third = replace(more, output=more.output.parent / "third")
    again = execute(third, quiet=True, make_engine=refuse)
    assert not (third.output / "stages").exists(), "not even the suite's check"
    seconds = {row.method: row.seconds for row in report.rows}
    assert {row.method: row.seconds for row in again.rows} == seconds
    assert comparison_lines(again) == comparison_lines(report)


def test_records_on_this_machine_are_read_along_with_cells(made: Whole) -> None:
    config, _ = made
    (run_here,), _ = load_cells(config.cells, stages=config.output / "stages")
    report = make_report(combine([run_here]))
    assert "Texts lie where" not in report.html
    assert "base input 0: got 2, expected 1" in report.pages["changes/counting-0.html"]
    assert len(run_here.read_references()) == 4


def test_a_row_that_was_run_ahead_of_its_turn_is_a_cell_and_still_logged(
    elsewhere: RunConfig,
) -> None:
    seen = []

    @contextmanager
    def ahead(pipeline: Pipeline, walk: Callable[..., object]) -> Iterator[Pipeline]:
        walk(pipeline.detached(make_display(plain=True, quiet=True)), "no-data", 2)
        seen.extend(path.name for path in elsewhere.cells.glob("*.2.json"))
        yield pipeline

    config = replace(elsewhere, methods=("no-data",), seeds=(2,))
    report = execute(config, quiet=True, make_engine=tiny_run.make_engine, launch=ahead)
    assert seen == ["small.no-data.2.json"]
    assert report.stages == report.reused == 2 + 7 + 4


class Killed(BaseException):
    """Ends an invocation at one instant, as no handler of ours may catch it."""


def test_a_killed_run_has_the_cells_of_the_rows_that_had_ended(
    elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = elsewhere.output.parent / "new"
    synthesize = small.Counting.synthesize

    def kill(self: small.Counting, *given: Any, **named: Any) -> Any:
        if self.name == "counting":
            raise Killed
        return synthesize(self, *given, **named)

    monkeypatch.setattr(small.Counting, "synthesize", kill)
    changes = {"cells": str(folder), "seeds": [0]}
    with pytest.raises(Killed):
        run(elsewhere, **changes)
    assert [path.name for path in sorted(folder.iterdir())] == [
        "small.no-data.0.json", "small.repeating.0.json"
    ]  # fmt: skip
    text = report_of(folder).html
    assert "counting is missing from comparisons" in text
    assert "MISSING counting, seed 0: no cell" in text
    assert '<td class="missing">missing</td>' in text


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "config": ({"pairs": 4}, "pairs 5, here 4"),
    "options": ({"method_options": {"counting": {"start": 50}}}, "start not given, here 50"),
    "references": ({"references": 3}, r"references [0-9a-f]{12}, here [0-9a-f]{12}"),
    "measures": ({"embed": {"texts": 7}}, "embed.texts 1000, here 7"),
}


@pytest.mark.parametrize("what", OTHER)
def test_cells_of_another_run_are_refused_by_name_before_any_work(
    what: str, elsewhere: RunConfig
) -> None:
    changes, why = OTHER[what]
    with pytest.raises(ConfigError, match=why) as refused:
        run(elsewhere, **changes)
    named = set(re.findall(r"small\.[\w.-]+json", str(refused.value)))
    of_options = {name for name in FILES if "counting" in name}
    assert named == (of_options if what == "options" else set(FILES))
    assert "give --cells a new folder" in str(refused.value)
    assert not (elsewhere.output / "stages").exists()


def test_seeds_with_references_of_their_own_may_come_from_several_commands(
    elsewhere: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small.SmallSuite, "draws_references", True)
    config = replace(elsewhere, cells=tmp_path / "drawn", methods=("no-data",), references=3)
    for seed in (0, 1):
        run(replace(config, seeds=(seed,)))
    (run_,), _ = load_cells(tmp_path / "drawn")
    assert [row.scores[0].seeds for row in run_.method_rows()] == [(0, 1)]


def test_cells_of_another_checkpoint_are_refused(
    elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "model_digest", lambda *given: "f" * 64)
    with pytest.raises(ConfigError, match=r"checkpoint [0-9a-f]{12}, here ffffffffffff"):
        run(elsewhere)


@pytest.mark.parametrize("stage", ["evaluate", "finetune", "describe"])
def test_cells_of_other_code_are_refused_and_of_code_that_changes_no_result_are_not(
    stage: str, elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = pipelines.code_version

    def changed(*modules: str) -> str:
        return version(*modules) + ("x" if modules[0] == f"benchmarks.stages.{stage}" else "")

    with monkeypatch.context() as patched:
        patched.setattr(pipelines, "code_version", changed)
        with pytest.raises(ConfigError, match=f"json .code of {stage}."):
            run(elsewhere)
        with pytest.raises(ConfigError, match=f"small.repeating.1.json .code of {stage}."):
            run(replace(elsewhere, methods=("no-data",), seeds=(0,)))
    stage = "gold"
    monkeypatch.setattr(pipelines, "code_version", changed)
    assert len(run(elsewhere, sandbox={"workers": 2}, attention="eager").rows) == 3


def test_rows_that_the_command_does_not_ask_for_must_share_its_data_and_config(
    elsewhere: RunConfig,
) -> None:
    few = replace(elsewhere, methods=("no-data",), seeds=(0,))
    assert [len(row.scores[0].seeds) for row in run(few).rows] == [1]
    with pytest.raises(ConfigError, match=r"small\.repeating\.1\.json .pairs 5, here 4"):
        run(few, pairs=4)


def too_hard(self: small.Counting, *given: Any, **named: Any) -> Any:
    raise SynthesisError("too hard")


def test_a_failed_row_is_a_cell_and_is_tried_again(
    elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = elsewhere.output.parent / "new"
    changes = {"cells": str(folder), "seeds": [0], "methods": ["no-data", "counting"]}
    with monkeypatch.context() as patched:
        patched.setattr(small.Counting, "synthesize", too_hard)
        report = run(elsewhere, **changes)
    assert report.failed
    names = ["small.counting.0.failed.json", "small.no-data.0.json"]
    assert [path.name for path in sorted(folder.iterdir())] == names
    html = report_of(folder).html
    assert "FAILED counting, seed 0 failed in synthesize: too hard" in html
    assert "Repeat the command to run failed rows again" in html
    assert "counting is missing from comparisons" in html
    assert not run(elsewhere, **changes).failed
    assert [path.name for path in sorted(folder.iterdir())] == [
        "small.counting.0.json", "small.no-data.0.json"
    ]  # fmt: skip


def test_a_failure_elsewhere_never_takes_the_place_of_an_outcome(cells: Path) -> None:
    folder = CellFolder(cells)
    found = folder.find({"suite": "small", "variant": ""}, "counting", 0)
    assert found is not None
    _, cell = found
    failed = replace(cell, stages=(), outcomes=None, failed_in="synthesize", reason="late")
    folder.write(failed)
    (cells / "small.counting.0.failed.json").write_text(failed.to_text())  # by another machine
    read, strange = folder.read()
    assert sorted(read) == FILES
    assert strange == []


def test_a_file_that_is_torn_changed_or_foreign_is_one_line(
    elsewhere: RunConfig, cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (cells / FILES[0]).read_text()
    (cells / FILES[0]).write_text(text[:500])
    (cells / FILES[1]).write_text(text.replace('"seed": 0', '"seed": 1'))
    (cells / "foreign.json").write_text('{"a": 1}')
    (cells / "latin.json").write_bytes(b"\xe9")
    for name in ("manifest.json", "README.md", ".hidden.json"):
        (cells / name).write_text("of a publication, or nobody's business")
    with pytest.raises(ConfigError) as refused:
        run(elsewhere)
    said = str(refused.value)
    assert "\n" not in said
    for name in (FILES[0], FILES[1], "foreign.json", "latin.json"):
        assert f"{name} is not a cell" in said
    assert "its content is not that of its digest" in said
    assert "remove them, or give --cells another folder" in said
    assert main(["--cells", str(cells), "--to", str(cells.parent / "out")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("warning: ") for line in lines)
    assert "MISSING counting, seed 0: no cell" in (cells.parent / "out/report.html").read_text()


def test_a_folder_without_cells_is_bad_input(
    tmp_path: Path, elsewhere: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--cells", str(tmp_path / "none")]) == 2
    assert "there is no cell; benchmarks.run --cells writes them" in capsys.readouterr().err
    assert main([]) == 2
    assert "give the name of a run, or --cells DIR" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cells .*file: .*give a folder"):
        run(elsewhere, cells=str(tmp_path / "file"))


WRITE = """
import sys
from dataclasses import replace
from pathlib import Path
from benchmarks.pipeline.cell import Cell
from benchmarks.pipeline.cell_folder import CellFolder

cell, folder = Cell.from_text(Path(sys.argv[1]).read_text()), CellFolder(Path(sys.argv[2]))
print("ready", flush=True)
input()
for seed in range(int(sys.argv[3]), int(sys.argv[3]) + 40):
    folder.write(replace(cell, seed=seed))
"""


def test_processes_that_write_into_one_folder_lose_no_cell(cells: Path, tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, str(cells / FILES[0]), str(tmp_path / "shared"), first],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in ("0", "10")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda writer: writer.communicate("\n"), writers))
    assert [writer.returncode for writer in writers] == [0, 0]
    found, strange = CellFolder(tmp_path / "shared").read()
    assert strange == []
    assert sorted(cell.seed for cell in found.values()) == list(range(50))


def test_threads_that_write_one_cell_leave_it_whole(cells: Path, tmp_path: Path) -> None:
    cell = Cell.from_text((cells / FILES[0]).read_text())
    folder = CellFolder(tmp_path / "threads")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(folder.write, [cell] * 40))
    assert list(folder.read()[0].values()) == [cell]


def other_domain(cells: Path, **about: str) -> None:
    """Add cells of another domain, and four seeds of each: enough for verdicts."""
    folder = CellFolder(cells)
    for cell in list(folder.read()[0].values()):
        for variant in ("", "domain other"):
            for more in (0, 2):
                own = {**cell.about, "variant": variant, **(about if variant else {})}
                folder.write(replace(cell, seed=cell.seed + more, about=own))


def test_cells_of_several_domains_are_one_family(cells: Path) -> None:
    other_domain(cells, suite_digest="f" * 64)
    report = report_of(cells)
    assert "counting vs no-data over 2 domains: undecided (+100.0)" in report.html, "3 problems"
    verdicts = dict(report.frames.items())["verdicts"]
    assert set(verdicts["domain"]) == {"small", "domain other"}
    assert len(verdicts) == 6


def test_cells_of_a_release_that_knows_more_fields_belong_to_the_same_run(cells: Path) -> None:
    folder = CellFolder(cells)
    for name, cell in folder.read()[0].items():
        if cell.seed == 1:
            more = replace(cell, config={**cell.config, "new": 1}, about={**cell.about, "new": 1})
            (cells / name).write_text(more.to_text())
    (run_,), _ = load_cells(cells)
    assert run_.invocation.about["new"] == run_.invocation.config["new"] == 1
    assert [len(row.scores[0].seeds) for row in run_.method_rows()] == [2, 2, 2]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (lambda cell: replace(cell, options={"supply": 5}), "supply not given, here 5"),
        (
            lambda cell: replace(
                cell, stages=tuple(replace(s, code="0" * 64) for s in cell.stages)
            ),
            "code of synthesize, code of filter-instructions",
        ),
    ],
    ids=["options", "code"],
)
def test_seeds_of_one_method_that_two_runs_made_are_not_reported_as_one(
    cells: Path, changed: Any, why: str
) -> None:
    folder = CellFolder(cells)
    for name, cell in folder.read()[0].items():
        if (cell.method, cell.seed) == ("counting", 1):
            (cells / name).write_text(changed(cell).to_text())
    with pytest.raises(ConfigError, match=r"counting\.0\.json and .*counting\.1\.json") as caught:
        load_cells(cells)
    assert why in str(caught.value)


def test_cells_of_another_domain_are_left_alone(elsewhere: RunConfig, cells: Path) -> None:
    other_domain(cells, suite_digest="f" * 64)
    for path in [*cells.glob("small.*.2.json"), *cells.glob("small.*.3.json")]:
        path.unlink()
    assert len(run(elsewhere).rows) == 3


def under(cells: Path, plan: dict[str, Any], *names: str) -> None:
    """Make cells those of a command with another plan of comparisons."""
    for name in names:
        cell = Cell.from_text((cells / name).read_text())
        (cells / name).write_text(replace(cell, plan={**cell.plan, **plan}).to_text())


@pytest.mark.parametrize(
    "changes",
    [
        {"compare": {"margin": 5.0}},
        {"compare": {"until_decided": True}, "seeds": [0, 1]},
        {"compare": {"contrasts": ["counting vs no-data"]}, "methods": ["repeating"]},
    ],
    ids=["margin", "until decided", "contrasts of other methods"],
)
def test_what_is_compared_and_asked_for_makes_no_cell_another_one(
    changes: dict[str, Any], elsewhere: RunConfig
) -> None:
    assert run(elsewhere, **changes).stages == 0


def test_a_contrast_of_a_method_that_nobody_knows_is_refused(elsewhere: RunConfig) -> None:
    with pytest.raises(ConfigError, match="names 'counted', which is not among the methods"):
        run(elsewhere, compare={"contrasts": ["counted vs no-data"]})


def test_a_report_names_the_plan_and_that_of_the_cells_where_it_differs(
    cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other_domain(cells)
    under(cells, {"margin": 5.0}, "small.counting.0.json", "small.no-data.0.json")
    to = cells.parent / "out"
    other = "Rows were made under another plan of comparisons: "

    def page(*options: str) -> str:
        assert main(["--cells", str(cells), "--to", str(to), *options]) == 0
        return (to / "report.html").read_text()

    assert other + "margin 5.0, here 3.0." in page()
    text = page("--compare.margin", "5", "--compare.contrasts", "counting vs repeating")
    assert other + "contrasts [], here [&#34;counting vs repeating&#34;] and margin 3.0" in text
    assert "over 3 primary comparisons and over 6 exploratory comparisons" in text
    assert "two one-sided tests at 5 points" in text
    assert "Interim analyses" in page("--compare.until_decided", "true")
    assert main(["--cells", str(cells), "--compare.margin", "0"]) == 2
    assert main(["--cells", str(cells), "--compare.contrasts", "counted vs no-data"]) == 2
    assert "names 'counted', which is not" in capsys.readouterr().err
    publish = ["--cells", str(cells), "--publish", str(cells), "--compare.margin", "5"]
    assert main(publish) == 0
    assert "--cells DIR --compare.margin 5 --publish DIR" in (cells / "README.md").read_text()
    assert "margin: 5.0" in (cells / "run-1.yaml").read_text()


def test_halves_of_an_experiment_join_in_one_folder_or_in_two(cells: Path, tmp_path: Path) -> None:
    whole = report_of(cells).summary
    other = tmp_path / "other"
    other.mkdir()
    for name in FILES[1::2]:  # seed 1, made under another plan
        (cells / name).rename(other / name)
    under(other, {"until_decided": True}, *FILES[1::2])
    joined, strange = load_cells(cells, other)
    assert strange == []
    assert make_report(combine(joined)).summary == whole
    for name in FILES[1::2]:
        (cells / name).write_bytes((other / name).read_bytes())
    assert report_of(cells).summary == whole
    same, _ = load_cells(cells, other)
    assert make_report(combine(same)).summary == whole, "what both have counts once"


def test_a_method_with_a_missing_seed_is_said_to_be_missing(cells: Path) -> None:
    other_domain(cells)
    (cells / "small.counting.2.json").unlink()
    runs, _ = load_cells(cells)
    (run_,) = [run for run in runs if not run.invocation.about["variant"]]
    (found,) = combine([run_]).comparisons()
    assert found.missing == ("counting",)
    scores = report_of(cells).tables[0].to_markdown()
    assert "3 of 4 (missing 2)" in scores


def test_until_decided_goes_on_from_cells_of_any_plan(
    elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Comparisons, "decided", property(lambda found: found.design.seeds >= 4))
    decided = replace(
        elsewhere, methods=("no-data", "repeating"), seeds=tuple(range(10)),
        compare=ComparisonConfig(until_decided=True),
    )  # fmt: skip
    report = run(decided)
    assert report.about["seeds"] == [0, 1, 2, 3]
    assert synthesized(decided.output) == 4
    assert len(CellFolder(decided.cells).read()[0]) == len(FILES) + 4


def test_machines_share_out_an_experiment_and_one_of_them_decides(
    elsewhere: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(elsewhere, seeds=[2, 3], methods=["counting", "no-data"])  # one evening
    run(elsewhere, seeds=[2, 3], methods=["repeating"])  # another machine
    plan = {"until_decided": True, "contrasts": ["counting vs no-data"]}
    made = synthesized(elsewhere.output)
    with monkeypatch.context() as patched:
        patched.setattr(Comparisons, "decided", property(lambda found: found.design.seeds >= 4))
        report = run(elsewhere, seeds=[4, 5], methods=["counting"], compare=plan)
    assert synthesized(elsewhere.output) == made, "decided before seed 4"
    assert report.about["seeds"] == [0, 1, 2, 3]
    assert any("counting vs no-data: " in line for line in comparison_lines(report))
    one_more = {"until_decided": True, "contrasts": ["repeating vs no-data"], "margin": 0.01}
    report = run(elsewhere, seeds=[4], methods=["repeating", "no-data"], compare=one_more)
    assert report.comparisons is not None
    assert report.comparisons.design.seeds == 5
    assert report.comparisons.analyses == (4, 5)
    assert report.comparisons.missing == ("counting",)


def test_a_method_that_lags_behind_is_compared_on_the_seeds_that_all_have(cells: Path) -> None:
    other_domain(cells)
    for seed, more in ((2, 4), (3, 5)):
        for method in ("counting", "no-data"):
            cell = Cell.from_text((cells / f"small.{method}.{seed}.json").read_text())
            CellFolder(cells).write(replace(cell, seed=more))
    runs, _ = load_cells(cells)
    (run_,) = [run for run in runs if not run.invocation.about["variant"]]
    (found,) = combine([run_]).comparisons()
    assert found.missing == ("repeating",)
    (found,) = combine([run_.with_plan(ComparisonConfig(until_decided=True))]).comparisons()
    assert found.missing == ()
    assert found.design.seeds == 4


def test_a_report_of_cells_can_be_published_beside_them(cells: Path) -> None:
    def publish() -> dict[str, bytes]:
        assert main(["--cells", str(cells), "--publish", str(cells)]) == 0
        files = [path for path in cells.rglob("*") if path.is_file()]
        return {path.relative_to(cells).as_posix(): path.read_bytes() for path in files}

    first = publish()
    assert publish() == first
    assert set(FILES) < set(first)
    page = first["README.md"].decode()
    assert "python -m benchmarks.run --config run-1.yaml --cells DIR" in page
    assert "python -m benchmarks.report --cells DIR --publish DIR" in page


@pytest.mark.parametrize(
    "ids",
    [[], ["a"], ["x/0", "x/1", "x/2"], ["x/1", "x/3"], ["x-007", "x-008", "x-010"], ["9", "10"],
     ["Mbpp/2", "Mbpp/3", "HumanEval/4", "abc301_a", "1873_A"], ["x/2", "x/1"], ["0", "00", "01"]],
)  # fmt: skip
def test_ids_come_back_as_they_were(ids: list[str]) -> None:
    assert unpack_ids(pack_ids(ids)) == ids
    assert unpack_ids(json.loads(json.dumps(pack_ids(ids)))) == ids


def test_a_series_of_ids_takes_one_entry() -> None:
    assert pack_ids([f"ledger/{n}" for n in range(1024)]) == [["ledger/", 0, 1023]]


@pytest.mark.parametrize("bits", [[], [True], [False], [False, True, False, False, True] * 7])
def test_bits_come_back_as_they_were(bits: list[bool]) -> None:
    assert unpack_bits(pack_bits(bits)) == bits


def test_outcomes_come_back_for_every_sample_and_nonsense_is_refused() -> None:
    outcomes = list(Outcome)
    verdicts = [
        Verdict(program_id=f"p/{n}/{k}", problem_id=f"p/{n}", base=outcomes[n], plus=outcomes[-k])
        for n in range(len(outcomes))
        for k in range(3)
    ]
    assert ProgramOutcomes.of(verdicts).verdicts() == verdicts
    for problems, base in ((["a"], "px"), (["a"], "z"), ([["a", 1]], "p"), ([3], "p")):
        with pytest.raises(RecordError):
            ProgramOutcomes(problems=problems, samples=1, base=base).verdicts()


@pytest.mark.parametrize(
    ("problems", "samples"), [([["a", 0, 10**15]], 1), (["a"], 10**15)], ids=["series", "samples"]
)
def test_a_few_bytes_of_a_cell_never_fill_the_memory(problems: list[Any], samples: int) -> None:
    with pytest.raises(RecordError):
        ProgramOutcomes(problems=problems, samples=samples, base="p").verdicts()


def test_names_of_files_are_plain_and_those_of_plug_ins_distinct() -> None:
    about = {"suite": "livecodebench", "variant": "after 2024-08-01; 3 " + "without tests " * 20}
    name = file_name(about, "few-shot@again", 3)
    assert re.fullmatch(r"livecodebench-after-[\w-]{60,80}\.few-shot@again\.3\.json", name)
    one, other = (file_name(about, method, 0) for method in ("mine:Echo", "mine-Echo"))
    assert one != other
    assert ":" not in one + other
