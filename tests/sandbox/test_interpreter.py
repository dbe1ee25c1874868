"""Programs run under an interpreter of choice, wherever its environment lies."""

import sys
import tempfile
import venv
from pathlib import Path

import pytest

from benchmarks.sandbox import Job, SandboxConfig, run_jobs
from benchmarks.sandbox.launch import inside
from domino.records import Outcome

JOB = Job(
    id="prefix",
    code="import sys\ndef f(x):\n    return [sys.prefix, x]",
    entry_point="f",
    inputs=[[1]],
)


def test_an_environment_below_tmp_runs_programs() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        venv.create(Path(folder, "env"), with_pip=False)
        config = SandboxConfig(interpreter=str(Path(folder, "env/bin/python")))
        [result] = run_jobs([JOB], config)
    assert result.outcome is Outcome.PASSED, result.detail


def test_an_interpreter_may_be_named_through_a_folder_that_programs_do_not_see() -> None:
    """As a shell passes on `../.venv/bin/python`."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "env"), with_pip=False)
        Path(folder, "here").mkdir()
        config = SandboxConfig(interpreter=f"{folder}/here/../env/bin/python")
        [result] = run_jobs([JOB], config)
    assert result.outcome is Outcome.PASSED, result.detail


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/opt/env/bin/python", "/opt/env/bin/python"),
        ("/tmp/env/bin/python", "/sandbox/prefix1/bin/python"),
        ("/tmp/env", "/sandbox/prefix1"),
    ],
)
def test_only_what_lies_below_tmp_gets_another_place(path: str, seen: str) -> None:
    assert inside(path, [sys.base_prefix, "/tmp/env"]) == seen
