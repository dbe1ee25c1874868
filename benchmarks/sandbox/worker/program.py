"""Runs one untrusted program on its inputs and writes its outputs, in a process of its own.

Replies are lines, in this order: `loaded`; one a call, `= seconds output` with the output as tagged
JSON, `# seconds sha256` for one above the job's `hash_above` or `! seconds [type, message]` for an
exception; `end`. Seconds are two numbers: of the
processor, and of wall time. `fatal [type, message]` says that loading failed, and `limit` that
there is more output than allowed.
The host trusts none of it: a program can forge its own values, and gains nothing by that, since
the values to compare with are not in this process.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import resource
import socket
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from benchmarks.sandbox.worker import codec, confine, decoder
from benchmarks.sandbox.worker.children import (
    REPLY_FD,
    Children,
    OutputLimit,
    Said,
    describe,
    name_what_is_forbidden,
    write_source,
)

_FLUSH_BYTES = 1 << 15
_FLUSH_S = 0.02
_FILE = "candidate.py"
_LINE_FD = 4
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
            data = data[os.write(REPLY_FD, data) :]
        self._lines, self._size, self._flushed = [], 0, time.monotonic()


def run(fds: tuple[int, int, int], settings: dict[str, Any], *, nested: bool) -> NoReturn:
    """Confine this process, run the program, and end. Never returns.

    `fds` are the job, the reply pipe, and the line by which the inputs come.
    """
    try:
        payload_fd, reply_fd, line_fd = fds
        job = json.loads(_read_all(payload_fd))
        _keep_only(reply_fd, line_fd)
        children = None
        if job["forks"]:
            processes = settings["processes"] > 1
            children = Children(job["output_bytes"], processes=processes, alone=nested)
        _confine(settings, job, nested=nested)
        _answer(job, _Replies(job["output_bytes"]), children)
    except BaseException as error:  # noqa: BLE001 - the process's outer boundary
        os.write(REPLY_FD, f"fatal {describe(error)}\n".encode())
    os._exit(0)


def _read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read()


def _keep_only(reply_fd: int, line_fd: int) -> None:
    """Keep the reply pipe as descriptor 3 and the line as 4, above three null devices."""
    null = os.open(os.devnull, os.O_RDWR)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (reply_fd, line_fd)]
    for fd in range(3):
        os.dup2(null, fd)
    for fd, kept in zip(high, (REPLY_FD, _LINE_FD), strict=True):
        os.dup2(fd, kept, inheritable=False)
    os.closerange(_LINE_FD + 1, 1 << 16)


def _confine(settings: dict[str, Any], job: dict[str, Any], *, nested: bool) -> None:
    if nested:
        confine.leave_what_is_shared(settings["file_mib"])
    os.chdir("/tmp" if settings["isolated"] else settings["scratch"])
    streams_mib = (max(job["output_bytes"], *job["sizes"], 0) >> 20) + 1
    confine.limit_resources(
        memory_mib=settings["memory_mib"],
        # The zygote, bubblewrap's own process and the one that forks a program's tests belong to
        # the same user namespace.
        processes=settings["processes"] + 3,
        # Standard input and output are files too; /tmp has a size of its own.
        file_mib=max(settings["file_mib"], streams_mib if job["forks"] else 0),
        cpu_s=job["cpu_s"],
        count_processes=nested,
    )
    confine.drop_capabilities()
    # What forks its tests needs that right, and runs nothing of the program itself.
    processes = settings["processes"] > 1
    confine.filter_calls(processes=processes or job["forks"])
    if not (processes or job["forks"]):
        name_what_is_forbidden()


def _answer(job: dict[str, Any], replies: _Replies, children: Children | None) -> None:
    random.seed(0)
    sys.setrecursionlimit(_depth() + _FRAMES)
    try:
        function = _load(job["code"], job["entry_point"], children)
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        replies.send("fatal", describe(error))
        return replies.flush()
    replies.send("loaded")
    replies.flush()
    announced = frozenset(job["announced"])
    for index, arguments in enumerate(_inputs(job["sizes"])):
        if index in announced:
            replies.flush()
        if children is not None:
            children.at_last = index == len(job["sizes"]) - 1
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


def _inputs(sizes: list[int]) -> Iterator[Any]:
    """Wait for the inputs, and read them one by one: no test sees those of another."""
    with socket.socket(fileno=_LINE_FD) as line:
        _, [file], _, _ = socket.recv_fds(line, 16, 1)
    offset = 0
    for size in sizes:
        yield json.loads(os.pread(file, size, offset))
        offset += size


def _load(code: str, entry_point: str, children: Children | None) -> Callable[..., Any]:
    """Run the program's text as a module with a file, as every script is one."""
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    sys.argv[:] = [_FILE]
    vars(module).update(__file__=os.path.abspath(_FILE))  # noqa: PTH100 - see children
    if children is None:
        write_source(_FILE, code)
    exec(compile(code, _FILE, "exec"), module.__dict__)
    if children is not None:
        vars(module)["CHILDREN"] = children
    function = module.__dict__.get(entry_point)
    if not callable(function):
        raise NameError(f"the program defines no function {entry_point!r}")
    return function  # type: ignore[no-any-return]


def _call(function: Callable[..., Any], tagged: Any, hash_above: int | None) -> tuple[str, str]:
    """Call with a fresh copy of the arguments; encoding is part of the call."""
    arguments = decoder.decode(tagged)
    began = _now()
    try:
        result = function(*arguments)
        if type(result) is Said:
            return result.word, f"{_since(began)} {result.content}"
        value = codec.encode_or_digest(result)
        sha256 = None if hash_above is None else codec.hash_of(value, hash_above)
        if sha256 is not None:
            return "#", f"{_since(began)} {sha256}"
        text = json.dumps(value)
        return "=", f"{_since(began)} {text}"
    except (codec.SizeError, OutputLimit):
        return "limit", ""
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its result
        return "!", f"{_since(began)} {describe(error)}"


def _now() -> tuple[float, float]:
    """Return processor seconds of this process and its children, and the time on the wall."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime, time.perf_counter()


def _since(began: tuple[float, float]) -> str:
    cpu, wall = _now()
    return f"{cpu - began[0]:.6f} {wall - began[1]:.6f}"
