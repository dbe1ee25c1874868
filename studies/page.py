"""A study as one self-contained HTML page, with its tables and figures as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report.page import StaticReport, inline, render
from studies.figures import figures
from studies.front import chosen_trial, complete_trials
from studies.storage import CONDITIONS, shown_place
from studies.summary import by_seed, of_trial
from studies.tables import footnotes, tables, words

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from optuna.trial import FrozenTrial

    from studies.config import StudyConfig

_TEMPLATES = Path(__file__).parent / "templates"


def make_page(config: StudyConfig, study: optuna.Study) -> StaticReport:
    """Return the report of a study's trials: the same trials give the same bytes.

    Raises:
        ConfigError: no trial is complete, or the chosen one is not of the front.
    """
    best = chosen_trial(config, study)
    made, drawn = tables(config, study, best), figures(config, study)
    headline = _headline(config, best)
    values = {
        "title": config.full_name,
        "about": _about(config),
        "headline": headline,
        "setting": dict(sorted(best.params.items())),
        "tables": {table.name: table for table in made},
        "figures": {figure.name: {"shown": figure, "svg": inline(figure)} for figure in drawn},
        "notes": footnotes(config, study, best),
        "command": _command(config),
        "conditions": dict(sorted(_conditions(study).items())),
    }
    return StaticReport(
        html=render("study.html", values, folder=_TEMPLATES),
        summary=f"{headline}\n\n{made[0].to_markdown()}",
        tables=tuple(made),
        figures=tuple(drawn),
        frames={"by_seed": _frame(config, study)},
    )


def _headline(config: StudyConfig, best: FrozenTrial) -> str:
    reached = ", ".join(f"{name} {of_trial(best, name)}" for name in config.aims)
    return (
        f"Trial {best.number} is chosen, with {reached} on development problems: "
        f"{words(best.params)}."
    )


def _about(config: StudyConfig) -> str:
    seeds = len(config.run.seeds)
    return (
        f"{config.method} on {config.run.suite}, {config.trials} trials of {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'} each, the same for every method; "
        + "; ".join(f"{name}: {aim.about}" for name, aim in config.aims.items())
        + ". No trial used test problems; these values are not results."
    )


def _command(config: StudyConfig) -> str:
    place = f"--cells {config.cells}" if config.cells else f"--storage {shown_place(config)}"
    return f"python -m studies.report {config.name} --method {config.method} {place}"


def _conditions(study: optuna.Study) -> Mapping[str, Any]:
    conditions: Mapping[str, Any] = study.user_attrs.get(CONDITIONS, {})
    return conditions


def _frame(config: StudyConfig, study: optuna.Study) -> pd.DataFrame:
    """Return a line for each complete trial and seed."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "trial": trial.number,
                "seed": seed,
                **{name: by_seed(trial, name)[place] for name in config.measured},
                **trial.params,
            }
            for trial in complete_trials(study)
            for place, seed in enumerate(config.run.seeds)
        ]
    )
