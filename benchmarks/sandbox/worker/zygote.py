"""Forks one process per program and watches over it; started once per worker, inside bubblewrap.

The zygote itself never sees a program or its results: with each job it receives four descriptors
over its control socket (payload, reply pipe, life line, the line by which inputs come) and leaves
all but the third to the process that it forks, in namespaces of its own. Over the life line it
hands the host that process's descriptor. It ends the program when the host says so, or when the
program holds too much memory, too many processes or too many threads, and reports how it ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    # Isolated mode leaves the package's own root out of the path.
    sys.path.insert(0, str(Path(__file__).parents[3]))

from benchmarks.sandbox.worker import confine, program, system_calls

_POLL_MS = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
# What solutions import most: loaded once here, every program's import of it costs nothing.
_PRELOADED = (
    *("bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions"),
    *("functools", "hashlib", "heapq", "itertools", "math", "operator", "random", "re"),
    *("statistics", "string", "symtable", "threading", "typing", "_posixsubprocess"),
)


def main() -> None:
    """Serve jobs until the host closes the control socket: argv is descriptor and settings."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    sys.path[:] = [path for path in sys.path if path != settings["root"]]
    sys.path += settings["packages"]
    for name in _PRELOADED:
        importlib.import_module(name)
    confine.die_with_parent()
    confine.adopt_orphans()
    confine.crash_quietly()
    fresh = _fresh_namespaces() if settings["isolated"] else None
    system_calls.prepare_filters()
    gc.freeze()
    control.sendall(json.dumps({"nested": fresh is not None}).encode())
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, 4)
        if not message:
            return
        _serve(fds, settings, fresh)


def _fresh_namespaces() -> confine.FreshNamespaces | None:
    """What makes namespaces in here, or None where trying shows that nothing does."""
    try:
        confine.protect_devices()
        fresh = confine.FreshNamespaces()
        fresh.prepare()
        trial = os.fork()
    except OSError:
        return None
    if trial == 0:
        try:
            confine.leave_what_is_shared(1)
            os._exit(0)
        finally:
            os._exit(1)
    return fresh if os.waitpid(trial, 0)[1] == 0 else None


def _serve(
    fds: list[int],
    settings: dict[str, Any],
    fresh: confine.FreshNamespaces | None,
) -> None:
    payload_fd, reply_fd, life_fd, line_fd = fds
    scratch = "" if settings["isolated"] else tempfile.mkdtemp(prefix="program-")
    with socket.socket(fileno=life_fd) as life:
        try:
            if fresh is not None:
                fresh.prepare()
            child = os.fork()
            if child == 0:
                own = (payload_fd, reply_fd, line_fd)
                _become_program(own, {**settings, "scratch": scratch}, fresh)
            report = _supervise(child, life, settings, nested=fresh is not None)
        except OSError as error:
            report = {"broken": str(error)}
        finally:
            for fd in (payload_fd, reply_fd, line_fd):
                os.close(fd)
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            life.sendall(json.dumps(report).encode())


def _become_program(
    own: tuple[int, int, int], settings: dict[str, Any], fresh: confine.FreshNamespaces | None
) -> NoReturn:
    confine.die_with_parent()
    # A signal to one's group reaches all of it, in whatever process namespace.
    os.setsid()
    program.run(own, settings, nested=fresh is not None)


def _supervise(
    child: int, life: socket.socket, settings: dict[str, Any], *, nested: bool
) -> dict[str, Any]:
    reason = _watch(child, life, settings)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    # In a namespace of its own this comes back only when all of the program's processes are gone.
    _, status, usage = os.wait4(child, 0)
    if not nested:
        _kill_descendants()
    code = os.waitstatus_to_exitcode(status)
    if code in system_calls.FAULTS:  # see `confine.crash_quietly`
        code = -code
    return {"code": code, "reason": reason, "cpu_s": usage.ru_utime + usage.ru_stime}


def _watch(child: int, life: socket.socket, settings: dict[str, Any]) -> str | None:
    """Wait until the program ends or must be ended; return why it must, else None."""
    ended = os.pidfd_open(child)
    with contextlib.suppress(OSError):  # the host is gone: the next poll says so
        socket.send_fds(life, [b"began"], [ended])
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(life, select.POLLIN)
    try:
        while True:
            ready = [fd for fd, _ in poll.poll(_POLL_MS)]
            if ended in ready:
                return None
            if ready:
                return "stopped"
            reason = _over_limit(settings)
            if reason:
                return reason
    finally:
        os.close(ended)


def _over_limit(settings: dict[str, Any]) -> str | None:
    """The limits that hold for all of a program's processes together."""
    # One more: the process that forks a program's tests is not the program's.
    most = settings["processes"] + 1
    pids = _descendants(os.getpid(), at_most=most)
    if len(pids) > most:
        return "processes"
    held = threads = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            held += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
            threads += len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    for pid in pids[:1]:  # all are in one network, which counts sockets that no process holds too
        with contextlib.suppress(OSError):
            sockets = int(Path(f"/proc/{pid}/net/sockstat").read_text().split()[2])
            held += sockets * confine.SOCKET_BYTES
    if threads > confine.THREADS + most:
        return "threads"
    # Pages shared with the zygote count in every process: generous by a few MiB each.
    return "memory" if held > settings["memory_mib"] << 20 else None


def _descendants(root: int, at_most: int | None = None) -> list[int]:
    """Return the processes below `root`, without asking who is whose child past `at_most`."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208
    # In bubblewrap there are two processes besides: speed counts while a fork bomb grows.
    if at_most is not None and os.getpid() < 10 and len(pids) > at_most + 2:
        return pids
    children: dict[int, list[int]] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text()
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _kill_descendants() -> None:
    """End what a program left behind where no process namespace does it; stop first, then kill."""
    while pids := _descendants(os.getpid()):
        for signal_number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal_number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, 0)[0]:
                pass


if __name__ == "__main__":
    main()
