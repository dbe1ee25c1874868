"""A suite of three problems, a method that counts, an engine that answers them, and a kill."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.context import StageContext
from benchmarks.store.store import Stage, Store
from benchmarks.suites.base import Suite
from domino.engines.base import Request
from domino.engines.scripted import ScriptedEngine
from domino.records import Problem, Provenance, Reference, Sampling, Synthetic, derive_seed
from domino.synthesizer import Domain, FitContext, Synthesizer, plain_responses

NUMBER = re.compile(r"Add (-?\d+) to")


def instruction(number: int) -> str:
    return f"Add {number} to the given number."


def solution(number: int) -> str:
    return f"def f(x):\n    return x + {number}\n"


def problem(number: int, split: str) -> Problem:
    return Problem(
        id=f"{split}/{number}",
        prompt=instruction(number),
        entry_point="f",
        canonical_solution=solution(number),
        base_inputs=[[0], [1]],
        plus_inputs=[[-5], [100]],
    )


class SmallSuite(Suite):
    """Adds numbers: 1 to 3 are tested, 11 and 12 are for development, 21 to 24 are references."""

    name = "small"
    keyed = False
    broken = False

    @property
    def template(self):
        return "pair"

    def references(self):
        return tuple(
            Reference(id=f"r{n}", instruction=instruction(n), response=solution(n))
            for n in range(21, 25)
        )

    def problems(self, split):
        numbers = range(1, 4) if split == "test" else range(11, 13)
        problems = tuple(problem(number, split) for number in numbers)
        if self.broken:
            wrong = replace(problems[0], canonical_solution="def f(x):\n    raise ValueError\n")
            return (wrong, *problems[1:])
        return problems

    def instruction(self, problem):
        return problem.prompt

    def extract(self, problem, response):
        return response

    def refuse_response(self, instruction, response):
        try:
            ast.parse(response)
        except SyntaxError as error:
            return ("does not parse", str(error))
        return None if response.strip() else ("empty response", "")

    def behaviour_problem(self, instruction, seed):
        if "text only" in instruction:
            return None
        return replace(problem(0, "behaviour"), id=f"behaviour/{seed}", plus_inputs=[])

    def program_key(self, instruction):
        found = NUMBER.search(instruction) if self.keyed else None
        return found.group(1) if found else None


class KeyedSuite(SmallSuite):
    keyed = True


class BrokenSuite(SmallSuite):
    broken = True


@dataclass(frozen=True, kw_only=True)
class CountingConfig:
    start: int = 100
    supply: int = 1_000_000


class Counting(Synthesizer):
    """Yields "Add n to the given number." for n from `start`, at most `supply` of them."""

    name: ClassVar[str] = "counting"
    config_class: ClassVar[type] = CountingConfig
    fits: ClassVar[list[int]] = []

    def __init__(self, config: CountingConfig | None = None) -> None:
        self.config = config or CountingConfig()

    def fit(self, domain: Domain, context: FitContext) -> None:
        self.fits.append(len(domain.references))
        self.engine = context.engine
        for step in range(3):
            context.log({"loss": 1.0 / (step + 1)}, step)

    def synthesize(self, count: int, sampling: Sampling, *, first: int = 0) -> Iterator[Synthetic]:
        for index in range(first, min(first + count, self.config.supply)):
            seed = derive_seed(sampling.seed, index)
            yield Synthetic(
                id=f"s{index}",
                instruction=instruction(self.config.start + index),
                provenance=Provenance(method=self.name, seed=seed, tokens=7),
            )

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        return plain_responses(self.engine, instructions, sampling, system="own conditioning")

    def save(self, directory: Path) -> None:
        values = {"start": self.config.start, "supply": self.config.supply}
        (directory / "counting.json").write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path, context: FitContext) -> Counting:
        values = json.loads((directory / "counting.json").read_text(encoding="utf-8"))
        method = cls(CountingConfig(**values))
        method.engine, method.log = context.engine, context.log
        return method


class Repeating(Counting):
    """Adds no new instruction: yields the references."""

    name = "repeating"
    synthesizes = False
    keeps_responses = True

    def synthesize(self, count, sampling, *, first=0):
        for index in range(first, min(first + count, 4)):
            yield Synthetic(
                id=f"s{index}",
                instruction=instruction(21 + index),
                response=solution(21 + index),
                provenance=Provenance(method=self.name, seed=0),
            )


METHODS = {
    "counting": "tests.stages.small:Counting",
    "repeating": "tests.stages.small:Repeating",
}


def answer(request: Request) -> str:
    """The solution of the last instruction in the prompt; a sample in four is off by one."""
    number = int(NUMBER.findall(str(request.prompt))[-1])
    return solution(number + (request.seed % 4 == 0))


def context(suite: Suite | None = None, script: Any = answer, **changes: Any) -> StageContext:
    engine = ScriptedEngine(script)
    return StageContext(
        suite=suite or SmallSuite(),
        model=changes.pop("model", "scripted"),
        seed=changes.pop("seed", 0),
        sandbox=SandboxConfig(),
        make_engine=lambda model, adapter: engine,
        **changes,
    )


def synthetic(number: int, *, response: str | None = None, text: str | None = None) -> Synthetic:
    return Synthetic(
        id=f"s{number}",
        instruction=text if text is not None else instruction(number),
        response=response,
        provenance=Provenance(method="counting", seed=0),
    )


def source(root: Path, file: str, records: Sequence[Any], name: str = "source") -> Stage:
    """A finished stage that holds the records."""
    stage = Store(root).stage(name, config={"n": len(records)}, inputs=[], code="1")
    with stage.writing():
        for record in records:
            stage.append(file, record)
        stage.finish({})
    return stage


def fresh(root: Path, name: str) -> Stage:
    return Store(root).stage(name, config={}, inputs=[], code="1")


class Killed(BaseException):
    """What ends a process between two records."""


class DyingStage(Stage):
    """Dies when it is to write its n-th record."""

    def __init__(self, stage: Stage, survives: int) -> None:
        origin = {"config": {}, "inputs": [], "code": "1"}
        super().__init__(name=stage.name, address=stage.address, path=stage.path, origin=origin)
        self._left = survives

    def append(self, file, record):
        if not self._left:
            raise Killed
        self._left -= 1
        super().append(file, record)


@contextmanager
def killed_after(stage: Stage, survives: int) -> Iterator[DyingStage]:
    """Give a stage that dies after so many records, and swallow its death."""
    dying = DyingStage(stage, survives)
    try:
        with dying.writing():
            yield dying
    except Killed:
        pass


def files(stage: Stage) -> dict[str, bytes]:
    """All record files by name; a verdict's seconds are the clock's and left out."""
    return {
        path.name: re.sub(rb'"seconds": [0-9.e-]+', b"", path.read_bytes())
        for path in sorted(stage.path.glob("*.jsonl"))
    }


def assert_same_after_every_kill(root: Path, name: str, run: Any) -> Stage:
    """Run a stage whole, then once for each instant at which it may die, and compare the files."""
    whole = fresh(root / "whole", name)
    with whole.writing():
        run(whole)
    expected = files(whole)
    lines = sum(content.count(b"\n") for content in expected.values())
    assert lines
    for survives in range(lines):
        stage = fresh(root / f"killed-{survives}", name)
        with killed_after(stage, survives) as dying:
            run(dying)
        assert not stage.complete
        again = fresh(root / f"killed-{survives}", name)
        with again.writing():
            run(again)
        assert files(again) == expected, f"killed after {survives} records"
        assert again.summary == whole.summary
    return whole


def assert_reconciles(stage: Stage, ids_in: Sequence[str], kept: Sequence[str]) -> None:
    """In = kept + dropped, by id and in the summary."""
    from domino.records import Dropped

    dropped = [drop.id for drop in stage.read("dropped.jsonl", Dropped)]
    assert sorted(ids_in) == sorted([*kept, *dropped])
    assert stage.summary["in"] == len(ids_in)
    assert stage.summary["kept"] == len(kept)
    assert sum(stage.summary["dropped"].values()) == len(dropped)
