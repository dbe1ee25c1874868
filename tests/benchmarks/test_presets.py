import dataclasses

import pytest

from benchmarks.cli.options import make_parser, read_command
from benchmarks.common.fields import ConfigError, field_types, update
from benchmarks.config.presets import DEFAULT, PRESETS, load_preset
from benchmarks.config.run_config import RunConfig, synthesize_config
from benchmarks.methods import METHODS, load_method
from domino.method import DominoConfig


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_whole_config_with_options_that_its_methods_know(name: str) -> None:
    config = load_preset(name)
    assert isinstance(config, RunConfig)
    for method, options in config.method_options.items():
        assert update(load_method(method).config_class(), options)
    assert load_preset(name) == config


def test_the_default_compares_methods_and_controls_in_the_dialects_on_the_weak_backbone() -> None:
    config = load_preset(DEFAULT)
    assert config.suite == "housestyle"
    assert config.suite_options.track == "dialects"
    assert config.backbone == "housestyle-weak"
    assert config.responder == "solver"
    assert config.references == 8
    assert config.pairs == 300
    assert config.seeds == (0,)
    assert set(config.methods) == {
        "no-data", "references-only", "few-shot", "self-instruct", "evol-instruct",
        "prompt-tuning", "domino", "plain-wording", "recombined", "ceiling",
    }  # fmt: skip


def test_the_description_reaches_the_method_that_reads_it_and_changes_no_other_ones_stage() -> None:
    everything, plug_in = load_preset("housestyle-all"), "tests.stages.small:Counting"
    undescribed = dataclasses.replace(everything, description="")
    changed = {
        method
        for method in (*everything.methods, plug_in)
        if synthesize_config(everything, method) != synthesize_config(undescribed, method)
    }
    assert changed == {"magpie-described", plug_in}


def test_one_preset_runs_every_method_and_differs_in_nothing_else_but_the_description() -> None:
    default, everything = load_preset("housestyle-compositions"), load_preset("housestyle-all")
    assert sorted(everything.methods) == sorted(METHODS)
    assert everything.description
    same = dataclasses.replace(everything, methods=default.methods, description="")
    assert same == default


def test_conventions_differ_from_compositions_where_the_track_differs() -> None:
    default = load_preset("housestyle-compositions")
    conventions = load_preset("housestyle-conventions")
    differing = {
        name
        for name in field_types(RunConfig)
        if getattr(default, name) != getattr(conventions, name)
    }
    assert {"suite", "references", "responder", "filter"} <= differing
    assert not differing & {"methods", "pairs", "oversample", "evaluate", "seeds"}
    assert conventions.responder == "own"
    assert not conventions.filter.consistency
    assert conventions.references == 2


def test_the_papers_preset_is_the_official_fit_and_its_command_line_keeps_it() -> None:
    command = read_command(["--preset", "paper-official", "--suite", "housestyle"])
    options = command.config.method_options["domino"]
    assert update(DominoConfig(), options) == DominoConfig.official()
    assert command.config.draws == 80_000
    assert command.config.evaluate.ks == (1, 5, 10)
    assert "paper-official" in make_parser([]).format_help()


def test_one_option_of_the_official_fit_changes_and_no_other() -> None:
    arguments = ["--preset", "paper-official", "--method_options.domino.epochs", "2"]
    options = read_command(arguments).config.method_options["domino"]
    assert update(DominoConfig(), options) == dataclasses.replace(DominoConfig.official(), epochs=2)


def test_an_unknown_preset_is_named_with_the_closest() -> None:
    with pytest.raises(ConfigError, match=r"'smok' \(did you mean 'smoke'"):
        load_preset("smok")


def test_presets_do_not_share_what_could_be_changed() -> None:
    assert dataclasses.replace(load_preset("smoke"), pairs=7).pairs == 7
    assert load_preset("smoke").pairs != 7
