"""Which system calls a program may make: a filter for the kernel (seccomp), made by hand.

A list of what is allowed, not of what is denied: what a later kernel adds stays outside. What is
allowed reaches the program's own memory, files, processes and network alone; interfaces with a
memory of their own (locks on files, notices of changes, the page cache, kernel keys, System V and
POSIX IPC, asynchronous I/O, performance counters) are not.

It is made here since the worker runs under whatever interpreter the programs need, with its
standard library alone, where pyseccomp and the libseccomp that it loads do not exist.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import struct

# Name, number on x86-64, number on aarch64.
_CALLS = """
read 0 63, write 1 64, open 2 -, openat 257 56, openat2 437 437, creat 85 -, close 3 57,
close_range 436 436, stat 4 -, fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291,
statfs 137 43, fstatfs 138 44, lseek 8 62, pread64 17 67, pwrite64 18 68, readv 19 65,
writev 20 66, preadv 295 69, pwritev 296 70, preadv2 327 286, pwritev2 328 287, access 21 -,
faccessat 269 48, faccessat2 439 439, truncate 76 45, ftruncate 77 46, fallocate 285 47,
fsync 74 82, fdatasync 75 83, getdents 78 -, getdents64 217 61, getcwd 79 17, chdir 80 49,
fchdir 81 50, rename 82 -, renameat 264 38, renameat2 316 276, mkdir 83 -, mkdirat 258 34,
rmdir 84 -, link 86 -, linkat 265 37, unlink 87 -, unlinkat 263 35, symlink 88 -,
symlinkat 266 36, readlink 89 -, readlinkat 267 78, chmod 90 -, fchmod 91 52, fchmodat 268 53,
fchmodat2 452 452, chown 92 -, fchown 93 55, lchown 94 -, fchownat 260 54, umask 95 166,
utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, mknod 133 -, mknodat 259 33,
getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10, listxattr 194 11, llistxattr 195 12,
flistxattr 196 13,

pipe 22 -, pipe2 293 59, dup 32 23, dup2 33 -, dup3 292 24, fcntl 72 25, ioctl 16 29, poll 7 -,
ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20,
epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -,
eventfd2 290 19, timerfd_create 283 85, timerfd_settime 286 86, timerfd_gettime 287 87,
signalfd 282 -, signalfd4 289 74, sendfile 40 71, copy_file_range 326 285,

brk 12 214, mmap 9 222, munmap 11 215, mprotect 10 226, mremap 25 216, madvise 28 233,
msync 26 227, membarrier 324 283, get_mempolicy 239 236,

rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139, rt_sigpending 127 136,
rt_sigsuspend 130 133, rt_sigtimedwait 128 137, sigaltstack 131 132, kill 62 129, tkill 200 130,
tgkill 234 131, pause 34 -,

time 201 -, gettimeofday 96 169, clock_gettime 228 113, clock_getres 229 114,
clock_nanosleep 230 115, nanosleep 35 101, times 100 153, alarm 37 -, getitimer 36 102,
setitimer 38 103,

getpid 39 172, getppid 110 173, gettid 186 178, getpgrp 111 -, getpgid 121 155, setpgid 109 154,
getsid 124 156, setsid 112 157, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
getresuid 118 148, getresgid 120 150, getgroups 115 158, capget 125 90, prctl 157 167,
arch_prctl 158 -, uname 63 160, sysinfo 99 179, getrlimit 97 163, setrlimit 160 164,
prlimit64 302 261, getrusage 98 165, getpriority 140 141, setpriority 141 140, getcpu 309 168,
getrandom 318 278, sched_yield 24 124, sched_getaffinity 204 123, sched_setaffinity 203 122,
sched_getscheduler 145 120, sched_getparam 143 121, sched_get_priority_max 146 125,
sched_get_priority_min 147 126, sched_rr_get_interval 148 127, futex 202 98, futex_waitv 449 449,
set_tid_address 218 96, set_robust_list 273 99, get_robust_list 274 100, rseq 334 293,
restart_syscall 219 128, clone 56 220, exit 60 93, exit_group 231 94, wait4 61 260, waitid 247 95,
pidfd_open 434 434, pidfd_send_signal 424 424,

socket 41 198, socketpair 53 199, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
connect 42 203, getsockname 51 204, getpeername 52 205, setsockopt 54 208, getsockopt 55 209,
shutdown 48 210, sendto 44 206, recvfrom 45 207, sendmsg 46 211, recvmsg 47 212,
sendmmsg 307 269, recvmmsg 299 243,

fork 57 -, vfork 58 -, execve 59 221
"""
_STARTING = ("fork", "vfork", "execve")
"""Calls for programs alone that may start others; clone without CLONE_THREAD is a further one."""

FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP)
"""Signals of a crash, whose handlers a program cannot change: `confine.crash_quietly`."""

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH value, and the column of `_CALLS`."""

_FIRST_SHARED = 424
"""From this number on all machines have the same calls, and libc falls back where they fail so."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_CLONE_THREAD, _CLONE_NEW_ANY = 0x00010000, 0x7E020080
_MAP_SHARED, _MAP_ANONYMOUS, _MAP_HUGETLB = 0x1, 0x20, 0x40000
_O_DIRECT = {"x86_64": 0x4000, "aarch64": 0x10000}
_F_SETFL = 4
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_GETOWN, F_OFD_GETLK, F_DUPFD_CLOEXEC,
# F_GETPIPE_SZ: no leases, notices of changes, locks.
_FCNTL = (0, 1, 2, 3, _F_SETFL, 5, 9, 36, 1030, 1032)
_LOCKS = (6, 7)
"""F_SETLK, F_SETLKW: SQLite needs them for a file."""

_MADVISE = (0, 1, 2, 3, 4, 8, 14, 15, 18, 19)
"""NORMAL to DONTNEED, FREE, huge pages, wiping on a fork; not PAGEOUT, which evicts files."""

_PRCTL = (1, 2, 3, 16, 23, 30, 39, 0x53564D41)
"""PDEATHSIG, and questions; glibc names its memory by the last. Not the name or dumpability."""

_SECCOMP = 22

# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2, SIOCGIF... of psutil.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C542A)
_UNIX_AND_INTERNET = (1, 2, 10)
_SOL_SOCKET, _SO_SNDBUF, _SO_RCVBUF = 1, 7, 8
_TCP_AND_UDP = (0, 6, 17)

_Steps = list[tuple[int, int, int, int]]
"""Instructions: code, how many to skip where true, where false, operand."""


def prepare_filters() -> None:
    """Make all filters once, so that every fork has them."""
    for processes in (False, True):
        prepare_filter(processes=processes)
    prepare_restriction()


@functools.lru_cache
def prepare_filter(*, processes: bool) -> bytes:
    """Return the filter, b"" for an unknown machine.

    Args:
        processes: whether a program may start others (threads it always may).
    """
    machine = os.uname().machine
    return filter_program(machine, processes=processes) if machine in _MACHINES else b""


@functools.lru_cache
def prepare_restriction() -> bytes:
    """Return the filter that goes on top of one with processes, b"" for an unknown machine.

    A second filter of this size costs a process a fifth of what a complete one does.
    """
    machine = os.uname().machine
    return restriction_program(machine) if machine in _MACHINES else b""


def restriction_program(machine: str) -> bytes:
    """Return instructions that deny what `filter_program` allows with processes alone."""
    numbers = call_numbers(machine)
    denied: dict[str, _Steps] = {
        **{name: _fail() for name in _STARTING if name in numbers},
        "clone": _unless_bit(0, _CLONE_THREAD),
        "fcntl": [step for lock in _LOCKS for step in _where(1, lock, _fail())],
        "prctl": _where(0, _SECCOMP, _fail()),
    }
    steps: _Steps = [(_LOAD, 0, 0, 0)]
    for name, body in denied.items():
        steps += [(_EQUAL, 0, len(body) + 1, numbers[name]), *body, (_RETURN, 0, 0, _ALLOW)]
    return _packed([*steps, (_RETURN, 0, 0, _ALLOW)])


def filter_program(machine: str, *, processes: bool) -> bytes:
    """Return the instructions for one of the known machines."""
    architecture, _ = _MACHINES[machine]
    numbers = call_numbers(machine)
    if not processes:
        numbers = {name: n for name, n in numbers.items() if name not in _STARTING}
    steps: _Steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_LOAD, 0, 0, 0),
    ]
    for name, body in _conditions(machine, processes=processes).items():
        steps += [(_EQUAL, 0, len(body) + 1, numbers[name]), *body, (_RETURN, 0, 0, _ALLOW)]
    steps += _search(_intervals(sorted(numbers.values())))
    return _packed(steps)


def _packed(steps: _Steps) -> bytes:
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def call_numbers(machine: str) -> dict[str, int]:
    """Return the numbers of all calls that any program may make on that machine, by name."""
    column = _MACHINES[machine][1]
    rows = (row.split() for row in _CALLS.replace("\n", " ").split(","))
    return {name: int(numbers[column]) for name, *numbers in rows if numbers[column] != "-"}


def _conditions(machine: str, *, processes: bool) -> dict[str, _Steps]:
    """Return what holds for the arguments of calls, by name."""
    same_processes = [] if processes else _unless_bit(0, _CLONE_THREAD)
    no_sizes = [*_where(2, _SO_SNDBUF, _fail(0)), *_where(2, _SO_RCVBUF, _fail(0))]
    no_packets = _if_bit(2, _O_DIRECT[machine])
    return {
        "mmap": [*_if_bit(3, _MAP_HUGETLB), *(_NO_SHARED_MEMORY if processes else ())],
        "madvise": _unless(2, _MADVISE),
        # Of these two, the forms with flags say what lies in the page cache.
        "preadv2": _unless(5, (0,)),
        "pwritev2": _unless(5, (0,)),
        "fcntl": [
            *_unless(1, (*_FCNTL, *(_LOCKS if processes else ()))),
            *_where(1, _F_SETFL, no_packets),
        ],
        "ioctl": _unless(1, _IOCTL, errno.ENOTTY),
        # What may start processes may take that from them, by a further filter.
        "prctl": _unless(0, (*_PRCTL, *((_SECCOMP,) if processes else ()))),
        # As if it had been changed: programs that report their own crashes go on.
        "rt_sigaction": [step for number in FAULTS for step in _where(0, number, _fail(0))],
        # Its group, which is its own.
        "kill": _where(0, 0, _fail()),
        "clone": [*_if_bit(0, _CLONE_NEW_ANY), *same_processes],
        # As if taken, as sizes above the kernel's limit are: sockets keep the size that is counted.
        "setsockopt": _where(1, _SOL_SOCKET, no_sizes),
        "socket": [*_unless(0, _UNIX_AND_INTERNET, errno.EAFNOSUPPORT), *_unless(2, _TCP_AND_UDP)],
    }


def _fail(error: int = errno.EPERM) -> _Steps:
    return [(_RETURN, 0, 0, _ERRNO | error)]


def _argument(index: int) -> tuple[int, int, int, int]:
    """Load an argument's lower half, which is all that the kernel takes of an int."""
    return _LOAD, 0, 0, 16 + 8 * index


def _unless(index: int, values: tuple[int, ...], error: int = errno.EPERM) -> _Steps:
    tests = [(_EQUAL, len(values) - n, 0, value) for n, value in enumerate(values)]
    return [_argument(index), *tests, *_fail(error)]


def _where(index: int, value: int, body: _Steps) -> _Steps:
    return [_argument(index), (_EQUAL, 0, len(body), value), *body]


def _if_bit(index: int, bits: int) -> _Steps:
    return [_argument(index), (_ANY_BIT, 0, 1, bits), *_fail()]


_NO_SHARED_MEMORY: _Steps = [
    _argument(3), (_ANY_BIT, 0, 2, _MAP_ANONYMOUS), (_ANY_BIT, 0, 1, _MAP_SHARED), *_fail(),
]  # fmt: skip
"""Processes that fill such memory and end leave it where no process's memory counts it."""


def _unless_bit(index: int, bits: int) -> _Steps:
    return [_argument(index), (_ANY_BIT, 1, 0, bits), *_fail()]


def _intervals(allowed: list[int]) -> list[tuple[int, int]]:
    """Return where an answer begins that holds up to the next: number and answer, in order."""
    answers: list[tuple[int, int]] = []
    for number in range(allowed[-1] + 2):
        denied = errno.ENOSYS if number >= _FIRST_SHARED else errno.EPERM
        answer = _ALLOW if number in allowed else _ERRNO | denied
        if not answers or answers[-1][1] != answer:
            answers.append((number, answer))
    return answers


def _search(answers: list[tuple[int, int]]) -> _Steps:
    """Search by halves: loading a filter, the kernel runs it once for each call that there is."""
    if len(answers) == 1:
        return [(_RETURN, 0, 0, answers[0][1])]
    middle = len(answers) // 2
    below, above = _search(answers[:middle]), _search(answers[middle:])
    return [(_AT_LEAST, len(below), 0, answers[middle][0]), *below, *above]
