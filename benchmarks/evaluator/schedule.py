"""Canonical solutions and programs in one go: a program waits for its own solution alone.

What nobody needs is not run: a program that fails the base inputs has failed, and plus inputs are
given to a canonical solution once a program has come as far.
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
"""Programs whose canonical solution takes as long are begun before all else."""

_FAR = 100_000
"""Solutions whose inputs have such numbers may loop as far: they are run before other programs."""


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


class CheckRun:
    """Runs them, and keeps what they showed.

    Attributes:
        golds: what the solutions showed so far, by problem id; a verdict where one failed.
        verdicts: those on programs so far, by their numbers; none where their solution failed.
        late: numbers of the programs that were in doubt, and ran again.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        programs: Sequence[Program],
        config: SandboxConfig,
        known: KnownGolds | None,
        on_done: Callable[[Verdict], None] | None = None,
        on_gold: Callable[[], None] = lambda: None,
        *,
        all_or_nothing: bool = False,
    ) -> None:
        self._problems = {problem.id: problem for problem in problems}
        self._programs = programs
        self._config = config
        self._known: KnownGolds = {} if known is None else known
        self._on_done = on_done or (lambda verdict: None)
        self._on_gold = on_gold
        self._all_or_nothing = all_or_nothing
        self._nothing = False
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
        self.late: list[int] = []

    def run(self) -> None:
        """Do all of it; `on_done` gets each verdict that is final.

        `on_gold` is called as a solution has ended on the base inputs, or is known. With
        `all_or_nothing` no program is begun after one has failed, and no solution on plus inputs.

        Raises:
            SandboxError: the sandbox itself does not work.
            CheckingError: outputs came that are not those of the calls.
        """
        begin: list[_Item] = []
        for problem in self._problems.values():
            begin += self._known_already(problem)
        self._each(begin, self._config)
        if not self._nothing:
            self._alone = True
            late = [_Trial(number) for number in sorted(self.late)]
            self._each(late, dataclasses.replace(self._config, workers=1))

    def failures(self) -> list[Verdict]:
        """Return the verdicts of the solutions that failed, in the problems' order."""
        found = [self.golds.get(key) for key in self._problems]
        return [gold for gold in found if isinstance(gold, Verdict)]

    def _each(self, items: Sequence[_Item], config: SandboxConfig) -> None:
        WorkerPool(config).each(
            self._task, items, self._keep, then=self._made_possible, order=self._order
        )

    def _known_already(self, problem: Problem) -> Sequence[_Item]:
        if isinstance(problem, StatedProblem):
            self.golds[problem.id] = StatedGold(problem, self._config)
        elif problem.id in self._known:
            self.golds[problem.id] = self._known[problem.id]
        else:
            return [_Solution(problem)]
        self._on_gold()
        return self._may_begin(problem.id)

    def _task(self, worker: Worker, item: _Item) -> _Result:
        if isinstance(item, _Solution):
            if not item.plus:
                return gold_of(worker, item.problem, self._config)
            if self._nothing:
                return None
            return with_plus(worker, self._gold(item.problem.id), self._config)
        program = self._programs[item.number]
        gold = self.golds[program.problem_id]
        if self._nothing or isinstance(gold, Verdict):
            return None
        run: Run = Worker.run_again if self._alone else Worker.run_beside_others
        return check_part(worker, run, program, gold, plus=item.plus)

    def _gold(self, key: str) -> Gold:
        gold = self.golds[key]
        if not isinstance(gold, Gold):
            raise AssertionError(f"{key} has no canonical solution that passed the base inputs")
        return gold

    def _made_possible(self, item: _Item, result: _Result) -> Sequence[_Item]:
        if isinstance(item, _Trial):
            return self._goes_on(item, result) if isinstance(result, Checked) else ()
        if isinstance(result, Checked) or result is None:
            return ()
        key = item.problem.id
        with self._lock:
            self.golds[key] = self._known[key] = result
            waiting = self._waiting.pop(key, [])
        if not item.plus or isinstance(result, Verdict):
            return self._may_begin(key)
        return waiting

    def _may_begin(self, key: str) -> Sequence[_Item]:
        if isinstance(self.golds[key], Verdict):
            self._nothing = self._all_or_nothing
            return ()
        return [_Trial(number) for number in self._numbers.get(key, ())]

    def _goes_on(self, item: _Trial, base: Checked) -> Sequence[_Item]:
        """What follows a program's run: the plus inputs, after its solution where need be."""
        key = self._programs[item.number].problem_id
        passed = base.outcome is Outcome.PASSED and not self._runs_again(base)
        if item.plus or not passed or not self._is_plus(key):
            return ()
        self._passed_base[item.number] = base
        trial = _Trial(item.number, plus=True)
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
        """Whether there are plus inputs; a suite may have to read and decode them to know."""
        if key not in self._has_plus:
            self._has_plus[key] = len(self._problems[key].plus_inputs) > 0
        return self._has_plus[key]

    def _runs_again(self, checked: Checked) -> bool:
        return checked.in_doubt and not self._alone

    def _keep(self, item: _Item, result: _Result) -> None:
        if isinstance(item, _Solution):
            if not item.plus:
                self._on_gold()
        elif not isinstance(result, Checked):
            return
        elif self._runs_again(result):
            self.late.append(item.number)
            self._passed_base.pop(item.number, None)
        elif item.plus:
            self._conclude(item.number, self._passed_base[item.number], result)
        elif item.number not in self._passed_base:
            self._conclude(item.number, result, None)

    def _conclude(self, number: int, base: Checked, plus: Checked | None) -> None:
        verdict = verdict_of(self._programs[number], base, plus)
        self.verdicts[number] = dataclasses.replace(verdict, retried=self._alone)
        self._on_done(self.verdicts[number])

    def _order(self, item: _Item) -> tuple[int, float]:
        """What is likely to take long first; then a solution's programs before other solutions."""
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
        """How far a solution's loop may go: the best guess at its time that costs nothing."""
        if problem.id not in self._largest:
            calls = itertools.chain(problem.base_inputs, problem.plus_inputs)
            numbers = (value for call in calls for value in call if type(value) is int)
            self._largest[problem.id] = max(numbers, default=0)
        return self._largest[problem.id]
