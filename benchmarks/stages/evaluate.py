"""Solve the problems with the fine-tuned backbone or the teacher, run the programs, count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.evaluator.check import check_programs
from benchmarks.stages.answers import teacher_counts
from benchmarks.stages.context import StageContext, seeded
from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.config import ADAPTER
from benchmarks.stages.sieve import CHUNK, chunks
from benchmarks.stages.traits import Traits, always
from benchmarks.suites.base import Extracted, Split, Suite
from benchmarks.suites.export import export_samples
from benchmarks.suites.protocol import PLAIN, Protocol, Solved
from benchmarks.suites.splits import first_by_seed
from domino.records import (
    Outcome,
    Problem,
    Program,
    Record,
    Reference,
    Sampling,
    Verdict,
    derive_seed,
)
from domino.text import count_undecodable

if TYPE_CHECKING:
    from benchmarks.store.store import Stage
    from domino.engines.base import Engine

COMPLETIONS = "completions.jsonl"
PROGRAMS = "programs.jsonl"
VERDICTS = "verdicts.jsonl"
EXPORT = "export"
_MAX_NEW_TOKENS = 512
_NO_ANSWER = Outcome.UNFINISHED_THOUGHT


TRAITS = Traits(
    random=lambda config: config.temperature > 0,
    runs_programs=always,
    asks=True,
    shows_references=lambda config: config.shots > 0,
    asks_teacher=lambda config: isinstance(config, TeacherEvaluateConfig),
    # Without an adapter the plain backbone is evaluated: all such rows share one evaluation.
    depends_on=lambda finetuned: [finetuned] if finetuned.summary["adapter"] else [],
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution(Record):
    """The model's text for one problem; `id` is also the id of its program.

    `direct`: it continued the problem's text instead of answering in a chat turn.
    """

    id: str
    problem_id: str
    text: str
    tokens: int
    truncated: bool
    direct: bool = False
    unfinished_thought: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """How programs are sampled and evaluated.

    Attributes:
        samples: programs per problem.
        temperature: 0 is greedy and gives one sample.
        top_p: probability mass of nucleus sampling, in (0, 1].
        max_new_tokens: maximum number of tokens per program; null is the limit of the benchmark's
            official tool, or 512 without one.
        ks: the k of every pass@k to report, at most `samples`.
        split: "test", or "development" for tuning.
        limit: number of problems, the same ones for every row; null is all. With a limit the
            result is not a score of the suite.
        shots: number of solved references before every problem, for suites without an official
            protocol.
    """

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int | None = None
    ks: tuple[int, ...] = (1,)
    split: Split = "test"
    limit: int | None = None
    shots: int = 0

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        if self.samples < 1:
            raise StageError(f"evaluate.samples is {self.samples}: give at least 1")
        if self.temperature == 0 and self.samples > 1:
            raise StageError(
                f"evaluate.samples is {self.samples} at temperature 0, where all samples are "
                "equal: give samples 1, or a temperature above 0"
            )
        if not self.ks or min(self.ks) < 1 or max(self.ks) > self.samples:
            raise StageError(
                f"evaluate.ks is {list(self.ks)} with {self.samples} samples: "
                "every k must be from 1 to the number of samples"
            )
        if self.split not in ("test", "development"):
            raise StageError(f"evaluate.split is {self.split!r}: give test or development")
        if self.limit is not None and self.limit < 1:
            raise StageError(f"evaluate.limit is {self.limit}: give at least 1, or null for all")
        if self.shots < 0:
            raise StageError(f"evaluate.shots is {self.shots}: give 0 or more")
        _ = self.sampling

    @property
    def sampling(self) -> Sampling:
        """The same as a record."""
        return Sampling(
            temperature=self.temperature, top_p=self.top_p, max_new_tokens=self.token_limit()
        )

    def token_limit(self, protocol: Protocol = PLAIN) -> int:
        """Return at most how many tokens a program has, where it is asked for by a protocol."""
        return self.max_new_tokens or protocol.max_new_tokens or _MAX_NEW_TOKENS


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherEvaluateConfig(EvaluateConfig):
    """The same of row *teacher*: the teacher solves the problems, and not the backbone."""

    solver: Literal["teacher"] = "teacher"


def run(config: EvaluateConfig, finetuned: Stage, stage: Stage, context: StageContext) -> None:
    """Write completions.jsonl, programs.jsonl, verdicts.jsonl.

    Without an adapter they are of the plain backbone; in row *teacher*, of the teacher.

    The programs are also written in the format of the official tools (in export/, with the digests
    of their problems). A response without a program counts as a program that fails.
    """
    problems = chosen_problems(config, context.suite)
    context.progress.start(stage.name, 2 * len(problems) * config.samples)
    solutions = _solve(config, problems, finetuned, stage, context)
    programs = _extract(problems, solutions, stage, context)
    verdicts = _check(problems, programs, stage, context)
    export_samples(stage.path / EXPORT, context.suite, problems, programs)
    stage.finish(summarize(config, problems, solutions, verdicts) | teacher_counts(stage))


def chosen_problems(config: EvaluateConfig, suite: Suite) -> tuple[Problem, ...]:
    """Return the problems that every row is tried on."""
    return first_by_seed(suite.problems(config.split), config.limit, lambda problem: problem.id)


def check(config: EvaluateConfig, suite: Suite, references: Sequence[Reference]) -> None:
    """Refuse, before anything is run, a split without problems, and shots that cannot be shown.

    Raises:
        StageError: there is no problem, the suite has an official protocol, or its references have
            no responses.
    """
    if config.shots and suite.protocol(chat=True).is_official:
        raise StageError(
            f"evaluate.shots is {config.shots}, but {suite.name} has an official protocol: give "
            "--suite_options.protocol plain, or no shots"
        )
    if not suite.problems(config.split):
        raise StageError(
            f"evaluate.split is {config.split}, and {suite.name} has no such problems: give "
            "another split, or data that has it"
        )
    solved = [reference for reference in references[: config.shots] if reference.response]
    if len(solved) < config.shots:
        raise StageError(
            f"evaluate.shots is {config.shots}, but only {len(solved)} of the run's first "
            "references have a response: give fewer, or --suite_options.track pair if the suite "
            "has it"
        )


def _shots(config: EvaluateConfig, suite: Suite) -> list[Solved]:
    """Return the first references, which every run that passed `check` uses too."""
    if not config.shots:
        return []
    shown = suite.references()[: config.shots]
    return [(reference.instruction, reference.response or "") for reference in shown]


def _solve(
    config: EvaluateConfig,
    problems: Sequence[Problem],
    finetuned: Stage,
    stage: Stage,
    context: StageContext,
) -> list[Solution]:
    solutions = stage.read(COMPLETIONS, Solution)
    done = {solution.id for solution in solutions}
    context.progress.advance(len(done))
    tries = [(p, number) for p in problems for number in range(config.samples)]
    pending = [(p, number) for p, number in tries if f"{p.id}/{number}" not in done]
    if not pending:
        return solutions
    sampling = seeded(config.sampling, context.seed, "evaluate")
    with _solver(config, finetuned, stage, context) as engine:
        protocol = context.suite.protocol(chat=engine.has_turns)
        shots = _shots(config, context.suite)
        limited = replace(protocol.sampling(sampling), max_new_tokens=config.token_limit(protocol))
        for chunk in chunks(pending):
            requests = [
                protocol.request(
                    engine,
                    context.suite.instruction(problem),
                    derive_seed(sampling.seed, problem.id, number),
                    shots,
                )
                for problem, number in chunk
            ]
            made = engine.generate(requests, limited)
            for (problem, number), completion in zip(chunk, made, strict=True):
                solution = Solution(
                    id=f"{problem.id}/{number}",
                    problem_id=problem.id,
                    text=completion.text,
                    tokens=completion.tokens,
                    truncated=completion.truncated,
                    direct=protocol.text is not None,
                    unfinished_thought=completion.unfinished_thought,
                )
                stage.append(COMPLETIONS, solution)
                solutions.append(solution)
            context.progress.advance(len(chunk))
    return solutions


@contextmanager
def _solver(
    config: EvaluateConfig, finetuned: Stage, stage: Stage, context: StageContext
) -> Iterator[Engine]:
    """Give the engine that solves the problems."""
    if isinstance(config, TeacherEvaluateConfig):
        yield context.teacher(stage)
        return
    adapter = finetuned.path / ADAPTER
    with context.solver(adapter if adapter.is_dir() else None) as engine:
        yield engine


def _extract(
    problems: Sequence[Problem],
    solutions: Sequence[Solution],
    stage: Stage,
    context: StageContext,
) -> list[Program]:
    by_id = {problem.id: problem for problem in problems}
    programs = stage.read(PROGRAMS, Program)
    done = {program.id for program in programs}
    pending = [solution for solution in solutions if solution.id not in done]
    for chunk in chunks(pending):
        taken = _extracted(by_id, chunk, context.suite)
        for solution, extracted in zip(chunk, taken, strict=True):
            program = Program(
                id=solution.id,
                problem_id=solution.problem_id,
                code=extracted.code,
                failure=_NO_ANSWER if solution.unfinished_thought else extracted.failure,
                detail=extracted.detail,
            )
            stage.append(PROGRAMS, program)
            programs.append(program)
    return programs


def _extracted(
    problems: Mapping[str, Problem], solutions: Sequence[Solution], suite: Suite
) -> list[Extracted]:
    """Return what the benchmark's tool takes out of each solution."""
    found: dict[str, Extracted] = {}
    for direct in (False, True):
        own = [solution for solution in solutions if solution.direct is direct]
        if own:
            protocol = suite.protocol(chat=not direct)
            texts = [
                (problem, protocol.solution(suite.instruction(problem), solution.text))
                for solution in own
                for problem in [problems[solution.problem_id]]
            ]
            taken = suite.extract_all(texts, direct=direct)
            found |= {one.id: extracted for one, extracted in zip(own, taken, strict=True)}
    return [found[solution.id] for solution in solutions]


def _check(
    problems: Sequence[Problem],
    programs: Sequence[Program],
    stage: Stage,
    context: StageContext,
) -> list[Verdict]:
    by_id = {problem.id: problem for problem in problems}
    verdicts = stage.read(VERDICTS, Verdict)
    done = {verdict.program_id for verdict in verdicts}
    context.progress.advance(len(done))
    pending = [program for program in programs if program.id not in done]
    for chunk in chunks(pending, 4 * CHUNK):
        run = [program for program in chunk if program.failure is None]
        wanted = [by_id[key] for key in dict.fromkeys(program.problem_id for program in run)]
        checked = (context.check or check_programs)(
            wanted, run, context.sandbox, on_done=lambda verdict: context.progress.advance(),
            known=context.golds,
        )  # fmt: skip
        found = {verdict.program_id: verdict for verdict in checked}
        found |= {p.id: _unextracted(p, p.failure) for p in chunk if p.failure is not None}
        context.progress.advance(len(chunk) - len(run))
        for program in chunk:
            stage.append(VERDICTS, found[program.id])
            verdicts.append(found[program.id])
    return verdicts


def _unextracted(program: Program, failure: Outcome) -> Verdict:
    """Return the verdict of a response out of which no program could be taken."""
    return Verdict(
        program_id=program.id,
        problem_id=program.problem_id,
        base=failure,
        plus=failure,
        detail=program.detail,
    )


def summarize(
    config: EvaluateConfig,
    problems: Sequence[Problem],
    solutions: Sequence[Solution],
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    """Return pass@k on base and on all inputs, counts of outcomes, reruns, truncation, tokens.

    Raises:
        StageError: programs and verdicts do not match one to one.
    """
    from benchmarks.metrics.passk import mean_pass_at_k

    if sorted(s.id for s in solutions) != sorted(v.program_id for v in verdicts):
        raise StageError(
            f"{len(solutions)} programs have {len(verdicts)} verdicts: a verdict is missing or "
            "duplicated; remove the stage's directory and run again"
        )
    by_problem = {problem.id: [0, 0] for problem in problems}
    for verdict in verdicts:
        by_problem[verdict.problem_id][0] += verdict.base == "passed"
        by_problem[verdict.problem_id][1] += verdict.passed
    base, both = zip(*by_problem.values(), strict=True)
    scores = {}
    for k in config.ks:
        scores[f"pass@{k}"] = mean_pass_at_k(config.samples, both, k)
        scores[f"base pass@{k}"] = mean_pass_at_k(config.samples, base, k)
    return {
        "problems": len(problems),
        "samples": config.samples,
        **scores,
        "outcomes": dict(sorted(Counter(overall(verdict) for verdict in verdicts).items())),
        "retried_timeouts": sum(verdict.retried for verdict in verdicts),
        "truncated": sum(solution.truncated for solution in solutions),
        "undecodable": count_undecodable(solution.text for solution in solutions),
        "tokens": sum(solution.tokens for solution in solutions),
    }


def overall(verdict: Verdict) -> str:
    """Return the outcome on all inputs: the base's where it failed there, else the plus's."""
    return str(verdict.plus if verdict.base == "passed" else verdict.base)
