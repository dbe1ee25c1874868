from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common.fields import ConfigError, convert_text, leaves, read_yaml, update


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    """Inner.

    Attributes:
        rate: how fast,
            and how far.
        steps: how many.
    """

    rate: float = 0.5
    steps: int | None = 3

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"rate is {self.rate}: give more than 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    """Outer without help texts."""

    name: str = "x"
    on: bool = False
    kind: Literal["a", "b"] = "a"
    words: tuple[str, ...] = ("p",)
    seeds: tuple[int, ...] = (0,)
    path: Path | None = None
    free: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


def test_leaves_are_all_fields_with_their_help_and_default() -> None:
    found = {leaf.path: leaf for leaf in leaves(Outer())}
    assert list(found) == [
        "name", "on", "kind", "words", "seeds", "path", "free", "inner.rate", "inner.steps",
    ]  # fmt: skip
    assert found["inner.rate"].help == "how fast, and how far."
    assert found["inner.rate"].default == 0.5


def test_values_reach_nested_fields_and_nothing_else_changes() -> None:
    changed = update(Outer(), {"inner": {"rate": 2}, "seeds": [1, 2], "path": "a/b"})
    assert changed == Outer(inner=Inner(rate=2.0), seeds=(1, 2), path=Path("a/b"))
    assert isinstance(changed.inner.rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": 1}, "unknown field nam (did you mean 'name'?)"),
        ({"inner": {"step": 1}}, "unknown field inner.step (did you mean 'inner.steps'?)"),
        ({"zzz": 1}, "unknown field zzz"),
        ({"inner": 3}, "inner is 3: give a mapping of its fields"),
        ({"inner": {"rate": "fast"}}, "inner.rate is 'fast': give number"),
        ({"inner": {"rate": True}}, "inner.rate is True: give number"),
        ({"inner": {"steps": 1.5}}, "inner.steps is 1.5: give integer or null"),
        ({"inner": {"rate": -1}}, "inner: rate is -1.0: give more than 0"),
        ({"on": "yes"}, "on is 'yes': give true or false"),
        ({"on": 1}, "on is 1: give true or false"),
        ({"kind": "c"}, "kind is 'c': give a or b"),
        ({"seeds": ["x"]}, "seeds is ['x']: give list of integer"),
        ({"name": [1]}, "name is [1]: give text"),
        ({"name": None}, "name is None: give text"),
        ({"path": ""}, "path is '': give path or null"),
        ({"free": 3}, "free is 3: give mapping"),
        ({"free": {"m": 3}}, "free is {'m': 3}: give mapping"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_its_value_and_the_remedy(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        update(Outer(), values)
    assert str(caught.value) == message


def hint(path: str) -> Any:
    return next(leaf.hint for leaf in leaves(Outer()) if leaf.path == path)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("name", "7", "7"),
        ("name", "null", "null"),
        ("on", "true", True),
        ("kind", "b", "b"),
        ("words", "a, b,no", ("a", "b", "no")),
        ("words", "[a, b]", ("a", "b")),
        ("words", "", ()),
        ("seeds", "0,1", (0, 1)),
        ("seeds", "3", (3,)),
        ("path", "null", None),
        ("path", "x.json", Path("x.json")),
        ("inner.rate", "1e-3", 1e-3),
        ("inner.steps", "null", None),
        ("free", "{m: {a: 1}}", {"m": {"a": 1}}),
    ],
)
def test_text_from_the_command_line_is_read_as_its_field_asks(
    path: str, text: str, value: object
) -> None:
    assert convert_text(path, hint(path), text) == value


@pytest.mark.parametrize(("path", "text"), [("seeds", "0,x"), ("on", "[")])
def test_text_that_does_not_fit_is_refused(path: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{path} is "):
        convert_text(path, hint(path), text)


@given(st.floats(min_value=1e-300, allow_infinity=False), st.lists(st.integers()))
def test_numbers_survive_their_text(rate: float, seeds: list[int]) -> None:
    assert convert_text("r", hint("inner.rate"), repr(rate)) == rate
    assert convert_text("s", hint("seeds"), ",".join(map(str, seeds))) == tuple(seeds)


@pytest.mark.parametrize("text", ["...", "[x", "Note: write one more.", "a sentence"])
def test_what_a_plug_in_is_told_in_words_stays_text(text: str) -> None:
    assert convert_text("--method_options.m.request", Any, text) == text


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("0.5", 0.5), ("true", True), ("null", None), ("[1, 2]", [1, 2])]
)
def test_a_plug_ins_numbers_and_lists_are_read(text: str, value: object) -> None:
    assert convert_text("--method_options.m.field", Any, text) == value


@pytest.mark.parametrize("text", ["2024-08-01", "no", "off", "1e-3", "1:30", "0755", "1.10", "y"])
def test_where_text_is_asked_yaml_keeps_it_as_it_is_written(text: str) -> None:
    changed = update(Outer(), read_yaml(f"name: {text}\nwords: [{text}, {text}]\npath: {text}"))
    assert changed == Outer(name=text, words=(text, text), path=Path(text))
    assert type(changed.name) is type(changed.words[0]) is str


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inner: {rate: 1e-3}", Outer(inner=Inner(rate=1e-3))),
        ("inner: {rate: 5}", Outer(inner=Inner(rate=5.0))),
        ("inner: {steps: 0x10}", Outer(inner=Inner(steps=16))),
        ("inner: {steps: }", Outer(inner=Inner(steps=None))),
        ("inner: {steps: ~}", Outer(inner=Inner(steps=None))),
        ("on: yes", Outer(on=True)),
        ("on: True", Outer(on=True)),
        ("seeds: [1, 2]", Outer(seeds=(1, 2))),
        ("seeds: 1,2", Outer(seeds=(1, 2))),
        ("name: 'null'", Outer(name="null")),
        ("a: &a {steps: 7}\ninner: {<<: *a, rate: 2}", Outer(inner=Inner(rate=2.0, steps=7))),
    ],
)
def test_a_yaml_file_is_read_as_its_fields_ask(text: str, value: Outer) -> None:
    given = read_yaml(text)
    given.pop("a", None)
    assert update(Outer(), given) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner: {rate: .nan}", "inner.rate is '.nan': give number"),
        ("inner: {rate: nan}", "inner.rate is 'nan': give number"),
        ("inner: {rate: .inf}", "inner.rate is '.inf': give number"),
        ("inner: {rate: 1e999}", "inner.rate is '1e999': give number"),
        ("inner: {steps: 010}", "inner.steps is '010': give integer or null"),
        ("inner: {steps: '3'}", "inner.steps is '3': give integer or null"),
        ("on: 1", "on is '1': give true or false"),
        ("name: ", "name is '': give text"),
        (f"inner: {{steps: {'9' * 5000}}}", "give integer or null"),
    ],
)
def test_a_yaml_value_that_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        update(Outer(), read_yaml(text))
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_that_is_none_is_refused_wherever_it_comes_from(value: float) -> None:
    with pytest.raises(ConfigError, match="give number"):
        update(Outer(), {"inner": {"rate": value}})


@pytest.mark.parametrize("text", ["half \ud83d", "a\0b", "\udcff"])
@pytest.mark.parametrize("name", ["name", "words", "path", "free"])
def test_text_that_no_file_could_hold_is_refused(name: str, text: str) -> None:
    given: dict[str, Any] = {"words": ["ok", text], "free": {"method": {"prompt": text}}}
    with pytest.raises(ConfigError, match=f"^{name} is ") as caught:
        update(Outer(), {name: given.get(name, text)})
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("a: &x [*x]\nb: {<<: *x}", "expected a mapping"),
        ("[" * 100_000, "recursion"),
        ("a: \0", "not allowed"),
    ],
    ids=["twice", "nested", "itself", "deep", "nul"],
)
def test_yaml_that_cannot_be_read_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(text)
    assert "\n" not in str(caught.value)


def test_equal_numbers_are_equal_in_every_spelling() -> None:
    spelled = ["1e-3", "0.001", "1E-3", "1.0e-3", "+.001"]
    read = [update(Outer(), read_yaml(f"inner: {{rate: {text}}}")) for text in spelled]
    assert {repr(config) for config in read} == {repr(Outer(inner=Inner(rate=0.001)))}
    assert repr(convert_text("r", float, "-0.0")) == "0.0"
