"""The records that flow from references to scores: small, frozen, typed, joined by id.

A record turns into one JSON line (`to_json`) and back (`from_json`); the line carries the schema
version, so that a file written by another version is refused instead of misread.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from domino.text import escaped, load_json, storable

SCHEMA_VERSION = 1


class RecordError(ValueError):
    """A record that cannot be made or read: says which, the value, and what is expected."""


def changes_result(item: dataclasses.Field[Any]) -> bool:
    """Whether a config's field can change a result; it can where nothing else is declared.

    A field that cannot (where files lie, how many processes share the work) is declared so once:
    `field(default=..., metadata={"changes_result": False})`. Cache keys, run names and the
    conditions of a study are derived from this.
    """
    declared: bool = item.metadata.get("changes_result", True)
    return declared


def result_fields(config: Any) -> Any:
    """Return a config as nested dicts of the fields that can change a result; else the value."""
    if isinstance(config, Mapping):
        return {name: result_fields(value) for name, value in config.items()}
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return config
    return {
        item.name: result_fields(getattr(config, item.name))
        for item in dataclasses.fields(config)
        if changes_result(item)
    }


def stable_id(*parts: str | int) -> str:
    """Return a 16-digit hexadecimal id that depends on nothing but the parts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:16]


def derive_seed(seed: int, *labels: str | int) -> int:
    """Return a 63-bit seed for one named use, independent of the order in which uses happen."""
    return int(stable_id(seed, *labels), 16) >> 1


class Record:
    """Base of all records: JSON in both directions, with a schema version; texts are storable."""

    def __post_init__(self) -> None:
        """Make every text storable: whatever it comes from, it enters the run in a record."""
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if isinstance(value, str):
                object.__setattr__(self, item.name, storable(value))
            elif isinstance(value, tuple) and any(isinstance(part, str) for part in value):
                parts = (storable(part) if isinstance(part, str) else part for part in value)
                object.__setattr__(self, item.name, tuple(parts))

    def to_json(self) -> str:
        """Return the record as one line of JSON."""
        fields = dataclasses.asdict(self)  # type: ignore[call-overload]
        values = {"v": SCHEMA_VERSION, **fields}
        return escaped(json.dumps(values, ensure_ascii=False, sort_keys=True))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read a line written by `to_json`.

        Raises:
            RecordError: the line is not JSON, has another schema version, or other fields.
        """
        try:
            values = load_json(line)
        except ValueError as error:
            raise RecordError(
                f"{cls.__name__}: not a JSON line: {line[:80]!r} ({error})"
            ) from error
        version = values.pop("v", None) if isinstance(values, dict) else None
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{cls.__name__}: schema version {version!r}, this version reads {SCHEMA_VERSION}: "
                "remove the run directory and run again"
            )
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the record from plain values, nested records included.

        Raises:
            RecordError: a field is missing, unknown or of another type.
        """
        hints = typing.get_type_hints(cls)
        try:
            return cls(**{name: _revive(hints[name], value) for name, value in values.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{cls.__name__}: {error}; got fields {sorted(values)}") from error


def _revive(hint: Any, value: Any) -> Any:
    """Turn a plain JSON value into what the type hint asks for (tuples, enums, nested records).

    Raises:
        TypeError: the value is of another type.
        ValueError: it is none of an enum's.
    """
    if isinstance(hint, types.UnionType):
        if value is None and types.NoneType in typing.get_args(hint):
            return None
        hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):  # a literal
        return value
    plain: Any = next((plain for base, plain in _PLAIN.items() if issubclass(kind, base)), object)
    if not isinstance(value, plain) or (isinstance(value, bool) and kind in (int, float)):
        raise TypeError(f"{value!r:.80} where {kind.__name__} is expected")
    if issubclass(kind, Record):
        return kind.from_dict(value)
    if issubclass(kind, StrEnum):
        return kind(value)
    if kind is tuple:
        return tuple(_revive(typing.get_args(hint)[0], item) for item in value)
    return value


_PLAIN: Mapping[type, Any] = {
    Record: dict, Mapping: dict, str: str, bool: bool, int: int, float: (int, float),
    tuple: list, Sequence: list,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference(Record):
    """One example of the domain; `response` is None where a track gives instructions alone."""

    id: str
    instruction: str
    response: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance(Record):
    """Where a synthetic pair comes from; `tokens` counts what generating it cost."""

    method: str
    seed: int
    round: int = 0
    parents: tuple[str, ...] = ()
    tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthetic(Record):
    """What a Synthesizer yields; `response` is None until the method or a later stage answers."""

    id: str
    instruction: str
    response: str | None = None
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped(Record):
    """What a stage refuses: in every stage, records in = records kept + records dropped."""

    id: str
    stage: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling(Record):
    """How text is sampled: chosen by the harness, the same for every method.

    Attributes:
        temperature: 0 is greedy.
        top_p: probability mass of nucleus sampling, in (0, 1].
        max_new_tokens: maximum number of tokens per completion.
        stop: strings that end a completion; they are not part of its text.
        seed: base seed; each request derives its own from it.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no sampler can follow."""
        if self.temperature < 0:
            raise RecordError(f"temperature is {self.temperature}: give 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise RecordError(f"top_p is {self.top_p}: give a value above 0 and at most 1")
        if self.max_new_tokens < 1:
            raise RecordError(f"max_new_tokens is {self.max_new_tokens}: give at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem(Record):
    """A benchmark's problem, in EvalPlus's schema.

    `base_inputs` and `plus_inputs` are sequences of argument lists. Expected outputs are computed
    by running `canonical_solution`, never stored with the problem.
    """

    id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    base_inputs: Sequence[Any]
    plus_inputs: Sequence[Any]
    atol: float = 0.0
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Program(Record):
    """A candidate: complete source text that defines the problem's entry point.

    `failure` is its outcome where no text could be taken out of the response in time; it is not
    run, and `detail` says more.
    """

    id: str
    problem_id: str
    code: str
    failure: Outcome | None = None
    detail: str = ""


class Outcome(StrEnum):
    """What running a program showed."""

    PASSED = "passed"
    WRONG = "wrong"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    OUTPUT_LIMIT = "output limit"
    KILLED = "killed"
    REFUSED = "refused"
    EXTRACTION_TIMEOUT = "extraction timed out"
    EXTRACTION_FAILED = "extraction failed"
    UNFINISHED_THOUGHT = "unfinished thought"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict(Record):
    """The outcome of one program on its problem's base inputs, and on base and plus inputs.

    `retried`: contention left the first run undecided, and this is the outcome of a run alone.
    """

    program_id: str
    problem_id: str
    base: Outcome
    plus: Outcome
    detail: str = ""
    seconds: float = 0.0
    retried: bool = False

    @property
    def passed(self) -> bool:
        """Whether the program passed the base and the plus inputs."""
        return self.base is Outcome.PASSED and self.plus is Outcome.PASSED


@dataclass(frozen=True, kw_only=True, slots=True)
class Score(Record):
    """Pass@k in [0, 1] with its 95 % interval, over `problems` problems and `seeds` seeds."""

    metric: str
    value: float
    low: float
    high: float
    problems: int
    samples: int
    seeds: tuple[int, ...]
