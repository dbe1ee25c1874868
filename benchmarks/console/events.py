"""The log of an invocation: one JSON line an event, in the run directory, beside the display."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from benchmarks.console.display import Display
from benchmarks.store.provenance import process_tags
from domino.records import Record

LOGS = "logs"
"""Directory of the logs, below the output directory."""

EventKind = Literal["run", "stage", "start", "progress", "reused", "waiting", "line", "end"]
_PROGRESS_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Event(Record):
    """One thing that happened in an invocation.

    Attributes:
        at: when, in UTC, ISO 8601.
        event: "run" begins the log, "stage" a stage, "start" a part of it, "end" ends the log.
        row: method and seed.
        stage: the label of what runs.
        number: of the stage, from 1.
        of: how many stages there are.
        done: items of the current part.
        total: how many there will be; None where it is not known.
        text: a note, a line, or how the invocation ended.
        about: of "run": suite, model, methods, seeds, and which process it is.
        beside: what else runs at the same time, in words.
    """

    at: str
    event: str
    row: str = ""
    stage: str = ""
    number: int = 0
    of: int = 0
    done: int = 0
    total: int | None = None
    text: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    beside: str = ""


class RecordingDisplay(Display):
    """Shows by another display, and writes every event; a log that cannot be written is left off.

    Args:
        shown: the display for people.
        output: the run directory; nothing is written before `begin`.
    """

    def __init__(self, shown: Display, output: Path) -> None:
        """Write below `output`."""
        self._shown = shown
        self._output = output
        self._file: int | None = None
        self._row = self._stage = self._note = self._beside = ""
        self._number = self._of = self._done = 0
        self._total: int | None = None
        self._wrote = 0.0
        self._name = ""

    def begin(self, about: Mapping[str, Any]) -> None:
        """Open the log: the input is right, and work begins."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
        path = self._output / LOGS / name
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._write("run", about={**about, "process": process_tags()})

    def __enter__(self) -> Self:
        """Begin to show."""
        self._shown.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write how it ended, and close the log."""
        self._shown.__exit__(kind, error, trace)
        self._write("end", text=_ending(error, self._name))
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def stage(self, row: str, number: int, of: int) -> None:
        """Begin a stage."""
        self._shown.stage(row, number, of)
        self._row, self._number, self._of, self._stage = row, number, of, ""
        self._done, self._total = 0, None
        self._write("stage")

    def reused(self, label: str) -> None:
        """Say that the stage was complete already."""
        self._shown.reused(label)
        self._stage = label
        self._write("reused")

    def start(self, label: str, total: int | None) -> None:
        """Begin counting."""
        self._shown.start(label, total)
        self._begin_part(label, total, 0)

    def under_way(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Go on counting."""
        self._shown.under_way(label, total, done, seconds)
        self._begin_part(label, total, done)

    def _begin_part(self, label: str, total: int | None, done: int) -> None:
        self._stage, self._total, self._done, self._note = label, total, done, ""
        self._write("start")

    def advance(self, n: int = 1) -> None:
        """Count, and now and then write so."""
        self._shown.advance(n)
        self._done += n
        if time.monotonic() - self._wrote >= _PROGRESS_EVERY_S:
            self._write("progress", text=self._note)

    def note(self, text: str) -> None:
        """Keep the text for the next event of progress; write it where none comes."""
        self._shown.note(text)
        self._note = text
        if time.monotonic() - self._wrote >= _PROGRESS_EVERY_S:
            self._write("progress", text=text)

    def beside(self, text: str) -> None:
        """Keep the text for the events to come."""
        self._shown.beside(text)
        self._beside = text

    def line(self, text: str) -> None:
        """Write the line."""
        self._shown.line(text)
        self._write("line", text=text)

    def kept_as(self, name: str) -> None:
        """Say under which name the run is kept; its last event tells it too."""
        self._name = name
        self.line(f"Kept as {name}; writing its page and MLflow's tables")

    def waiting(self, text: str) -> None:
        """Write whom the stage waits for."""
        self._shown.waiting(text)
        self._write("waiting", text=text)

    def _write(
        self, kind: EventKind, *, text: str = "", about: Mapping[str, Any] | None = None
    ) -> None:
        if self._file is None:
            return
        self._wrote = time.monotonic()
        event = Event(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"), event=kind, row=self._row,
            stage=self._stage, number=self._number, of=self._of, done=self._done,
            total=self._total, text=text, about=about or {}, beside=self._beside,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            os.write(self._file, event.to_json().encode() + b"\n")


def _ending(error: BaseException | None, name: str) -> str:
    if error is None:
        return f"finished: kept as {name}" if name else "finished"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"stopped: {' '.join(str(error).split()) or type(error).__name__}"
