"""Runs one untrusted program on its inputs and writes its outputs, in a process of its own.

Replies are lines, in this order: `loaded`; one a call, `= seconds output` with the output as tagged
JSON, `# seconds sha256` for one above the job's `hash_above` or `! seconds [type, message]` for an
exception; `end`. Seconds are two numbers: of the
processor, and on the wall. Besides, `fatal [type, message]` tells that loading failed, and `limit`
that there is more output than allowed.
The host trusts none of it: a program can forge its own values, and gains nothing by that, since
the values to compare with are not in this process.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import types
from collections.abc import Callable
from typing import Any, NoReturn

from benchmarks.sandbox.worker import codec, confine, decoder

_REPLY_FD = 3
_FLUSH_BYTES = 1 << 15
_FLUSH_S = 0.02
_MESSAGE_CHARACTERS = 300
_FRAMES = 989
"""Calls that a program can nest, whatever lies below it: as many as in EvalPlus 0.3.1."""


class _Replies:
    """Buffers reply lines; `flush` before anything that may not come back."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._lines: list[bytes] = []
        self._size = 0
        self._flushed = time.monotonic()

    def send(self, word: str, content: str = "") -> None:
        line = f"{word} {content}\n".encode()
        if len(line) > self._left:
            line = b"limit \n"
        self._left -= len(line)
        self._lines.append(line)
        self._size += len(line)
        if self._size > _FLUSH_BYTES or time.monotonic() - self._flushed > _FLUSH_S:
            self.flush()

    def flush(self) -> None:
        data = memoryview(b"".join(self._lines))
        while data:
            data = data[os.write(_REPLY_FD, data) :]
        self._lines, self._size, self._flushed = [], 0, time.monotonic()


def run(payload_fd: int, reply_fd: int, settings: dict[str, Any], *, nested: bool) -> NoReturn:
    """Confine this process, run the program, and end. Never returns."""
    try:
        payload = _read_all(payload_fd)
        _keep_only(reply_fd)
        header, inputs = payload.split(b"\n", 1)
        job = json.loads(header)
        _confine(settings, job, nested=nested)
        replies = _Replies(job["output_bytes"])
        _answer(job, json.loads(inputs), replies)
    except BaseException as error:  # noqa: BLE001 - the process's outer boundary
        os.write(_REPLY_FD, f"fatal {_describe(error)}\n".encode())
    os._exit(0)


def _read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read()


def _keep_only(reply_fd: int) -> None:
    """Keep the reply pipe alone, as descriptor 3, above three null devices."""
    null = os.open(os.devnull, os.O_RDWR)
    if reply_fd <= _REPLY_FD:
        reply_fd = os.dup2(reply_fd, 100)
    for fd in range(3):
        os.dup2(null, fd)
    os.dup2(reply_fd, _REPLY_FD)
    os.closerange(_REPLY_FD + 1, 1 << 16)
    os.set_inheritable(_REPLY_FD, False)


def _confine(settings: dict[str, Any], job: dict[str, Any], *, nested: bool) -> None:
    if nested:
        confine.leave_what_is_shared(settings["file_mib"])
    os.chdir("/tmp" if settings["isolated"] else settings["scratch"])
    confine.limit_resources(
        memory_mib=settings["memory_mib"],
        # The zygote and bubblewrap's own process belong to the same user namespace.
        processes=settings["processes"] + 2,
        file_mib=settings["file_mib"],
        cpu_s=job["cpu_s"],
        count_processes=nested,
    )
    confine.drop_capabilities()
    confine.filter_calls(processes=settings["processes"] > 1)


def _answer(job: dict[str, Any], inputs: list[Any], replies: _Replies) -> None:
    random.seed(0)
    sys.setrecursionlimit(_depth() + _FRAMES)
    try:
        function = _load(job["code"], job["entry_point"])
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        replies.send("fatal", _describe(error))
        return replies.flush()
    replies.send("loaded")
    replies.flush()
    announced = frozenset(job["announced"])
    for index, arguments in enumerate(inputs):
        if index in announced:
            replies.flush()
        word, content = _call(function, arguments, job["hash_above"])
        replies.send(word, content)
        if word == "!" and job["stop_on_error"]:
            break
    replies.send("end")
    return replies.flush()


def _depth() -> int:
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def _load(code: str, entry_point: str) -> Callable[..., Any]:
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    exec(compile(code, "candidate.py", "exec"), module.__dict__)
    function = module.__dict__.get(entry_point)
    if not callable(function):
        raise NameError(f"the program defines no function {entry_point!r}")
    return function  # type: ignore[no-any-return]


def _call(function: Callable[..., Any], tagged: Any, hash_above: int | None) -> tuple[str, str]:
    """Call with a fresh copy of the arguments; encoding is part of the call."""
    arguments = decoder.decode(tagged)
    began = _now()
    try:
        value = codec.encode_or_digest(function(*arguments))
        sha256 = None if hash_above is None else codec.hash_of(value, hash_above)
        if sha256 is not None:
            return "#", f"{_since(began)} {sha256}"
        text = json.dumps(value)
        return "=", f"{_since(began)} {text}"
    except codec.SizeError:
        return "limit", ""
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        return "!", f"{_since(began)} {_describe(error)}"


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _since(began: tuple[float, float]) -> str:
    cpu, wall = _now()
    return f"{cpu - began[0]:.6f} {wall - began[1]:.6f}"


def _describe(error: BaseException) -> str:
    """Return the type and the message's last line as a JSON pair."""
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines() or [""]
        return json.dumps([name, lines[-1][:_MESSAGE_CHARACTERS]])
    except BaseException:  # noqa: BLE001 - an exception's own __str__ may raise anything
        return json.dumps([name, ""])
