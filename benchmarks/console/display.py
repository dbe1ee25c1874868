"""The live display: what is running, how fast, how long it still takes; plain lines for logs."""

from __future__ import annotations

import io
import sys
import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

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


class Display(AbstractContextManager["Display"], Protocol):
    """What the run and its stages report to; `start`, `advance` and `note` are for stages."""

    def stage(self, row: str, number: int, of: int) -> None:
        """Begin stage `number` of all stages of the run; `row` says whose it is."""

    def reused(self, label: str) -> None:
        """Say that the current stage was complete already."""

    def start(self, label: str, total: int | None) -> None:
        """Begin counting to `total`, None where it is not known."""

    def under_way(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Go on counting what another process began, `seconds` ago, and is `done` far with."""

    def advance(self, n: int = 1) -> None:
        """Count `n` more items as done."""

    def note(self, text: str) -> None:
        """Show a short text beside what is running."""

    def beside(self, text: str) -> None:
        """Show what else runs at the same time; "" where nothing does."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def waiting(self, text: str) -> None:
        """Say whom the stage waits for."""
        self.line(text)


def make_display(*, plain: bool, quiet: bool = False, stream: TextIO | None = None) -> Display:
    """Return the live display on a terminal, plain lines elsewhere, nothing where asked for."""
    stream = stream or sys.stderr
    if quiet:
        return PlainDisplay(io.StringIO())
    if plain or not stream.isatty():
        return PlainDisplay(stream)
    return LiveDisplay(stream)


class PlainDisplay(Display):
    """One line when a stage begins and ends, and about every ten seconds between.

    A stage that reports nothing for half a minute (a long call of the engine) still gets a line.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self._stream = stream
        self._row = self._label = self._place = self._note = self._beside = ""
        self._done = 0
        self._total: int | None = None
        self._began = self._spoke = 0.0
        self._since: tuple[float, int] | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Begin."""
        threading.Thread(target=self._break_silence, name="display", daemon=True).start()
        return self

    def _break_silence(self) -> None:
        while not self._ended.wait(_SILENT_AT_MOST_S / 2):
            if self._label:
                self._say_state(_SILENT_AT_MOST_S / 2)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say how the last stage ended."""
        self._ended.set()
        if kind is None:
            self._close()

    def stage(self, row: str, number: int, of: int) -> None:
        """Begin a stage."""
        self._close()
        self._row, self._place = row, f"[{number}/{of}]"

    def reused(self, label: str) -> None:
        """Say so, in one line."""
        self.line(f"{self._place} {self._row} {label}: reused")

    def start(self, label: str, total: int | None) -> None:
        """Begin counting."""
        self.under_way(label, total, 0, 0.0)
        self.line(f"{self._place} {self._row} {label}: started" + (f", {total}" if total else ""))

    def under_way(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Go on counting."""
        self._close()
        self._label, self._total, self._done = label, total, done
        self._spoke = time.monotonic()
        self._began = self._spoke - seconds
        self._since = (self._began, 0) if done else None

    def advance(self, n: int = 1) -> None:
        """Count, and now and then say so."""
        self._done += n
        if self._since is None:  # what came before the first item, a fit say, is no item's time
            self._since = time.monotonic(), self._done
        self._say_state(_LINE_EVERY_S)

    def note(self, text: str) -> None:
        """Show the text in the next line of the stage; notes may be many."""
        self._note = f"; {text}"
        if self._label:
            self._say_state(_LINE_EVERY_S)

    def _say_state(self, silent_s: float) -> None:
        """Write how far the stage is, where nothing has been written for so long."""
        if time.monotonic() - self._spoke >= silent_s:
            self._spoke = time.monotonic()
            self.line(f"{self._place} {self._row} {self._label}: {self._state()}{self._beside}")

    def beside(self, text: str) -> None:
        """Keep the text for lines about what is under way."""
        self._beside = f" | {text}" if text else ""

    def line(self, text: str) -> None:
        """Write a line."""
        self._stream.write(text.strip() + "\n")
        self._stream.flush()

    def _state(self) -> str:
        of = f"/{self._total}" if self._total else ""
        since, before = self._since or (self._began, 0)
        items = self._done - before
        if not items:
            return f"{self._done}{of}{self._note}"
        rate = items / max(time.monotonic() - since, 1e-9)
        left = (self._total - self._done) / rate if self._total else 0.0
        time_left = f", {left:.0f} s left" if left > 0 else ""
        return f"{self._done}{of}, {rate:.1f}/s{time_left}{self._note}"

    def _close(self) -> None:
        if self._label:
            seconds = time.monotonic() - self._began
            self.line(
                f"{self._place} {self._row} {self._label}: done in {seconds:.1f} s{self._note}"
            )
            self._label = self._note = ""


class LiveDisplay(Display):
    """Two bars: all stages of the run, and the items of the current one with rate and time left."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on `stream`, a terminal."""
        self._console = Console(file=stream)
        self._bars = _bars(self._console)
        self._all = self._bars.add_task("all stages", total=None, note="")
        self._one = self._bars.add_task("", total=None, note="", rate=True, visible=False)
        self._row = self._beside = ""

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.update(self._one, visible=False)
        self._bars.stop()

    def stage(self, row: str, number: int, of: int) -> None:
        """Move the upper bar."""
        self._row = row
        self._bars.update(self._all, total=of, completed=number - 1, note=row + self._beside)

    def reused(self, label: str) -> None:
        """Show it beside the upper bar."""
        self._bars.update(self._all, advance=1, note=f"{self._row} {label}: reused")

    def start(self, label: str, total: int | None) -> None:
        """Begin the lower bar anew."""
        self.under_way(label, total, 0, 0.0)

    def under_way(self, label: str, total: int | None, done: int, seconds: float) -> None:
        """Show the lower bar as it is."""
        self._bars.remove_task(self._one)
        self._one = self._bars.add_task(label, total=total, completed=done, note="", rate=True)

    def advance(self, n: int = 1) -> None:
        """Move the lower bar."""
        self._bars.advance(self._one, n)

    def note(self, text: str) -> None:
        """Show the text beside the lower bar."""
        self._bars.update(self._one, note=text)

    def beside(self, text: str) -> None:
        """Show it beside the upper bar."""
        self._beside = f" | {text}" if text else ""
        self._bars.update(self._all, note=self._row + self._beside)

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, markup=False, highlight=False)


class _Rate(ProgressColumn):
    """Items a second, as rich renders them."""

    def render(self, task: Task) -> Text:
        if not task.fields.get("rate"):
            return Text("")
        return TaskProgressColumn.render_speed(task.finished_speed or task.speed)


def _bars(console: Console) -> Progress:
    """Return the columns: what, a bar, done of total, rate, time left, a note."""
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
