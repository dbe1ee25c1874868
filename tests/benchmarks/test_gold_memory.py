"""Canonical solutions run once on a machine, and again as soon as anything could have changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import canonical_failures, check_programs
from benchmarks.evaluator.gold import Gold, gold_of
from benchmarks.sandbox import Output, SandboxConfig
from benchmarks.sandbox.host import Worker
from domino.records import Outcome, Problem, Program, Verdict

CLOCK = "import time\n\n\ndef f(x):\n    return time.time_ns()\n"
"""Another answer at each run: equal answers are a remembered one."""


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    return SandboxConfig(workers=1, golds=tmp_path / "golds")


def problem(solution: str = CLOCK, inputs: Sequence[Any] = (1,)) -> Problem:
    return Problem(
        id="p",
        prompt="",
        entry_point="f",
        canonical_solution=solution,
        base_inputs=tuple([value] for value in inputs),
        plus_inputs=(),
    )


def found(given: Problem, config: SandboxConfig) -> Gold | Verdict:
    with Worker(config) as worker:
        return gold_of(worker, given, config)


def expected(given: Problem, config: SandboxConfig) -> bytes:
    gold = found(given, config)
    assert isinstance(gold, Gold)
    [output] = gold.base.expected
    assert isinstance(output, Output)
    return output.text


def test_a_second_command_has_the_first_ones_outputs(config: SandboxConfig) -> None:
    assert expected(problem(), config) == expected(problem(), config)


def test_without_a_directory_nothing_is_remembered(config: SandboxConfig) -> None:
    forgetful = replace(config, golds=None)
    assert expected(problem(), forgetful) != expected(problem(), forgetful)


@pytest.mark.parametrize(
    "changed",
    [problem(CLOCK.replace("(x)", "(y)")), problem(inputs=(2,)), problem(inputs=(1.0,))],
    ids=["solution", "inputs", "type of an input"],
)
def test_what_changed_is_found_out_again(config: SandboxConfig, changed: Problem) -> None:
    first = expected(problem(), config)
    assert expected(changed, config) != first


def test_another_limit_of_memory_is_another_result(config: SandboxConfig) -> None:
    first = expected(problem(), config)
    assert expected(problem(), replace(config, memory_mib=config.memory_mib + 1)) != first


def test_other_time_limits_use_the_remembered_times(config: SandboxConfig) -> None:
    first = found(problem(), config)
    patient = found(problem(), replace(config, input_timeout_s=7.0))
    assert isinstance(first, Gold) and isinstance(patient, Gold)
    assert patient.base.expected == first.base.expected
    assert patient.base.limits_s == (7.0,)


@pytest.mark.parametrize("damage", [b"", b"no such thing"], ids=["empty", "foreign"])
def test_a_damaged_file_is_found_out_again(config: SandboxConfig, damage: bytes) -> None:
    first = expected(problem(), config)
    assert config.golds is not None
    files = [path for path in config.golds.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(damage)
    assert expected(problem(), config) != first


def test_a_place_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = SandboxConfig(workers=1, golds=tmp_path / "file" / "golds")
    assert expected(problem(), config) != expected(problem(), config)


def test_a_solution_that_fails_is_run_again(config: SandboxConfig) -> None:
    failing = problem("def f(x):\n    raise ValueError(x)\n")
    assert isinstance(found(failing, config), Verdict)
    assert config.golds is not None
    assert not config.golds.exists()


def test_a_remembered_solution_must_still_pass(config: SandboxConfig) -> None:
    found(problem(), config)
    (failure,) = canonical_failures([problem()], config)
    assert failure.base is Outcome.WRONG


def test_programs_do_not_find_what_is_remembered(config: SandboxConfig) -> None:
    found(problem(), config)
    thief = f"import os\n\n\ndef f(x):\n    return os.listdir({str(config.golds)!r})\n"
    program = Program(id="thief", problem_id="p", code=thief)
    (verdict,) = check_programs([problem()], [program], config)
    assert verdict.base is Outcome.ERROR
    assert "FileNotFoundError" in verdict.detail


@pytest.mark.filterwarnings("ignore::benchmarks.sandbox.UnsandboxedWarning")
def test_nothing_is_kept_where_programs_run_outside_of_the_sandbox(config: SandboxConfig) -> None:
    outside = replace(config, bubblewrap="no-such-command", allow_unsandboxed=True)
    found(problem(), outside)
    assert config.golds is not None
    assert not config.golds.exists()
