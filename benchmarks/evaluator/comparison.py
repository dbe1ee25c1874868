"""Whether an output counts as the expected one: by exact type, or by EvalPlus's own rules.

Both sides are data (tagged JSON from the sandbox): nothing that a program made is ever called, and
no name that it chose decides anything. An output that has many more parts than the expected one
cannot be right, and is not read; so the work on a reply is bounded by what is expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from benchmarks.evaluator.data import same_data, same_rows
from benchmarks.evaluator.values import bare, elements, is_close, is_floats, plain, type_of
from benchmarks.sandbox import Output
from benchmarks.sandbox.worker.codec import UNEQUAL_TAGS, Array
from benchmarks.sandbox.worker.decoder import (
    canonical,
    decode,
    distinct,
    has_opaque,
    longest_int,
    nodes,
)
from domino.records import Problem

_FLOAT_TOLERANCE = 1e-6

_NODES_FACTOR = 8
"""An equal value of another type has no more parts for each (an int as a NumPy scalar has 6)."""

_NODE_BYTES = 64
"""Nor is any of them longer by more than its tag."""

_UNEQUAL_MARKS = tuple(f'{{"{tag}"'.encode() for tag in UNEQUAL_TAGS)


class ComparisonError(ValueError):
    """A problem asks for rules that do not exist: which problem, and what there is."""


class OutputComparison(Protocol):
    """Rules for one run over one sequence of inputs, in order."""

    @property
    def equal_is_right(self) -> bool:
        """Whether an output of the same type and value as the expected one always counts."""

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether an output counts as the expected one for these arguments."""


class _Bounded:
    """Reads an output only if it can be right; whatever comparing it raises makes it wrong."""

    equal_is_right = True
    spare_nodes = 1_000
    spare_bytes = 1 << 16

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether the output counts as the expected one."""
        try:
            if self.equal_is_right and _same_text(output, expected):
                return True
            return self._may_match(output, expected) and self._matches(arguments, output, expected)
        except Exception:  # noqa: BLE001 - the boundary: no reply may end the evaluation
            return False

    def _may_match(self, output: Output, expected: Output) -> bool:
        parts = nodes(expected.text)
        longest = len(expected.text) + _NODE_BYTES * parts + self.spare_bytes
        most = _NODES_FACTOR * parts + self.spare_nodes
        return len(output.text) <= longest and nodes(output.text) <= most

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        raise NotImplementedError


class ExactComparison(_Bounded):
    """Same type and same value in every part; the order of sets and dicts does not count."""

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        got = output.tagged
        return not has_opaque(got) and canonical(got) == canonical(expected.tagged)


class EvalPlusComparison(_Bounded):
    """EvalPlus 0.3.1's rules: `==`, tolerances for floats, and oracles of single tasks.

    The tolerance that the first expected float brings in stays for the inputs after it, as there.
    Where EvalPlus itself can never pass a task by a slip (HumanEval/32's results are not counted),
    the rule's intent is followed.
    """

    def __init__(self, problem: Problem) -> None:
        self._atol = problem.atol
        dataset = problem.meta.get("dataset")
        self._oracle = _MBPP_ORACLES.get(problem.entry_point) if dataset == "mbpp" else None
        self._root = dataset not in ("mbpp", "own") and problem.entry_point == "find_zero"
        self._seen: list[Output] = []
        self.equal_is_right = self._oracle is None and not self._root
        if self._oracle is not None:
            # What is compared as a set may repeat its elements, and a match may be any object.
            self.spare_nodes, self.spare_bytes = 100_000, 1 << 20

    def matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        """Whether the output counts as the expected one."""
        self._seen.append(expected)
        return super().matches(arguments, output, expected)

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        got, wanted = _decode_both(output, expected)
        value, right = plain(got), plain(wanted)
        if self._root:
            return bool(abs(_polynomial(arguments[0], bare(value))) <= self._atol)
        equal = bool(value == right)
        if self._oracle is not None:
            equal = self._oracle(equal, arguments, value, right, self._atol)
        if equal or not self._tolerance():
            return equal
        return type_of(got) == type_of(wanted) and is_close(value, right, self._atol)

    def _tolerance(self) -> float:
        """The tolerance after the expected outputs seen so far, which are read when it matters."""
        if self._atol == 0 and any(is_floats(_read(item)) for item in self._seen):
            self._atol = _FLOAT_TOLERANCE
        self._seen.clear()
        return self._atol


class ValueComparison(_Bounded):
    """Python's `==` on values of built-in types."""

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        return self._equal(*map(plain, _decode_both(output, expected)))

    def _equal(self, got: Any, wanted: Any) -> bool:
        return bool(got == wanted)


class JsonComparison(ValueComparison):
    """LiveCodeBench's rule for what a method returns: `==`, a tuple standing for a JSON array."""

    def _equal(self, got: Any, wanted: Any) -> bool:
        return bool((list(got) if isinstance(got, tuple) else got) == wanted)


class DataComparison(_Bounded):
    """What a user's file states as JSON; see `data.same_data`."""

    def __init__(self, atol: float) -> None:
        self._atol = atol

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        got, wanted = _decode_both(output, expected)
        return same_data(plain(got), plain(wanted), self._atol)


class RowsComparison(_Bounded):
    """A query's rows, in order where `ordered`; see `data.same_rows`."""

    def __init__(self, atol: float, *, ordered: bool) -> None:
        self._atol = atol
        self._ordered = ordered

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        got, wanted = _decode_both(output, expected)
        return same_rows(got, wanted, self._atol, ordered=self._ordered)


class PrintedComparison(_Bounded):
    """LiveCodeBench's rules for standard output: line by line without the spaces around.

    Lines that differ are still the same where all their words are numbers that are exactly equal
    as decimals.
    """

    def _may_match(self, output: Output, expected: Output) -> bool:
        return output.text.startswith(b'"')

    def _matches(self, arguments: Sequence[Any], output: Output, expected: Output) -> bool:
        wanted = expected.tagged.strip().split("\n")
        got = output.tagged.strip().split("\n", len(wanted))
        return len(got) == len(wanted) and all(map(_same_line, got, wanted))


def _same_line(got: str, wanted: str) -> bool:
    got, wanted = got.strip(), wanted.strip()
    if got == wanted:
        return True
    try:
        numbers = [Decimal(word) for word in wanted.split()]
        return [Decimal(word) for word in got.split(None, len(numbers))] == numbers
    except InvalidOperation:
        return False


def _read(expected: Output) -> Any:
    return plain(decode(expected.tagged, longest_int(expected.text)))


def _same_text(output: Output, expected: Output) -> bool:
    """Whether both texts are the same and stand for equal values: neither NaN nor opaque."""
    text = output.text
    return text == expected.text and not any(mark in text for mark in _UNEQUAL_MARKS)


def _decode_both(output: Output, expected: Output) -> tuple[Any, Any]:
    """Return the decoded values; integers may be as long as the expected ones."""
    max_bits = longest_int(expected.text)
    return decode(output.tagged, max_bits), decode(expected.tagged, max_bits)


def comparison_for(problem: Problem) -> OutputComparison:
    """Return the rules that `problem.meta["comparison"]` names ("exact" where it names none).

    Raises:
        ComparisonError: an unknown name.
    """
    name = problem.meta.get("comparison", "exact")
    if name not in _COMPARISONS:
        known = ", ".join(map(repr, _COMPARISONS))
        raise ComparisonError(f"problem {problem.id!r} has comparison {name!r}: there are {known}")
    return _COMPARISONS[name](problem)


_COMPARISONS: dict[str, Callable[[Problem], OutputComparison]] = {
    "evalplus": EvalPlusComparison,
    "exact": lambda problem: ExactComparison(),
    "json": lambda problem: JsonComparison(),
    "printed": lambda problem: PrintedComparison(),
    "value": lambda problem: ValueComparison(),
    "data": lambda problem: DataComparison(problem.atol),
    "rows": lambda problem: RowsComparison(problem.atol, ordered=False),
    "ordered rows": lambda problem: RowsComparison(problem.atol, ordered=True),
}


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
    return equal or bool(abs(bare(got) - round(edge**2 + 2 * edge * slant)) <= atol)


def _or_padded(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    """The reading of MBPP 558 in which the shorter number gets leading zeros."""
    first, second = (str(number) for number in arguments)
    width = max(len(first), len(second))
    pairs = zip(first.zfill(width), second.zfill(width), strict=True)
    return equal or bool(got == sum(abs(int(a) - int(b)) for a, b in pairs))


def _as_sets(equal: bool, arguments: Sequence[Any], got: Any, wanted: Any, atol: float) -> bool:
    lengths = {len(got.items), len(wanted), 1} if isinstance(got, Array) else {1}
    # NumPy raises where an array is compared with as many values as it does not have.
    return len(lengths) < 3 and distinct(elements(got)) == distinct(elements(wanted))


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
