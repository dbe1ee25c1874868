"""Evol-Instruct: references rewritten into harder tasks, round after round."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from baselines.base import Baseline, Draft, at_least
from baselines.prompting import fill
from domino.records import Sampling, derive_seed
from domino.synthesizer import RequestProfile
from domino.text import normalised

if TYPE_CHECKING:
    from domino.engines.base import Completion
    from domino.records import Reference

OPERATIONS = ("constraint", "rarer", "reasoning", "misdirection", "complexity")
BREADTH = "breadth"

_STOP_WORDS = (
    "a an and are as at be but by can could did do does for from had has have he her his how i if "
    "in into is it its me my no nor not of on or our she should so than that the their them then "
    "there these they this those to too was we were what when where which who why will with would "
    "you your"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_COPIED_WORDS = 4  # the shortest run that our prompts' wording and a task share only by copying
_VERDICT_TOKENS = 8  # the longest verdict is one word and its punctuation
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def operation_prompt(operation: str, instruction: str) -> str:
    """Return the user turn that asks for the task rewritten by one of the operations."""
    return fill(f"evol_{operation}", instruction=instruction)


def equal_prompt(first: str, second: str) -> str:
    """Return the user turn that asks whether two tasks ask for the same thing."""
    return fill("evol_equal", first=first, second=second)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvolInstructConfig:
    """Options of Evol-Instruct.

    Attributes:
        rounds: how often a lineage is evolved.
        breadth: also draw the breadth operation, which the code form leaves out.
        retry_failed: evolve the parent again in the next round where its evolution was
            eliminated (WizardLM's paper); otherwise the lineage ends.
        min_words: fewer words than this are eliminated.
        max_tokens: an instruction of this many tokens or more is eliminated.
        sorry_words: an answer with "sorry" and fewer words than this is eliminated.
        lineages_per_call: lineages evolved together; the data do not depend on it.
        barren_lineages: consecutive lineages without a survivor after which the method stops.
    """

    rounds: int = 3
    breadth: bool = False
    retry_failed: bool = False
    min_words: int = 4
    max_tokens: int = 1000
    sorry_words: int = 80
    lineages_per_call: int = 128
    barren_lineages: int = 256

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, rounds=1, min_words=1, max_tokens=self.min_words + 1, sorry_words=0)
        at_least(self, lineages_per_call=1, barren_lineages=1)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations to sample from."""
        return (*OPERATIONS, BREADTH) if self.breadth else OPERATIONS


@dataclass(slots=True)
class _Evolution:
    """One evolution: parent, text, reason for its elimination, cost."""

    round: int
    parent: str
    operation: str
    instruction: str = ""
    reason: str | None = None
    tokens: int = 0


@dataclass(slots=True)
class _Lineage:
    """A reference and its evolutions, in order."""

    number: int
    current: str
    alive: bool = True
    steps: list[_Evolution] = field(default_factory=list)


class EvolInstruct(Baseline[EvolInstructConfig]):
    """Evolves references by one random operation a round, and yields the survivors of all rounds.

    Departures from the authors' program, and why:

    - The references are few, so lineages go through them again and again, each with seeds of its
      own, until the count is reached; a survivor that was yielded before is a duplicate here,
      where the authors' large starting population makes it rare.
    - The survivors of all rounds are yielded, without the references that they come from: what the
      references alone are worth is a row of its own. An operation is drawn uniformly, the
      complexity one too, whose "sparingly" the authors leave to the model that reads it.
    - A lineage is independent of the others (a round is not a barrier between them), so the data
      depend neither on batching nor on the count asked for.
    - The rules on "sorry" and on stop words, which the authors apply to the response, are applied
      to the rewritten task: responses are the harness's, under one rule for all methods. For the
      same reason there is no limit on task and response together.
    - "Copied prompt words" are four successive words of the operation's prompt that the parent
      does not have: our prompts are worded otherwise than the authors', so are their traces.
    - Temperature, top-p and limits are the harness's. The judgement of equality is greedy and of
      at most eight tokens, or fewer where the harness allows fewer.

    A record is charged for its own evolution and judgement, and for all eliminated ones since the
    record before it. `synthesize(first=...)` evolves from the start and skips what came before.
    """

    name: ClassVar[str] = "evol-instruct"
    config_class: ClassVar[type[EvolInstructConfig]] = EvolInstructConfig
    profile: ClassVar[RequestProfile] = RequestProfile(
        requests=3.0, shown=1.5, words=50, lengths=0.67,
        source="rewritings and as many verdicts, one in three is refused: assumed",
    )  # fmt: skip

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        return islice(self._survivors(first + count, sampling), first, None)

    def _survivors(self, wanted: int, sampling: Sampling) -> Iterator[Draft]:
        """Yield survivors lineage by lineage, the rounds of each in order."""
        ids = {normalised(r.instruction): r.id for r in self.domain.references}
        owed = made = barren = 0
        for lineage in self._lineages(wanted, sampling):
            before = made
            for step in lineage.steps:
                owed += step.tokens
                duplicate = "duplicate" if normalised(step.instruction) in ids else None
                if not self.counts.count(step.reason or duplicate):
                    continue
                parent = ids[normalised(step.parent)]
                ids[normalised(step.instruction)] = self._id(made, sampling)
                yield Draft(
                    instruction=step.instruction, round=step.round, parents=(parent,), tokens=owed
                )
                made, owed = made + 1, 0
            barren = 0 if made > before else barren + 1
            if barren == self.config.barren_lineages:
                self._stop(f"{barren} lineages in a row gave no new survivor, after {made} records")
                return

    def _lineages(self, wanted: int, sampling: Sampling) -> Iterator[_Lineage]:
        """Evolve lineages for ever, as many together as records are still wanted."""
        start = 0
        while True:
            missing = wanted - self.counts.kept
            batch = min(self.config.lineages_per_call, max(16, missing // self.config.rounds))
            yield from self._evolve(range(start, start + batch), sampling)
            start += batch

    def _evolve(self, numbers: range, sampling: Sampling) -> list[_Lineage]:
        """Take lineages through all rounds, each round in two calls: evolve, then judge."""
        references: Sequence[Reference] = self.domain.references
        lineages = [
            _Lineage(number=number, current=references[number % len(references)].instruction)
            for number in numbers
        ]
        for round_number in range(1, self.config.rounds + 1):
            alive = [lineage for lineage in lineages if lineage.alive]
            for lineage in alive:
                lineage.steps.append(self._step(lineage, round_number, sampling))
            self._rewrite(alive, sampling)
            self._judge([lineage for lineage in alive if not lineage.steps[-1].reason], sampling)
            for lineage in alive:
                self._settle(lineage)
        return lineages

    def _step(self, lineage: _Lineage, round_number: int, sampling: Sampling) -> _Evolution:
        randomness = self._random(sampling, "operation", lineage.number, round_number)
        operation = randomness.choice(self.config.operations)
        return _Evolution(round=round_number, parent=lineage.current, operation=operation)

    def _rewrite(self, lineages: Sequence[_Lineage], sampling: Sampling) -> None:
        steps = [lineage.steps[-1] for lineage in lineages]
        requests = [
            self._user_turn(
                operation_prompt(step.operation, step.parent),
                derive_seed(sampling.seed, self.name, "evolve", lineage.number, step.round),
            )
            for lineage, step in zip(lineages, steps, strict=True)
        ]
        for step, completion in zip(steps, self._generate(requests, sampling), strict=True):
            step.instruction = completion.text.strip()
            step.tokens += completion.tokens
            step.reason = self._eliminate(step, completion)

    def _eliminate(self, step: _Evolution, completion: Completion) -> str | None:
        """Return why a rewritten task is eliminated without asking the backbone, or None."""
        if completion.truncated:
            return "truncated"
        reason = eliminate(step.instruction, step.parent, step.operation, self.config)
        if reason is None and self.engine.count_tokens(step.instruction) >= self.config.max_tokens:
            return "too long"
        return reason

    def _judge(self, lineages: Sequence[_Lineage], sampling: Sampling) -> None:
        """Ask the backbone whether each rewritten task still asks for what its parent asks."""
        tokens = min(_VERDICT_TOKENS, sampling.max_new_tokens)
        greedy = replace(sampling, temperature=0.0, max_new_tokens=tokens)
        steps = [lineage.steps[-1] for lineage in lineages]
        requests = [
            self._user_turn(
                equal_prompt(step.parent, step.instruction),
                derive_seed(sampling.seed, self.name, "judge", lineage.number, step.round),
            )
            for lineage, step in zip(lineages, steps, strict=True)
        ]
        for step, completion in zip(steps, self._generate(requests, greedy), strict=True):
            step.tokens += completion.tokens
            step.reason = judged(completion)

    def _settle(self, lineage: _Lineage) -> None:
        step = lineage.steps[-1]
        if step.reason is None:
            lineage.current = step.instruction
        else:
            lineage.alive = self.config.retry_failed


def eliminate(
    instruction: str, parent: str, operation: str, config: EvolInstructConfig
) -> str | None:
    """Return the rule that eliminates a rewritten task by its wording, or None."""
    words = [word.lower() for word in _WORD.findall(instruction)]
    if all(word in STOP_WORDS for word in words):
        return "only punctuation or stop words"
    if "sorry" in words and len(words) < config.sorry_words:
        return "sorry"
    if copies_prompt(instruction, parent, operation):
        return "prompt words copied"
    if len(instruction.split()) < config.min_words:
        return "too short"
    if normalised(instruction) == normalised(parent):
        return "unchanged"
    return None


def copies_prompt(instruction: str, parent: str, operation: str) -> bool:
    """Return whether the task repeats the wording of the prompt that asked for it."""
    wording = _runs(operation_prompt(operation, ""))
    return bool(_runs(instruction) & (wording - _runs(parent)))


def judged(completion: Completion) -> str | None:
    """Return why the judge's answer eliminates a task, or None where it says "different"."""
    verdict = completion.text.strip().strip(".!\"'").lower()
    if verdict == "different":
        return None
    return "no information gain" if verdict == "equal" else "unreadable verdict"


def _runs(text: str) -> set[tuple[str, ...]]:
    words = [word.lower() for word in _WORD.findall(text)]
    return {
        tuple(words[start : start + _COPIED_WORDS])
        for start in range(len(words) - _COPIED_WORDS + 1)
    }
