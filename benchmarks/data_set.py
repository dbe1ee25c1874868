"""Rows of a data set that exists already: `--methods dataset/NAME`, from a file or a hub.

Each seed draws its own subset, which then passes the same filters, decontamination and budget as
what the methods make.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, Self

from benchmarks.common.fields import ConfigError
from benchmarks.suites.base import SuiteError
from benchmarks.suites.examples import FIELDS, Examples, read_examples
from benchmarks.suites.tables import (
    Table,
    is_hub_name,
    read_fields,
    read_hub,
    read_table,
    refusal,
)
from domino.records import Provenance, Reference, Sampling, Synthetic, derive_seed
from domino.synthesizer import (
    Domain,
    FitContext,
    RequestProfile,
    SynthesisError,
    Synthesizer,
    Tally,
    plain_responses,
)

METHOD_FILE = "data_set.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetConfig:
    """Where the data is, and what of it is used.

    Attributes:
        path: file (.jsonl, .json, .csv, .tsv, .parquet), or the name of a hub's data set,
            OWNER/NAME or OWNER/NAME@REVISION.
        sha256: of the data; found by the run, which refuses other data where it is given.
        split: of a hub's data set.
        fields: columns by our names: instruction=question,response=answer.
        responses: keep those of the data set, or have the run's responder answer.
    """

    path: str = field(default="", metadata={"changes_result": False})
    sha256: str = ""
    split: str = "train"
    fields: str = ""
    responses: Literal["keep", "answer"] = "keep"


class DataSet(Synthesizer):
    """Yields rows of the data set, each once, in an order that depends on the seed."""

    name: ClassVar[str] = "dataset"
    keeps_responses: ClassVar[bool] = True
    reads_description: ClassVar[bool] = False
    config_class: ClassVar[type[DataSetConfig]] = DataSetConfig
    profile: ClassVar[RequestProfile] = RequestProfile(requests=0.0)

    def __init__(self, config: DataSetConfig | None = None) -> None:
        self.config = config or DataSetConfig()
        self._order: list[Reference] = []
        self._fitted: FitContext | None = None
        self._tally = Tally()

    def fit(self, domain: Domain, context: FitContext) -> None:
        """Draw the order of the rows.

        Raises:
            SynthesisError: the data set cannot be used.
        """
        try:
            found = usable_examples(self.config)
        except (SuiteError, ConfigError) as error:
            raise SynthesisError(str(error)) from error
        draw = random.Random(derive_seed(context.seed, self.name))
        self._order = draw.sample(found, len(found))
        self._fitted = context

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        """Yield the rows numbered from `first`."""
        self._tally = Tally()
        for number, row in enumerate(self._order[first : first + count], first):
            self._tally.count(None)
            yield Synthetic(
                id=f"{self.name}-{number}",
                instruction=row.instruction,
                response=row.response if self.config.responses == "keep" else None,
                provenance=Provenance(method=self.name, seed=sampling.seed, parents=(row.id,)),
            )
        if first + count > len(self._order):
            self._tally.stopped = f"the data set has {len(self._order)} usable rows"

    def tally(self) -> Tally:
        """Return the counts of the latest call of `synthesize`."""
        return self._tally

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer with nothing else in the context."""
        if self._fitted is None:
            raise SynthesisError(f"{self.name}: not fitted: call fit or load first")
        return plain_responses(self._fitted.engine, instructions, sampling)

    def save(self, directory: Path) -> None:
        """Write which data it is and the seed; the data itself stays where it is."""
        if self._fitted is None:
            raise SynthesisError(f"{self.name}: not fitted: call fit first")
        directory.mkdir(parents=True, exist_ok=True)
        values = {"config": dataclasses.asdict(self.config), "seed": self._fitted.seed}
        (directory / METHOD_FILE).write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Self:
        """Read the same rows in the same order.

        Raises:
            SynthesisError: the data is no longer the same.
        """
        values = json.loads((directory / METHOD_FILE).read_text(encoding="utf-8"))
        loaded = cls(DataSetConfig(**values["config"]))
        loaded.fit(_NOTHING, dataclasses.replace(context, seed=values["seed"]))
        loaded._fitted = context
        return loaded


_NOTHING = Domain(references=tuple(Reference(id=str(n), instruction="-") for n in range(2)))


def usable_examples(config: DataSetConfig) -> list[Reference]:
    """Return the rows that a run can use.

    Raises:
        ConfigError: no file is named, or it is not the data of `sha256`.
        SuiteError: the data cannot be read, a row is wrong, or fewer than two are usable.
    """
    examples = read_examples(
        _require_same(config, _table(config)), responses=config.responses == "keep"
    )
    if examples.wrong:
        raise refusal(config.path, examples.wrong)
    if len(examples.found) < 2:
        raise SuiteError(
            f"{config.path} has {len(examples.found)} usable rows{_left_out(examples)}: give at "
            "least 2"
        )
    return list(examples.found)


def _left_out(examples: Examples) -> str:
    said = [f"{count} with {reason}" for reason, count in examples.left_out.items()]
    return f" ({', '.join(said)})" if said else ""


def data_digest(config: DataSetConfig) -> str:
    """Return the SHA-256 of the data.

    Raises:
        ConfigError: no file is named.
        SuiteError: it cannot be read.
    """
    return _table(config).digest


def _require_same(config: DataSetConfig, table: Table) -> Table:
    if config.sha256 and config.sha256 != table.digest:
        raise ConfigError(
            f"{config.path} has sha256 {table.digest}, and {config.sha256} is asked for: give the "
            "same data, or leave sha256 out"
        )
    return table


def _table(config: DataSetConfig) -> Table:
    if not config.path:
        raise ConfigError(
            "a row dataset/NAME needs its data: give --method_options.dataset/NAME.path FILE"
        )
    fields = tuple(read_fields(config.fields, FIELDS).items())
    if is_hub_name(config.path):
        return _hub(config.path, config.split, fields)
    try:
        state = Path(config.path).stat()
    except OSError as error:
        raise SuiteError(
            f"data set {config.path}: {error.strerror}: give a file, or OWNER/NAME of a hub"
        ) from error
    return _file(config.path, state.st_mtime_ns, state.st_size, fields)


@functools.lru_cache(maxsize=4)
def _hub(source: str, split: str, fields: tuple[tuple[str, str], ...]) -> Table:
    return read_hub(source, split, dict(fields))


@functools.lru_cache(maxsize=4)
def _file(path: str, changed: int, size: int, fields: tuple[tuple[str, str], ...]) -> Table:
    return read_table(Path(path), dict(fields))
