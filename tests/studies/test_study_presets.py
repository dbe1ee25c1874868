from pathlib import Path

import pytest

from studies.presets import FINAL_SEEDS, STUDIES, load_study
from studies.run import read_command


@pytest.fixture(autouse=True)
def names() -> None:
    """These tests are about the real names."""


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_bears_its_name_and_its_docstring_says_what_it_is(name: str) -> None:
    config = load_study(name)
    assert config.name == name
    assert STUDIES[name].__doc__
    assert set(config.final.seeds) <= set(FINAL_SEEDS)
    assert config.sampler != "grid" or config.trials == config.points


def test_fields_of_a_run_reach_trials_and_result_which_keep_split_and_seeds(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("pairs: 3\nseeds: [1, 2]\nevaluate: {max_new_tokens: 9}\n")
    config = read_command(
        ["--study", "housestyle-quick", "--config", str(file), "--output", "elsewhere",
         "--method", "domino", "--trials", "5", "--seed", "3"]
    ).config  # fmt: skip
    assert (config.run.pairs, config.final.pairs) == (3, 3)
    assert (config.run.seeds, config.final.seeds) == ((1, 2), (1000,))
    assert (config.run.evaluate.split, config.final.evaluate.split) == ("development", "test")
    assert config.run.evaluate.max_new_tokens == config.final.evaluate.max_new_tokens == 9
    assert config.run.output == config.final.output == Path("elsewhere")
    assert (config.trials, config.seed, config.full_name) == (5, 3, "housestyle-quick.domino")
