"""Whatever a reply says: the declared errors alone come out, in bounded time and memory.

A few seconds by default; DOMINO_FUZZ_SECONDS=600 goes on for ten minutes.
"""

import contextlib
import json
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.evaluator.comparison import comparison_for
from benchmarks.sandbox import Output
from benchmarks.sandbox.reply import Reply
from benchmarks.sandbox.worker import codec, decoder
from domino.records import Problem

SECONDS = float(os.environ.get("DOMINO_FUZZ_SECONDS", "3"))
MOST_SECONDS = 3.0
MOST_MIB = 256

PROBLEM = Problem(
    id="p", prompt="", entry_point="f", canonical_solution="", base_inputs=[], plus_inputs=[]
)
RULES = [
    *({"comparison": name} for name in ("exact", "value", "json", "printed")),
    {"comparison": "evalplus", "dataset": "mbpp"},
]
PROBLEMS = [
    *(replace(PROBLEM, meta=meta, atol=1e-6) for meta in RULES),
    *(
        replace(PROBLEM, entry_point=name, meta=RULES[-1])
        for name in ("similar_elements", "sum_div", "surface_Area", "digit_distance_nums")
    ),
    replace(PROBLEM, entry_point="check_str", meta=RULES[-1]),
    replace(
        PROBLEM,
        entry_point="find_zero",
        atol=1e-4,
        meta={"comparison": "evalplus", "dataset": "humaneval"},
    ),
]
EXPECTED = [
    *(1, 0.5, [0.5, 1.5], [], "text\n1 2", True, None, (3, 4), {1, 2}, {"a": [1]}, Fraction(1, 3)),
    *([Decimal("1.5"), 10**6000], np.float64(0.5), np.array([[1.5], [2.5]]), [[1, 2], [3]]),
    [["x" * 1000], *([0.5] * 100)],
]
CORPUS = [
    *(codec.encode(value) for value in EXPECTED),
    *map(codec.encode, (1e300, 1j, b"ab", bytearray(b"a"), ..., Counter("aab"), range(4), "a,[{")),
    *map(codec.encode, (np.arange(6).reshape(2, 3), np.array(["a"]), np.float32(0.1), object())),
    *map(codec.encode, (iter([1, 2]), {1: 2}.keys(), [float("nan"), float("-inf")], {(1, 2): {3}})),
    {"set": [n * (2**61 - 1) for n in range(40)]},
    {"sub": ["float", []]},
    {"digest": ["list", "00"]},
    {"fraction": ["0x" + "7" * 3000, "0x" + "5" * 3000]},
    {"decimal": "1e999999999"},
    {"numpy": ["O", [1], [{"tuple": [1]}]]},
]
TAGS = [*decoder._DECODERS, "x"]
BITS = [b"[]", b"{}", b",", b'"', b"0", b"-", b"1e999", b"NaN", b"\\ud800", b"null", b"[[", b"}}"]
BITS += [b'{"%s": ' % tag.encode() for tag in TAGS]


def check(text: bytes) -> None:
    """Try one text as an output under all rules, and as a reply."""
    began = time.process_time()
    try:
        tagged = json.loads(text)
    except (ValueError, RecursionError):
        tagged = None
    with contextlib.suppress(codec.CodecError):
        decoder.decode(tagged)
    for number, problem in enumerate(PROBLEMS):
        expected = EXPECTED_TEXTS[(len(text) + number) % len(EXPECTED_TEXTS)]
        found = comparison_for(problem).matches([[1, 2], 4], Output(text), expected)
        assert type(found) is bool
    reply = Reply(2, 1 << 23)
    reply.feed(b"loaded \n" + text + b"\n")
    reply.feed(b"= 0.0 0.0 " + text + b"\n! 0 0 " + text + b"\nend \n")
    assert reply.fault or reply.ended or reply.fatal
    assert time.process_time() - began < MOST_SECONDS, text[:200]


EXPECTED_TEXTS = [Output(json.dumps(codec.encode(value)).encode()) for value in EXPECTED]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["f8", "U", "O", "0x1f", "-0x" + "f" * 40, "1e5", "nan", "sNaN"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.tuples(st.sampled_from(TAGS), inner).map(lambda pair: {pair[0]: pair[1]}),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=30 * max(1, round(SECONDS / 10)))
@pytest.mark.timeout(300 + 10 * SECONDS)
@given(JSON)
def test_made_up_values_are_judged_and_raise_nothing(tagged: Any) -> None:
    check(json.dumps(tagged).encode())


def mutated(chance: random.Random, texts: list[bytes]) -> bytes:
    """Return a text with some pieces of it cut, repeated, replaced, or put in from others."""
    text = chance.choice(texts)
    for _ in range(chance.randint(1, 6)):
        a, b = sorted(chance.randint(0, len(text)) for _ in range(2))
        other = chance.choice(texts)
        piece = chance.choice(
            [
                b"",
                text[a:b][:1000] * chance.choice([2, 2, 50, 1000]),
                bytes([chance.randrange(256)]),
                chance.choice(BITS) * chance.choice([1, 1, 1, 300]),
                other[slice(*sorted(chance.randint(0, len(other)) for _ in range(2)))],
                b"%d" % (chance.randrange(-3, 3) * 10 ** chance.choice([1, 19, 400])),
            ]
        )
        text = text[:a] + piece + text[chance.choice([a, b, b]) :]
    return text[: chance.choice([1 << 12, 1 << 14, 1 << 20])]


def texts_for(seconds: float, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    texts = [json.dumps(tagged).encode() for tagged in CORPUS]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = mutated(chance, texts)
        yield text
        # What is still JSON leads to texts that are further away.
        if chance.random() < 0.05 and len(text) < 5_000 and len(texts) < 2_000:
            texts.append(text)


@pytest.mark.timeout(300 + 2 * SECONDS)
def test_mutated_replies_are_judged_and_raise_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seed = random.SystemRandom().randrange(1 << 32) if "DOMINO_FUZZ_SECONDS" in os.environ else 0
    tried = 0
    for text in texts_for(SECONDS, seed):
        try:
            check(text)
        except Exception as error:
            raise AssertionError(f"seed {seed}, text {tried}: {text[:2000]!r}") from error
        tried += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert grown < MOST_MIB
    with capsys.disabled():
        print(f"\n{tried} mutated replies in {SECONDS:g} s, seed {seed}, {grown} MiB more")  # noqa: T201
