"""`python -m benchmarks.status`: progress of the runs in a directory, from another terminal.

It reads the logs that `benchmarks.console.events` writes, and changes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError
from benchmarks.console.events import LOGS, Event
from benchmarks.store.provenance import started_by_dead_process

PROGRAM = "python -m benchmarks.status"

State = Literal["running", "waiting", "finished", "interrupted", "stopped", "dead"]
"""State of a command; dead means that its process was killed."""
_RESUME = "repeat the command to resume"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """A command, as recorded in its log.

    Attributes:
        log: the log's file name.
        about: suite, model, methods, seeds, process.
        began: time in UTC, ISO 8601.
        state: running, waiting, finished, ...
        text: why it stopped, or what it waits for.
        done: stages that it computed.
        reused: stages that were complete already.
        of: number of stages.
        failed: rows that failed, with the reason.
        row: method and seed of the current stage.
        stage: the current stage.
        items: items done in it.
        total: number of items; None if unknown.
        rate: items per second; None if too few are done to estimate it.
        left_s: seconds until the stage ends, at that rate.
        silent_s: seconds since the last event.
        parallel: what else runs at the same time.
    """

    log: str
    about: dict[str, Any]
    began: str
    state: State
    text: str
    done: int
    reused: int
    of: int
    failed: tuple[str, ...]
    row: str
    stage: str
    items: int
    total: int | None
    rate: float | None
    left_s: float | None
    silent_s: float
    parallel: str


def read_state(log: Path, now: datetime) -> RunState | None:
    """Return the state that a log describes; None if it has no event yet."""
    events = list(_events(log))
    if not events:
        return None
    first, last = events[0], events[-1]
    state, text = _state(first, last)
    failed = tuple(e.text for e in events if e.event == "line" and e.text.startswith("FAILED "))
    reused = sum(event.event == "reused" for event in events)
    open_now = state != "finished" and any(event.event == "stage" for event in _current(events))
    rate = _rate(_current(events)) if open_now else None
    left = last.total - last.done if last.total is not None else None
    return RunState(
        log=log.name,
        about=dict(first.about),
        began=first.at,
        state=state,
        text=text,
        done=last.number - reused - len(failed) - open_now,
        reused=reused,
        of=last.of,
        failed=failed,
        row=last.row if open_now else "",
        stage=_stage(last) if open_now else "",
        items=last.done,
        total=last.total,
        rate=rate,
        left_s=left / rate if rate and left is not None else None,
        silent_s=max(0.0, (now - _time(last)).total_seconds()),
        parallel=last.parallel if open_now else "",
    )


def _current(events: Sequence[Event]) -> Sequence[Event]:
    """The events of the unfinished stage; none if the last stage was reused or failed."""
    current: list[Event] = []
    for event in events:
        over = event.event == "reused" or event.text.startswith("FAILED ")
        current = [] if over else [event] if event.event == "stage" else [*current, event]
    return current


def _state(first: Event, last: Event) -> tuple[State, str]:
    if last.event == "end":
        kind, _, why = last.text.partition(": ")
        known: dict[str, State] = {"finished": "finished", "interrupted": "interrupted"}
        return known.get(kind, "stopped"), why or (_RESUME if kind == "interrupted" else "")
    if started_by_dead_process(first.about.get("process", {})):
        return "dead", f"its process was killed; {_RESUME}"
    return ("waiting", last.text) if last.event == "waiting" else ("running", "")


def _stage(last: Event) -> str:
    """The stage that an event belongs to; a waiting stage has not begun, and its text names it."""
    waits = last.event == "waiting" and not last.stage
    return last.text.partition(":")[0] if waits else last.stage


def _rate(events: Sequence[Event]) -> float | None:
    """Items per second of the current count, since its first progress event.

    Items of an earlier process are counted in one step before that event.
    """
    starts = [place for place, event in enumerate(events) if event.event == "start"]
    part = [e for e in events[starts[-1] if starts else 0 :] if e.event == "progress"]
    if len(part) < 2:
        return None
    seconds = (_time(part[-1]) - _time(part[0])).total_seconds()
    items = part[-1].done - part[0].done
    return items / seconds if seconds > 0 and items > 0 else None


def _events(log: Path) -> Iterator[Event]:
    """Yield the readable events; the last line may be incomplete."""
    for line in log.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            event = Event.from_json(line)
            _time(event)
        except ValueError:
            return
        yield event


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event.at).astimezone(UTC)


def describe(state: RunState) -> str:
    """Return a state as lines of text."""
    about, begun = state.about, bool(state.row)
    now = begun and state.state in ("running", "waiting")
    to_come = 0 if state.state == "finished" else max(0, state.of - _over(state) - now)
    seeds = ", ".join(map(str, about.get("seeds", [])))
    lines = [
        f"{about.get('suite')}: {', '.join(about.get('methods', []))}; seeds {seeds}; "
        f"since {state.began[:19]}: {state.state}" + (f" ({state.text})" if state.text else ""),
        f"  {state.of} stages: {state.done} done, {state.reused} reused, "
        f"{len(state.failed)} failed, {int(now)} running, {to_come} waiting",
    ]
    if begun:
        where = f"{state.row} {state.stage or 'starting'}"
        at = "waiting" if state.state == "waiting" else _count(state)
        sign = f"last update {state.silent_s:.0f} s ago"
        lines.append(f"  {where}: {at}; {sign}" if now else f"  ended in {where}: {at}")
        if now and state.parallel:
            lines.append(f"  {state.parallel}")
    return "\n".join([*lines, *(f"  {text}" for text in state.failed)])


def _over(state: RunState) -> int:
    return state.done + state.reused + len(state.failed)


def _count(state: RunState) -> str:
    of = "" if state.total is None else f"/{state.total}"
    rate = "" if state.rate is None else f", {state.rate:.2g}/s"
    left = "" if state.left_s is None else f", {state.left_s:.0f} s left"
    return f"{state.items}{of}{rate}{left}"


def main(arguments: Sequence[str]) -> int:
    """Print the states and return the exit code."""
    return exit_code("benchmarks.status", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    given = make_parser().parse_args(arguments)
    logs = sorted((Path(given.output) / LOGS).glob("*.jsonl"), reverse=True)
    if not logs:
        raise ConfigError(f"{given.output} has no logs of runs: give --output of a run")
    now = datetime.now(UTC)
    states = [state for log in logs if (state := read_state(log, now)) is not None]
    alive = [state for state in states if state.state in ("running", "waiting")]
    shown = states if given.all else alive or states[:1]
    if given.json:
        print(json.dumps([dataclasses.asdict(state) for state in shown], ensure_ascii=False))
    else:
        print("\n".join(map(describe, shown)))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = Parser(
        prog=PROGRAM,
        description="Show the progress of the runs in a directory.",
        epilog="Shows all active runs; if none is active, the last one.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--output", default="runs", metavar="DIR", help="directory of runs (default: runs)"
    )
    parser.add_argument("--all", action="store_true", help="show every run that has a log")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
