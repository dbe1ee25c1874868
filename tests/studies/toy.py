"""Small studies over the tiny run: one whose objective is a formula, one through all stages.

`python -m tests.studies.toy ARGUMENTS` is the command line over these names; where TOY_DIES is a
number, the process kills itself as it measures for that time; where TOY_MEETING is a folder, as
many processes as its name says begin to measure at once; where TOY_LOSES is a database, its trials
are gone as it measures for the third time.
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from benchmarks.common.fields import update
from studies.config import StudyConfig
from studies.objective import OBJECTIVES, Objective
from studies.outputs import TrialOutputs
from studies.spaces import with_options
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.stages import small

METHODS = {**tiny_run.METHODS, "falling": "tests.studies.toy:Falling"}
DIES, MEETING, LOSES = "TOY_DIES", "TOY_MEETING", "TOY_LOSES"
_MEASURED = itertools.count(1)


class Falling(small.Counting):
    """Counts, after a fit whose held-out loss falls to the first number that it counts from."""

    name: ClassVar[str] = "falling"
    steps: ClassVar[list[tuple[int, int]]] = []

    def fit(self, domain, context):
        super().fit(domain, context)
        for step in range(10, 60, 10):
            self.steps.append((self.config.start, step))
            context.log({"loss": 1.0, "held_out": self.config.start + 100 / step}, step)


def formula(made: TrialOutputs) -> float:
    """Best, 1, at a temperature of 0.7 with supply 1; the seed moves it a little."""
    pipeline, method, seed = made.pipeline, made.method, made.seed
    if MEETING in os.environ:
        meet(Path(os.environ[MEETING]))
    measured = next(_MEASURED)
    if os.environ.get(DIES) == str(measured):
        os.kill(os.getpid(), signal.SIGKILL)
    if LOSES in os.environ and measured == 3:
        with closing(sqlite3.connect(os.environ[LOSES])) as database:
            database.execute("ALTER TABLE trials RENAME TO lost")
    options = pipeline.config.method_options[method]
    distance = (pipeline.config.sampling.temperature - 0.7) ** 2
    return (
        1
        - distance
        - math.log(options["supply"]) / 10
        - options.get("start", 0) / 100
        + seed / 1000
    )


def cost(made: TrialOutputs) -> float:
    """What is better where the formula is worse: less supply costs more."""
    return 1 / made.pipeline.config.method_options[made.method]["supply"]


def meet(folder: Path) -> None:
    """Wait until as many processes are here as the folder's name says."""
    processes = int(folder.name)
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 240
    while len(list(folder.iterdir())) < processes and time.monotonic() < deadline:
        time.sleep(0.01)


def space(trial, run):
    """Two parameters, and a third where the second is small."""
    supply = trial.suggest_int("supply", 1, 1000, log=True)
    options = {"supply": supply}
    if supply < 30:
        options["start"] = trial.suggest_int("start", 0, 9)
    changed = with_options(run, "counting", options)
    temperature = trial.suggest_float("sampling.temperature", 0.0, 2.0)
    return update(changed, {"sampling": {"temperature": temperature}})


def starts(trial, run):
    """Where to count from: the test problems are 1 to 3, the development problems 11 and 12."""
    return with_options(run, "counting", {"start": trial.suggest_int("start", 0, 12)})


def levels(trial, run):
    return with_options(run, "falling", {"start": trial.suggest_int("start", 100, 900)})


FORMULA = Objective(about="a formula", direction="maximize", measure=formula)
COST = Objective(about="a cost", direction="minimize", measure=cost)


def study(model: Path, output: Path, **changes: Any) -> StudyConfig:
    """The study of the formula; `run` changes the conditions of trials and result."""
    run = tiny_run.config(
        model, output, methods=("counting",), tracking_uri=NO_MLFLOW,
        **changes.pop("run", {}),
    )  # fmt: skip
    values: dict[str, Any] = {
        "name": "toy",
        "spaces": {"counting": space},
        "method": "counting",
        "objective": "formula",
        "trials": 12,
        "run": replace(run, evaluate=replace(run.evaluate, split="development")),
        "final": replace(run, seeds=(7,)),
        **changes,
    }
    return StudyConfig(**values)


def whole(model: Path, output: Path, **changes: Any) -> StudyConfig:
    """A study through all stages."""
    values = {"name": "whole", "spaces": {"counting": starts}, "objective": "pass@1", "trials": 2}
    return study(model, output, **{**values, **changes})


def names() -> ExitStack:
    """Put the toy names in place of the real ones."""
    stack = tiny_run.names()
    objectives: Mapping[str, Objective] = {**OBJECTIVES, "formula": FORMULA, "cost": COST}
    places = {f"benchmarks.{place}.METHODS": METHODS for place in ("methods", "config.run_config")}
    for place, value in {**places, "studies.config.OBJECTIVES": objectives}.items():
        stack.enter_context(mock.patch(place, value))
    return stack


def main(arguments: list[str]) -> int:
    from studies import loop
    from studies.run import main as command_line

    model, *rest = arguments
    execute = loop.execute
    with names() as stack:
        presets = {
            "toy": lambda: study(Path(model), Path("runs")),
            "whole": lambda: whole(Path(model), Path("runs")),
        }
        for module in ("presets", "run"):
            stack.enter_context(mock.patch(f"studies.{module}.STUDIES", presets))
        stack.enter_context(
            mock.patch.object(
                loop, "execute",
                lambda *given, **named: execute(*given, **named, make_engine=tiny_run.make_engine),
            )
        )  # fmt: skip
        return command_line(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
