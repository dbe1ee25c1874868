"""A whole run in seconds: a suite of three problems, methods of a few lines, a scripted engine.

The plain engine answers every problem wrongly and every synthetic instruction rightly; with an
adapter it answers the problems rightly too, as fine-tuning should have it. Fine-tuning itself is
real. `python -m tests.benchmarks.tiny_run ARGUMENTS` is the command line over these names.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from benchmarks.config.run_config import RunConfig
from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.evaluate import EvaluateConfig
from benchmarks.stages.finetuning.config import FinetuneConfig
from benchmarks.suites.registry import SuiteOptions
from domino.engines.base import Engine, Request
from domino.engines.scripted import ScriptedEngine
from tests.stages import small

SUITES = {
    "small": "tests.benchmarks.tiny_run:load",
    "broken": "tests.benchmarks.tiny_run:load_broken",
}
METHODS = {
    "no-data": "baselines.no_data:NoData",
    "repeating": "tests.stages.small:Repeating",
    "counting": "tests.stages.small:Counting",
}


def load(options: SuiteOptions) -> small.SmallSuite:
    return small.SmallSuite()


def load_broken(options: SuiteOptions) -> small.SmallSuite:
    return small.BrokenSuite()


def answer_rightly(request: Request) -> str:
    return small.solution(int(small.NUMBER.findall(str(request.prompt))[-1]))


def answer_plainly(request: Request) -> str:
    """Right but for the test problems, whose numbers are below ten."""
    number = int(small.NUMBER.findall(str(request.prompt))[-1])
    return small.solution(number + (number < 10))


def make_engine(model: str, adapter: Path | None) -> Engine:
    return ScriptedEngine(answer_plainly if adapter is None else answer_rightly)


def config(model: Path, output: Path, **changes: object) -> RunConfig:
    values = {
        "suite": "small",
        "model": str(model),
        "methods": ("no-data", "repeating", "counting"),
        "references": 4,
        "pairs": 5,
        "output": output,
        "finetune": FinetuneConfig(rank=2, steps=2, batch_size=2, max_tokens=400),
        "evaluate": EvaluateConfig(max_new_tokens=200),
        "sandbox": SandboxConfig(workers=1),
        **changes,
    }
    return RunConfig(**values)  # type: ignore[arg-type]


def names() -> ExitStack:
    """Put the small names in place of the real ones."""
    stack = ExitStack()
    for place, value in {
        "benchmarks.suites.registry.SUITES": SUITES,
        "benchmarks.config.run_config.SUITES": SUITES,
        "benchmarks.methods.METHODS": METHODS,
        "benchmarks.config.run_config.METHODS": METHODS,
    }.items():
        stack.enter_context(mock.patch(place, value))
    return stack


def main(arguments: list[str]) -> int:
    from benchmarks import run
    from benchmarks.config import presets

    with names() as stack:
        base = {"small": lambda: config(Path("model"), Path("runs"))}
        for module in ("config.presets", "cli.options"):
            stack.enter_context(mock.patch(f"benchmarks.{module}.PRESETS", base))
            stack.enter_context(mock.patch(f"benchmarks.{module}.DEFAULT", "small"))
        execute = run.execute
        stack.enter_context(
            mock.patch.object(
                run,
                "execute",
                lambda *given, **named: execute(*given, **named, make_engine=make_engine),
            )
        )
        assert presets.PRESETS is base
        return run.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
