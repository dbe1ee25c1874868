"""The pre-training corpus: documents of many houses, in every prompt form that methods use.

About half of the documents begin with a repository header (markers of a house's conventions, each
present with probability `MARKER_SHARE`), and many hold several examples of one house and one mix:
that is what makes the backbone steerable by context, and so by soft tokens. A late phase shows more
headers with more operations behind each; a last one, more of the operations that can follow several
conventions: the association of a marker with its code is learned operation by operation, each from
hundreds of sightings. A finishing phase brings back what those crowded out: tasks without a header,
and the judgement of rewritten tasks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from baselines import evol_instruct, few_shot, self_instruct
from baselines.prompting import fill, numbered
from benchmarks import judge
from benchmarks.suites.housestyle.conventions import GENERIC, House, houses
from benchmarks.suites.housestyle.documents import (
    ASSISTANT,
    END,
    INSTRUCTION_WEIGHT,
    SYSTEM,
    USER,
    Document,
    Segment,
    damaged,
    describe,
    header,
    inserted,
    turns,
    with_rarer_step,
    wrong_code,
)
from benchmarks.suites.housestyle.domains import reserved_keys
from benchmarks.suites.housestyle.grammar import (
    OPERATIONS,
    REMARKS,
    RETURNS,
    Mix,
    Task,
    instruction,
    solution,
)
from benchmarks.suites.housestyle.mixtures import (
    COMMON,
    EARLY,
    EVEN,
    EVEN_MIX,
    GENERIC_SHARE,
    LISTED_LENGTHS,
    SOLVED_LENGTHS,
    Mixture,
)


class Corpus:
    """An endless, seeded stream of documents."""

    listed_lengths: ClassVar[Mapping[int, float]] = LISTED_LENGTHS

    def __init__(self, seed: int, mixture: Mixture = EARLY) -> None:
        """Start the stream of a seed."""
        self._rng = random.Random(seed)
        self._mixture = mixture
        self._forms: Mapping[Callable[[], Document], float] = {
            self.single: mixture.single,
            self.several: mixture.several,
            self.collection: 0.08,
            self.listing: 0.06,
            self.one_more: 0.06,
            self.harder: 0.06,
            self.inspired: 0.04,
            self.equality: 0.02,
            self.grade_instruction: 0.02,
            self.grade_response: 0.02,
            self.description: 0.02,
            self.described: 0.02,
            self.no_gain: mixture.no_gain,
        }

    def __iter__(self) -> Iterator[Document]:
        """Yield documents for ever."""
        forms, weights = list(self._forms), list(self._forms.values())
        while True:
            yield self._rng.choices(forms, weights)[0]()

    # Drawing tasks and houses

    def _house(self, generic: float) -> House:
        return GENERIC if self._rng.random() < generic else self._rng.choice(houses())

    def _narrow_mix(self, lengths: Mapping[int, float], at_most: int = 8) -> Mix:
        """Draw a domain-like mix: some of the operations, chain lengths around one value."""
        names = self._rng.sample(list(OPERATIONS), self._rng.randint(8, 15))
        centre = min(self._rng.choices(list(lengths), list(lengths.values()))[0], at_most)
        near = dict.fromkeys(range(max(1, centre - 1), min(at_most, centre + 1) + 1), 1.0)
        returns = self._rng.sample(list(RETURNS), self._rng.randint(3, 6))
        return Mix(dict.fromkeys(names, 1.0), near, dict.fromkeys(returns, 1.0))

    def _task(self, mix: Mix) -> Task:
        return self._unreserved(lambda: mix.sample(self._rng))

    def _unreserved(self, make: Callable[[], Task]) -> Task:
        while self._is_reserved(task := make()):
            pass
        return task

    def _is_reserved(self, task: Task) -> bool:
        return task.key in reserved_keys()

    def _longer(self, task: Task, steps: int = 1) -> Task:
        return self._unreserved(lambda: inserted(task, self._rng, steps))

    def _rarer(self, task: Task) -> Task:
        return self._unreserved(lambda: with_rarer_step(task, self._rng))

    def _broad_task(self) -> Task:
        return self._task(Mix(COMMON, SOLVED_LENGTHS, dict.fromkeys(RETURNS, 1.0)))

    def _word(self, task: Task, remark: float = 0.06) -> str:
        chosen = self._rng.choice(REMARKS) if self._rng.random() < remark else ""
        return self._say(task, chosen)

    def _say(self, task: Task, remark: str) -> str:
        return instruction(task, self._rng, remark)

    def _words(self, mix: Mix, count: int) -> list[str]:
        return [self._word(self._task(mix)) for _ in range(count)]

    def _answered(self, task: Task, house: House) -> tuple[str, str]:
        return self._word(task), solution(task, house)

    def _describe(self, mix: Mix) -> str:
        return describe(mix)

    def _turns(self, *pairs: tuple[str, str]) -> tuple[Segment, ...]:
        return turns(*pairs)

    # Forms

    def single(self) -> Document:
        """One task and its answer, with or without a header."""
        if self._rng.random() < self._mixture.headed:
            house = self._house(0.15)
            task = self._task(EVEN_MIX)
            lead = header(house, self._rng)
        else:
            house, task, lead = self._house(GENERIC_SHARE), self._broad_task(), ()
        return Document("single", (*lead, *self._turns(self._answered(task, house))))

    def several(self) -> Document:
        """Two to five examples of one house and one mix."""
        house = self._house(0.2)
        headed = self._rng.random() < self._mixture.headed
        lead = header(house, self._rng) if headed else ()
        behind = self._mixture.behind if headed else None
        mix = behind or self._narrow_mix(SOLVED_LENGTHS, at_most=4)
        count = self._rng.randint(*(self._mixture.headed_several if headed else (2, 5)))
        pairs = [self._answered(self._task(mix), house) for _ in range(count)]
        return Document("several", (*lead, *self._turns(*pairs)))

    def collection(self) -> Document:
        """Tasks of one mix in a row, unanswered; the first ones tell what the others are like."""
        words = self._words(self._narrow_mix(self.listed_lengths), self._rng.randint(3, 6))
        weights = [INSTRUCTION_WEIGHT, INSTRUCTION_WEIGHT, *[1.0] * (len(words) - 2)]
        return Document(
            "collection",
            tuple((f"{USER}{word}{END}", w) for word, w in zip(words, weights, strict=True)),
        )

    def listing(self) -> Document:
        """Self-Instruct's form: a numbered list, continued."""
        words = self._words(self._narrow_mix(self.listed_lengths), self._rng.randint(5, 7))
        shown = self._rng.randint(2, 4)
        prompt = self_instruct.list_prompt(words[:shown], len(words))
        lines = (f"{i}. {word}" for i, word in enumerate(words[shown:], shown + 1))
        return Document("listing", turns((prompt, "\n".join(lines))))

    def one_more(self) -> Document:
        """The few-shot form: some tasks, and one more."""
        words = self._words(self._narrow_mix(self.listed_lengths), self._rng.randint(3, 6))
        return Document("one more", turns((few_shot.prompt(words[:-1]), words[-1])))

    def harder(self) -> Document:
        """Evol-Instruct's operations, breadth among them."""
        evolutions = self._evolutions()
        operation = self._rng.choice(list(evolutions))
        before = self._task(self._narrow_mix(self.listed_lengths, at_most=7))
        first = self._word(before)
        after = evolutions[operation](before)
        prompt = evol_instruct.operation_prompt(operation, first)
        return Document("harder", turns((prompt, after)))

    def _evolutions(self) -> Mapping[str, Callable[[Task], str]]:
        return {
            "constraint": lambda task: self._word(self._longer(task)),
            "rarer": lambda task: self._word(self._rarer(task)),
            "reasoning": lambda task: self._word(self._longer(task, 2)),
            "misdirection": self._misdirected,
            "complexity": lambda task: self._word(task, remark=1.0),
            "breadth": self._related,
        }

    def no_gain(self) -> Document:
        """The judgement whether a rewritten task asks for more than other words do."""
        before = self._task(self._narrow_mix(self.listed_lengths, at_most=7))
        first = self._word(before, remark=0.0)
        same = self._rng.random() < 0.5
        evolve = self._rng.choice(list(self._evolutions().values()))
        after = self._word(before, remark=0.0) if same else evolve(before)
        prompt = evol_instruct.equal_prompt(first, after)
        return Document("no gain", turns((prompt, "equal" if same else "different")))

    def _misdirected(self, task: Task) -> str:
        wrong = wrong_code(task, self._rng)
        return self._say(task, f"Mind that `{wrong}` is wrong.")

    def _related(self, task: Task) -> str:
        near = [step.operation for step in task.steps] + self._rng.sample(list(OPERATIONS), 4)
        returns = dict.fromkeys(RETURNS, 1.0)
        mix = Mix(dict.fromkeys(near, 1.0), {max(1, len(task.steps)): 1.0}, returns)
        return self._word(self._task(mix))

    def inspired(self) -> Document:
        """OSS-Instruct's form: lines of one solution, another task of that house, solved."""
        house = self._house(0.3)
        seed = self._task(self._narrow_mix(SOLVED_LENGTHS, at_most=4))
        lines = solution(seed, house).splitlines()
        start = self._rng.randrange(len(lines))
        shown = lines[start : start + self._rng.randint(1, 15)]
        related = Mix(
            dict.fromkeys([s.operation for s in seed.steps] + self._rng.sample(list(EVEN), 4), 1.0),
            dict.fromkeys(range(1, 5), 1.0),
            dict.fromkeys(RETURNS, 1.0),
        )
        words, code = self._answered(self._task(related), house)
        prompt = fill("oss_instruct", snippet="\n".join(shown))
        return Document("inspired", turns((prompt, f"{words}\n\nSolution:\n{code}")))

    def equality(self) -> Document:
        """The judgement whether two tasks ask for the same."""
        task = self._broad_task()
        same = self._rng.random() < 0.5
        other = task if same else self._longer(task)
        prompt = evol_instruct.equal_prompt(self._word(task), self._word(other))
        return Document("equality", turns((prompt, "equal" if same else "different")))

    def grade_instruction(self) -> Document:
        """The judge's grade of a task: excellent, or damaged and graded down."""
        text = self._word(self._task(self._narrow_mix(self.listed_lengths)))
        poor = self._rng.random() < 0.5
        if poor:
            text = damaged(text, self._rng)
        grade = "poor" if poor else "excellent"
        return Document("grade", turns((judge.instruction_prompt(text), grade)))

    def grade_response(self) -> Document:
        """The judge's grade of a solution: good, or of another task and poor."""
        task = self._broad_task()
        good = self._rng.random() < 0.5
        solved = task if good else self._longer(task)
        prompt = judge.response_prompt(self._word(task), solution(solved, self._house(0.7)))
        return Document("grade", turns((prompt, "good" if good else "poor")))

    def description(self) -> Document:
        """A description induced from a few tasks."""
        mix = self._narrow_mix(self.listed_lengths)
        words = self._words(mix, self._rng.randint(3, 5))
        prompt = fill("describe", examples=numbered(words))
        return Document("describe", turns((prompt, self._describe(mix))))

    def described(self) -> Document:
        """A task of a domain that a system prompt describes: Magpie's form, or with its answer."""
        return self._described(self._rng.random() < 0.5)

    def _described(self, solved: bool) -> Document:
        mix = (
            self._narrow_mix(SOLVED_LENGTHS, at_most=5)
            if solved
            else self._narrow_mix(self.listed_lengths)
        )
        system = fill("described_system", description=self._describe(mix))
        lead = (f"{SYSTEM}{system}{END}", INSTRUCTION_WEIGHT)
        words, code = self._answered(self._task(mix), GENERIC)
        answer = [(f"{ASSISTANT}{code}{END}", 1.0)] if solved else []
        return Document("described", (lead, (f"{USER}{words}{END}", 1.0), *answer))
