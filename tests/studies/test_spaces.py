import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial

from benchmarks.common.fields import ConfigError, update
from benchmarks.config.presets import housestyle
from benchmarks.config.run_config import RunConfig
from studies.presets import STUDIES, load_study
from studies.samplers import grid_points
from studies.spaces import SPACES, with_options
from studies.storage import check_space
from tests.studies import toy

UNTUNED = toy.replace(housestyle(), method_options={})
"""The default run without the options that a study chose for it."""


@pytest.fixture(autouse=True)
def names() -> None:
    """These tests are about the real methods."""


def proposals(space, run: RunConfig, count: int = 60):
    study = optuna.create_study(sampler=RandomSampler(seed=1))
    for _ in range(count):
        trial = study.ask()
        yield trial, space(trial, run)


@pytest.mark.parametrize("study", STUDIES)
def test_every_space_of_every_study_names_fields_that_exist(study: str) -> None:
    config = load_study(study)
    for method in config.spaces:
        if config.sampler == "grid":
            for point in grid_points(config.grid):
                config.space(FixedTrial(point), config.run)
        else:
            check_space(toy.replace(config, method=method))


@pytest.mark.parametrize("method", SPACES)
def test_a_space_sets_what_it_suggests_and_leaves_the_rest(method: str) -> None:
    run = UNTUNED
    for trial, proposed in proposals(SPACES[method], run):
        assert proposed.sampling.temperature == trial.params["sampling.temperature"]
        as_before = {"sampling": run.sampling, "method_options": run.method_options}
        assert toy.replace(proposed, **as_before) == run
        assert set(proposed.method_options) == {method}
    assert run == toy.replace(housestyle(), method_options={})


def test_no_contrastive_term_is_a_choice_of_its_own_and_asks_for_no_form() -> None:
    seen = set()
    for trial, proposed in proposals(SPACES["domino"], UNTUNED):
        options = proposed.method_options["domino"]
        form = trial.params["contrastive"]
        seen.add(form)
        assert (options["w_contrastive"] == 0) == (form == "none")
        assert ("w_contrastive" in trial.params) == (form != "none")
        assert ("temperature" in trial.params) == (form == "bounded")
        assert options.get("form", form) == form
    assert seen == {"none", "bounded", "official"}


def test_options_that_the_run_had_stay_unless_the_space_sets_them() -> None:
    run = with_options(UNTUNED, "domino", {"steps": 7, "domain_tokens": 3})
    run = with_options(run, "few-shot", {"examples": 2})
    changed = with_options(run, "domino", {"domain_tokens": 5})
    assert changed.method_options["domino"] == {"steps": 7, "domain_tokens": 5}
    assert changed.method_options["few-shot"] == {"examples": 2}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (lambda trial, run: with_options(run, "domino", {"domain_token": 4}),
         r"unknown field method_options\.domino\.domain_token \(did you mean .*domain_tokens"),
        (lambda trial, run: update(run, {"sampling": {"temprature": 1.0}}),
         r"unknown field sampling\.temprature \(did you mean 'sampling\.temperature'"),
        (lambda trial, run: with_options(run, "domino", {"domain_tokens": 0.5}),
         r"domain_tokens is 0\.5: give integer"),
        (lambda trial, run: with_options(run, "domino", {"held_out": 2.0}), "held_out is 2.0"),
        (lambda trial, run: update(run, {"evaluate": {"max_new_tokens": 9}}),
         "changes evaluate: that is the same for all trials"),
        (lambda trial, run: update(run, {"seeds": [3]}), "changes seeds"),
    ],
)  # fmt: skip
def test_a_space_cannot_name_a_field_that_does_not_exist_nor_move_the_goal(space, message) -> None:
    config = toy.replace(load_study("housestyle-quick"), spaces={"domino": space})
    with pytest.raises(ConfigError, match=message):
        check_space(config)


def test_a_field_that_is_wrong_in_one_branch_alone_is_found() -> None:
    def space(trial, run):
        rare = trial.suggest_float("x", 0, 1) > 0.9
        return with_options(run, "domino", {"stepz" if rare else "steps": 3})

    config = toy.replace(load_study("housestyle-quick"), spaces={"domino": space})
    with pytest.raises(ConfigError, match="stepz"):
        check_space(config)
