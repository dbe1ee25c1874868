"""One attack on evalplus's evaluator, inside the shell that `benchmarks.attack.peer` makes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.attack.programs import Attack, candidate
from benchmarks.attack.scene import Scene
from benchmarks.gold import canonical_code
from benchmarks.sandbox.worker import codec
from domino.records import Problem


def main(folder: Path) -> None:
    """Read job.json, have evalplus judge the attack, and write what it said to answer.json."""
    from evalplus.eval import untrusted_check

    job = json.loads((folder / "job.json").read_text())
    attack = Attack(kind=job["kind"], name=job["name"], description="", code=job["code"])
    problem = Problem.from_json(json.dumps(job["problem"]))
    inputs = codec.decode(job["inputs"])
    expected, seconds = _run_canonical(problem, inputs)
    (folder / "began").touch()
    with Scene() as scene:
        status, _ = untrusted_check(
            job["dataset"],
            candidate(attack, scene.fill(attack.code), problem),
            inputs,
            problem.entry_point,
            expected=expected,
            atol=problem.atol,
            ref_time=seconds,
            fast_check=True,
        )
        answer = {"status": status, "effects": scene.effects()}
        (folder / "answer.json").write_text(json.dumps(answer))


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
