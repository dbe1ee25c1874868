"""A result to commit: tables, figures, and a manifest to reproduce them.

The same records give the same bytes. Anything that depends on the machine (paths, times, number of
workers) is only in the report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import write_atomically, write_error
from benchmarks.config.portable import portable, without_place
from benchmarks.report.cost_plots import SECONDS
from benchmarks.report.display_table import DisplayTable
from benchmarks.report.published import published_tables
from benchmarks.report.terminal import suite_words

if TYPE_CHECKING:
    from benchmarks.report.compared_runs import ComparedRuns
    from benchmarks.report.figures import DrawnFigure
    from benchmarks.report.page import StaticReport
    from benchmarks.report.stored import StoredRun

MANIFEST, PAGE = "manifest.json", "README.md"
_FRAMES = ("scores", "verdicts", "pooled", "variance", "funnel", "facts", "character")
_TIMES = "costs"


def publish(runs: ComparedRuns, report: StaticReport, folder: Path) -> Path:
    """Write a result, replacing an earlier one in the folder; return its page.

    Raises:
        ConfigError: the folder contains other files.
        StoreError: it cannot be written.
    """
    texts = publication(runs, report)
    _clear(folder)
    for name, text in texts.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        write_atomically(folder / name, text)
    return folder / PAGE


def publication(runs: ComparedRuns, report: StaticReport) -> dict[str, str]:
    """Return the text of every file of a result, by path."""
    tables = [table for table in report.tables if table.name != _TIMES]
    frames = dict(report.frames.items())
    tables += [_tokens(runs), *published_tables(runs, frames["verdicts"])]
    texts = {f"tables/{table.name}.md": table.to_markdown() for table in tables}
    for name, frame in frames.items():
        if name in _FRAMES:
            texts[f"tables/{name}.csv"] = frame.to_csv(index=False, lineterminator="\n")
    figures = [figure for figure in report.figures if figure.name != SECONDS]
    for figure in figures:
        texts[f"figures/{figure.name}.svg"] = _on_white(figure.svg)
    for number, run in enumerate(runs.runs, 1):
        texts[f"run-{number}.yaml"] = yaml.safe_dump(
            portable(run.invocation.config), allow_unicode=True, width=100
        )
    texts[PAGE] = _page(runs, report, tables, figures)
    return texts | {MANIFEST: _manifest(runs, texts)}


def _tokens(runs: ComparedRuns) -> DisplayTable:
    return DisplayTable(
        name="tokens",
        title="Tokens generated",
        columns=("method", "for pairs", "for evaluation"),
        rows=tuple(
            (row.method, f"{row.tokens:,}", f"{row.evaluation_tokens:,}")
            for row in runs.method_rows()
        ),
        note="Over all seeds. Seconds depend on the machine and are left out.",
    )


def _on_white(svg: str) -> str:
    """Add a white background to a drawing, which would be unreadable in a dark viewer."""
    end = svg.index(">", svg.index("<svg")) + 1
    return f'{svg[:end]}\n <rect width="100%" height="100%" fill="#ffffff"/>{svg[end:]}'


def _page(
    runs: ComparedRuns,
    report: StaticReport,
    tables: Sequence[DisplayTable],
    figures: Sequence[DrawnFigure],
) -> str:
    names = ", ".join(run.name for run in runs.runs)
    images = [f"![{f.alternative}](figures/{f.name}.svg)\n\n*{f.title}*" for f in figures]
    parts = [
        f"# {names}",
        *dict.fromkeys(_about(run) for run in runs.runs),
        *dict.fromkeys(line for run in runs.runs for line in run.plan_notes()),
        "Written by `python -m benchmarks.report`; "
        f"[{MANIFEST}]({MANIFEST}) lists data, code and versions.",
        *([f"**Not comparable:** {line}." for line in runs.differences]),
        report.summary.partition("\n\n**")[0],
        *(table.to_markdown().rstrip() for table in tables),
        *images,
        "## Reproduction",
        "\n".join(f"    {command}" for command in _commands(runs)),
        "Input files are named without their folder: put them into the working directory, or give "
        "their paths.",
    ]
    return "\n\n".join(parts) + "\n"


def _about(run: StoredRun) -> str:
    about = run.invocation.about
    return (
        f"{suite_words(about)}: {about['references']} references, at most {about['pairs']} pairs "
        f"per seed from {about['draws']} samples, {len(run.seeds)} seeds, backbone "
        f"{without_place(str(about['model']))}, responder {about['responder']}."
    )


def _commands(runs: ComparedRuns) -> list[str]:
    made = [
        f"python -m benchmarks.run --config run-{number}.yaml" + (" --cells DIR" * run.cells)
        for number, run in enumerate(runs.runs, 1)
    ]
    names = dict.fromkeys("--cells DIR" if run.cells else run.name for run in runs.runs)
    force = " --force" if runs.differences else ""
    force += _plan(runs.runs[0]) if any(run.plan_notes() for run in runs.runs) else ""
    return [*made, f"python -m benchmarks.report {' '.join(names)}{force} --publish DIR"]


def _plan(run: StoredRun) -> str:
    """Return the options that name a plan of comparisons which is not that of the rows."""
    values = run.invocation.config["compare"]
    contrasts = ", ".join(values["contrasts"])
    options = f" --compare.margin {values['margin']:g}"
    options += f' --compare.contrasts "{contrasts}"' if contrasts else ""
    return options + (" --compare.until_decided true" if values["until_decided"] else "")


def _manifest(runs: ComparedRuns, texts: Mapping[str, str]) -> str:
    values = {
        "commands": _commands(runs),
        "runs": [_run(number, run) for number, run in enumerate(runs.runs, 1)],
        "differences": list(runs.differences),
        "files": {
            name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())
        },
    }
    return json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _run(number: int, run: StoredRun) -> dict[str, Any]:
    about = dict(run.invocation.about)
    about["model"] = without_place(str(about["model"]))
    return {
        "name": run.name,
        "config": f"run-{number}.yaml",
        "about": about,
        "versions": dict(run.invocation.versions),
        "finished": run.finished,
        "stages": {stage.path.name: stage.address for stage in run.stages},
    }


def _clear(folder: Path) -> None:
    """Remove the files of an earlier publication; cells in the folder are kept.

    Raises:
        ConfigError: the folder contains other files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"--publish {folder}: a file; give a directory")
    cells = set(folder.glob("*.json")) - {folder / MANIFEST}
    found = {path for path in folder.rglob("*") if path.is_file()} - cells
    files = {path.relative_to(folder).as_posix() for path in found}
    try:
        known = set(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    strange = sorted(files - known - {MANIFEST})
    if strange:
        raise ConfigError(
            f"--publish {folder}: contains {strange[0]}, which --publish did not write; give a new "
            "directory, or remove it"
        )
    for name in sorted(files):
        (folder / name).unlink()
