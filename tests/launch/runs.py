"""A run of seconds for launchers: three problems, plug-in methods, a tiny backbone; its store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.chaos.compare import Stored, differences, same_table
from tests.benchmarks.conftest import NO_MLFLOW

ROOT = Path(__file__).resolve().parents[2]
METHODS = tuple(f"tests.launch.methods:{name}" for name in ("First", "Second", "Failing"))


def files(folder: Path) -> list[str]:
    """Write the suite's files; return the options that name them."""
    problems = [
        {
            "task_id": f"HumanEval/{n}", "prompt": f'def add{n}(x):\n    """Add {n}."""\n',
            "entry_point": f"add{n}", "canonical_solution": f"    return x + {n}\n",
            "base_input": [[1], [2]], "plus_input": [[3]], "atol": 0,
        }
        for n in range(3)
    ]  # fmt: skip
    references = [{"instruction": f"Add {n} to x.", "response": f"x + {n}"} for n in range(4)]
    for name, rows in {"problems": problems, "references": references}.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return [
        "--suite", "humaneval+", "--suite_options.dataset", str(folder / "problems.jsonl"),
        "--suite_options.references_path", str(folder / "references.jsonl"),
    ]  # fmt: skip


def command(folder: Path, model: Path, output: Path, *more: str) -> list[str]:
    """Return the command of a run that writes its table to `output`.json."""
    return [
        sys.executable, "-m", "benchmarks.run", *files(folder), "--model", str(model),
        "--methods", ",".join(METHODS), "--references", "4", "--pairs", "4", "--responder", "own",
        "--filter.consistency", "false", "--evaluate.max_new_tokens", "4",
        "--finetune.rank", "2", "--finetune.steps", "2", "--finetune.batch_size", "2",
        "--output", str(output), "--json", f"{output}.json", "--tracking_uri", NO_MLFLOW, "--plain",
        *more,
    ]  # fmt: skip


def run(arguments: list[str], *, code: int) -> tuple[Mapping[str, Any], Stored, str]:
    """Run a command to its end; return its table, what it stored, and what it said."""
    done = subprocess.run(
        arguments, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )
    assert done.returncode == code, done.stderr
    output = Path(arguments[arguments.index("--output") + 1])
    table = json.loads(Path(f"{output}.json").read_text(encoding="utf-8"))
    return table, Stored.at(output), done.stderr


def environment() -> dict[str, str]:
    """Return one in which every process finds this repository, and computes with one thread."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def assert_same(one: Any, other: Any) -> None:
    """Compare what `run` returned for two runs: tables, records, and the failure of one row."""
    assert differences(one[1], other[1]) == []
    assert same_table(one[0], other[0])
    assert "two is enough" in other[2]
