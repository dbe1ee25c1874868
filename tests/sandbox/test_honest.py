"""Right programs pass, each as the plain script or function that it is, whoever runs the evaluator.

A program's header may have its tests (`#: tests`, an expression) and the memory
that holds one test's and not two's (`#: memory_mib`), or say that it does what is
forbidden on purpose, and which words name that (`#: refused`).
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import check_programs
from benchmarks.evaluator.stated import StatedProblem
from benchmarks.sandbox import SandboxConfig
from domino.records import Program
from tests.sandbox.machine import needs_bubblewrap

HONEST = sorted((Path(__file__).parents[1] / "honest").glob("*.py"))
THREE = [("3\n1 2 3\n", "6\n"), ("2\n4 5\n", "9\n"), ("1\n-7\n", "-7\n")]
CALLS = [([[1, 2, 3]], 6), ([[]], 0), ([[10, -3]], 7)]


def header(code: str, word: str) -> Any:
    found = re.search(rf"^#: {word} (.*)$", code, re.MULTILINE)
    return eval(found[1], {}) if found else None


def problem_for(path: Path, code: str) -> StatedProblem:
    script = path.name.startswith("script")
    tests = [([text], output) for text, output in header(code, "tests") or THREE]
    meta = {"runner": "script", "comparison": "printed"} if script else {"comparison": "exact"}
    inputs, outputs = map(list, zip(*(tests if script else CALLS), strict=True))
    return StatedProblem(
        id="sum",
        prompt="",
        entry_point="total",
        canonical_solution="",
        base_inputs=inputs[:1],
        base_outputs=outputs[:1],
        plus_inputs=inputs[1:],
        plus_outputs=outputs[1:],
        call_timeout_s=6.0,
        meta=meta,
    )


@needs_bubblewrap
@pytest.mark.parametrize("path", HONEST, ids=[path.stem for path in HONEST])
def test_a_right_program_passes(path: Path) -> None:
    code = path.read_text()
    problem = problem_for(path, code)
    program = Program(id=path.stem, problem_id=problem.id, code=code)
    config = SandboxConfig(workers=1, memory_mib=header(code, "memory_mib") or 2048)
    [verdict] = check_programs([problem], [program], config)
    refused = header(code, "refused")
    assert verdict.passed == (refused is None), verdict.detail
    assert refused is None or refused in verdict.detail


def test_what_is_no_function_is_a_script_that_prints() -> None:
    for path in HONEST:
        names = {node.name for node in ast.parse(path.read_text()).body if hasattr(node, "name")}
        assert path.name.startswith("script") != ("total" in names), path
