"""What attacks find on this machine, made for one attack, and what they have done to it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.sandbox.worker import confine

SECRET = "DOMINO_ATTACK_SECRET"
_KEPT = "kept"
# Programs in our sandbox have a /tmp of their own: what lies in the host's must not be in reach.
_BAIT_PARENT = "/var/tmp"
_LOOK_S = 0.2
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NOISE = ("sh", "-c", "for turn in $(seq 60); do sleep 0.1; /usr/bin/true; done")
_NAME_CHARACTERS = 15  # of a process's name, in the kernel
_READ_ALL, _LOG_BYTES = 3, 1 << 20


class Scene:
    """Bait for one attack: files, servers, a secret; a context manager.

    Attributes:
        mark: an unguessable name, which what the attack leaves behind bears.
    """

    def __init__(self, *, noise: bool = False) -> None:
        """Prepare one; with `noise` the host starts a program now and then meanwhile."""
        self._noise = noise
        self._noisy: subprocess.Popen[bytes] | None = None
        self.mark = f"attacked_{secrets.token_hex(6)}"
        self._key = int.from_bytes(secrets.token_bytes(3)) + 1
        self._servers: dict[str, socket.socket] = {}
        self._before: set[int] = set()
        self._devices = _devices()

    def __enter__(self) -> Self:
        """Put out the bait, and become the parent of whatever the attack leaves running."""
        confine.adopt_orphans()
        self._bait = Path(tempfile.mkdtemp(prefix="attack-bait-", dir=_BAIT_PARENT))
        (self._bait / "keep").write_text(_KEPT)
        os.environ[SECRET] = self.mark
        self._listen()
        if self._noise:
            self._noisy = subprocess.Popen(_NOISE)
        self._before = {process.pid for process in _running_children()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Clear away the bait, and what the attack left."""
        for server in self._servers.values():
            server.close()
        if self._noisy is not None:
            self._noisy.kill()
            self._noisy.wait()
        for process in self._left_running():
            process.kill()
        for path in self._marked_files():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        _remove_shared_memory(self._key)
        for device, (mode, times) in self._devices.items():
            if _devices()[device] != (mode, times):
                Path(device).chmod(mode)
                os.utime(device, ns=times)
        os.environ.pop(SECRET, None)
        shutil.rmtree(self._bait)

    def fill(self, code: str) -> str:
        """Return an attack's text with this scene's places in it."""
        places = {
            "BAIT": str(self._bait),
            "MARK": self.mark,
            "MODULE": self.mark,
            "PORT": str(self._servers["a TCP server"].getsockname()[1]),
            "KEY": str(self._key),
        }
        for name, place in places.items():
            code = code.replace(f"@{name}@", place)
        return code

    def effects(self) -> list[str]:
        """Return what the attack did outside of its own process, in words."""
        return [
            *(f"left {process.name()} running" for process in self._left_running()),
            *(f"reached {name}" for name in self._reached()),
            *self._changed_bait(),
            *(f"left {path}" for path in self._marked_files()),
            *self._left_in_kernel(),
            *(f"changed {name}" for name, now in _devices().items() if now != self._devices[name]),
        ]

    def _listen(self) -> None:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(tcp.getsockname())
        local, abstract = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        local.bind(str(self._bait / "socket"))
        abstract.bind(f"\0{self.mark}")
        for server in (local, abstract):
            server.listen()
        self._servers = {
            "a TCP server": tcp,
            "a UDP server": udp,
            "a socket in the file system": local,
            "an abstract socket": abstract,
        }
        for server in self._servers.values():
            server.setblocking(False)

    def _reached(self) -> Iterator[str]:
        for name, server in self._servers.items():
            with contextlib.suppress(BlockingIOError):
                if server.type == socket.SOCK_DGRAM:
                    server.recv(1)
                else:
                    server.accept()[0].close()
                yield name

    def _left_running(self) -> list[psutil.Process]:
        # What is being ended may need a moment to be gone.
        psutil.wait_procs(self._new_children(), timeout=_LOOK_S)
        return self._new_children()

    def _new_children(self) -> list[psutil.Process]:
        new = (process for process in _running_children() if process.pid not in self._before)
        return [process for process in new if not self._is_noise(process)]

    def _is_noise(self, process: psutil.Process) -> bool:
        try:
            return self._noisy is not None and process.ppid() == self._noisy.pid
        except psutil.NoSuchProcess:  # it has just ended
            return True

    def _changed_bait(self) -> Iterator[str]:
        names = {path.name for path in self._bait.iterdir()}
        if names != {"keep", "socket"}:
            yield f"changed a folder: {', '.join(sorted(names ^ {'keep', 'socket'}))}"
        if "keep" in names and (self._bait / "keep").read_text() != _KEPT:
            yield "overwrote a file"

    def _marked_files(self) -> list[Path]:
        library = str(Path(os.__file__).parent)
        places = {Path(place).resolve() for place in ("/tmp", "/dev/shm", "", library, *sys.path)}
        places |= {place / "__pycache__" for place in places}
        found = (path for place in sorted(places) for path in _entries(place))
        return [path for path in found if self.mark in path.name]

    def _left_in_kernel(self) -> Iterator[str]:
        if str(self._key) in _columns("/proc/sysvipc/shm", 0):
            yield "left shared memory"
        if f"{self.mark}:" in _columns("/proc/keys", 8):
            yield "left a key in the kernel's keyring"
        if self.mark[:_NAME_CHARACTERS].encode() in _kernel_log():
            yield "left a line in the kernel's log"


def _devices() -> dict[str, tuple[int, tuple[int, int]]]:
    """Return the rights and times of devices that programs see."""
    found = {path: Path(path).stat() for path in _DEVICES if Path(path).exists()}
    return {
        path: (stat.S_IMODE(status.st_mode), (status.st_mtime_ns, status.st_mtime_ns))
        for path, status in found.items()
    }


def _kernel_log() -> bytes:
    """Return what the kernel has logged; nothing where this user may not read it."""
    log = ctypes.create_string_buffer(_LOG_BYTES)
    length = ctypes.CDLL(None).klogctl(_READ_ALL, log, _LOG_BYTES)
    return log.raw[: max(0, length)]


def _running_children() -> Iterable[psutil.Process]:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _columns(path: str, index: int) -> set[str]:
    try:
        rows = [line.split() for line in Path(path).read_text().splitlines()]
    except OSError:  # a kernel without it has nothing left in it
        return set()
    return {row[index] for row in rows if len(row) > index}


def _remove_shared_memory(key: int) -> None:
    libc = ctypes.CDLL(None)
    segment = libc.shmget(key, 0, 0)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
