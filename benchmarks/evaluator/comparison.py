"""Whether an output counts as the expected one: by exact type, or by EvalPlus's own rules.

Both sides are data (tagged JSON from the sandbox): nothing that a program made is ever called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from benchmarks.sandbox import Output
from benchmarks.sandbox.worker.codec import (
    CodecError,
    Digest,
    Opaque,
    Sub,
    canonical,
    decode,
    has_opaque,
)
from domino.records import Problem

_RELATIVE_TOLERANCE = 1e-7
_FLOAT_TOLERANCE = 1e-6
# What comparing data of unfitting types and sizes raises.
_UNFIT = (TypeError, ValueError, ArithmeticError, CodecError, RecursionError)


class ComparisonError(ValueError):
    """A problem asks for rules that do not exist: which problem, and what there is."""


class Comparison(Protocol):
    """Rules for one run over one sequence of inputs, in order."""

    @property
    def equal_is_right(self) -> bool:
        """Whether an output of the same type and value as the expected one always counts."""

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether an output counts as the expected one for these arguments."""


class ExactComparison:
    """Same type and same value in every part; the order of sets and dicts does not count."""

    equal_is_right = True

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether both are the same data."""
        if _same_text(output, expected):
            return True
        try:
            got = output.tagged
            return not has_opaque(got) and canonical(got) == canonical(expected.tagged)
        except _UNFIT:
            return False


class EvalPlusComparison:
    """EvalPlus 0.3.1's rules: `==`, tolerances for floats, and oracles of single tasks.

    The tolerance that the first expected float brings in stays for the inputs after it, as there.
    Where EvalPlus itself can never pass a task by a slip (HumanEval/32's results are not counted),
    the rule's intent is followed.
    """

    def __init__(self, problem: Problem) -> None:
        self._atol = problem.atol
        mbpp = problem.meta.get("dataset") == "mbpp"
        self._oracle = _MBPP_ORACLES.get(problem.entry_point) if mbpp else None
        self._root = not mbpp and problem.entry_point == "find_zero"
        self._seen: list[Output] = []

    @property
    def equal_is_right(self) -> bool:
        """Whether no oracle of a single task has a say."""
        return self._oracle is None and not self._root

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether the output counts as the expected one."""
        self._seen.append(expected)
        if self.equal_is_right and _same_text(output, expected):
            return True
        try:
            return self._matches(arguments, decode(output.tagged), decode(expected.tagged))
        except _UNFIT:
            return False

    def _matches(self, arguments: Sequence[Any], output: Any, expected: Any) -> bool:
        got, wanted = plain(output), plain(expected)
        if self._root:
            return bool(abs(_polynomial(arguments[0], got)) <= self._atol)
        equal = bool(got == wanted)
        if self._oracle is not None:
            equal = self._oracle(equal, arguments, got, wanted, self._atol)
        if equal or not self._tolerance():
            return equal
        return type_name(output) == type_name(expected) and _all_close(got, wanted, self._atol)

    def _tolerance(self) -> float:
        """The tolerance after the expected outputs seen so far, which are read when it matters."""
        if self._atol == 0 and any(_is_floats(decode(item.tagged)) for item in self._seen):
            self._atol = _FLOAT_TOLERANCE
        self._seen.clear()
        return self._atol


class ValueComparison:
    """Python's `==` on values of built-in types."""

    equal_is_right = True

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether the output counts as the expected one."""
        try:
            return self._equal(plain(decode(output.tagged)), plain(decode(expected.tagged)))
        except _UNFIT:
            return False

    def _equal(self, got: Any, wanted: Any) -> bool:
        return bool(got == wanted)


class JsonComparison(ValueComparison):
    """LiveCodeBench's rule for what a method returns: `==`, a tuple standing for a JSON array."""

    def _equal(self, got: Any, wanted: Any) -> bool:
        return bool((list(got) if isinstance(got, tuple) else got) == wanted)


class PrintedComparison:
    """LiveCodeBench's rules for standard output: line by line without the spaces around.

    Lines that differ are still the same where all their words are numbers that are exactly equal
    as decimals.
    """

    equal_is_right = True

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether the output counts as the expected one."""
        try:
            got, wanted = _lines(output.tagged), _lines(expected.tagged)
        except (*_UNFIT, AttributeError):
            return False
        return len(got) == len(wanted) and all(map(_same_line, got, wanted))


def _lines(text: Any) -> list[str]:
    return [line.strip() for line in text.strip().split("\n")]


def _same_line(got: str, wanted: str) -> bool:
    if got == wanted:
        return True
    try:
        return [Decimal(word) for word in got.split()] == [Decimal(w) for w in wanted.split()]
    except InvalidOperation:
        return False


def _same_text(output: Output, expected: Output) -> bool:
    """Whether both texts are the same and stand for equal values: neither NaN nor opaque."""
    text = output.text
    return text == expected.text and b'{"opaque"' not in text and b'{"float"' not in text


def comparison_for(problem: Problem) -> Comparison:
    """Return the rules that `problem.meta["comparison"]` names ("exact" where it names none).

    Raises:
        ComparisonError: an unknown name.
    """
    name = problem.meta.get("comparison", "exact")
    if name == "evalplus":
        return EvalPlusComparison(problem)
    if name not in _COMPARISONS:
        known = ", ".join(map(repr, ("evalplus", *_COMPARISONS)))
        raise ComparisonError(f"problem {problem.id!r} has comparison {name!r}: there are {known}")
    return _COMPARISONS[name]()


_COMPARISONS: dict[str, Callable[[], Comparison]] = {
    "exact": ExactComparison,
    "json": JsonComparison,
    "printed": PrintedComparison,
    "value": ValueComparison,
}


def type_name(value: Any) -> str:
    """Return the name of the type that a decoded value had in the program."""
    return value.type_name if isinstance(value, Sub | Opaque | Digest) else type(value).__name__


def plain(value: Any) -> Any:
    """Return a decoded value with instances of built-in types' subclasses as those types."""
    if isinstance(value, Sub):
        return plain(value.value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(plain(item) for item in value)
    return value


def _is_floats(value: Any) -> bool:
    if isinstance(value, list | tuple) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _all_close(got: Any, wanted: Any, atol: float) -> bool:
    import numpy as np

    if isinstance(wanted, list | tuple) and len(got) != len(wanted):
        return False
    with np.errstate(all="ignore"):
        return bool(np.allclose(got, wanted, rtol=_RELATIVE_TOLERANCE, atol=atol))


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    return sum(c * math.pow(x, power) for power, c in enumerate(coefficients))


Oracle = Callable[[bool, Sequence[Any], Any, Any, float], bool]


def _anything(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    return True


def _or_zero(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    return equal or bool(got == 0)


def _or_surface(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    """The reading of MBPP 581 in which the height is that of the pyramid."""
    edge, height = arguments
    slant = math.sqrt((edge / 2) ** 2 + height**2)
    return equal or bool(abs(got - round(edge**2 + 2 * edge * slant)) <= atol)


def _or_padded(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    """The reading of MBPP 558 in which the shorter number gets leading zeros."""
    first, second = (str(number) for number in arguments)
    width = max(len(first), len(second))
    pairs = zip(first.zfill(width), second.zfill(width), strict=True)
    return equal or bool(got == sum(abs(int(a) - int(b)) for a, b in pairs))


def _as_sets(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    items: Any = got.items if isinstance(got, Opaque) else got
    return set(items) == set(wanted)


def _not_none(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    """The program's match object counts as true; a boolean must be the right one."""
    truth = got if isinstance(got, bool) else got is not None
    return bool(truth == (wanted if isinstance(wanted, bool) else wanted is not None))


_MBPP_ORACLES: dict[str, Oracle] = {
    "are_equivalent": _anything,
    "sum_div": _or_zero,
    "surface_Area": _or_surface,
    "digit_distance_nums": _or_padded,
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), _not_none),
    **dict.fromkeys(
        (
            *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"),
            *("larg_nnum", "intersection_array", "find_dissimilar", "Diff"),
        ),
        _as_sets,
    ),
}
