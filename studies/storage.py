"""Where a study is kept, and whether what is kept there is this study."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from alembic.util import CommandError
from optuna.exceptions import ExperimentalWarning, OptunaError, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FixedTrial, FrozenTrial

from benchmarks.common.fields import ConfigError, flatten
from benchmarks.common.files import (
    StoreError,
    is_disk_full,
    sqlite_file,
    sqlite_url,
    trim_torn_line,
)
from benchmarks.config.run_config import RunConfig
from benchmarks.pipeline.pipeline import Pipeline
from benchmarks.store.store import canonical_json
from domino.records import result_fields
from domino.synthesizer import SynthesisError
from studies.config import StudyConfig
from studies.objective import Direction
from studies.samplers import PRUNERS, make_sampler

DATABASE = "studies.db"
CONDITIONS = "conditions"
_HEARTBEAT_S = 60
_GRACE_S = 600  # a starved machine is not a dead one
_LOCKED_S = 120
_RACES, _RACE_S = 5, 1.0
_MADE_AT_ONCE = ("already exists", "duplicate key", "Duplicate entry")
"""How databases say that another process was faster; the last is MySQL's."""
_UNREACHABLE = (
    sqlalchemy.exc.SQLAlchemyError, CommandError, OptunaError, ImportError, OSError, RuntimeError,
    ValueError,
)  # fmt: skip
_LOST = (sqlalchemy.exc.OperationalError, StorageInternalError)
_STATED_OTHERWISE = ("model", "suite_options", "methods", "seeds")
"""Fields of a run that count by a digest, or as conditions of their own."""
_SHARED = ("suite", "suite_options", "model", "references", "seeds", "evaluate", "output")
_PROBES = 32
_RECORD = b'{"op_code":'
"""How a journal's lines begin."""


def storage_address(config: StudyConfig) -> str:
    """Return the database URL or journal file that the study is kept in."""
    return config.storage or sqlite_url(config.run.output.absolute() / DATABASE)


def shown(address: str) -> str:
    """Return an address without the password in it."""
    hidden = re.sub(r"(://[^:/]*):.*@", r"\1:***@", address)
    return re.sub(r"([?&]pass(?:word|wd)=)[^&]*", r"\1***", hidden)


def shown_place(config: StudyConfig) -> str:
    """Return where the study is kept, in words: its cells, where it has any, or its storage."""
    return f"cells {config.cells}" if config.cells else shown(storage_address(config))


def open_storage(address: str) -> BaseStorage:
    """Open a database URL, or a journal file if the address is not a URL.

    Raises:
        ConfigError: it cannot be reached.
    """
    try:
        if "://" not in address:
            _require_journal(Path(address))
            return JournalStorage(JournalFileBackend(address, _TrimmingLock(address)))
        file = sqlite_file(address)
        if file is not None and file.name == DATABASE:
            file.parent.mkdir(parents=True, exist_ok=True)
        _require_one_at(address)
        return _open_database(address)
    except _UNREACHABLE as error:
        raise _unreachable(address, error) from error


class _TrimmingLock(JournalFileSymlinkLock):
    """A journal's lock, under which a line that a killed process left unfinished is cut off.

    Optuna takes the lock to append: the next record would become part of that line, and no process
    could read the journal again.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = Path(path)

    def acquire(self) -> bool:
        """Take the lock, and trim the journal."""
        held = super().acquire()
        try:
            trim_torn_line(self._path)
        except BaseException:
            self.release()
            raise
        return held


def _open_database(address: str) -> RDBStorage:
    """Open a database; where another process makes the same tables at this moment, wait for it."""
    for _ in range(_RACES):
        try:
            return _new_database_storage(address)
        except sqlalchemy.exc.DBAPIError as error:
            if not any(words in str(error) for words in _MADE_AT_ONCE):
                raise
            time.sleep(_RACE_S)
    return _new_database_storage(address)


def _new_database_storage(address: str) -> RDBStorage:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of the heartbeat
        return RDBStorage(
            address.replace("{", "{{").replace("}", "}}"),  # Optuna takes it for a template
            engine_kwargs=_engine_options(address),
            heartbeat_interval=_HEARTBEAT_S,
            grace_period=_GRACE_S,
        )


@contextmanager
def kept_in(config: StudyConfig) -> Iterator[None]:
    """Report in one line when the storage of a running study no longer answers.

    Raises:
        StoreError: a server is gone, or what it holds is.
    """
    try:
        yield
    # Optuna slips into the last as it handles one of the others.
    except (*_LOST, UnboundLocalError) as error:
        lost: BaseException | None = error
        while lost is not None and not isinstance(lost, _LOST):
            lost = lost.__cause__ or lost.__context__
        if lost is None or is_disk_full(error):
            raise
        reason = str(lost.__cause__ or lost).strip().splitlines()[0]
        raise StoreError(
            f"storage {shown(storage_address(config))} no longer answers ({reason}): finished "
            "trials and stages are kept; type the same command again when it does"
        ) from error


def existing_storage(address: str) -> BaseStorage:
    """Open a storage that is there already; a new file would only hide a wrong name.

    Raises:
        ConfigError: it is not there, or cannot be reached.
    """
    file = sqlite_file(address) if "://" in address else Path(address)
    if file is not None and not file.is_file():
        raise ConfigError(
            f"storage {shown(address)} is not there: give the --storage or --output that the study "
            "was run with"
        )
    return open_storage(address)


def open_study(config: StudyConfig, pipeline: Pipeline) -> optuna.Study:
    """Return the study of this name, made where it is not there.

    Raises:
        ConfigError: the storage cannot be reached, or its study of this name has another search
            space, other conditions or another direction.
    """
    address = storage_address(config)
    storage = open_storage(address)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=config.full_name,
            directions=directions(config),
            sampler=make_sampler(config),
            pruner=PRUNERS[config.pruner](),
            load_if_exists=True,
        )
    except _UNREACHABLE as error:
        raise _unreachable(address, error) from error
    _check_conditions(config, pipeline, study)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and trial.state.name != "FAIL":
            _check_space(config, trial)
    return study


def directions(config: StudyConfig) -> list[Direction]:
    """Return which way is better, for each objective."""
    return [aim.direction for aim in config.aims.values()]


def check_space(config: StudyConfig) -> None:
    """Draw from the search space, so that a field that no config has is refused before any work.

    Raises:
        ConfigError: the space sets a field that does not exist, or a value that it cannot have,
            or changes what a space may not change.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for run in [config.run, config.final] * _PROBES:
        try:
            proposed = config.space(study.ask(), run)
        except SynthesisError as error:
            raise ConfigError(f"the search space of {config.full_name}: {error}") from error
        _check_proposal(config, run, proposed)


def _check_proposal(config: StudyConfig, run: RunConfig, proposed: RunConfig) -> None:
    """Refuse a space that reaches for what trials must share, or for how they are scored."""
    for name in _SHARED:
        if name not in config.varies and getattr(run, name) != getattr(proposed, name):
            raise ConfigError(
                f"the search space of {config.full_name} changes {name}: that is the same for all "
                "trials, set it in the study's run"
            )


def _check_conditions(config: StudyConfig, pipeline: Pipeline, study: optuna.Study) -> None:
    """Refuse a study whose trials were run under other conditions; remember ours in a new one."""
    ours = conditions(config, pipeline)
    stored: Mapping[str, str] | None = study.user_attrs.get(CONDITIONS)
    if stored is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(config.aims))  # optuna-dashboard's names for the objectives
        study.set_user_attr(CONDITIONS, ours)
        stored = ours
    differing = sorted(k for k in {*ours, *stored} if ours.get(k) != stored.get(k))
    kept = [direction.name.lower() for direction in study.directions]
    if differing or kept != directions(config):
        name = differing[0] if differing else "direction"
        theirs, own = stored.get(name, ", ".join(kept)), ours.get(name, config.aim.direction)
        raise _another_study(config, f"{name} is {theirs} there and {own} here")


def _check_space(config: StudyConfig, trial: FrozenTrial) -> None:
    """Refuse a finished trial that the search space would not have proposed."""
    replayed = FixedTrial(trial.params)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a value out of range: found below
            config.space(replayed, config.run)
    except ValueError as error:
        raise _another_study(config, f"trial {trial.number}: {error}") from error
    if replayed.distributions != trial.distributions:
        pairs = {**replayed.distributions, **trial.distributions}
        name = next(
            name for name in pairs
            if replayed.distributions.get(name) != trial.distributions.get(name)
        )  # fmt: skip
        raise _another_study(
            config,
            f"{name} was drawn from {trial.distributions.get(name)}, here it is "
            f"{replayed.distributions.get(name, 'not asked for')}",
        )


def conditions(config: StudyConfig, pipeline: Pipeline) -> dict[str, str]:
    """Return all that has to be equal for two trials to be compared, by dotted name."""
    run = json.loads(canonical_json(result_fields(config.run)))
    values: dict[str, Any] = {f: v for f, v in run.items() if f not in _STATED_OTHERWISE}
    return flatten(
        {
            "run": values,
            "seeds": list(config.run.seeds),
            "objective": ", ".join(config.measured),
            "method": config.method,
            "suite": pipeline.suite_digest,
            "references": pipeline.references_digest,
            "model": pipeline.model_digest,
        }
    )


def _require_journal(path: Path) -> None:
    """Refuse a file that holds something else: Optuna would append to it before it reads it."""
    if not path.exists():
        return
    with path.open("rb") as file:
        first = file.readline()
    if not (first.startswith(_RECORD) or _RECORD.startswith(first)):  # which may be torn
        raise ValueError("it is a file, but no journal")


def _require_one_at(address: str) -> None:
    """Refuse a password with an @ in it: its rest would be taken for the host, and be shown."""
    if re.search(r"://[^:/]*:[^@]*@[^?]*@", address):
        raise ValueError("its password has an @ in it: write that as %40")


def _engine_options(address: str) -> dict[str, Any]:
    """Return what keeps a database from failing where trials are long and others write too."""
    if address.startswith("sqlite"):
        return {"connect_args": {"timeout": _LOCKED_S}}  # SQLite locks the complete file
    options: dict[str, Any] = {"pool_pre_ping": True}  # servers cut connections that are idle
    if address.startswith(("mysql", "mariadb")):
        # Their default holds on to what a transaction read first; MariaDB from 11.6 on then fails
        # it where another process has written meanwhile.
        options["isolation_level"] = "READ COMMITTED"
    return options


def _unreachable(address: str, error: Exception) -> ConfigError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ConfigError(
        f"storage {shown(address)} cannot be used ({reason}): give --storage a database URL that "
        "can be reached and whose driver is installed, or the path of a journal file"
    )


def _another_study(config: StudyConfig, why: str) -> ConfigError:
    return ConfigError(
        f"storage {shown(storage_address(config))} holds another study named {config.full_name} "
        f"({why}): give another --storage, or the conditions that it has"
    )
