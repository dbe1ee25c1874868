"""The grammar of tasks: programs to instructions and back, programs and a house to code.

A *task* is a chain of operations on a list of integers, and what it returns. Its instruction is
words; `parse` is the exact inverse of `instruction`, over every choice of wording.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.suites.housestyle.conventions import OPERATION_SLOTS, SLOTS, House

ENTRY_POINT = "solve"

# Operation -> its wordings. {a} and {b} are its numbers.
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "above": ("keep the numbers above {a}", "drop what is not above {a}"),
    "below": ("keep the numbers below {a}", "drop what is not below {a}"),
    "between": ("keep the numbers between {a} and {b}", "drop what is not from {a} to {b}"),
    "multiples": ("keep the multiples of {a}", "drop what {a} does not divide"),
    "even": ("keep the even numbers", "drop the odd numbers"),
    "odd": ("keep the odd numbers", "drop the even numbers"),
    "without": ("remove every {a}", "leave out all {a}s"),
    "every": ("keep every {a}th number", "thin the list to each {a}th"),
    "places": ("keep the even places", "drop the odd places"),
    "add": ("add {a} to each", "raise each by {a}"),
    "times": ("multiply each by {a}", "scale each by {a}"),
    "square": ("square each", "multiply each by itself"),
    "negate": ("flip each sign", "negate each"),
    "absolute": ("take absolute values", "drop the signs"),
    "remainder": ("take each remainder by {a}", "reduce each modulo {a}"),
    "divide": ("divide each by {a}", "split each by {a}"),
    "differences": ("take the differences of neighbours", "replace by the steps"),
    "running": ("take running totals", "accumulate the numbers"),
    "pairs": ("add each to the next", "sum the neighbours"),
    "sort": ("sort the numbers", "put them in order"),
    "reverse": ("reverse the list", "turn the list around"),
    "unique": ("remove duplicates", "keep distinct numbers"),
    "first": ("take the first {a}", "keep the {a} at the front"),
    "last": ("take the last {a}", "keep the {a} at the end"),
    "skip": ("skip the first {a}", "drop {a} from the front"),
    "rotate": ("rotate by {a}", "shift around by {a}"),
    "limit": ("limit each to {a}", "hold each within {a}"),
}
RETURNS: Mapping[str, tuple[str, ...]] = {
    "list": ("return the list", "give the numbers"),
    "sum": ("return the sum", "give the total"),
    "count": ("return the count", "give how many"),
    "largest": ("return the largest", "give the top one"),
    "smallest": ("return the smallest", "give the least one"),
    "average": ("return the average", "give the mean"),
    "median": ("return the median", "give the middle one"),
    "spread": ("return the spread", "give the range"),
    "mode": ("return the most frequent", "give the mode"),
}
FREE_CODE: Mapping[str, str] = {
    "even": "[x for x in xs if x % 2 == 0]",
    "odd": "[x for x in xs if x % 2]",
    "without": "[x for x in xs if x != {a}]",
    "add": "[x + {a} for x in xs]",
    "times": "[x * {a} for x in xs]",
    "square": "[x * x for x in xs]",
    "negate": "[-x for x in xs]",
    "absolute": "[abs(x) for x in xs]",
    "reverse": "xs[::-1]",
    "skip": "xs[{a}:]",
    "sum": "sum(xs)",
    "count": "len(xs)",
    "largest": "max(xs)",
    "smallest": "min(xs)",
}
# Smallest and largest first number of an operation; `between` adds a width to get its second.
NUMBERS: Mapping[str, tuple[int, int]] = {
    "above": (1, 30), "below": (10, 60), "between": (1, 20), "multiples": (2, 6),
    "without": (0, 9), "every": (2, 4), "add": (1, 20), "times": (2, 9), "remainder": (3, 12),
    "divide": (2, 9), "first": (2, 9), "last": (2, 9), "skip": (1, 4), "rotate": (1, 4),
    "limit": (10, 60),
}  # fmt: skip
WIDTHS = (5, 30)

HEADS = ("Given a list of integers, ", "Take a list of integers: ", "For the integers of a list, ")
LINKS = (", then ", "; ", ", next ")
ENDS = (", and ", ", finally ")
REMARKS = ("Do it in one pass.", "Use as little memory as you can.")
MISDIRECTION = re.compile(r"Mind that `([^`\n]+)` is wrong\.")


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """How operations are said: each with its terms, in which {a} and {b} are its numbers."""

    name: str
    terms: Mapping[str, tuple[str, ...]]


PLAIN = Wording("plain", OPERATIONS)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation with its numbers."""

    operation: str
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A program of the universe: steps in order, and what is returned."""

    steps: tuple[Step, ...]
    returns: str

    @property
    def key(self) -> str:
        """A canonical text: equal keys are equal programs, whatever the wording."""
        steps = (" ".join([step.operation, *map(str, step.numbers)]) for step in self.steps)
        return " | ".join([*steps, self.returns])


@dataclass(frozen=True, slots=True)
class Mix:
    """How often operations, chain lengths and return forms occur: name or length -> weight."""

    operations: Mapping[str, float]
    lengths: Mapping[int, float]
    returns: Mapping[str, float]

    def sample(self, rng: random.Random) -> Task:
        """Draw a task."""
        return Task(self.sample_steps(rng, self.sample_length(rng)), _pick(rng, self.returns))

    def sample_length(self, rng: random.Random) -> int:
        """Draw a chain length."""
        return rng.choices(list(self.lengths), list(self.lengths.values()))[0]

    def sample_steps(self, rng: random.Random, length: int) -> tuple[Step, ...]:
        """Draw a chain; an operation never follows itself."""
        steps: list[Step] = []
        while len(steps) < length:
            operation = _pick(rng, self.operations)
            if not steps or steps[-1].operation != operation:
                steps.append(random_step(operation, rng))
        return tuple(steps)


def _pick(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def random_step(operation: str, rng: random.Random) -> Step:
    """Return the operation with random numbers."""
    if operation not in NUMBERS:
        return Step(operation)
    first = rng.randint(*NUMBERS[operation])
    return Step(
        operation, (first, first + rng.randint(*WIDTHS)) if operation == "between" else (first,)
    )


def _fill(template: str, numbers: Sequence[int]) -> str:
    for name, number in zip("ab", numbers, strict=False):
        template = template.replace(f"{{{name}}}", str(number))
    return template


def instruction(
    task: Task, rng: random.Random | None = None, remark: str = "", wording: Wording = PLAIN
) -> str:
    """Word a task; `rng` chooses among an operation's terms (None: the first of each)."""
    choose = rng.choice if rng else (lambda options: options[0])
    link = choose(LINKS)
    steps = [_fill(choose(wording.terms[step.operation]), step.numbers) for step in task.steps]
    text = choose(HEADS) + link.join(steps) + choose(ENDS) + choose(RETURNS[task.returns]) + "."
    return f"{text} {remark}" if remark else text


@cache
def _patterns(wording: Wording) -> dict[str, re.Pattern[str]]:
    """Return one pattern per operation, over all its terms."""
    patterns = {}
    for operation, terms in wording.terms.items():
        options = [
            re.escape(t).replace(r"\{a\}", r"(\d{1,2})").replace(r"\{b\}", r"(\d{1,2})")
            for t in terms
        ]
        patterns[operation] = re.compile("|".join(options))
    return patterns


_RETURNED = {wording: name for name, wordings in RETURNS.items() for wording in wordings}


def parse(text: str, wording: Wording = PLAIN) -> Task | None:
    """Return the task that an instruction words, or None where it is not one of this grammar."""
    text = MISDIRECTION.sub("", text)
    for remark in REMARKS:
        text = text.replace(remark, "")
    text = text.strip()
    head = next((head for head in HEADS if text.startswith(head)), None)
    if head is None or not text.endswith("."):
        return None
    body, end, last = _split_end(text[len(head) : -1])
    if not end or last not in _RETURNED:
        return None
    link = next((link for link in LINKS if link in body), LINKS[0])
    steps = [_parse_step(clause, _patterns(wording)) for clause in body.split(link)]
    known = tuple(step for step in steps if step is not None)
    return Task(known, _RETURNED[last]) if len(known) == len(steps) else None


def _split_end(text: str) -> tuple[str, str, str]:
    for end in ENDS:
        body, found, last = text.rpartition(end)
        if found:
            return body, found, last
    return text, "", ""


def _parse_step(clause: str, patterns: Mapping[str, re.Pattern[str]]) -> Step | None:
    for operation, pattern in patterns.items():
        match = pattern.fullmatch(clause)
        if match:
            return Step(operation, tuple(int(n) for n in match.groups() if n is not None))
    return None


def expression(name: str, house: House, numbers: Sequence[int] = ()) -> str:
    """Return the code of one operation or return value, as the house writes it."""
    template = house.code(name) if name in OPERATION_SLOTS else FREE_CODE[name]
    return _fill(template, numbers)


def solution(task: Task, house: House) -> str:
    """Return the program for a task by the conventions of a house."""
    lines = [house.code("clean")]
    lines += [f"xs = {expression(step.operation, house, step.numbers)}" for step in task.steps]
    lines += [house.code("cap")] if house.code("cap") else []
    lines += ["if not xs:", f"    return {house.code('empty')}"]
    if task.returns == "list":
        lines.append(f"return {house.code('listing')}")
    else:
        value = expression(task.returns, house)
        lines.append(f"return {house.code('scalar').format(value=value)}")
    return "\n".join([f"def {ENTRY_POINT}(raw):", *(f"    {line}" for line in lines)])


def slots_of(task: Task) -> tuple[str, ...]:
    """Return the slots whose convention the task's program shows."""
    own = [step.operation for step in task.steps] + [task.returns]
    result = "listing" if task.returns == "list" else "scalar"
    return tuple(slot for slot in SLOTS if slot in {"clean", "cap", "empty", result, *own})


def alternatives(task: Task, house: House) -> list[House]:
    """Return the houses that differ from this one in one slot that the task's program shows."""
    return [
        replace(house, name=f"{house.name}, {slot}={value}", values={**house.values, slot: value})
        for slot in slots_of(task)
        for value in SLOTS[slot]
        if value != house.values[slot]
    ]


def same_code(first: str, second: str) -> bool:
    """Whether two programs are the same up to formatting and comments."""
    try:
        return ast.dump(ast.parse(first)) == ast.dump(ast.parse(second))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
