"""Patterns on texts that a model wrote, in a process that has a limit of time and of memory.

A pattern may need exponential time on some text. The process ends wherever it is when its time is
over; the next pair gets a new one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, cast

LIMIT_S = 2.0
"""Processor time for one text."""

_WORKER = """
import json, re, resource, signal, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for line in sys.stdin:
    pattern, flags, text, limit = json.loads(line)
    signal.setitimer(signal.ITIMER_PROF, limit)
    try:
        found = re.search(pattern, text, flags) is not None
    except Exception:
        found = None
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(found), flush=True)
"""

Search = tuple[str, int, str]
"""A pattern, its flags, and the text that it is looked for in."""


def search_all(searches: Sequence[Search], limit_s: float = LIMIT_S) -> list[bool | None]:
    """Return whether each pattern is found; None where that took more time or memory than it may.

    Equal searches are done once.
    """
    found: dict[Search, bool | None] = {}
    worker: subprocess.Popen[str] | None = None
    try:
        for search in dict.fromkeys(searches):
            worker = worker or _start()
            line = _ask(worker, [*search, limit_s])
            found[search] = json.loads(line) if line else None
            if not line:  # its time was over
                _end(worker)
                worker = None
    finally:
        if worker is not None:
            _end(worker)
    return [found[search] for search in searches]


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )


def _ask(worker: subprocess.Popen[str], request: list[Any]) -> str:
    """Return the worker's line, "" where it ended before it."""
    requests, answers = cast("IO[str]", worker.stdin), cast("IO[str]", worker.stdout)
    try:
        requests.write(json.dumps(request) + "\n")
        requests.flush()
    except BrokenPipeError:
        return ""
    return answers.readline()


def _end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    for pipe in (worker.stdin, worker.stdout):
        with suppress(BrokenPipeError):
            cast("IO[str]", pipe).close()
    worker.wait()
