"""Takes rights away from the calling process: namespaces, mounts, capabilities, limits, calls.

Everything here goes through libc by ctypes, since Python 3.11 offers none of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import struct
from pathlib import Path

from benchmarks.sandbox.worker import system_calls

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_BIND, _MS_RELATIME, _ST_RELATIME = 32, 4096, 1 << 21, 4096
_KEPT_FLAGS = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522
_MIB = 1 << 20
_TCP_BYTES = "4096 65536 65536"
SOCKET_BYTES = 208 << 10
"""What a socket may hold; the two directions of a TCP socket hold `_TCP_BYTES`, its last number."""
_OPEN_FILES = 256
THREADS = 512
"""Threads that a program may have, all of its processes together."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _prctl(option: int, value: int, what: str, third: int | None = None) -> None:
    arguments = [ctypes.c_ulong(v) for v in (value, third or 0, 0, 0)]
    _check(_LIBC.prctl(option, *arguments), what)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, "PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that none can get away."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "CHILD_SUBREAPER")


class FreshNamespaces:
    """Puts each next child into a process namespace of its own, and into a network without a past.

    When a namespace's first process ends, the kernel ends all others in it. A network, whose only
    interface is its own loopback, serves until a packet has moved in it: till then it is as good as
    a new one, which costs more than most programs.
    """

    _COUNTERS = ("snmp", "snmp6", "netstat", "rt6_stats", "ip6_flowlabel", "unix")

    def __init__(self) -> None:
        """Remember this process's own namespace, and move to a network of its own.

        Raises:
            OSError: /proc is not there, or this process may not make namespaces.
        """
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._counters: list[int] = []
        self._renew_network()

    def prepare(self) -> None:
        """Have the namespaces of the next child.

        Raises:
            OSError: this process may not make namespaces.
        """
        _check(_LIBC.setns(self._own, _CLONE_NEWPID), "setns")
        _check(_LIBC.unshare(_CLONE_NEWPID), "unshare processes")
        if self._counted() != self._unused:
            self._renew_network()

    def _renew_network(self) -> None:
        _check(_LIBC.unshare(_CLONE_NEWNET), "unshare network")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
        for name in ("tcp_rmem", "tcp_wmem"):
            with contextlib.suppress(OSError):  # closed by this bubblewrap: sockets hold more
                Path("/proc/sys/net/ipv4", name).write_text(_TCP_BYTES)
        for file in self._counters:
            os.close(file)
        places = filter(os.path.exists, (f"/proc/self/net/{name}" for name in self._COUNTERS))
        self._counters = [os.open(place, os.O_RDONLY | os.O_CLOEXEC) for place in places]
        self._unused = self._counted()

    def _counted(self) -> list[bytes]:
        return [os.pread(file, 1 << 16, 0) for file in self._counters]


def protect_devices() -> None:
    """Make the machine's device files read-only: their rights and times, not what is written there.

    Raises:
        OSError: this process may not mount.
    """
    for path in Path("/dev").iterdir():
        if path.is_symlink() or not path.is_char_device():
            continue
        present = os.statvfs(path).f_flag
        # A user namespace may not take away what a mount came with.
        flags = present & _KEPT_FLAGS | (_MS_RELATIME if present & _ST_RELATIME else 0)
        flags |= _MS_REMOUNT | _MS_BIND | _MS_RDONLY
        _check(_LIBC.mount(None, bytes(path), None, flags, None), f"mount {path}")


def leave_what_is_shared(scratch_mib: int) -> None:
    """Leave the shared mounts and IPC: a fresh /tmp of limited size, and a /proc of its own.

    It shows the program's processes and nothing of the machine; where the kernel refuses that, it
    is empty.

    Raises:
        OSError: this process may not make namespaces, or may not mount.
    """
    _check(_LIBC.unshare(_CLONE_NEWNS | _CLONE_NEWIPC), "unshare")
    flags = _MS_NOSUID | _MS_NODEV
    options = f"size={scratch_mib}m,nr_inodes=4096,mode=1777".encode()
    _check(_LIBC.mount(b"tmpfs", b"/tmp", b"tmpfs", flags, options), "mount /tmp")
    flags |= _MS_RDONLY | _MS_NOEXEC
    if _LIBC.mount(b"proc", b"/proc", b"proc", flags, b"subset=pid") != 0:
        # Bubblewrap's own, with the zygote's memory in it, must be covered in any case.
        _check(_LIBC.mount(b"tmpfs", b"/proc", b"tmpfs", flags, b"size=4k,mode=555"), "mount /proc")


def drop_capabilities() -> None:
    """Give up all capabilities for good, through an exec of any file too."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "NO_NEW_PRIVS")
    for capability in range(64):
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def crash_quietly() -> None:
    """End at once where this process crashes, without a core, and without the kernel's notice.

    The kernel logs a crash, with the name that a process has given itself, where no handler is set.
    `_exit` gets the signal's number as exit status; the filter of calls keeps it in place.
    """
    _prctl(_PR_SET_DUMPABLE, 0, "DUMPABLE")
    _LIBC.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
    for number in system_calls.FAULTS:
        _LIBC.signal(number, ctypes.cast(_LIBC._exit, ctypes.c_void_p))


def limit_resources(
    *, memory_mib: int, processes: int, file_mib: int, cpu_s: int, count_processes: bool
) -> None:
    """Set the limits that the kernel keeps for each process; none of them can be raised again.

    `count_processes` is for a user namespace of its own: elsewhere the limit would count all
    processes of the user on this machine.
    """
    limits = {
        resource.RLIMIT_AS: memory_mib * _MIB,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_mib * _MIB,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if count_processes:
        # It counts threads, and of root's processes nothing: the zygote counts both for everybody.
        limits[resource.RLIMIT_NPROC] = processes + THREADS
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bounded, bounded))


def filter_calls(*, processes: bool) -> None:
    """Install the system call filter where this machine's call numbers are known.

    Args:
        processes: whether this process may start others (threads it always may).

    Raises:
        OSError: the kernel has no filters.
    """
    _install_filter(system_calls.prepare_filter(processes=processes))


def forbid_processes() -> None:
    """Take away, behind the filter with which this process may start others, what allows that.

    Raises:
        OSError: the kernel has no filters.
    """
    _install_filter(system_calls.prepare_restriction())


def _install_filter(program: bytes) -> None:
    if not program:
        return
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    )
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, "SECCOMP", ctypes.addressof(header))
