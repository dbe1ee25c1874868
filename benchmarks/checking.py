"""Verdicts on programs: each runs in the sandbox, and its outputs are compared out here.

Expected outputs come from running the canonical solution in the same sandbox, on this machine,
which also gives the time limits: a call may use several times the canonical one's processor time.
A program that may be late because of what runs beside it is run again, alone, before that counts.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gold import Gold, KnownGolds, canonical_code, gold_of
from benchmarks.runners import runnable
from benchmarks.sandbox import (
    EncodedInputs,
    Job,
    JobResult,
    Output,
    SandboxConfig,
    WorkerPool,
)
from benchmarks.sandbox.host import Worker
from benchmarks.sandbox.worker.codec import canonical, has_opaque
from benchmarks.stated import StatedGold, StatedProblem
from benchmarks.verdicts import CheckingError, Run, verdict_on
from domino.records import Outcome, Problem, Program, Verdict

_LONG_S = 1.0
"""Programs whose canonical solution takes as long are begun before all else."""

_FAR = 100_000
"""Solutions whose inputs have such numbers may loop as far: they are run before other programs."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Verdicts in the programs' order, and how many late programs were tried again alone."""

    verdicts: list[Verdict]
    retried_timeouts: int


def check_programs(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] | None = None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdict on each program, in order; `on_done` gets each when it is final.

    What the problems' canonical solutions showed before may be given as `known`, and is added to.

    Raises:
        CheckingError: a program's problem is not there, or its canonical solution fails.
        SandboxError: the sandbox itself does not work.
    """
    return check(problems, programs, config, on_done=on_done, known=known).verdicts


def check(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    config: SandboxConfig,
    *,
    on_done: Callable[[Verdict], None] | None = None,
    known: KnownGolds | None = None,
) -> CheckReport:
    """Do as `check_programs`, and count the retried timeouts."""
    wanted = _problems_of(problems, programs)
    checking = _Checking(wanted, programs, config, known, on_done, all_or_nothing=True)
    checking.run()
    if failed := checking.failures():
        raise CheckingError(_cannot_be_scored(failed))
    verdicts = [checking.verdicts[number] for number in range(len(programs))]
    return CheckReport(verdicts, len(checking.late))


def _cannot_be_scored(failed: Sequence[Verdict]) -> str:
    named = ", ".join(f"{verdict.problem_id} ({verdict.detail})" for verdict in failed[:5])
    return (
        f"the canonical solutions of {len(failed)} problems fail in the sandbox, so nothing can be "
        f"scored: {named}; raise the sandbox's limits, or leave these problems out"
    )


def canonical_failures(
    problems: Sequence[Problem],
    config: SandboxConfig,
    *,
    on_done: Callable[[], None] = lambda: None,
    known: KnownGolds | None = None,
) -> list[Verdict]:
    """Return the verdicts of the canonical solutions that do not pass their own problem.

    Each runs twice: for the expected outputs, and to be checked against them. A problem that states
    its expected outputs and has no solution cannot fail. `on_done` is called as a problem's
    expected outputs are there, and as its solution has been checked. Limits come from the first
    run; on a machine that has since become busy the second may pass them, and is then tried once
    more with a canonical solution's own time.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    programs = [
        Program(id=f"canonical/{problem.id}", problem_id=problem.id, code=_answer(problem))
        for problem in problems
        if problem.canonical_solution
    ]
    first = _Checking(problems, programs, config, known, lambda verdict: on_done(), on_done)
    first.run()
    late = [n for n, verdict in first.verdicts.items() if verdict.plus is Outcome.TIMEOUT]
    patient: KnownGolds = {
        key: gold.patient() for key, gold in first.golds.items() if isinstance(gold, Gold)
    }
    slow = [programs[number] for number in late]
    again = _Checking(_problems_of(problems, slow), slow, config, patient)
    again.run()
    verdicts = first.verdicts | {late[n]: verdict for n, verdict in again.verdicts.items()}
    return [*first.failures(), *(verdicts[n] for n in sorted(verdicts) if not verdicts[n].passed)]


def behaviours(pairs: Sequence[tuple[Problem, Program]], config: SandboxConfig) -> list[str | None]:
    """Return what each program makes of its problem's base inputs, as one string.

    Two programs of one problem have equal strings exactly where all their outputs are equal in
    type and value; None stands for a program that did not return cleanly on every input. A problem
    needs no canonical solution here; a call may take `config.input_timeout_s`.

    Raises:
        SandboxError: the sandbox itself does not work.
    """
    encoded = {problem.id: EncodedInputs.of(problem.base_inputs) for problem, _ in pairs}
    jobs: dict[tuple[str, str], Job] = {}
    for problem, program in pairs:
        inputs = encoded[problem.id]
        source = runnable(problem, program.code)
        jobs[problem.id, program.code] = Job(
            id=program.id,
            code=source.code,
            entry_point=source.entry_point,
            inputs=inputs,
            input_limits_s=config.input_limits_s([0.0] * inputs.count),
        )
    results = dict(zip(jobs, _run_with_retry(list(jobs.values()), config), strict=True))
    return [_behaviour(results[problem.id, program.code]) for problem, program in pairs]


def _answer(problem: Problem) -> str:
    """Return the program that must pass: the problem's answer where that is no solution."""
    return problem.meta.get("answer") or canonical_code(problem)


def _problems_of(problems: Sequence[Problem], programs: Sequence[Program]) -> list[Problem]:
    known = {problem.id: problem for problem in problems}
    wanted = dict.fromkeys(program.problem_id for program in programs)
    missing = [key for key in wanted if key not in known]
    if missing:
        raise CheckingError(
            f"{len(missing)} problems of the programs are not in the suite, the first is "
            f"{missing[0]!r}: check them against the data set that they were made for"
        )
    return [known[key] for key in wanted]


class _Checking:
    """Canonical solutions and programs in one go: a program waits for its own solution alone.

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
        self._problems = problems
        self._programs = programs
        self._config = config
        self._known: KnownGolds = {} if known is None else known
        self._on_done = on_done or (lambda verdict: None)
        self._on_gold = on_gold
        self._all_or_nothing = all_or_nothing
        self._nothing = False
        self._numbers: dict[str, list[int]] = {}
        for number, program in enumerate(programs):
            self._numbers.setdefault(program.problem_id, []).append(number)
        self.golds: dict[str, Gold | StatedGold | Verdict] = {}
        self.verdicts: dict[int, Verdict] = {}
        self.late: list[int] = []

    def run(self) -> None:
        """Do all of it; `on_done` gets each verdict that is final.

        `on_gold` is called as a solution ends, or is known. With `all_or_nothing` no program is
        begun after one has failed.

        Raises:
            SandboxError: the sandbox itself does not work.
            CheckingError: outputs came that are not those of the calls.
        """
        begin: list[Problem | int] = []
        for problem in self._problems:
            begin += self._known_already(problem)
        WorkerPool(self._config).each(
            self._task, begin, self._keep, then=self._made_possible, order=self._order
        )
        if not self._nothing:
            alone = dataclasses.replace(self._config, workers=1)
            WorkerPool(alone).map(self._again, sorted(self.late), self._on_done)

    def _known_already(self, problem: Problem) -> Sequence[Problem | int]:
        if isinstance(problem, StatedProblem):
            self.golds[problem.id] = StatedGold(problem, self._config)
        elif problem.id in self._known:
            self.golds[problem.id] = self._known[problem.id]
        else:
            return [problem]
        self._on_gold()
        return self._ready(problem.id)

    def failures(self) -> list[Verdict]:
        """Return the verdicts of the solutions that failed, in the problems' order."""
        found = [self.golds.get(problem.id) for problem in self._problems]
        return [gold for gold in found if isinstance(gold, Verdict)]

    def _task(
        self, worker: Worker, item: Problem | int
    ) -> Gold | Verdict | tuple[Verdict, bool] | None:
        if isinstance(item, Problem):
            return gold_of(worker, item, self._config)
        if self._nothing:
            return None
        return self._judged(worker, Worker.run_beside_others, item)

    def _again(self, worker: Worker, number: int) -> Verdict:
        verdict, _ = self._judged(worker, Worker.run_again, number)
        self.verdicts[number] = dataclasses.replace(verdict, retried=True)
        return self.verdicts[number]

    def _judged(self, worker: Worker, run: Run, number: int) -> tuple[Verdict, bool]:
        program = self._programs[number]
        gold = self.golds[program.problem_id]
        if isinstance(gold, Verdict):
            raise AssertionError(f"{program.id} has nothing to be held to")
        return verdict_on(worker, run, program, gold)

    def _made_possible(self, item: Problem | int, result: Any) -> Sequence[int]:
        if not isinstance(item, Problem):
            return ()
        self.golds[item.id] = self._known[item.id] = result
        return self._ready(item.id)

    def _keep(self, item: Problem | int, result: Any) -> None:
        if isinstance(item, Problem):
            self._on_gold()
        elif result is not None:
            self.verdicts[item], in_doubt = result
            if in_doubt:
                self.late.append(item)
            else:
                self._on_done(self.verdicts[item])

    def _ready(self, key: str) -> Sequence[int]:
        if not isinstance(self.golds[key], Verdict):
            return self._numbers.get(key, ())
        self._nothing = self._all_or_nothing
        return ()

    def _order(self, item: Problem | int) -> tuple[int, float]:
        """What is likely to take long first; then a solution's programs before other solutions."""
        if isinstance(item, Problem):
            largest = _largest_number(item)
            return 1 if largest >= _FAR else 3, -largest
        seconds = self.golds[self._programs[item].problem_id].seconds
        return 0 if seconds >= _LONG_S else 2, -seconds


def _largest_number(problem: Problem) -> int:
    """How far a solution's loop may go: the best guess at its time that costs nothing."""
    calls = itertools.chain(problem.base_inputs, problem.plus_inputs)
    return max((value for call in calls for value in call if type(value) is int), default=0)


def _run_with_retry(jobs: Sequence[Job], config: SandboxConfig) -> list[JobResult]:
    results = WorkerPool(config).map(lambda worker, job: worker.run_beside_others(job), jobs)
    late = [index for index, result in enumerate(results) if result.in_doubt]
    again = WorkerPool(dataclasses.replace(config, workers=1)).map(
        lambda worker, index: worker.run_again(jobs[index]), late
    )
    for index, result in zip(late, again, strict=True):
        results[index] = result
    return results


def _behaviour(result: JobResult) -> str | None:
    if result.outcome is not Outcome.PASSED:
        return None
    try:
        outputs = [output.tagged for output in result.outputs if isinstance(output, Output)]
        return None if has_opaque(outputs) else canonical(outputs)
    except (ValueError, TypeError, RecursionError):
        return None
