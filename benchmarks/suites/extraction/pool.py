"""Workers that extract, as many at once as there are processors; a hostile text costs one of them.

Outcomes without a program: a text on which the tool took longer than its limit, and one on which
it failed (it ran out of memory, or nested deeper than it can go). The official tools would stand
still or crash there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import IO, cast

from benchmarks.suites.base import Extracted, SuiteError
from benchmarks.suites.extraction.rules import Extraction
from domino.records import Outcome
from domino.text import storable

LIMIT_S = 10.0
"""Processor time for one text: 160 ordinary completions take a second together."""

_MEMORY_MIB = 1024
_WALL_S = 20 * LIMIT_S + 120.0
"""A worker that is stopped, or waits for a disk for ever, is given up."""
_PER_WORKER = 8
"""So many texts are worth the start of a further worker."""
_MOST_WORKERS = 8
"""Each holds some 150 MB for as long as its pool."""


class ExtractionPool:
    """Applies rules to texts. Its workers are started when they are needed, and are kept.

    Args:
        limit_s: processor time for one text.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._idle: list[_Worker] = []
        weakref.finalize(self, _end_all, self._idle)

    def extract(self, texts: Sequence[Extraction]) -> list[Extracted]:
        """Return the candidates in order; equal texts are done once.

        Raises:
            SuiteError: a rule's package cannot be imported, or no worker starts.
        """
        unique = list(dict.fromkeys(texts))
        wanted = -(-len(unique) // _PER_WORKER)
        count = max(1, min(wanted, _processors(), _MOST_WORKERS))
        threads = ThreadPoolExecutor(count, "extraction")
        try:
            found = dict(zip(unique, threads.map(self._one, unique), strict=True))
        finally:
            threads.shutdown(cancel_futures=True)
        return [found[text] for text in texts]

    def close(self) -> None:
        """End the workers; `extract` starts others."""
        _end_all(self._idle)

    def _one(self, text: Extraction) -> Extracted:
        worker = self._worker()
        extracted = worker.extract(text)
        if worker.alive:
            self._idle.append(worker)
        return extracted

    def _worker(self) -> _Worker:
        while self._idle:
            with suppress(IndexError):  # another thread took it
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.end()
        return _Worker(self._limit_s)


class _Worker:
    """One process; it is dead after a text that it could not finish."""

    def __init__(self, limit_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(limit_s), str(_MEMORY_MIB)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # an interrupt is the run's to handle
        )
        self._limit_s = limit_s
        self._given_up = False
        self._answered = False

    @property
    def alive(self) -> bool:
        """Whether it can be given another text."""
        return self._process.poll() is None

    def extract(self, text: Extraction) -> Extracted:
        """Return what is in the text."""
        watch = threading.Timer(_WALL_S, self._give_up)
        watch.start()
        try:
            requests = cast("IO[str]", self._process.stdin)
            requests.write(json.dumps(asdict(text)) + "\n")
            requests.flush()
            line = cast("IO[str]", self._process.stdout).readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        return self._read(line) if line.endswith("\n") else self._death()

    def _give_up(self) -> None:
        self._given_up = True
        self._process.kill()

    def _read(self, line: str) -> Extracted:
        self._answered = True
        answer = json.loads(line)
        if "broken" in answer:
            self.end()
            raise SuiteError(answer["broken"])
        if "failed" in answer:
            return Extracted("", Outcome.EXTRACTION_FAILED, answer["failed"])
        return Extracted(storable(answer["code"]))

    def _death(self) -> Extracted:
        code = self.end()
        if code > 0 and not self._answered:
            raise SuiteError(
                f"a process that extracts programs does not start ({sys.executable} -m "
                f"{__package__}.worker ended with exit code {code}): run it to see why"
            )
        if self._given_up or code == -signal.SIGPROF:
            detail = f"more than {self._limit_s:g} s of processor time"
            return Extracted("", Outcome.EXTRACTION_TIMEOUT, detail)
        how = signal.Signals(-code).name if code < 0 else f"ended with exit code {code}"
        return Extracted("", Outcome.EXTRACTION_FAILED, how)

    def end(self) -> int:
        """End the process and return its exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                cast("IO[str]", pipe).close()
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _end_all(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().end()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
