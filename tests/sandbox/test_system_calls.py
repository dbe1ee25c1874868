"""The filter of system calls: its numbers, and what it answers, in a simulator of the kernel's."""

import errno
import itertools
import re
import struct
from pathlib import Path

import pytest

from benchmarks.sandbox.worker.system_calls import (
    FAULTS,
    call_numbers,
    filter_program,
    restriction_program,
)

ALLOWED = 0x7FFF0000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}
UNNAMED = {"aarch64": {"fstat", "newfstatat"}}
"""Calls whose numbers a header gives by another name."""


def answer(machine: str, number: int, *arguments: int, processes: bool = False) -> int | None:
    """Return the error that a call gets, None where it is allowed."""
    return run(filter_program(machine, processes=processes), machine, number, *arguments)


def run(program: bytes, machine: str, number: int, *arguments: int) -> int | None:
    """Return the error with which a filter answers a call, None where it allows it."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, ARCHITECTURES[machine], 0, *padded)
    steps = list(struct.iter_unpack("HBBI", program))
    place = value = 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        if code == 0x06:
            return None if operand == ALLOWED else operand & 0xFFFF
        if code == 0x20:
            [value] = struct.unpack_from("=I", data, operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: value & operand}[code]
            place += if_true if holds else if_false


def call(name: str, *arguments: int, processes: bool = False) -> int | None:
    return answer("x86_64", call_numbers("x86_64")[name], *arguments, processes=processes)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_what_is_listed_is_allowed_and_nothing_else(machine: str) -> None:
    numbers = call_numbers(machine)
    assert len(set(numbers.values())) == len(numbers)
    asked = {"madvise", "prctl", "ioctl", "fcntl", "socket", "kill", "clone"}
    allowed = {n for n in range(600) if answer(machine, n, 1, 1, 1, processes=True) is None}
    assert allowed | {numbers[name] for name in asked} == set(numbers.values())
    assert answer(machine, 500) == errno.ENOSYS
    assert answer(machine, 1 << 30 | 1) == errno.ENOSYS


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not here")
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", header.read_text())
    known = {name: int(number) for name, number in found}
    ours = call_numbers(machine)
    assert {n: known[n] for n in ours if n in known} == {n: ours[n] for n in ours if n in known}
    newer = {"fchmodat2"}
    assert set(ours) - set(known) <= newer | UNNAMED.get(machine, set())


def test_arguments_decide_where_a_call_reaches_more_than_the_program() -> None:
    for family in range(50):
        assert (call("socket", family, 1, 0) is None) == (family in (1, 2, 10))
    assert call("socket", 2, 1, 132) == errno.EPERM  # loads a module
    for command in (6, 37, 1024, 1026, 1031):  # locks, leases, notices, sizes of pipes
        assert call("fcntl", 3, command) == errno.EPERM
    assert call("fcntl", 3, 6, processes=True) is None  # SQLite
    assert call("fcntl", 3, 4, 0x800) is None
    assert call("fcntl", 3, 4, 0x4000) == errno.EPERM  # packets
    assert call("madvise", 0, 0, 21) == errno.EPERM
    assert call("preadv2", 0, 0, 0, 0, 0, 8) == errno.EPERM
    assert call("mmap", 0, 0, 0, 0x22) is None
    assert call("mmap", 0, 0, 0, 0x40022) == errno.EPERM
    assert call("kill", 0, 19) == errno.EPERM
    assert call("kill", 1 << 32, 19) == errno.EPERM  # the kernel takes the lower half
    assert call("ioctl", 1, 0x5412) == errno.ENOTTY


def test_a_program_may_start_others_only_where_it_is_allowed_and_threads_always() -> None:
    thread, child, user_namespace = 0x10000, 17, 0x10000000
    assert call("clone", thread) is None
    assert call("clone", child) == errno.EPERM
    assert call("clone", child, processes=True) is None
    assert call("clone", thread | user_namespace, processes=True) == errno.EPERM
    for name in ("fork", "vfork", "execve"):
        assert call(name) == errno.EPERM
        assert call(name, processes=True) is None


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_on_top_leaves_what_a_program_without_processes_may_do(machine: str) -> None:
    below, alone = (filter_program(machine, processes=processes) for processes in (True, False))
    on_top = restriction_program(machine)
    values = (0, 1, 6, 22, 0x10000, 0x10011)
    for name, number in call_numbers(machine).items():
        for given in itertools.product(values, values):
            call = machine, number, *given
            under = run(below, *call)
            both = run(on_top, *call) if under is None else under
            assert (both is None) == (run(alone, *call) is None), (name, given)


def test_handlers_of_crashes_stay_and_a_program_that_sets_one_goes_on() -> None:
    for number in range(1, 32):
        assert call("rt_sigaction", number, 1) == (0 if number in FAULTS else None)
