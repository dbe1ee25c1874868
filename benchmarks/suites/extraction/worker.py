"""Extracts in a process of its own: `python -m benchmarks.suites.extraction.worker`.

A line of JSON in, a line of JSON out. The official tools try every run of lines, which takes
minutes on strange text, and go as deep as the text nests: so each text has a limit of processor
time, whose signal ends the process wherever it is, and the process a limit of memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from typing import IO, Any

from benchmarks.suites.base import SuiteError
from benchmarks.suites.extraction.rules import RULES, Extraction, Take


def serve(requests: IO[str], answers: IO[str], limit_s: float, memory_mib: int) -> None:
    """Answer requests until they end."""
    taken: dict[str, Take] = {}
    for line in requests:
        given = Extraction(**json.loads(line))
        try:
            if given.rule not in taken:
                taken[given.rule] = RULES[given.rule]()
                _limit_memory(memory_mib)
        except (SuiteError, ImportError) as error:
            answer: dict[str, Any] = {"broken": str(error)}
        else:
            answer = _answer(taken[given.rule], given, limit_s)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(take: Take, given: Extraction, limit_s: float) -> dict[str, str]:
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        return {"code": take(given)}
    except Exception as error:  # noqa: BLE001 - the boundary: what the tools raise on hostile text
        return {"failed": type(error).__name__}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _limit_memory(memory_mib: int) -> None:
    """Allow that much beyond what the tool's own imports have taken."""
    with contextlib.suppress(OSError):  # no /proc: not Linux
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
            pages = int(file.read().split()[0])
        limit = pages * resource.getpagesize() + (memory_mib << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a tool prints is not a reply
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    serve(sys.stdin, replies, float(sys.argv[1]), int(sys.argv[2]))
