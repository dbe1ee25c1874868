"""Scorers: whether a text is the answer that a problem states; nothing is run.

- *exact*, *contains*: the text, or a part of it, is the target after SQuAD's normalisation (case,
  punctuation, articles and spaces do not count), or as written.
- *number*: the last number of the text, within a relative or an absolute tolerance.
- *choice*: the letter that the text settles on.
- *regex*: the pattern is found; patterns can take exponential time, so `matching` runs them.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from types import MappingProxyType
from typing import Any

from domino.records import Outcome, Problem, Program, Verdict

MAX_CHARACTERS = 50_000
"""A longer text is cut: for the last number and the choice its end counts."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NUMBER = re.compile(
    r"(?<![\d.])[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d))"
    r"(?:[eE][-+]?\d{1,4}(?!\w))?"
)
_STATED = re.compile(
    r"(?:answer|choice|option)\s*(?:is|:|=)?\s*:?\s*[*_`$\\a-z{]*\(?([A-Z])\b", re.IGNORECASE
)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\{)?\(?([A-Za-z])\)?\s*\}")
_ALONE = re.compile(r"[*_`$\s]*[(\[]?([A-Za-z])[)\]]?[.:]?[*_`$\s]*")
_LEADING = re.compile(r"[*_`\s]*(?:\(([A-Z])\)|([A-Z])[).:])(?:\s|[*_`]|$)")
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_LETTER = re.compile(r"(?<![\w'’])([A-Z])(?![\w'’])")  # noqa: RUF001

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a problem states: the right answers, any of which counts, and how they are compared."""

    scorer: str
    answers: tuple[str, ...]
    options: Options


def target_of(problem: Problem) -> Target | None:
    """Return a problem's target, None where its programs are run."""
    if "scorer" not in problem.meta:
        return None
    return Target(
        problem.meta["scorer"],
        tuple(json.loads(problem.meta["target"])),
        json.loads(problem.meta["scorer_options"]),
    )


def target_meta(target: Target) -> dict[str, str]:
    """Return the fields of `Problem.meta` that `target_of` reads."""
    return {
        "scorer": target.scorer,
        "target": json.dumps(target.answers),
        "scorer_options": json.dumps(dict(target.options), sort_keys=True),
    }


def verdict(program: Program, target: Target) -> Verdict:
    """Return the verdict on an answer, by any scorer but regex."""
    found = SCORERS[target.scorer].answer(program.code, target.options)
    matches = SCORERS[target.scorer].matches
    right = found is not None and any(matches(found, a, target.options) for a in target.answers)
    return scored(program, right=right, got=found, target=target)


def scored(program: Program, *, right: bool, got: str | None, target: Target) -> Verdict:
    """Return the verdict; its detail shows what was taken for the answer and what is right."""
    wanted = " or ".join(f"{answer:.60}" for answer in target.answers[:3])
    shown = "no answer" if got is None else f"got {got.strip():.60}"
    outcome = Outcome.PASSED if right else Outcome.WRONG
    return Verdict(
        program_id=program.id,
        problem_id=program.problem_id,
        base=outcome,
        plus=outcome,
        detail="" if right else " ".join(f"{shown}, expected {wanted}".split()),
    )


def squad(text: str) -> str:
    """Return a text as SQuAD 1.1 compares it."""
    lowered = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", lowered).split())


def normalised(text: str, options: Options) -> str:
    """Return a text as the option `normalise` has it: squad, or none but the spaces around."""
    return squad(text) if options.get("normalise", "squad") == "squad" else text.strip()


def last_number(text: str) -> str | None:
    """Return the last number of a text as digits that `Decimal` reads, None where none is."""
    found = [match for match in _NUMBER.findall(text[-MAX_CHARACTERS:]) if match]
    return found[-1].replace(",", "").replace("−", "-").rstrip(".") if found else None


def choice(text: str, letters: str) -> str | None:
    """Return the letter that a text settles on, None where it names none of `letters`.

    The last one that is stated as the answer; else one that is alone, boxed, or begins the text;
    else the last in brackets, else the last capital that stands alone.
    """
    tail = text[-MAX_CHARACTERS:]
    alone = _ALONE.fullmatch(tail)
    leading = _LEADING.match(tail)
    ways = [
        [alone.group(1)] if alone else [],
        _BOXED.findall(tail),
        [letter for letter in _STATED.findall(tail) if letter.isupper()],
        [leading.group(1) or leading.group(2)] if leading else [],
        _BRACKETED.findall(tail),
        _LETTER.findall(tail),
    ]
    for found in ways:
        known = [str(letter).upper() for letter in found if letter.upper() in letters]
        if known:
            return known[-1]
    return None


def decimal(text: str) -> Decimal | None:
    """Return the number that a text is, None where it is none or not finite."""
    try:
        value = Decimal(text.strip().replace(",", "").replace("−", "-"))
    except DecimalException:
        return None
    return value if value.is_finite() else None


def _same_number(got: str, answer: str, options: Options) -> bool:
    one, other = decimal(got), decimal(answer)
    if one is None or other is None:
        return False
    if one == other:
        return True
    relative = Decimal(repr(options.get("relative_tolerance", 0)))
    absolute = Decimal(repr(options.get("absolute_tolerance", 0)))
    try:
        return abs(one - other) <= max(absolute, relative * abs(other))
    except DecimalException:  # exponents beyond what decimals subtract
        return False


def _within(got: str, answer: str, options: Options) -> bool:
    """Whether the words of the answer are in the text, in a row; as written without normalising."""
    one, other = normalised(got, options), normalised(answer, options)
    return (
        f" {other} " in f" {one} " if options.get("normalise", "squad") == "squad" else other in one
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """How an answer is taken out of a text, and compared; and which options there are."""

    options: Sequence[str]
    answer: Callable[[str, Options], str | None]
    matches: Callable[[str, str, Options], bool]


def _whole(text: str, options: Options) -> str | None:
    return text if text.strip() else None


SCORERS: Mapping[str, Scorer] = MappingProxyType(
    {
        "exact": Scorer(
            ("normalise",),
            _whole,
            lambda got, answer, o: normalised(got, o) == normalised(answer, o),
        ),
        "contains": Scorer(("normalise",), _whole, _within),
        "regex": Scorer(("ignore_case",), _whole, lambda got, answer, o: False),
        "number": Scorer(
            ("relative_tolerance", "absolute_tolerance"),
            lambda text, options: last_number(text),
            _same_number,
        ),
        "choice": Scorer(
            ("letters",),
            lambda text, options: choice(text, options["letters"]),
            lambda got, answer, options: got == answer,
        ),
    }
)
