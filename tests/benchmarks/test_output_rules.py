"""What evalplus takes for equal is equal here, and nothing that only says so."""

import json
import time
import tracemalloc
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from benchmarks.evaluator.check import check_programs
from benchmarks.evaluator.comparison import comparison_for
from benchmarks.sandbox import Output, SandboxConfig
from benchmarks.sandbox.reply import Reply
from benchmarks.sandbox.worker import codec
from domino.records import Problem, Program
from tests.sandbox.machine import needs_bubblewrap

BY_EVALPLUS = Problem(
    id="f",
    prompt="",
    entry_point="f",
    canonical_solution="",
    base_inputs=[],
    plus_inputs=[],
    meta={"comparison": "evalplus", "dataset": "mbpp"},
)
RULES = {
    name: replace(BY_EVALPLUS, meta={"comparison": name}) for name in ("exact", "value", "json")
} | {"evalplus": BY_EVALPLUS, "with a tolerance": replace(BY_EVALPLUS, atol=1e-6)}


def output(value: object) -> Output:
    return Output(json.dumps(codec.encode(value)).encode())


def matches(problem: Problem, got: object, wanted: object) -> bool:
    said = got if isinstance(got, Output) else output(got)
    return comparison_for(problem).matches([], said, output(wanted))


def named(name: str, *bases: type) -> type:
    return type(name, bases, {})


def empty_of(name: str, base: type) -> object:
    return named(name, base)()


EMPTY = [
    [],
    (),
    {},
    [[]],
    [()],
    [{}],
    [[[]]],
    np.empty(0),
    np.empty((0, 1)),
    np.empty((1, 0)),
    [np.empty(0)],
    np.zeros(1, dtype=[]),
    *(empty_of(name, list) for name in ("float", "bool", "int", "Counter", "ndarray", "float64")),
    *(empty_of(name, base) for name in ("float", "list") for base in (tuple, dict, set, str)),
    [empty_of("float", list)],
    iter(()),
    float("nan"),
    [float("nan")],
    np.float64("nan"),
    np.array([float("nan")]),
]
SOMETHING = [0.5, True, 1, [0.5], (0.5,), [0.5, 1.5], [[0.5]], np.float64(0.5), np.array([0.5, 1])]


@pytest.mark.parametrize("rules", RULES)
def test_what_is_empty_or_no_number_equals_no_number(rules: str) -> None:
    for wanted in SOMETHING:
        for got in EMPTY:
            assert not matches(RULES[rules], got, wanted), (got, wanted)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        ([[0.5], [0.5]], [0.5, 0.5]),  # NumPy would compare every row with every number
        ([0.5], [[0.5]]),
        ([0.5, 0.5], [0.5]),
        ([True], [False]),
        (["0.5000001"], [0.5]),
        ([0.5 + 1e-9, "x"], [0.5, 0.5]),
        (named("float", int)(1), 0.9999999999),
        (named("list", tuple)([0.5000000001]), [0.5]),
        (np.array([0.5, 0.5]), [0.5, 0.5]),
        (np.array([0.5000000001]), [0.5]),
        (np.zeros((1, 1, 2)), np.zeros(2)),
    ],
)
def test_a_tolerance_holds_for_numbers_of_one_type_and_shape_alone(
    got: object, wanted: object
) -> None:
    assert not matches(RULES["with a tolerance"], got, wanted)


@pytest.mark.parametrize(
    ("got", "wanted", "right"),
    [
        (np.array(6), 6, True),
        (np.array([6]), 6, True),
        (np.array([[6]]), 6, True),
        (np.array([6]), 7, False),
        (np.array([6, 6]), 6, False),
        (np.float32(1) / 3, 1 / 3, True),
        (np.float64(0.1) * 3, 0.3, False),
        (np.bool_(True), True, True),
        ([np.int64(1), np.int8(2)], [1, 2], True),
        ([np.array([1]), 2], [1, 2], True),
        (np.array([3], dtype=object), 3, True),
        (np.array(["a"]), "a", True),
        ({np.int64(1)}, {1}, True),
        ({np.str_("a"): np.float64(1)}, {"a": 1}, True),
        (np.zeros((2, 2)), np.zeros((2, 2)), True),
        (np.zeros((2, 2)) + 1e-9, np.zeros((2, 2)), True),
        (np.zeros(4), np.zeros((2, 2)), False),
        (deque([1]), deque([1]), True),
        (deque([1]), [1], False),
        (range(3), range(0, 3, 1), True),
        (range(3), [0, 1, 2], False),
        ({1: 2}.keys(), {1}, True),
        ({1: 2}.values(), [2], False),
        (Counter("aab"), Counter({"a": 2, "b": 1, "c": 0}), True),
        (Counter({"a": 1, "c": 0}), {"a": 1}, False),
        (OrderedDict([(1, 1), (2, 2)]), OrderedDict([(2, 2), (1, 1)]), False),
        (OrderedDict([(1, 1), (2, 2)]), {2: 2, 1: 1}, True),
        (Decimal("0.5"), 0.5, True),
        (Decimal("NaN"), Decimal("NaN"), False),
        (complex("nan"), complex("nan"), False),
    ],
)
def test_values_are_equal_where_python_and_numpy_say_so(
    got: object, wanted: object, right: bool
) -> None:
    assert matches(BY_EVALPLUS, got, wanted) is right


@pytest.mark.parametrize(
    ("got", "right"),
    [
        (np.array([5, 4]), True),
        (np.array([4, 5], dtype=object), True),
        (np.array([[4, 5]]), False),
        (np.array([4, 5, 4]), False),
        (frozenset({4, 5}), True),
        ((n for n in (4, 5, 4)), True),
        ({4: 0, 5: 0}, True),
        ({4: 0, 5: 0}.keys(), True),
        ({0: 4, 1: 5}.values(), True),
        (Counter([4, 5]), True),
        (deque([4, 5]), True),
        (range(4, 6), True),
        ([4] * 20_000 + [5], True),
        ([4.0, np.float64(5)], True),
        ("45", False),
        (np.array([4, 5, 6]), False),
        (6, False),
        (object(), False),
    ],
)
def test_what_is_compared_as_a_set_is_anything_that_can_be_iterated_over(
    got: object, right: bool
) -> None:
    problem = replace(BY_EVALPLUS, entry_point="similar_elements")
    assert matches(problem, got, (4, 5)) is right


def test_no_iterable_is_the_empty_set() -> None:
    problem = replace(BY_EVALPLUS, entry_point="similar_elements")
    assert matches(problem, [], ())
    assert not matches(problem, object(), ())


MODULUS = 2**61 - 1
LONG = "0x" + "f" * (1 << 19)
COLLIDING = range(1, 30_000 * MODULUS, MODULUS)
HOSTILE: dict[str, Callable[[], Any]] = {
    "a long fraction": lambda: {"fraction": [LONG + "1", LONG + "3"]},
    "many fractions": lambda: [{"fraction": ["0x" + "f" * 4000, "0x" + "7" * 4001]}] * 250,
    "a set that collides": lambda: {"set": list(COLLIDING)},
    "keys that collide": lambda: {"dict": [[number, 0] for number in COLLIDING]},
    "tuples that collide": lambda: {"set": [{"tuple": [number]} for number in COLLIDING]},
    "subclasses that collide": lambda: {
        "set": [{"sub": [f"a{number}", number]} for number in COLLIDING]
    },
    "scalars that collide": lambda: {
        "set": [{"numpy": ["O", None, [number]]} for number in COLLIDING]
    },
    "a list that collides": lambda: list(COLLIDING),
    "decimals next to a long integer": lambda: {
        "set": [{"int": LONG}, *({"decimal": str(int(LONG, 16) % MODULUS)} for _ in range(9))]
    },
    "many decimals next to integers of their hash": lambda: [
        {
            "set": [
                *({"decimal": str(long % MODULUS + n * MODULUS)} for n in range(1, 15)),
                {"int": hex(long)},
            ]
        }
        for long in range(1 << 16_000, (1 << 16_000) + 600)
    ],
    "a column of zeros": lambda: {"numpy": ["f8", [99_999, 1], [0.0] * 99_999]},
    "a long text among short ones": lambda: ["x" * 500_000, *(["y"] * 20_000)],
    "empty lists": lambda: [[]] * 500_000,
    "empty lists in a text that a set may have": lambda: [[]] * 260_000,
    "empty objects": lambda: [{}] * 500_000,
    "words": lambda: "1 " * 1_000_000,
    "lines": lambda: "\n" * 1_000_000 + "x",
    "deep lists": lambda: json.loads("[" * 900 + "]" * 900),
    "a decimal without end": lambda: {"decimal": "1e999999999999999999"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_hosts_work_on_a_hostile_output_is_bounded(name: str) -> None:
    text = Output(json.dumps(HOSTILE[name]()).encode())
    expected = [output([0.5] * 3_000), output({3, 4})]
    sets = replace(BY_EVALPLUS, entry_point="similar_elements")
    printed = replace(BY_EVALPLUS, meta={"comparison": "printed"})
    tried = [(problem, one) for problem in (*RULES.values(), sets, printed) for one in expected]
    began = time.process_time()
    assert not any(comparison_for(problem).matches([], text, one) for problem, one in tried)
    assert time.process_time() - began < 0.5 * len(tried)
    tracemalloc.start()
    assert not comparison_for(sets).matches([], text, expected[1])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20


@pytest.mark.parametrize(
    "line",
    [
        b'= 0.0 0.0 {"sub": []',
        b"! 0.0 0.0 []",
        b'! 0.0 0.0 ["E", [' + b"[]," * 300_000 + b"[]]]",
        b"= 0.0 " + b"1" * 1_000_000 + b" 6",
        b"= 0.0",
        b"! 0.0 0.0 " + b"[" * 10_000,
        b"\n" * 1_000_000,
    ],
)
def test_a_malformed_reply_is_one_fault_and_costs_little(line: bytes) -> None:
    reply = Reply(1, 32 << 20)
    reply.feed(b"loaded \n")
    tracemalloc.start()
    reply.feed(line + b"\nend \n")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bool(reply.fault) is not line.startswith(b"= 0.0 0.0 ")
    assert most < 8 << 20


def test_half_an_emoji_in_an_exception_can_be_stored() -> None:
    reply = Reply(1, 1 << 10)
    reply.feed(b'loaded \n! 0.0 0.0 ["E\\ud83d", "\\ud83d"]\n')
    assert str(reply.error) == "E\\ud83d: \\ud83d"


def problem(entry_point: str, solution: str, base: list[Any], plus: list[Any]) -> Problem:
    return replace(
        BY_EVALPLUS,
        id=entry_point,
        entry_point=entry_point,
        canonical_solution=solution,
        base_inputs=[base],
        plus_inputs=[plus],
    )


SUM = "def total(v): return sum(v)"
PROBLEMS = {
    one.id: one
    for one in (
        problem(
            "similar_elements",
            "def similar_elements(a, b): return tuple(set(a) & set(b))",
            [[3, 4], [4, 5]],
            [[1, 2, 3], [3, 2, 9]],
        ),
        problem("halves", "def halves(v): return [x / 2 for x in v]", [[1, 2]], [[3, 5, 9]]),
        problem("total", SUM, [[1, 2]], [[3, 5, 9]]),
        problem("ratio", "def ratio(a, b): return a / b", [1, 4], [1, 3]),
        problem("distinct", "def distinct(v): return set(v)", [[1, 1, 2]], [[3, 3]]),
        problem("big", "def big(n): return 3 ** n", [5], [20_000]),
        problem("table", "def table(s): return {c: s.count(c) for c in s}", ["aab"], ["xyz"]),
        problem("upper", "def upper(s): return s.isupper()", ["aab"], ["XYZ"]),
        problem(
            "check_str",
            "import re\ndef check_str(s): return bool(re.match('[aeiou]', s))",
            ["abc"],
            ["xbc"],
        ),
    )
}
# Programs, and whether they pass evalplus 0.3.1: as its `untrusted_check` said of each.
PROGRAMS: list[tuple[str, str, bool]] = [
    (
        "similar_elements",
        "import numpy\ndef similar_elements(a, b): return numpy.intersect1d(a, b)",
        True,
    ),
    ("similar_elements", "def similar_elements(a, b): return (x for x in a if x in b)", True),
    (
        "similar_elements",
        "def similar_elements(a, b): return {x: 0 for x in a if x in b}.keys()",
        True,
    ),
    ("similar_elements", "def similar_elements(a, b): return frozenset(a) & frozenset(b)", True),
    ("similar_elements", "def similar_elements(a, b): return a", False),
    ("halves", "import numpy\ndef halves(v): return numpy.array(v) / 2", False),
    ("halves", "import numpy\ndef halves(v): return list(numpy.array(v) / 2)", True),
    (
        "halves",
        "from fractions import Fraction as F\ndef halves(v): return [F(x, 2) for x in v]",
        True,
    ),
    (
        "halves",
        "from decimal import Decimal as D\ndef halves(v): return [D(x) / 2 for x in v]",
        True,
    ),
    ("halves", "def halves(v): return tuple(x / 2 for x in v)", False),
    ("halves", "def halves(v): return [x / 2 + 1e-9 for x in v]", True),
    ("halves", "def halves(v): return [x / 2 + 1e-5 for x in v]", False),
    ("total", "import numpy\ndef total(v): return numpy.sum(v)", True),
    ("total", "import numpy\ndef total(v): return numpy.array(sum(v))", True),
    ("total", "import numpy\ndef total(v): return numpy.array([sum(v)])", True),
    ("total", "def total(v): return float(sum(v))", True),
    ("total", "def total(v): return str(sum(v))", False),
    ("total", "class I(int): pass\ndef total(v): return I(sum(v))", True),
    (
        "total",
        "def total(v):\n    f = lambda n: n and f(n - 1)\n    f(960)\n    return sum(v)",
        True,
    ),
    (
        "total",
        "def total(v):\n    f = lambda n: n and f(n - 1)\n    f(990)\n    return sum(v)",
        False,
    ),
    ("ratio", "import numpy\ndef ratio(a, b): return numpy.float32(a) / b", True),
    ("ratio", "import numpy\ndef ratio(a, b): return numpy.float64(a) / b", True),
    ("ratio", "from fractions import Fraction\ndef ratio(a, b): return Fraction(a, b)", False),
    ("distinct", "def distinct(v): return dict.fromkeys(v).keys()", True),
    ("distinct", "import numpy\ndef distinct(v): return set(numpy.array(v))", True),
    ("big", "def big(n):\n    r = 1\n    for _ in range(n): r *= 3\n    return r", True),
    ("big", "def big(n): return float(3 ** n)", False),
    (
        "table",
        "from types import MappingProxyType as M\n"
        "def table(s): return M({c: s.count(c) for c in s})",
        True,
    ),
    ("table", "from collections import Counter as table", True),
    ("upper", "import numpy\ndef upper(s): return numpy.bool_(s.isupper())", True),
    ("upper", "def upper(s): return int(s.isupper())", True),
    ("check_str", "import re\ndef check_str(s): return re.match('[aeiou]', s)", True),
    (
        "check_str",
        "import re, numpy\ndef check_str(s): return numpy.bool_(bool(re.match('[aeiou]', s)))",
        False,
    ),
    (
        "check_str",
        "import re\ndef check_str(s): return 'yes' if re.match('[aeiou]', s) else 'no'",
        False,
    ),
]


@needs_bubblewrap
def test_verdicts_on_what_functions_return_are_evalplus_own() -> None:
    programs = [
        Program(id=str(number), problem_id=name, code=code)
        for number, (name, code, _) in enumerate(PROGRAMS)
    ]
    verdicts = check_programs(list(PROBLEMS.values()), programs, SandboxConfig(workers=1))
    differ = [
        (verdict.detail, code)
        for verdict, (_, code, passes) in zip(verdicts, PROGRAMS, strict=True)
        if verdict.passed is not passes
    ]
    assert differ == []
