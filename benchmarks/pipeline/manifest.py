"""The manifest of a run: the stages of its rows, and how they were made.

`OUTPUT/invocations/NAME.json` is written when the rows have ended. The name contains the hash of
the content: the same run gives the same file, and no run replaces another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.chat_templates import describe_chat
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import write_atomically
from benchmarks.models import model_licence
from benchmarks.pipeline.rows import FailedRun, SeedRun
from benchmarks.store.identity import digest
from benchmarks.store.provenance import machine_tags
from benchmarks.store.store import canonical_json
from domino.records import Record, RecordError, result_fields

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline
    from benchmarks.pipeline.rows import Described, Description

INVOCATIONS = "invocations"


@dataclass(frozen=True, kw_only=True, slots=True)
class RowEntry(Record):
    """One method with one seed.

    Attributes:
        asked: instructions requested from a failed row; 0 if it did not fail.
        stages: directories of the finished stages, in the order of the run.
        embedded: directory of the stage with embeddings of the samples; "" if there are none.
        measures: directory of the stage with properties of the samples; "" if there are none.
        failed_in: stage in which the row failed; "" if it did not.
        reason: why it failed.
    """

    method: str
    seed: int
    stages: tuple[str, ...]
    embedded: str = ""
    measures: str = ""
    asked: int = 0
    failed_in: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation(Record):
    """A run of `benchmarks.run`.

    Attributes:
        name: of the suite and the hash of all below but `versions`.
        config: every field of the run that can change a result, as plain data.
        about: what all rows share: suite, model, digests, counts.
        domain: directory of the stage that holds references and problems.
        embedded: directory of the stage that holds their embeddings.
        measures: directory of the stage that says what the references are like.
        rows: one for each seed and method, in the order of the run.
        facts: what the suite's oracles counted, by method and fact.
        versions: git commit, Python and libraries of the process that ended it first.
    """

    name: str
    config: Mapping[str, Any]
    about: Mapping[str, Any]
    domain: str
    embedded: str
    measures: str
    rows: tuple[RowEntry, ...]
    facts: Mapping[str, Mapping[str, float]]
    versions: Mapping[str, str]


def plain_config(config: Any) -> dict[str, Any]:
    """Return the fields of a run that can change a result, as plain data."""
    values: dict[str, Any] = json.loads(canonical_json(result_fields(config)))
    return values


def describe_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Return what all rows of a run share: suite, model, digests, counts."""
    config = pipeline.config
    return {
        "suite": config.suite,
        "variant": pipeline.context.suite.variant,
        "split": config.evaluate.split,
        "limited": _limited(pipeline),
        "template": pipeline.context.suite.template,
        "suite_digest": pipeline.suite_digest,
        "model": config.backbone,
        "model_digest": pipeline.model_digest,
        "model_licence": model_licence(Path(pipeline.context.model)),
        "chat": describe_chat(config, Path(pipeline.context.model)),
        "engine": config.engine,
        "responder": config.responder,
        "references": len(pipeline.references),
        "references_digest": _references_digest(pipeline),
        "seeds": list(config.seeds),
        "pairs": config.pairs,
        "draws": config.draws,
    }


def _references_digest(pipeline: Pipeline) -> str:
    """Return the digest of the references; of all, where each seed draws its own."""
    suite = pipeline.context.suite
    return digest(suite.references()) if suite.draws_references else pipeline.references_digest


def _limited(pipeline: Pipeline) -> str:
    """Return how many of the problems are tried, "" where all are."""
    evaluated = pipeline.config.evaluate
    total = pipeline.problem_counts[evaluated.split]
    if evaluated.limit is None or evaluated.limit >= total:
        return ""
    return f"{evaluated.limit} of {total} problems"


def describe_invocation(
    config: Any,
    about: Mapping[str, Any],
    description: Description,
    rows: Sequence[SeedRun | FailedRun],
    facts: Mapping[str, Mapping[str, float]],
) -> Invocation:
    """Return the record of an invocation whose rows have ended."""
    unnamed = Invocation(
        name="",
        config=plain_config(config),
        about=dict(about),
        domain=description.domain.path.name,
        embedded=description.references.embedded.path.name,
        measures=description.references.measures.path.name,
        rows=tuple(_entry(row, description.rows.get((row.method, row.seed))) for row in rows),
        facts={method: dict(shares) for method, shares in facts.items()},
        versions={},
    )
    identity = hashlib.sha256(unnamed.to_json().encode()).hexdigest()[:8]
    return replace(unnamed, name=f"{about['suite']}-{identity}", versions=machine_tags())


def write_invocation(invocation: Invocation, output: Path) -> Path:
    """Write an invocation under its name; one that is there already stays as it is.

    Raises:
        StoreError: the file cannot be written.
    """
    path = output / INVOCATIONS / f"{invocation.name}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        values = json.loads(invocation.to_json())
        write_atomically(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return path


def find_invocation(name: str, output: Path) -> Path:
    """Return the file of an invocation.

    Args:
        name: its name or the beginning of it, its file, or a directory of runs that holds one.
        output: the directory of runs in which names are looked for.

    Raises:
        ConfigError: there is none, or more than one.
    """
    given = Path(name)
    if given.is_file():
        return given
    folder, pattern = (given, "") if given.is_dir() else (output, name)
    files = sorted((folder / INVOCATIONS).glob("*.json"))
    found = [file for file in files if file.stem.startswith(pattern)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.stem for file in found or files) or "none"
    what = f"{len(found)} runs" if found else "no run"
    raise ConfigError(
        f"{name}: {what} of this name in {folder}; there: {names}. Give one of these names, or "
        "--output of the runs; benchmarks.run writes them when it ends"
    )


def read_invocation(path: Path) -> Invocation:
    """Return the invocation of a file that `write_invocation` wrote.

    Raises:
        ConfigError: the file cannot be read, or is none.
    """
    try:
        return Invocation.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"run {path}: {error.strerror}") from error
    except (RecordError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a run of this version: {error}") from error


def _entry(row: SeedRun | FailedRun, described: Described | None) -> RowEntry:
    stages = tuple(stage.path.name for stage in row.stages)
    entry = RowEntry(method=row.method, seed=row.seed, stages=stages)
    if described is not None:
        embedded, measures = described.embedded.path.name, described.measures.path.name
        entry = replace(entry, embedded=embedded, measures=measures)
    if isinstance(row, FailedRun):
        entry = replace(entry, asked=row.asked, failed_in=row.stage, reason=row.reason)
    return entry
