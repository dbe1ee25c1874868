"""The page of a study: its figures, its tables, and what it says of a study that is not there."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import ttest_rel

from benchmarks.common.fields import ConfigError
from studies.page import make_page
from studies.report import load, main
from studies.samplers import grid_points
from studies.spaces import CONTRASTIVE_WEIGHTS
from studies.storage import CONDITIONS, open_storage
from studies.summary import compare, summarize
from studies.tables import differences_table
from studies.trials import BY_SEED
from tests.studies import toy

SEEDS = (0, 1, 2, 3)


def config(folder: Path, **changes):
    return toy.study(
        folder, folder / "runs", run={"seeds": SEEDS}, measures=("cost",),
        final=toy.tiny_run.config(folder, folder / "runs", seeds=(9,)), **changes,
    )  # fmt: skip


def stored(configured, params: list[dict], distributions: dict, worth) -> optuna.Study:
    """A study whose trials came to `worth(params)`, a little more with each seed, and noise."""
    study = optuna.create_study(
        directions=[aim.direction for aim in configured.aims.values()],
        study_name=configured.full_name,
    )
    for number, point in enumerate(params):
        values = {
            name: [
                worth(name, point) + seed / 100 + (number + 2 * seed) % 3 / 1000 for seed in SEEDS
            ]
            for name in configured.measured
        }
        study.add_trial(
            optuna.trial.create_trial(
                params=point, distributions={name: distributions[name] for name in point},
                values=[sum(values[name]) / len(SEEDS) for name in configured.aims],
                user_attrs={BY_SEED: values},
            )
        )  # fmt: skip
    return study


def weights(folder: Path):
    configured = config(folder, sampler="grid", grid={"w_contrastive": CONTRASTIVE_WEIGHTS})
    distributions = {"w_contrastive": CategoricalDistribution(CONTRASTIVE_WEIGHTS)}

    def worth(name: str, point) -> float:
        return CONTRASTIVE_WEIGHTS.index(point["w_contrastive"]) * (1 if name == "formula" else -1)

    return configured, stored(configured, grid_points(configured.grid), distributions, worth)


def lengths(folder: Path):
    grid = {"domain_tokens": (4, 16, 64), "sample_tokens": (2, 8)}
    configured = config(folder, sampler="grid", grid=grid)
    distributions = {name: CategoricalDistribution(values) for name, values in grid.items()}
    return configured, stored(
        configured, grid_points(grid), distributions,
        lambda name, point: point["domain_tokens"] + point["sample_tokens"],
    )  # fmt: skip


def several(folder: Path):
    configured = config(folder, also=("cost",))
    distributions = {
        "domain_tokens": IntDistribution(4, 64), "sample_tokens": IntDistribution(2, 32),
        "w_contrastive": FloatDistribution(0.01, 3), "contrastive": CategoricalDistribution(
            ("none", "bounded")),
    }  # fmt: skip
    params = [
        {"domain_tokens": 4 + 3 * n, "sample_tokens": 2 + n * n % 7,
         **({"contrastive": "bounded", "w_contrastive": 0.1 * n} if n % 4
            else {"contrastive": "none"})}
        for n in range(16)
    ]  # fmt: skip
    return configured, stored(
        configured, params, distributions,
        lambda name, point: point["domain_tokens"] + (name == "cost"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "figures", "tables"),
    [
        (weights, ["history", "w_contrastive_response"], ["trials", "differences"]),
        (lengths, ["history", "importances", "contour"], ["trials", "differences"]),
        (several, ["history", "importances", "contour", "w_contrastive_response", "pareto"],
         ["trials", "front"]),
    ],
)  # fmt: skip
def test_a_study_has_the_figures_and_tables_that_it_has_something_for(
    make, figures, tables, tmp_path: Path
) -> None:
    configured, study = make(tmp_path)
    page, again = (make_page(configured, study) for _ in range(2))
    assert [figure.name for figure in page.figures] == figures
    assert [table.name for table in page.tables] == tables
    assert page.html == again.html, "the same trials give the same bytes"
    assert [figure.png for figure in page.figures] == [figure.png for figure in again.figures]
    for figure in page.figures:
        ElementTree.fromstring(figure.svg)
        assert figure.alternative in page.html.replace("&#39;", "'")
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", page.html), "it needs nothing else"
    path = page.write(tmp_path / "report")
    assert path.read_text().count("<svg") == len(figures)
    assert (tmp_path / "report/tables/by_seed.csv").read_text().count("\n") == 1 + len(SEEDS) * len(
        study.get_trials()
    )


def test_importance_goes_to_the_parameter_that_the_value_follows(tmp_path: Path) -> None:
    from studies.figures import importance_shares

    configured, study = lengths(tmp_path)
    assert list(importance_shares(configured, study)) == ["domain_tokens", "sample_tokens"]


def test_differences_are_paired_by_seed_and_judged_by_the_objectives_direction(
    tmp_path: Path,
) -> None:
    configured, study = weights(tmp_path)
    table = differences_table(configured, study.get_trials())
    assert table.title.endswith("difference from w_contrastive domain alone")
    assert [row[0] for row in table.rows] == [
        f"w_contrastive {weight:.3g}" for weight in CONTRASTIVE_WEIGHTS[1:]
    ]
    assert all("better" in row[1] and "better" in row[2] for row in table.rows)


def test_an_interval_over_seeds_is_students() -> None:
    found = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.value == 3
    assert found.low == pytest.approx(3 - 2.7764451 * 1.5811388 / 5**0.5)
    assert str(summarize([0.25])) == "0.25"


def test_two_settings_are_compared_by_the_paired_t_test() -> None:
    one, other = [1.0, 2.0, 3.5, 2.0], [0.0, 1.5, 2.0, 2.5]
    (found,) = compare([other, one])
    expected = ttest_rel(one, other)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (interval.low, interval.high)
    )
    assert found.verdict("maximize", 0.6) == "undecided"
    assert found.verdict("minimize", 0.01) == "worse"


def test_several_settings_share_the_residual_of_a_two_way_analysis_of_variance() -> None:
    import statsmodels.formula.api as smf

    values = np.random.default_rng(0).normal(size=(4, 5)) + np.arange(4)[:, None] / 2
    frame = pd.DataFrame([{"k": k, "s": s, "y": values[k, s]} for k in range(4) for s in range(5)])
    fitted = smf.ols("y ~ C(k) + C(s)", frame).fit()
    found = compare(values)
    for k, one in enumerate(found, 1):
        assert one.difference.value == pytest.approx(fitted.params[f"C(k)[T.{k}]"])
        assert one.p == pytest.approx(fitted.pvalues[f"C(k)[T.{k}]"])


def test_settings_whose_seeds_agree_by_chance_are_not_certain_to_differ() -> None:
    alike = [[0.0, 1.0, 2.0, 3.0], [0.5, 1.5, 2.5, 3.5]]
    assert compare(alike)[0].p == 1.0
    assert 0.0 < compare([*alike, [0.1, 0.9, 2.3, 2.8]])[0].p < 1.0


def test_below_four_seeds_settings_are_not_compared(tmp_path: Path) -> None:
    (found,) = compare([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])
    assert (found.p, found.difference.value, found.difference.low) == (None, 4.0, None)
    configured, study = weights(tmp_path)
    few = replace(configured, run=replace(configured.run, seeds=(0, 1, 2)))
    trials = study.get_trials()
    for trial in trials:
        for values in trial.user_attrs[BY_SEED].values():
            del values[3:]
    table = differences_table(few, trials)
    assert "no verdicts: comparing settings takes at least 4 seeds" in table.note
    assert not any("better" in cell or "[" in cell for row in table.rows for cell in row[1:])


def test_the_command_writes_the_page_of_a_stored_study(
    no_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    journal = str(tmp_path / "journal")
    configured = toy.study(no_backbone, tmp_path / "runs", storage=journal)
    monkeypatch.setattr("studies.presets.STUDIES", {"toy": lambda: configured})
    study = optuna.create_study(
        storage=open_storage(journal), study_name="toy.counting", direction="maximize"
    )
    study.set_user_attr(CONDITIONS, {"objective": "formula", "seeds": "[0]"})
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={BY_SEED: {"formula": [0.5]}}))
    arguments = ["toy", "--storage", journal]
    assert main([*arguments, "--to", str(tmp_path / "page")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page/report.html")
    assert "0.5" in (tmp_path / "page/report.md").read_text()
    as_it_names_itself = ["toy.counting", "--storage", journal, "--to", str(tmp_path / "again")]
    assert main(as_it_names_itself) == 0

    study.set_user_attr(CONDITIONS, {"objective": "formula, cost", "seeds": "[0]"})
    assert main(arguments) == 2
    assert "was run with objective formula, cost, not formula: give" in capsys.readouterr().err


def test_a_study_that_is_not_there_is_refused_and_no_storage_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"studies\.db is not there: give the --storage"):
        load(toy.study(tmp_path, tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
    journal = str(tmp_path / "journal")
    optuna.create_study(storage=open_storage(journal), study_name="toy.countin")
    with pytest.raises(ConfigError, match=r"did you mean 'toy\.countin'.*it has: toy\.countin"):
        load(toy.study(tmp_path, tmp_path / "runs", storage=journal))
