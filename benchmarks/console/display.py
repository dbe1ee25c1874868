"""The progress of a run as events, and what shows them: live bars on a terminal, or plain lines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

_LINE_EVERY_S = 10.0
_SILENT_AT_MOST_S = 30.0

EventKind = Literal[
    "stage", "reused", "start", "resume", "advance", "note", "parallel", "line", "waiting"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressEvent:
    """An event, and the state of the run after it.

    Attributes:
        kind: what happened: a stage begins or was reused, counting starts or resumes, more items
            are done, a note changes, what runs in parallel changes, a message, or waiting.
        row: method and seed.
        number: of the current stage, from 1.
        of: number of stages.
        label: what is counted.
        part: number of the current count; a stage may count several things in turn.
        total: number of items; None if unknown.
        done: items done.
        note: short text on the current count.
        parallel: what runs at the same time; "" if nothing does.
        waiting: what the stage waits for, or did last.
        text: of a message.
        seconds: since counting started in another process.
    """

    kind: EventKind
    row: str = ""
    number: int = 0
    of: int = 0
    label: str = ""
    part: int = 0
    total: int | None = None
    done: int = 0
    note: str = ""
    parallel: str = ""
    waiting: str = ""
    text: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return the stage that the event belongs to, in words."""
        place = f"[{self.number}/{self.of}]" if self.of else ""
        return " ".join(part for part in (place, self.row, self.label) if part)


Listener = Callable[[ProgressEvent], None]


class Display:
    """Receives the progress of a run, and passes every event to its listeners.

    Listeners that are context managers are entered and closed with it.
    """

    def __init__(self, *listeners: Listener) -> None:
        """Pass events to `listeners`, in this order; without any, nothing is shown."""
        self._listeners = list(listeners)
        self._open = ExitStack()
        self.now = ProgressEvent(kind="line")

    def add(self, listener: Listener) -> None:
        """Pass events to one more listener, from now on."""
        self._listeners.append(listener)

    def __enter__(self) -> Self:
        """Enter the listeners."""
        for listener in self._listeners:
            if isinstance(listener, AbstractContextManager):
                self._open.enter_context(listener)
        return self

    def __exit__(self, *error: Any) -> None:
        """Close the listeners."""
        self._open.__exit__(*error)

    def stage(self, row: str, number: int, of: int) -> None:
        """Begin stage `number` of `of`; `row` is its method and seed."""
        self._send("stage", row=row, number=number, of=of, label="", total=None, done=0, note="")

    def reused(self, label: str) -> None:
        """The current stage was complete already."""
        self._send("reused", label=label)

    def start(self, label: str, total: int | None) -> None:
        """Start to count to `total`; None if it is unknown."""
        self._count("start", label, total, 0, 0.0)

    def resume(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Continue a count that another process started `seconds` ago, with `done` items done."""
        self._count("resume", label, total, done, seconds)

    def advance(self, n: int = 1) -> None:
        """Count `n` more items as done."""
        self._send("advance", done=self.now.done + n)

    def note(self, text: str) -> None:
        """Show a short text with the current count."""
        self._send("note", note=text)

    def parallel(self, text: str) -> None:
        """Show what else runs at the same time; "" if nothing does."""
        self._send("parallel", parallel=text)

    def line(self, text: str) -> None:
        """Show a line that stays."""
        self._send("line", text=text)

    def waiting(self, text: str) -> None:
        """Show what the stage waits for."""
        self._send("waiting", waiting=text, text=text)

    def _count(
        self, kind: EventKind, label: str, total: int | None, done: int, seconds: float
    ) -> None:
        self._send(
            kind, label=label, total=total, done=done, note="", seconds=seconds,
            part=self.now.part + 1,
        )  # fmt: skip

    def _send(self, kind: EventKind, **changes: Any) -> None:
        self.now = replace(self.now, kind=kind, **changes)
        for listener in self._listeners:
            listener(self.now)


def make_display(*, plain: bool, quiet: bool = False, stream: TextIO | None = None) -> Display:
    """Return a live display on a terminal, one with plain lines elsewhere, or a silent one."""
    stream = stream or sys.stderr
    if quiet:
        return Display()
    return Display(PlainLines(stream) if plain or not stream.isatty() else LiveBars(stream))


class PlainLines(AbstractContextManager["PlainLines"]):
    """Writes a line when a stage begins and ends, and about every ten seconds between.

    A stage that reports nothing for half a minute (a long call of the engine) still gets a line.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._last = ProgressEvent(kind="line")
        self._counting = False
        self._began = self._wrote = 0.0
        self._since: tuple[float, int] | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Start to watch for stages that report nothing."""
        threading.Thread(target=self._break_silence, name="display", daemon=True).start()
        return self

    def _break_silence(self) -> None:
        while not self._ended.wait(_SILENT_AT_MOST_S / 2):
            self._write_state(_SILENT_AT_MOST_S / 2)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write how long the last stage took, unless it failed."""
        self._ended.set()
        if kind is None:
            self._end_count(self._last)

    def __call__(self, event: ProgressEvent) -> None:
        """Write what is worth a line."""
        before, self._last = self._last, event
        match event.kind:
            case "stage":
                self._end_count(before)
            case "start" | "resume":
                self._end_count(before)
                self._counting, self._wrote = True, time.monotonic()
                self._began = self._wrote - event.seconds
                self._since = (self._began, 0) if event.done else None
                if event.kind == "start":
                    total = f", {event.total}" if event.total else ""
                    self._write(f"{event}: started{total}")
            case "advance":
                # Work before the first item, such as a fit, is not part of the rate of items.
                self._since = self._since or (time.monotonic(), event.done)
                self._write_state(_LINE_EVERY_S)
            case "note":
                self._write_state(_LINE_EVERY_S)
            case "reused":
                self._write(f"{event}: reused")
            case "line" | "waiting":
                self._write(event.text)

    def _write_state(self, silent_s: float) -> None:
        """Write the state of the count, unless something was written within `silent_s`."""
        if self._counting and time.monotonic() - self._wrote >= silent_s:
            self._wrote = time.monotonic()
            parallel = f" | {self._last.parallel}" if self._last.parallel else ""
            self._write(f"{self._last}: {self._state(self._last)}{parallel}")

    def _state(self, event: ProgressEvent) -> str:
        of = f"/{event.total}" if event.total else ""
        note = f"; {event.note}" if event.note else ""
        since, before = self._since or (self._began, 0)
        items = event.done - before
        if not items:
            return f"{event.done}{of}{note}"
        rate = items / max(time.monotonic() - since, 1e-9)
        left = (event.total - event.done) / rate if event.total else 0.0
        time_left = f", {left:.0f} s left" if left > 0 else ""
        return f"{event.done}{of}, {rate:.1f}/s{time_left}{note}"

    def _end_count(self, last: ProgressEvent) -> None:
        if self._counting:
            note = f"; {last.note}" if last.note else ""
            self._write(f"{last}: done in {time.monotonic() - self._began:.1f} s{note}")
            self._counting = False

    def _write(self, text: str) -> None:
        self._stream.write(text.strip() + "\n")
        self._stream.flush()


class LiveBars(AbstractContextManager["LiveBars"]):
    """Two bars: all stages of the run, and the items of the current one with rate and time left."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream`, a terminal."""
        self._console = Console(file=stream)
        self._bars = _bars(self._console)
        self._all = self._bars.add_task("all stages", total=None, note="")
        self._one = self._bars.add_task("", total=None, note="", rate=True, visible=False)

    def __enter__(self) -> Self:
        """Start to draw."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the terminal as it was."""
        self._bars.update(self._one, visible=False)
        self._bars.stop()

    def __call__(self, event: ProgressEvent) -> None:
        """Move the bars, or print a line above them."""
        note = event.row + (f" | {event.parallel}" if event.parallel else "")
        match event.kind:
            case "stage":
                self._bars.update(self._all, total=event.of, completed=event.number - 1, note=note)
            case "reused":
                self._bars.update(self._all, advance=1, note=f"{event.row} {event.label}: reused")
            case "start" | "resume":
                self._bars.remove_task(self._one)
                self._one = self._bars.add_task(
                    event.label, total=event.total, completed=event.done, note="", rate=True
                )
            case "advance":
                self._bars.update(self._one, completed=event.done)
            case "note":
                self._bars.update(self._one, note=event.note)
            case "parallel":
                self._bars.update(self._all, note=note)
            case "line" | "waiting":
                self._console.print(event.text, markup=False, highlight=False)


class _Rate(ProgressColumn):
    """Items per second, as rich renders them."""

    def render(self, task: Task) -> Text:
        if not task.fields.get("rate"):
            return Text("")
        return TaskProgressColumn.render_speed(task.finished_speed or task.speed)


def _bars(console: Console) -> Progress:
    """Return bars with columns for label, bar, done of total, rate, time left, and a note."""
    note = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", markup=False, table_column=note),
        console=console,
        expand=True,
    )
