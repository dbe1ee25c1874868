"""`python -m benchmarks.export RUN --method NAME --to DIR`: synthetic data with its card.

The pairs that a method's rows were fine-tuned on, in a form that trainers read, as parquet or JSON
lines by the library `datasets`, and README.md, the data card. References are not part of it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError, closest
from benchmarks.common.files import write_error
from benchmarks.common.words import counted
from benchmarks.metrics.overlap import NearDuplicates
from benchmarks.pipeline.rows import SeedRun
from domino.records import Synthetic

if TYPE_CHECKING:
    from benchmarks.report.stored import StoredRun

PROGRAM = "python -m benchmarks.export"
CARD = "README.md"
_KEPT = "kept.jsonl"

Form = Callable[[str, str], dict[str, Any]]
FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "messages": lambda instruction, response: {
            "messages": [
                {"role": "user", "content": instruction},
                {"role": "assistant", "content": response},
            ]
        },
        "prompt-completion": lambda instruction, response: {
            "prompt": instruction, "completion": response,
        },
        "alpaca": lambda instruction, response: {
            "instruction": instruction, "input": "", "output": response,
        },
    }
)  # fmt: skip
FILES = ("parquet", "jsonl")


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """What one command exports, and where to.

    Attributes:
        run: the stored run.
        method: whose pairs.
        form: a key of `FORMS`.
        file: parquet or jsonl.
        to: the folder, which is made.
        push: OWNER/NAME on the hub, None where it stays here.
    """

    run: StoredRun
    method: str
    form: str
    file: str
    to: Path
    push: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return exit_code("benchmarks.export", lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = _parser().parse_args(arguments)
    if given.push is not None:
        _require_token(given.push)
    _require_new(given.to)
    from benchmarks.report.stored import load_run

    made = Export(
        run=load_run(given.run, given.output), method=given.method, form=given.form,
        file=given.file, to=given.to, push=given.push,
    )  # fmt: skip
    count, near = export(made)
    print(f"{counted(count, 'pair')} in {given.to}")
    if near:
        print(f"warning: {counted(near, 'near copy')} of references among them: see {CARD}")
    if made.push is not None:
        print(_pushed(made.to, made.push))
    return 0


def export(made: Export) -> tuple[int, int]:
    """Write data and card; return the pairs, and how many are near copies of a reference.

    Raises:
        ConfigError: the run has no such method, it has no pair of its own, or a push would carry
            near copies of references.
        StoreError: the folder cannot be written.
    """
    records = _records(made.run, made.method)
    similarity = float(made.run.invocation.config["decontaminate"]["similarity"])
    near = _near_copies(made.run, [pair for _, pair in records], similarity)
    if near and made.push is not None:
        raise ConfigError(
            f"{counted(len(near), 'pair')} of {made.method} would carry a reference to the hub "
            f"(similarity {similarity:g} or more, the first is {near[0]!r}): nothing is pushed; "
            "run again with a lower --decontaminate.similarity"
        )
    try:
        made.to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.to.parent, prefix=".export-") as scratch:
            folder = Path(scratch) / "data"
            folder.mkdir()
            _write(made, folder, records, len(near), similarity)
            if made.to.exists():
                made.to.rmdir()  # it is empty
            shutil.move(folder, made.to)
    except OSError as error:
        raise write_error(made.to, error) from error
    return len(records), len(near)


def _records(run: StoredRun, method: str) -> list[tuple[int, Synthetic]]:
    """Return the pairs of a method's rows, each with its seed.

    Raises:
        ConfigError: the run has no such method, or it has no pair of its own.
    """
    names = list(dict.fromkeys(row.method for row in run.rows))
    if method not in names:
        raise ConfigError(
            f"run {run.name} has no method {method!r}{closest(method, names)}: there are "
            f"{', '.join(names)}"
        )
    rows = [row for row in run.rows if row.method == method and isinstance(row, SeedRun)]
    if any(not row.synthesized.summary["synthesizes"] for row in rows):
        raise ConfigError(
            f"{method} makes no data of its own: its pairs are the references, or there are none"
        )
    if run.cells:
        raise ConfigError("a run out of cells has no texts: give the run itself")
    records = [
        (row.seed, pair)
        for row in sorted(rows, key=lambda row: row.seed)
        for pair in row.pairs.read(_KEPT, Synthetic)
    ]
    if not records:
        raise ConfigError(f"{method} has no pair in run {run.name}: there is nothing to export")
    return records


def _near_copies(run: StoredRun, records: Sequence[Synthetic], similarity: float) -> list[str]:
    """Return the ids of pairs with a text that is near a reference's."""
    references = run.read_references()
    texts = [(("reference", r.id), r.instruction) for r in references]
    near = NearDuplicates(texts, threshold=similarity)
    return [record.id for record in records if near.find(record.instruction)]


def _write(
    made: Export,
    folder: Path,
    records: Sequence[tuple[int, Synthetic]],
    near: int,
    similarity: float,
) -> None:
    from datasets import Dataset, disable_progress_bars

    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.manifest import plain_config
    from benchmarks.report.data_card import CardFacts, data_card

    disable_progress_bars()
    shape = FORMS[made.form]
    rows = [
        {**shape(pair.instruction, pair.response or ""), "id": f"{seed}/{pair.id}", "seed": seed}
        for seed, pair in records
    ]
    data = Dataset.from_list(rows)
    name = f"train.{made.file}"
    if made.file == "parquet":
        data.to_parquet(folder / name)
    else:
        data.to_json(folder / name, lines=True, force_ascii=False)
    [row] = [row for row in made.run.method_rows() if row.method == made.method]
    facts = CardFacts(
        file=name, rows=len(rows), form=made.form, near_copies=near, similarity=similarity,
        plain=plain_config(RunConfig()),
    )  # fmt: skip
    (folder / CARD).write_text(data_card(made.run, row, facts), encoding="utf-8")


def _require_new(folder: Path) -> None:
    """Refuse, before any work, a folder in which something is already.

    Raises:
        ConfigError: it is there and not empty, or a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"--to {folder} is there already: give a new or an empty folder")


def _require_token(name: str) -> None:
    """Refuse, before any work, a push that cannot work.

    Raises:
        ConfigError: the name has another form, or there is no token.
    """
    from huggingface_hub import get_token

    owner, slash, rest = name.partition("/")
    if not owner or not slash or not rest or "/" in rest:
        raise ConfigError(f"--push {name}: give OWNER/NAME")
    if get_token() is None:
        raise ConfigError(
            f"--push {name} needs a token of the hub: `hf auth login`, or set HF_TOKEN"
        )


def _pushed(folder: Path, name: str) -> str:
    """Upload the folder to a data set of the hub, private where it is new; return its address.

    Raises:
        ConfigError: the hub refuses it, or is not reached.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        hub.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, repo_type="dataset")
    except Exception as error:  # the library promises no kinds of its own
        text = " ".join(str(error).split())
        raise ConfigError(
            f"--push {name}: {type(error).__name__}: {text}: the data is in {folder}; check token "
            "and network, and export again to another folder"
        ) from error
    return f"pushed to https://huggingface.co/datasets/{name}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="a name that benchmarks.run printed")
    parser.add_argument("--method", required=True, help="whose pairs; all seeds together")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--form", choices=list(FORMS), default="messages")
    parser.add_argument("--file", choices=FILES, default="parquet")
    parser.add_argument(
        "--push", metavar="OWNER/NAME", help="upload it to the hub too, as a private data set"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), metavar="DIR",
        help="the directory of runs in which the name is looked for (default: runs)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
