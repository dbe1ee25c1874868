"""Runs canonical solutions and programs together: a program waits only for its own solution.

Runs that cannot affect a verdict are skipped: a program that fails a base input has failed, and a
canonical solution gets the plus inputs only if a program of its problem passes the base inputs.

A canonical solution goes through these states, by problem:

    not run -> base known -> plus requested -> plus known
            or failed: its programs get no verdict

and a program through these:

    waiting for its solution -> base run -> failed: verdict
                                         -> passed, no plus inputs: verdict
                                         -> passed -> waiting for plus outputs -> plus run: verdict
    at either run: undecided because of contention -> rerun alone at the end: verdict
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.evaluator.gold import Gold, KnownGolds, gold_of, with_plus
from benchmarks.evaluator.stated import StatedGold, StatedProblem
from benchmarks.evaluator.verdicts import Checked, Run, check_part, verdict_of
from benchmarks.sandbox import SandboxConfig, WorkerPool
from benchmarks.sandbox.host import Worker
from domino.records import Outcome, Problem, Program, Verdict

_LONG_S = 1.0
"""Programs whose canonical solution takes at least this long start first: the last one running
would otherwise keep all other workers idle."""

_FAR = 100_000
"""Solutions with numbers of at least this size as inputs may loop that often; they start early."""


@dataclass(frozen=True, slots=True)
class _Solution:
    """A canonical solution on the base or the plus inputs of its problem."""

    problem: Problem
    plus: bool = False


@dataclass(frozen=True, slots=True)
class _Trial:
    """A program, by its number, on the base or the plus inputs."""

    number: int
    plus: bool = False


_Item = _Solution | _Trial
_Result = Gold | Verdict | Checked | None


class Schedule:
    """Decides what runs next, and records the results.

    Attributes:
        golds: outputs of the canonical solutions so far, by problem id; a verdict if one failed.
        verdicts: verdicts of the programs so far, by number; none if the solution failed.
        to_rerun: numbers of programs that are undecided because of contention.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        programs: Sequence[Program],
        config: SandboxConfig,
        known: KnownGolds | None,
        on_program_done: Callable[[Verdict], None] = lambda verdict: None,
        on_reference_done: Callable[[], None] = lambda: None,
        *,
        all_or_nothing: bool = False,
    ) -> None:
        self._problems = {problem.id: problem for problem in problems}
        self._programs = programs
        self._config = config
        self._known: KnownGolds = {} if known is None else known
        self._on_program_done = on_program_done
        self._on_reference_done = on_reference_done
        self._all_or_nothing = all_or_nothing
        self._no_more = False
        self._alone = False
        self._numbers: dict[str, list[int]] = {}
        for number, program in enumerate(programs):
            self._numbers.setdefault(program.problem_id, []).append(number)
        self._largest: dict[str, int] = {}
        self._has_plus: dict[str, bool] = {}
        self._passed_base: dict[int, Checked] = {}
        self._waiting: dict[str, list[_Trial]] = {}
        self._lock = threading.Lock()
        self.golds: dict[str, Gold | StatedGold | Verdict] = {}
        self.verdicts: dict[int, Verdict] = {}
        self.to_rerun: list[int] = []

    def run(self) -> None:
        """Run everything.

        `on_program_done` is called with each final verdict, `on_reference_done` when the base
        outputs of a canonical solution are known. With `all_or_nothing` no program starts after a
        solution has failed, and no solution is given its plus inputs.

        Raises:
            SandboxError: the sandbox itself does not work.
            CheckingError: the number of outputs does not match the calls.
        """
        begin: list[_Item] = []
        for problem in self._problems.values():
            begin += self._first_items(problem)
        self._each(begin, self._config)
        if not self._no_more:
            # With one worker nothing else of ours runs, so limits need no extension.
            self._alone = True
            undecided = [_Trial(number) for number in sorted(self.to_rerun)]
            self._each(undecided, dataclasses.replace(self._config, workers=1))

    def failures(self) -> list[Verdict]:
        """Return the verdicts of the solutions that failed, in the problems' order."""
        found = [self.golds.get(key) for key in self._problems]
        return [gold for gold in found if isinstance(gold, Verdict)]

    def _each(self, items: Sequence[_Item], config: SandboxConfig) -> None:
        WorkerPool(config).each(
            self._task, items, self._record, then=self._next_items, order=self._order
        )

    def _first_items(self, problem: Problem) -> Sequence[_Item]:
        if isinstance(problem, StatedProblem):
            self.golds[problem.id] = StatedGold(problem, self._config)
        elif problem.id in self._known:
            self.golds[problem.id] = self._known[problem.id]
        else:
            return [_Solution(problem)]
        self._on_reference_done()
        return self._programs_of(problem.id)

    def _task(self, worker: Worker, item: _Item) -> _Result:
        if isinstance(item, _Solution):
            if not item.plus:
                return gold_of(worker, item.problem, self._config)
            if self._no_more:
                return None
            return with_plus(worker, self._gold(item.problem.id), self._config)
        program = self._programs[item.number]
        gold = self.golds[program.problem_id]
        if self._no_more or isinstance(gold, Verdict):
            return None
        run: Run = Worker.run_alone if self._alone else Worker.run_concurrently
        return check_part(worker, run, program, gold, plus=item.plus)

    def _gold(self, key: str) -> Gold:
        gold = self.golds[key]
        if not isinstance(gold, Gold):
            raise AssertionError(f"{key} has no canonical solution that passed the base inputs")
        return gold

    def _next_items(self, item: _Item, result: _Result) -> Sequence[_Item]:
        if isinstance(item, _Trial):
            return self._after_run(item, result) if isinstance(result, Checked) else ()
        if isinstance(result, Checked) or result is None:
            return ()
        key = item.problem.id
        with self._lock:
            self.golds[key] = self._known[key] = result
            waiting = self._waiting.pop(key, [])
        if not item.plus or isinstance(result, Verdict):
            return self._programs_of(key)
        return waiting

    def _programs_of(self, key: str) -> Sequence[_Item]:
        if isinstance(self.golds[key], Verdict):
            self._no_more = self._all_or_nothing
            return ()
        return [_Trial(number) for number in self._numbers.get(key, ())]

    def _after_run(self, item: _Trial, base: Checked) -> Sequence[_Item]:
        """Return what follows a program's run: its plus inputs, after those of its solution."""
        key = self._programs[item.number].problem_id
        passed = base.outcome is Outcome.PASSED and not self._needs_rerun(base)
        if item.plus or not passed or not self._is_plus(key):
            return ()
        self._passed_base[item.number] = base
        trial = _Trial(item.number, plus=True)
        # Under the lock: a solution that finishes its plus inputs now must either be seen here, or
        # find this program among those that wait for it.
        with self._lock:
            gold = self.golds[key]
            if isinstance(gold, Verdict):
                return ()
            if gold.plus_known:
                return [trial]
            first = key not in self._waiting
            self._waiting.setdefault(key, []).append(trial)
        return [_Solution(self._problems[key], plus=True)] if first else []

    def _is_plus(self, key: str) -> bool:
        """Whether there are plus inputs; cached, because a suite may have to decode them first."""
        if key not in self._has_plus:
            self._has_plus[key] = len(self._problems[key].plus_inputs) > 0
        return self._has_plus[key]

    def _needs_rerun(self, checked: Checked) -> bool:
        return checked.needs_rerun and not self._alone

    def _record(self, item: _Item, result: _Result) -> None:
        if isinstance(item, _Solution):
            if not item.plus:
                self._on_reference_done()
        elif not isinstance(result, Checked):
            return
        elif self._needs_rerun(result):
            self.to_rerun.append(item.number)
            self._passed_base.pop(item.number, None)
        elif item.plus:
            self._finish(item.number, self._passed_base[item.number], result)
        elif item.number not in self._passed_base:
            self._finish(item.number, result, None)

    def _finish(self, number: int, base: Checked, plus: Checked | None) -> None:
        verdict = verdict_of(self._programs[number], base, plus)
        self.verdicts[number] = dataclasses.replace(verdict, retried=self._alone)
        self._on_program_done(self.verdicts[number])

    def _order(self, item: _Item) -> tuple[int, float]:
        """Return the order of an item: expected long runs first, then programs, then solutions."""
        if isinstance(item, _Solution):
            largest = self._largest_number(item.problem)
            return 1 if largest >= _FAR else 3, -largest
        key = self._programs[item.number].problem_id
        gold = self.golds[key]
        if not isinstance(gold, Gold):
            return 2, 0.0
        part = gold.plus if item.plus and gold.plus else gold.base
        largest = self._largest_number(gold.problem)
        if part.seconds >= _LONG_S:
            return 0, -part.seconds
        return (1, -largest) if largest >= _FAR else (2, -part.seconds)

    def _largest_number(self, problem: Problem) -> int:
        """Return the largest integer input, a cheap estimate of a solution's running time."""
        if problem.id not in self._largest:
            calls = itertools.chain(problem.base_inputs, problem.plus_inputs)
            numbers = (value for call in calls for value in call if type(value) is int)
            self._largest[problem.id] = max(numbers, default=0)
        return self._largest[problem.id]
