import itertools
import json
import math
import sys
from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    deque,
    namedtuple,
)
from datetime import date, time, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sandbox.worker import codec, decoder
from benchmarks.sandbox.worker.codec import Array, CodecError, Digest, Object, Opaque, Sub

HASHABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
VALUES = st.recursive(
    HASHABLE | st.binary().map(bytearray) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=20,
)


def through_json(value: object) -> object:
    return decoder.decode(json.loads(json.dumps(codec.encode(value))))


def same(left: object, right: object) -> bool:
    """The slow, obvious reference: equal in type and value, part by part."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, complex):
        return same([left.real, left.imag], [right.real, right.imag])
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(a, b) and same(left[a], right[b]) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, set | frozenset):
        return len(left) == len(right) and all(any(same(a, b) for b in right) for a in left)
    return left == right


@settings(deadline=None, max_examples=150)
@given(VALUES)
def test_what_is_encoded_comes_back_with_its_types(value: object) -> None:
    assert same(through_json(value), value)


@settings(deadline=None, max_examples=100)
@given(VALUES, VALUES)
def test_canonical_texts_are_equal_exactly_for_equal_values(left: object, right: object) -> None:
    texts = [decoder.canonical(codec.encode(value)) for value in (left, right)]
    if same(left, right):
        assert texts[0] == texts[1]
    if texts[0] == texts[1]:
        assert repr(type(left)) == repr(type(right))


def test_sets_and_dicts_are_canonical_in_any_order() -> None:
    assert decoder.canonical(codec.encode({1: {"a", "b"}, 2: 3})) == decoder.canonical(
        {"dict": [[2, 3], [1, {"set": ["b", "a"]}]]}
    )


@pytest.mark.parametrize(
    ("value", "name", "plain"),
    [
        (Counter("aab"), "Counter", {"a": 2, "b": 1}),
        (OrderedDict(x=1), "OrderedDict", {"x": 1}),
        (namedtuple("Point", "x y")(1, 2), "Point", (1, 2)),
        (IntEnum("Colour", "RED").RED, "Colour", 1),
    ],
)
def test_a_subclass_travels_as_its_built_in_value(value: object, name: str, plain: object) -> None:
    assert through_json(value) == Sub(name, plain)


def test_a_subclass_cannot_lie_about_its_value() -> None:
    class Lying(list):
        def __iter__(self):
            return iter([6])

        def __len__(self):
            return 1

    assert through_json(Lying([1, 2])) == Sub("Lying", [1, 2])


def test_other_objects_are_opaque_and_equal_nothing() -> None:
    decoded = through_json(object())
    assert isinstance(decoded, Opaque)
    assert decoded != through_json(object())
    assert decoder.has_opaque(codec.encode([1, (2, object())]))


class Sequence:
    """Iterable by its indices alone."""

    def __getitem__(self, index):
        return ("1", "2")[index]


class Unreadable:
    def __iter__(self):
        raise KeyError("no")


@pytest.mark.parametrize("value", [map(str, [1, 2]), {0: "1", 1: "2"}.values(), Sequence()])
def test_whatever_can_be_iterated_over_tells_its_elements(value: object) -> None:
    decoded = through_json(value)
    assert isinstance(decoded, Opaque)
    assert decoded.items == ("1", "2")


@pytest.mark.parametrize("value", [Unreadable(), itertools.count(), object()])
def test_what_cannot_be_iterated_over_has_no_elements(value: object) -> None:
    decoded = through_json(value)
    assert isinstance(decoded, Opaque)
    assert decoded.items is None


@pytest.mark.parametrize(
    ("value", "name", "plain"),
    [
        (MappingProxyType({"a": 1}), "mappingproxy", {"a": 1}),
        (ChainMap({"a": 1}, {"b": 2}), "ChainMap", {"a": 1, "b": 2}),
        (UserDict(a=1), "UserDict", {"a": 1}),
        ({"a": 1}.keys(), "dict_keys", {"a"}),
        ({"a": 1}.items(), "dict_items", {("a", 1)}),
        (UserList([1, 2]), "UserList", [1, 2]),
        (UserString("ab"), "UserString", "ab"),
    ],
)
def test_what_equals_a_built_in_value_by_protocol_travels_as_it(
    value: object, name: str, plain: object
) -> None:
    assert through_json(value) == Sub(name, plain)


@pytest.mark.parametrize(
    "value", [deque([1, 2]), range(3), date(2026, 12, 1), timedelta(hours=1), time(12, 30)]
)
def test_objects_of_the_standard_library_equal_those_of_equal_data(value: object) -> None:
    decoded = through_json(value)
    assert isinstance(decoded, Object)
    assert decoded == through_json(value)
    assert decoded not in (through_json(deque([1])), through_json(date(2025, 1, 1)))


def test_numpy_values_travel_as_data() -> None:
    numpy = pytest.importorskip("numpy")
    assert through_json(numpy.int64(3)) == Array("i8", None, (3,))
    assert through_json(numpy.float32(0.5)) == Array("f4", None, (0.5,))
    assert through_json(numpy.array([[1.5], [2.0]])) == Array("f8", (2, 1), (1.5, 2.0))
    assert through_json(numpy.array("ab")) == Array("U", (), ("ab",))
    assert through_json(numpy.zeros((0, 3))) == Array("f8", (0, 3), ())
    records = numpy.zeros(2, dtype=[("a", "i4")])
    assert isinstance(through_json(records), Opaque)


def test_nesting_without_end_becomes_opaque() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert decoder.has_opaque(codec.encode(loop))


@settings(deadline=None, max_examples=100)
@given(VALUES, VALUES)
def test_equal_hashes_stand_for_equal_values_of_equal_types(left: object, right: object) -> None:
    hashes = [codec.hash_of(codec.encode(value), above_bytes=0) for value in (left, right)]
    assert codec.hash_of(codec.encode(left), above_bytes=0) == hashes[0]
    if hashes[0] is not None and hashes[0] == hashes[1]:
        assert same(left, right)
        assert same(left, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1], [True]),
        ([1], [1.0]),
        ([1], (1,)),
        (b"a", "a"),
        ([[1]], [(1,)]),
        ("opaque", ["opaque"]),
    ],
)
def test_values_of_other_types_have_other_hashes(left: object, right: object) -> None:
    hashes = [codec.hash_of(codec.encode(value), above_bytes=0) for value in (left, right)]
    assert None not in hashes
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("value", [math.nan, [1, [math.nan]], object(), {1: object()}])
def test_what_may_not_equal_itself_has_no_hash(value: object) -> None:
    assert codec.hash_of(codec.encode(value), above_bytes=0) is None


def test_only_a_value_above_the_size_has_a_hash() -> None:
    assert codec.hash_of(codec.encode("x" * 10), above_bytes=100) is None
    assert codec.hash_of(codec.encode("x" * 100), above_bytes=100) is not None


def test_a_value_too_large_to_send_travels_as_a_digest() -> None:
    def digest(value: object) -> object:
        return decoder.decode(codec.encode_or_digest(value, max_nodes=1000))

    large = [(n, "x" * (n % 3)) for n in range(2500)]
    assert isinstance(digest(large), Digest)
    assert digest(large) == digest([(n, "".join(["x"] * (n % 3))) for n in range(2500)])
    assert digest(large) != digest(tuple(large))
    assert digest(large) != digest([*large[1:], large[0]])
    with pytest.raises(codec.SizeError):
        digest([object()] * 2500)


@pytest.mark.parametrize(
    "text",
    [
        '{"set": [[1]]}',
        '{"tuple": 3}',
        '{"unknown": 1}',
        '{"int": "zz"}',
        '{"dict": [[1]]}',
        '{"bytes": 5}',
        '{"a": 1, "b": 2}',
        '{"decimal": "x"}',
        '{"fraction": ["0x1", "0x0"]}',
        '{"complex": ["1"]}',
        "{}",
        '{"sub": []}',
        '{"sub": [[], 1]}',
        '{"opaque": []}',
        '{"digest": ["list"]}',
        '{"decimal": 1}',
        '{"float": []}',
        '{"object": ["date", 1]}',
        '{"numpy": ["f8", [2], [0.5]]}',
        '{"numpy": ["V8", [1], [0.5]]}',
        '{"numpy": ["f8", [-1, -1], [0.5]]}',
        '{"numpy": ["f8", [true], [0.5]]}',
        '{"numpy": ["f8", ' + str([10**6] * 65) + ", []]}",
        '{"tuple": ' * 300 + "[]" + "}" * 300,
        "[" * 900 + "]" * 900,
    ],
)
def test_text_that_encode_never_writes_is_refused(text: str) -> None:
    with pytest.raises(CodecError):
        decoder.decode(json.loads(text))


COLLIDING = [1 + n * sys.hash_info.modulus for n in range(1_000)]


@pytest.mark.parametrize(
    "tagged",
    [
        {"set": COLLIDING},
        {"frozenset": [{"tuple": [number]} for number in COLLIDING]},
        {"dict": [[number, 0] for number in COLLIDING]},
    ],
)
def test_elements_whose_hashes_are_made_to_collide_are_refused(tagged: object) -> None:
    with pytest.raises(CodecError, match="with one hash"):
        decoder.decode(tagged)


def test_large_sets_and_pythons_own_collisions_are_read() -> None:
    numbers = set(range(50_000))
    assert decoder.decode({"set": list(numbers)}) == numbers
    corners = set(itertools.product((-1, -2), repeat=4))
    assert len(set(map(hash, corners))) == 1
    assert through_json(corners) == corners


def test_large_numbers_keep_every_digit() -> None:
    long = json.loads(json.dumps(codec.encode([10**5000, Fraction(10**5000, 3)])))
    text = json.dumps(long).encode()
    assert decoder.decode(long, decoder.longest_int(text)) == [10**5000, Fraction(10**5000, 3)]
    assert through_json(Decimal("1.10")) == Decimal("1.10")


def test_an_integer_longer_than_any_that_is_expected_is_refused() -> None:
    text = "0x1" + "0" * (1 << 18)
    for tagged in ({"int": text}, {"fraction": [text, text]}):
        with pytest.raises(CodecError, match="bits"):
            decoder.decode(tagged)
    for pair in ([{"decimal": "5"}, {"int": text}], [{"int": text}, {"decimal": "5"}]):
        with pytest.raises(CodecError, match="a decimal next to"):
            decoder.decode(pair, max_bits=1 << 21)


@pytest.mark.parametrize(
    "numbers",
    [
        [1e308] * 10,
        [math.inf, -math.inf],
        [1.0, math.nan],
        [1.5, 2**64 - 1],
        [1.5, 2**64],
        [1.5, 10**400],
        [True, 0.5],
        [-(2**70), 2**70],
    ],
)
def test_a_flat_list_of_numbers_comes_back_whatever_its_sum_is(numbers: list[float]) -> None:
    assert same(through_json(numbers), numbers)
    digits = json.dumps(codec.encode(numbers))
    assert max(map(len, digits.split(","))) < 400, "no decimal number that a reader may refuse"
