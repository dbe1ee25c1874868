import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common.fields import ConfigError, leaves, update
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.config.run_config import RunConfig, read_config_file, synthesize_config
from benchmarks.store.store import canonical_json
from domino.method import DominoConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suite": "housestile"}, "suite: unknown 'housestile' (did you mean 'housestyle'?"),
        ({"methods": ("domini",)}, "methods: unknown 'domini' (did you mean 'domino'?"),
        ({"method_options": {"few-shots": {}}}, "did you mean 'few-shot'?"),
        (
            {"method_options": {"my.own:Metod": {"n": 1}}, "methods": ["my.own:Method"]},
            "did you mean 'my.own:Method'?",
        ),
        ({"methods": ()}, "methods is empty: give at least one"),
        ({"methods": ("domino", "domino")}, "methods repeats domino: give each once"),
        ({"seeds": ()}, "seeds is empty"),
        ({"seeds": (1, 2, 1)}, "seeds repeats 1"),
        ({"seeds": (0, -1)}, "seeds is -1: give at least 0"),
        ({"references": 1}, "references is 1: give at least 2"),
        ({"pairs": 0}, "pairs is 0: give at least 1"),
        ({"oversample": 0.5}, "oversample is 0.5: give at least 1"),
        ({"oversample": math.nan}, "oversample is nan"),
        ({"oversample": math.inf}, "oversample is inf"),
        ({"shots": 0}, "shots is 0"),
        ({"model": ""}, "model is empty"),
    ],
    ids=str,
)
def test_a_run_that_cannot_be_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"finetune": {"steps": 0}},
        {"filter": {"consistency_share": 2.0}},
        {"decontaminate": {"ngram": 0}},
        {"evaluate": {"ks": [5]}},
        {"sampling": {"temperature": -1}},
        {"sandbox": {"timeout_s": 0}},
        {"responder": "nobody"},
    ],
    ids=str,
)
def test_the_configs_of_stages_are_checked_when_the_run_is_made(values: dict) -> None:
    (name,) = values
    with pytest.raises(ConfigError, match=name):
        update(RunConfig(), values)


@given(st.integers(1, 10_000), st.floats(1, 20))
def test_draws_are_enough_for_the_pairs(pairs: int, oversample: float) -> None:
    draws = RunConfig(pairs=pairs, oversample=oversample).draws
    assert draws - 1 < pairs * oversample <= draws


def test_a_config_cannot_be_changed_after_its_check() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().pairs = 0  # type: ignore[misc]


def test_every_field_says_what_it_is() -> None:
    silent = [leaf.path for leaf in leaves(RunConfig()) if len(leaf.help) < 10]
    assert not [path for path in silent if not path.startswith(("sampling", "response_sampling"))]


def test_a_config_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("pairs: 5\nfinetune: {steps: 3}\n")
    config = update(RunConfig(), read_config_file(path))
    assert (config.pairs, config.finetune.steps) == (5, 3)
    path.write_text("# nothing\n")
    assert read_config_file(path) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"pairs: [", "not YAML"),
        (b"- pairs\n", "does not contain a mapping"),
        (b"3: 4\n", "does not contain a mapping"),
        (b"\xff\xfe", "not UTF-8"),
        (b"pairs: 1\npairs: 2\n", "'pairs' is given twice"),
        (None, "No such file"),
    ],
)
def test_a_config_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_contest_date_in_a_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("suite_options: {cutoff: 2024-08-01}\n")
    assert update(RunConfig(), read_config_file(path)).suite_options.cutoff == "2024-08-01"


def test_an_option_of_a_method_has_one_cache_key_in_every_spelling(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    found = []
    for text in ("1e-3", "0.001", "1.0e-3", "'0.001'"):
        path.write_text(f"method_options: {{domino: {{learning_rate: {text}, steps: 7}}}}")
        config = update(RunConfig(), read_config_file(path))
        assert config.method_options["domino"]["steps"] == 7
        found.append(synthesize_config(config, "domino").options)
    assert found == [{"learning_rate": 0.001, "steps": 7}] * 4
    assert {canonical_json(options) for options in found} == {canonical_json(found[0])}


def test_an_option_at_its_default_is_no_other_cache_key() -> None:
    config = RunConfig(method_options={"domino": {"steps": DominoConfig().steps}})
    assert synthesize_config(config, "domino") == synthesize_config(RunConfig(), "domino")


@pytest.mark.parametrize("value", ["fast", "nan", "true", "[1]"])
def test_an_option_of_a_method_that_does_not_fit_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(f"method_options: {{domino: {{learning_rate: {value}}}}}")
    with pytest.raises(ConfigError, match=r"^method_options.domino.learning_rate is .*give number"):
        synthesize_config(update(RunConfig(), read_config_file(path)), "domino")


def test_what_a_run_keeps_of_a_methods_options_has_the_types_of_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "method_options: {domino: {w_contrastive: 1.0e-1, steps: 0x10, initial_text: 1.10}}"
    )
    options = update(RunConfig(), read_config_file(path)).method_options["domino"]
    assert options == {"w_contrastive": 0.1, "steps": 16, "initial_text": "1.10"}
    assert [type(value) for value in options.values()] == [float, int, str]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": 0.0}, "margin is 0: give points between 0 and 100"),
        ({"margin": math.nan}, "margin is nan"),
        ({"contrasts": ("domino",)}, "contrasts has 'domino': give \"A vs B\""),
        ({"contrasts": ("domino vs domino",)}, "two methods"),
        ({"contrasts": ("domino vs no-data", "no-data vs domino")}, "contrasts repeat"),
        ({"contrasts": ("domino vs few-shots",)}, "did you mean 'few-shot'?"),
        ({"until_decided": True}, "with 1 of at least 4 seeds"),
    ],
    ids=str,
)
def test_comparisons_that_cannot_be_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig(compare=ComparisonConfig(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_interim_analyses_take_seeds_in_ascending_order() -> None:
    plan = ComparisonConfig(until_decided=True)
    with pytest.raises(ConfigError, match="with seeds 3, 2, 1, 0: give them in ascending order"):
        RunConfig(seeds=(3, 2, 1, 0), compare=plan)
    RunConfig(seeds=(0, 1, 2, 5), compare=plan)


def test_every_method_is_planned_against_no_data_and_domino_against_every_other() -> None:
    methods = ("no-data", "references-only", "few-shot", "domino")
    assert ComparisonConfig().pairs(methods) == [
        ("references-only", "no-data"), ("few-shot", "no-data"), ("domino", "no-data"),
        ("domino", "references-only"), ("domino", "few-shot"),
    ]  # fmt: skip
    assert ComparisonConfig().pairs((*methods, "ceiling", "domino@again")) == (
        ComparisonConfig().pairs(methods)
    )
    assert ComparisonConfig().pairs(("few-shot", "magpie")) == []
    own = ComparisonConfig(contrasts=("few-shot vs magpie",))
    assert own.pairs(methods) == [("few-shot", "magpie")]
