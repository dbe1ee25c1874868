"""Takes rights away from the calling process: namespaces, mounts, capabilities, limits, calls.

Everything here goes through libc by ctypes, since Python 3.11 offers none of it. That holds for the
filter of system calls too: this runs under whatever interpreter the programs need, with its
standard library alone, where pyseccomp and the libseccomp that it loads are not to be had.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import struct

_CLONE_NEWNS, _CLONE_NEWPID = 0x00020000, 0x20000000
_CLONE_NEW_ANY, _CLONE_THREAD = 0x7E020080, 0x00010000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522
_MIB = 1 << 20

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


class FreshProcesses:
    """Puts each next child into a process namespace of its own, as that namespace's first process.

    When a namespace's first process ends, the kernel ends all others in it.
    """

    def __init__(self) -> None:
        """Remember this process's own namespace.

        Raises:
            OSError: /proc is not there.
        """
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def prepare(self) -> None:
        """Make a new namespace for the next child.

        Raises:
            OSError: this process may not make namespaces.
        """
        _check(_LIBC.setns(self._own, _CLONE_NEWPID), "setns")
        _check(_LIBC.unshare(_CLONE_NEWPID), "unshare processes")


def mount_private(scratch_mib: int) -> None:
    """Leave the shared mounts: a fresh /tmp of limited size, and an empty /proc."""
    _check(_LIBC.unshare(_CLONE_NEWNS), "unshare mounts")
    flags = _MS_NOSUID | _MS_NODEV
    options = f"size={scratch_mib}m,nr_inodes=4096,mode=1777".encode()
    _check(_LIBC.mount(b"tmpfs", b"/tmp", b"tmpfs", flags, options), "mount /tmp")
    # Another process's memory and descriptors are reached through /proc: a program gets none.
    flags |= _MS_RDONLY | _MS_NOEXEC
    _check(_LIBC.mount(b"tmpfs", b"/proc", b"tmpfs", flags, b"size=4k,mode=555"), "mount /proc")


def drop_capabilities() -> None:
    """Give up all capabilities for good, through an exec of any file too."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, "NO_NEW_PRIVS")
    for capability in range(64):
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(_LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")


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
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if count_processes:
        limits[resource.RLIMIT_NPROC] = processes
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bounded, bounded))


# Calls that no solution of a programming problem needs and that reach past the other limits: new
# namespaces and mounts, other processes' memory, memory that no limit counts, kernel interfaces.
_DENIED = {
    "x86_64": (
        *(272, 308, 165, 166, 155, 161, 101, 310, 311, 438, 319, 447, 29, 30, 64, 68, 240),
        *(248, 249, 250, 321, 298, 323, 246, 320, 175, 313, 176, 303, 304, 425, 426, 427),
        *(428, 429, 430, 431, 432, 433, 442),
    ),
    "aarch64": (
        *(97, 268, 40, 39, 41, 51, 117, 270, 271, 438, 279, 447, 194, 196, 190, 186, 180),
        *(217, 218, 219, 280, 241, 282, 104, 294, 105, 273, 106, 264, 265, 425, 426, 427),
        *(428, 429, 430, 431, 432, 433, 442),
    ),
}
# AUDIT_ARCH value, number of clone, numbers of the calls that can only make processes.
_ARCHITECTURES = {"x86_64": (0xC000003E, 56, (57, 58)), "aarch64": (0xC00000B7, 220, ())}
_CLONE3 = 435
_X32_BIT = 0x40000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026


def prepare_filter(*, processes: bool) -> bytes:
    """Return the filter, b"" for an unknown machine; asked for once, every fork has it."""
    machine = os.uname().machine
    known = machine in _ARCHITECTURES
    return _filter_program(machine, processes=processes) if known else b""


def filter_calls(*, processes: bool) -> None:
    """Install the system call filter where this machine's call numbers are known.

    Args:
        processes: whether this process may start others (threads it always may).

    Raises:
        OSError: the kernel has no filters.
    """
    program = prepare_filter(processes=processes)
    if not program:
        return
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    )
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, "SECCOMP", ctypes.addressof(header))


@functools.lru_cache
def _filter_program(machine: str, *, processes: bool) -> bytes:
    architecture, clone, forks = _ARCHITECTURES[machine]
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _EPERM),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _EPERM),
    ]
    for number in (*_DENIED[machine], *(() if processes else forks)):
        steps += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    steps += [
        # clone3's flags lie behind a pointer that a filter cannot follow; libc falls back to clone.
        (_JUMP_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ENOSYS),
        (_JUMP_EQUAL, 0, 5, clone),
        (_LOAD, 0, 0, 16),
        (_JUMP_ANY_BIT, 2, 0, _CLONE_NEW_ANY),
        (_JUMP_ANY_BIT, 2, 0, 0xFFFFFFFF if processes else _CLONE_THREAD),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
