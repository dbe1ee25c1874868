"""`python -m benchmarks.status`: what the runs in a directory are doing, from another terminal.

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
"""What an invocation is at; dead is one whose process went without a word."""
_CONTINUED = "the same command continues it"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """One invocation, as its log has it.

    Attributes:
        log: the log's file name.
        about: suite, model, methods, seeds, process.
        began: when, in UTC, ISO 8601.
        state: what it is at.
        text: why it stopped, or whom it waits for.
        done: stages that it made.
        reused: stages that were complete already.
        of: all its stages.
        failed: rows that could not go on, with the reason.
        row: method and seed of the current stage.
        stage: the current stage.
        items: done in it.
        total: items that there will be; None where it is not known.
        rate: items a second; None where too little is done to tell.
        left_s: seconds until the stage ends, at that rate.
        silent_s: seconds since the last event.
        beside: what else runs at the same time, in words.
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
    beside: str


def read_state(log: Path, now: datetime) -> RunState | None:
    """Return the state that a log tells; None where it holds no event yet."""
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
        beside=last.beside if open_now else "",
    )


def _current(events: Sequence[Event]) -> Sequence[Event]:
    """The events of the stage that is not over: none where the last one was reused or failed."""
    current: list[Event] = []
    for event in events:
        over = event.event == "reused" or event.text.startswith("FAILED ")
        current = [] if over else [event] if event.event == "stage" else [*current, event]
    return current


def _state(first: Event, last: Event) -> tuple[State, str]:
    if last.event == "end":
        kind, _, why = last.text.partition(": ")
        known: dict[str, State] = {"finished": "finished", "interrupted": "interrupted"}
        return known.get(kind, "stopped"), why or (_CONTINUED if kind == "interrupted" else "")
    if started_by_dead_process(first.about.get("process", {})):
        return "dead", f"its process was killed; {_CONTINUED}"
    return ("waiting", last.text) if last.event == "waiting" else ("running", "")


def _stage(last: Event) -> str:
    """The stage that an event belongs to; one that waits has not begun, and its text names it."""
    waits = last.event == "waiting" and not last.stage
    return last.text.partition(":")[0] if waits else last.stage


def _rate(events: Sequence[Event]) -> float | None:
    """Items a second of the current part, since its first event of progress.

    What an earlier process did comes in one step, before that event.
    """
    starts = [place for place, event in enumerate(events) if event.event == "start"]
    part = [e for e in events[starts[-1] if starts else 0 :] if e.event == "progress"]
    if len(part) < 2:
        return None
    seconds = (_time(part[-1]) - _time(part[0])).total_seconds()
    items = part[-1].done - part[0].done
    return items / seconds if seconds > 0 and items > 0 else None


def _events(log: Path) -> Iterator[Event]:
    """Yield what can be read; a last line may be in the middle of being written."""
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
    """Return a state in lines for people."""
    about, begun = state.about, bool(state.row)
    now = begun and state.state in ("running", "waiting")
    to_come = 0 if state.state == "finished" else max(0, state.of - _over(state) - now)
    seeds = ", ".join(map(str, about.get("seeds", [])))
    lines = [
        f"{about.get('suite')}: {', '.join(about.get('methods', []))}; seeds {seeds}; "
        f"since {state.began[:19]}: {state.state}" + (f" ({state.text})" if state.text else ""),
        f"  {state.of} stages: {state.done} done, {state.reused} reused, "
        f"{len(state.failed)} failed, {int(now)} under way, {to_come} waiting",
    ]
    if begun:
        where = f"{state.row} {state.stage or 'at its beginning'}"
        at = "waiting" if state.state == "waiting" else _count(state)
        sign = f"last sign {state.silent_s:.0f} s ago"
        lines.append(f"  {where}: {at}; {sign}" if now else f"  ended in {where}: {at}")
        if now and state.beside:
            lines.append(f"  {state.beside}")
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
        raise ConfigError(f"{given.output} has no logs of runs: give the --output of a run")
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
        description="Show what the runs in a directory are doing.",
        epilog="Shown are those that run now, else the last one.",
        allow_abbrev=False,
    )
    parser.add_argument("--output", default="runs", metavar="DIR", help="of the runs (runs)")
    parser.add_argument("--all", action="store_true", help="show every run that left a log")
    parser.add_argument("--json", action="store_true", help="as JSON, for machines")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
