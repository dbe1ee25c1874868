"""Our verdicts beside those of evalplus 0.3.1 itself, run here on the same generations.

Verdicts near a time limit are a race with the clock in any evaluator, and evalplus caps all calls
of a task at 60 s together. So a task on which both differ is tried again by both, alone, without
that cap, before the difference counts.
"""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluate import main
from benchmarks.evaluator.check import check_programs
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.evalplus_data import load_problems
from domino.records import Program
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

DATASET = "evalplus/MbppPlus-v0.1.0.jsonl.gz"
SAMPLES = "published/qwen2.5-coder-1.5b/mbpp.samples.jsonl.gz"
Passes = dict[str, tuple[bool, bool]]

# Run by a process of its own: evalplus reads its environment when it is imported.
ASK_AGAIN = """
import json, os, sys
from unittest import mock
from evalplus.data import get_mbpp_plus
from evalplus.eval import untrusted_check
from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
from evalplus.gen.util import trusted_exec

HOUR = lambda name, default=None: 3600 if name == "EVALPLUS_TIMEOUT_PER_TASK" else default

def status(problem, solution, inputs):
    name = problem["entry_point"]
    expected, seconds = trusted_exec(
        problem["prompt"] + problem["canonical_solution"], inputs, name, record_time=True,
        output_not_none=name in MBPP_OUTPUT_NOT_NONE_TASKS,
    )
    with mock.patch("evalplus.eval.os.getenv", HOUR):
        return untrusted_check("mbpp", solution, inputs, name, expected=expected,
                               atol=problem["atol"], ref_time=seconds, fast_check=True)[0]

if __name__ == "__main__":
    problems = get_mbpp_plus()
    asked = json.load(sys.stdin)
    print(json.dumps({
        key: [status(problems[key], code, problems[key][part + "_input"]) == "pass"
              for part in ("base", "plus")]
        for key, code in asked.items()
    }))
"""


def environment(tmp_path: Path) -> dict[str, str]:
    """Its data set, a cache of its own, no network."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVALPLUS_")},
        "MBPP_OVERRIDE_PATH": str(shared_data(DATASET)),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": "1",
    }


def evalplus_passes(tmp_path: Path) -> tuple[Passes, dict[str, str]]:
    """Run evalplus's own command; return what passes base, and base and plus, and the programs."""
    samples = tmp_path / "samples.jsonl"  # evalplus reuses results in a folder
    samples.write_bytes(gzip.decompress(shared_data(SAMPLES).read_bytes()))
    command = [sys.executable, "-m", "evalplus.evaluate", "--dataset", "mbpp", "--samples",
               str(samples), "--parallel", "1"]  # fmt: skip
    subprocess.run(command, env=environment(tmp_path), check=True, capture_output=True)
    results = json.loads((tmp_path / "samples_eval_results.json").read_text())["eval"]
    passes = {key: (r["base_status"] == "pass", r["base_status"] == r["plus_status"] == "pass")
              for key, [r] in results.items()}  # fmt: skip
    return passes, {key: row["solution"] for key, [row] in results.items()}


def evalplus_again(tmp_path: Path, programs: dict[str, str]) -> Passes:
    """Ask evalplus about each program alone, without its cap on the whole task."""
    done = subprocess.run(
        [sys.executable, "-c", ASK_AGAIN], env=environment(tmp_path), check=True, text=True,
        input=json.dumps(programs), stdout=subprocess.PIPE,
    )  # fmt: skip
    answers: dict[str, list[bool]] = json.loads(done.stdout.splitlines()[-1])
    return {key: (base, base and plus) for key, (base, plus) in answers.items()}


def ours_again(programs: dict[str, str]) -> Passes:
    problems = [p for p in load_problems("mbpp", shared_data(DATASET)).problems if p.id in programs]
    asked = [Program(id=key, problem_id=key, code=code) for key, code in programs.items()]
    verdicts = check_programs(problems, asked, SandboxConfig(workers=1))
    return {v.problem_id: (v.base == "passed", v.passed) for v in verdicts}


def our_passes(tmp_path: Path) -> Passes:
    out = tmp_path / "ours.json"
    paths = ["--dataset", str(shared_data(DATASET)), "--samples", str(shared_data(SAMPLES))]
    assert main(["--suite", "mbpp+", *paths, "--json", str(out)]) == 0
    verdicts: list[dict[str, Any]] = json.loads(out.read_text())["verdicts"]
    return {
        row["problem_id"]: (row["base"] == "passed", row["base"] == row["plus"] == "passed")
        for row in verdicts
    }


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_every_mbpp_verdict_is_evalplus_0_3_1s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, programs = evalplus_passes(tmp_path)
    ours = our_passes(tmp_path)
    assert len(ours) == 399
    assert ours.keys() == theirs.keys()
    differ = {key: programs[key] for key in ours if ours[key] != theirs[key]}
    first = {key: (ours[key], theirs[key]) for key in differ}
    again = evalplus_again(tmp_path, differ) if differ else {}
    with capsys.disabled():
        sys.stdout.write(
            f"\n(base, base and plus), ours and evalplus's, where they differ: {first}\n"
        )
        sys.stdout.write(f"evalplus again, each alone: {again}\n")
    assert ours_again(differ) == again
