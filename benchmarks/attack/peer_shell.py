"""One attack on a peer's evaluator, inside the shell that `benchmarks.attack.peer` makes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.attack.programs import Attack, candidate, right_program
from benchmarks.attack.scene import Scene
from benchmarks.evaluator.gold import canonical_code
from benchmarks.sandbox.worker import decoder
from domino.records import Problem

PASS = "pass"
_TASK_S = 10.0
"""Seconds that bigcodebench gives a task here: every endless attack would take its own 240."""
_STACK_MIB = 10
_MEMORY_MIB = 30 * 1024


def main(folder: Path) -> None:
    """Read job.json, have the peer judge the attack, and write what it said to answer.json."""
    job = json.loads((folder / "job.json").read_text())
    attack = Attack(kind=job["kind"], name=job["name"], description="", code=job["code"])
    problem = Problem.from_json(job["problem"])
    judge = _JUDGES[job["evaluator"]](problem, job)
    status = judge(right_program(problem))
    if status != PASS:  # an evaluator that passes nothing would seem to withstand everything
        sys.exit(f"it does not pass a right program: {status}")
    (folder / "began").touch()
    with Scene(noise=job["noise"]) as scene:
        status = judge(candidate(attack, scene.fill(attack.code), problem))
        answer = {"status": status, "effects": scene.effects()}
        (folder / "answer.json").write_text(json.dumps(answer))


def _evalplus(problem: Problem, job: dict[str, Any]) -> Callable[[str], str]:
    from evalplus.eval import untrusted_check

    inputs = decoder.decode(job["inputs"])
    expected, seconds = _run_canonical(problem, inputs)

    def judge(code: str) -> str:
        status, _ = untrusted_check(
            job["dataset"],
            code,
            inputs,
            problem.entry_point,
            expected=expected,
            atol=problem.atol,
            ref_time=seconds,
            fast_check=True,
        )
        return str(status)

    return judge


def _bigcodebench(problem: Problem, job: dict[str, Any]) -> Callable[[str], str]:
    import bigcodebench.eval

    bigcodebench.eval.TIMEOUT_LIMIT = _TASK_S

    def judge(code: str) -> str:
        status, _ = bigcodebench.eval.untrusted_check(
            problem.meta["calibration"] + code,
            problem.meta["test"],
            problem.entry_point,
            max_as_limit=_MEMORY_MIB,
            max_data_limit=_MEMORY_MIB,
            max_stack_limit=_STACK_MIB,
            min_time_limit=_TASK_S,
            gt_time_limit=_TASK_S,
        )
        return str(status)

    return judge


_JUDGES = {"evalplus": _evalplus, "bigcodebench": _bigcodebench}


def _run_canonical(problem: Problem, inputs: list[list[Any]]) -> tuple[list[Any], list[float]]:
    space: dict[str, Any] = {}
    exec(canonical_code(problem), space)
    expected, seconds = [], []
    for arguments in inputs:
        began = time.perf_counter()
        expected.append(space[problem.entry_point](*arguments))
        seconds.append(time.perf_counter() - began)
    return expected, seconds


if __name__ == "__main__":
    main(Path(sys.argv[1]))
