"""`python -m studies.report STUDY`: the page, tables and figures of a stored study."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError, closest
from benchmarks.common.process import prepare_process
from studies.presets import STUDIES
from studies.run import configured

if TYPE_CHECKING:
    import argparse

    import optuna

    from studies.config import StudyConfig

PROGRAM = "python -m studies.report"


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    return exit_code("studies.report", lambda: _main(arguments))


def _main(arguments: Sequence[str]) -> int:
    given = make_parser().parse_args(arguments)
    given.study, _, method = given.study.partition(".")  # as a study names itself and its folder
    given.method = given.method or method or None
    config = configured(given)
    from studies.page import make_page  # after --help and after wrong options

    page = make_page(config, load(config) if config.cells is None else _of_cells(config))
    print(page.write(given.to or config.report_folder))
    return 0


def _of_cells(config: StudyConfig) -> optuna.Study:
    from studies.cells import TrialCells

    assert config.cells is not None
    return _checked(config, TrialCells(config, config.cells).stored(config))


def load(config: StudyConfig) -> optuna.Study:
    """Return the stored study.

    Raises:
        ConfigError: it is not there, or was run with other objectives or seeds.
    """
    import optuna

    from studies.storage import existing_storage, shown, storage_address

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    address = storage_address(config)
    storage = existing_storage(address)
    known = optuna.get_all_study_names(storage)
    if config.full_name not in known:
        raise ConfigError(
            f"storage {shown(address)} has no study {config.full_name}"
            f"{closest(config.full_name, known)}; it has: {', '.join(known) or 'none'}"
        )
    return _checked(config, optuna.load_study(study_name=config.full_name, storage=storage))


def _checked(config: StudyConfig, study: optuna.Study) -> optuna.Study:
    """Return the study, if it was run as the config says.

    Raises:
        ConfigError: it was run with other objectives or seeds.
    """
    from studies.storage import CONDITIONS

    stored = study.user_attrs.get(CONDITIONS, {})
    ours = {"objective": ", ".join(config.measured), "seeds": str(list(config.run.seeds))}
    for name, value in ours.items():
        if stored.get(name, value) != value:
            raise ConfigError(
                f"study {config.full_name} was run with {name} {stored[name]}, not {value}: give "
                "its --objective and --config"
            )
    return study


def make_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("study", metavar="STUDY", help="STUDY or STUDY.METHOD; " + ", ".join(STUDIES))
    add("--method", metavar="NAME", help="the tuned method")
    add("--objective", metavar="NAME", help="as in the study's command")
    add("--choose", metavar="N", type=int, help="show this trial of the front as the chosen one")
    add("--storage", metavar="URL", help="of the study (default: studies.db in --output)")
    add("--cells", metavar="DIR", type=Path, help="folder of cells, instead of a storage")
    add(
        "--config", metavar="FILE", action="append", type=Path, default=[],
        help="as in the study's command",
    )  # fmt: skip
    add("--output", metavar="DIR", type=Path, help="directory of stored stages (default: runs)")
    add("--to", metavar="DIR", type=Path,
        help="where to write (default: studies/NAME in the directory of stages)")  # fmt: skip
    return parser


if __name__ == "__main__":
    prepare_process()
    sys.exit(main(sys.argv[1:]))
