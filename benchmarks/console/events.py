"""The event log of a command: one JSON line per event, in the run directory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.console.display import ProgressEvent
from benchmarks.store.provenance import process_tags
from domino.records import Record

LOGS = "logs"
"""Directory of the logs, in the output directory."""

_PROGRESS_EVERY_S = 2.0
_EVENTS = {"resume": "start", "advance": "progress", "note": "progress"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Event(Record):
    """A line of the log.

    Attributes:
        at: time in UTC, ISO 8601.
        event: "run" begins the log, "stage" a stage, "start" a count, "end" ends the log; or
            "progress", "reused", "waiting", "line".
        row: method and seed.
        stage: label of what runs.
        number: of the stage, from 1.
        of: number of stages.
        done: items done in the current count.
        total: number of items; None if unknown.
        text: a note, a line, or how the command ended.
        about: of "run": suite, model, methods, seeds, and the process.
        parallel: what else runs at the same time.
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
    parallel: str = ""


class EventLog(AbstractContextManager["EventLog"]):
    """Writes the events of a display to a file; a log that cannot be written is skipped.

    Attributes:
        name: under which the run is saved; written with the last event.
    """

    def __init__(self, output: Path) -> None:
        """Write to `output`/logs, from `begin` on."""
        self._output = output
        self._file: int | None = None
        self._now = ProgressEvent(kind="line")
        self._wrote = 0.0
        self.name = ""

    def begin(self, about: Mapping[str, Any]) -> None:
        """Open the log; called when the input has been checked and work begins."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.jsonl"
        path = self._output / LOGS / name
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._write("run", about={**about, "process": process_tags()})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write how the command ended, and close the log."""
        self._write("end", text=_ending(error, self.name))
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __call__(self, event: ProgressEvent) -> None:
        """Write an event; counts and notes at most every two seconds."""
        self._now = event
        name = _EVENTS.get(event.kind, event.kind)
        if name == "progress":
            if time.monotonic() - self._wrote >= _PROGRESS_EVERY_S:
                self._write(name, text=event.note)
        elif name != "parallel":
            self._write(name, text=event.text if name in ("line", "waiting") else "")

    def _write(self, name: str, *, text: str = "", about: Mapping[str, Any] | None = None) -> None:
        if self._file is None:
            return
        self._wrote = time.monotonic()
        now = self._now
        event = Event(
            at=datetime.now(UTC).isoformat(timespec="milliseconds"), event=name, row=now.row,
            stage=now.label, number=now.number, of=now.of, done=now.done, total=now.total,
            text=text, about=about or {}, parallel=now.parallel,
        )  # fmt: skip
        with contextlib.suppress(OSError):
            os.write(self._file, event.to_json().encode() + b"\n")


def _ending(error: BaseException | None, name: str) -> str:
    if error is None:
        return f"finished: saved as {name}" if name else "finished"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"stopped: {' '.join(str(error).split()) or type(error).__name__}"
