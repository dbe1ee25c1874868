"""Trials as cells: one small file per finished trial, to be committed.

Trials are run from the storage; cells can restore it on another machine, and give reports. A cell
is identified by its slot (`studies.slots`), which is the same on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import write_atomically, write_error
from benchmarks.config.run_config import synthesize_config
from benchmarks.pipeline.cell import checked_values, with_digest
from benchmarks.stages import (
    decontaminate,
    evaluate,
    filter_instructions,
    filter_responses,
    finetune,
    respond,
    synthesize,
)
from benchmarks.store.identity import digest
from benchmarks.store.provenance import machine_kind, machine_tags
from domino.records import Record, RecordError
from studies.slots import PROCESS, SLOT, is_settled, trials_by_slot
from studies.storage import CONDITIONS, conditions, directions

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline
    from studies.config import StudyConfig

CODE = "code"
"""Among the conditions of a cell: the digest of the code of a trial's stages."""
_LATER_STAGES = (
    filter_instructions, filter_responses, decontaminate, finetune, evaluate,
)  # fmt: skip
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
_OF_THE_MACHINE = (PROCESS, SLOT)
_NAMED = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCell(Record):
    """One finished trial.

    Attributes:
        study: its full name.
        slot: of the trial.
        state: complete, or pruned.
        params: what the sampler proposed.
        distributions: from which, by parameter, as Optuna writes them.
        values: of the objectives; empty of a trial that was pruned.
        steps: what was reported to the pruner, by step.
        notes: what the study keeps of a trial: values by seed, cost, the reason for its end.
        system: what Optuna keeps of it.
        conditions: digests, seeds and settings that all trials of the study share.
        seconds: wall seconds of the trial.
        versions: git commit, Python and libraries.
        machine: kind of processor, cores, system.
    """

    study: str
    slot: int
    state: str
    params: Mapping[str, Any]
    distributions: Mapping[str, str]
    values: Sequence[float] = ()
    steps: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, str]
    seconds: float
    versions: Mapping[str, str]
    machine: Mapping[str, str]

    def to_text(self) -> str:
        """Return the content of the cell's file."""
        return with_digest(json.loads(self.to_json()))

    @classmethod
    def from_text(cls, text: str) -> TrialCell:
        """Read what `to_text` wrote.

        Raises:
            RecordError: the text is torn, was changed, or is not a cell of this version.
        """
        return cls.from_json(json.dumps(checked_values(text)))

    def trial(self, *, slot: int | None = None) -> FrozenTrial:
        """Return the trial; `slot` is given where it does not follow from the order of trials."""
        return create_trial(
            state=_STATES[self.state],
            values=list(self.values) or None,
            params=dict(self.params),
            distributions={n: json_to_distribution(t) for n, t in self.distributions.items()},
            user_attrs={**self.notes, **({} if slot is None else {SLOT: slot})},
            system_attrs=dict(self.system),
            intermediate_values={int(step): value for step, value in self.steps.items()},
        )


class TrialCells:
    """The cells of one study in a folder."""

    def __init__(self, config: StudyConfig, folder: Path) -> None:
        """Read nothing yet."""
        self.folder = folder
        self._name = config.full_name

    def read(self) -> list[TrialCell]:
        """Return the cells in the order of their slots.

        Raises:
            ConfigError: a file is not a cell, or the folder cannot be read.
        """
        found, strange = [], []
        for path in sorted(self.folder.glob(f"{self._name}.trial-*.json")):
            try:
                found.append(TrialCell.from_text(path.read_text(encoding="utf-8")))
            except OSError as error:
                strange.append(f"{path}: {error.strerror}")
            except (RecordError, UnicodeDecodeError) as error:
                strange.append(f"{path} is not a trial's cell: {' '.join(str(error).split())}")
        if strange:
            raise ConfigError(f"{_few(strange)}; remove them to run these trials again")
        return sorted(found, key=lambda cell: cell.slot)

    def agreeing(self, expected: Mapping[str, str]) -> list[TrialCell]:
        """Return the cells, which were all made under these conditions.

        Args:
            expected: what `cell_conditions` returned.

        Raises:
            ConfigError: a file is not a cell, or cells were made under other conditions.
        """
        cells = self.read()
        other = [f"{self._file(c.slot)} ({why})" for c in cells if (why := _other(c, expected))]
        if other:
            raise ConfigError(
                f"cells {self.folder}: made under other conditions: {_few(other)}; give --cells a "
                "new folder, or the command (and the commit) that made them"
            )
        return cells

    def keep(self, study: optuna.Study, expected: Mapping[str, str]) -> None:
        """Write a cell for each finished trial that has none.

        Raises:
            StoreError: it cannot be written.
        """
        for slot, own in trials_by_slot(study.get_trials(deepcopy=False)).items():
            path = self.folder / self._file(slot)
            done = [trial for trial in own if trial.state in _STATES.values()]
            if done and not path.exists():
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise write_error(self.folder, error) from error
                write_atomically(path, self._cell(slot, done[0], expected).to_text())

    def stored(self, config: StudyConfig) -> optuna.Study:
        """Return the study that the cells make, in memory.

        Raises:
            ConfigError: there are no cells, a file is not a cell, or conditions of cells differ.
        """
        cells = self.read()
        if not cells:
            raise ConfigError(
                f"cells {self.folder}: none of study {self._name}; studies.run --cells writes them"
            )
        other = [f"{self._file(c.slot)} ({why})" for c in cells
                 if (why := _other(c, cells[0].conditions))]  # fmt: skip
        if other:
            raise ConfigError(f"cells {self.folder}: of different conditions: {_few(other)}")
        study = optuna.create_study(study_name=self._name, directions=directions(config))
        shared = {name: text for name, text in cells[0].conditions.items() if name != CODE}
        study.set_user_attr(CONDITIONS, shared)
        restore(study, cells)
        return study

    def _file(self, slot: int) -> str:
        return f"{self._name}.trial-{slot}.json"

    def _cell(self, slot: int, trial: FrozenTrial, expected: Mapping[str, str]) -> TrialCell:
        notes = {k: v for k, v in trial.user_attrs.items() if k not in _OF_THE_MACHINE}
        return TrialCell(
            study=self._name,
            slot=slot,
            state=trial.state.name.lower(),
            params=trial.params,
            distributions={n: distribution_to_json(d) for n, d in trial.distributions.items()},
            values=trial.values or (),
            steps={str(step): value for step, value in trial.intermediate_values.items()},
            notes=notes,
            system=trial.system_attrs,
            conditions=expected,
            seconds=round(trial.duration.total_seconds(), 3) if trial.duration else 0.0,
            versions=machine_tags(),
            machine=machine_kind(),
        )


def cell_conditions(config: StudyConfig, pipeline: Pipeline) -> dict[str, str]:
    """Return the conditions that must be equal for a cell to replace a trial of this study."""
    named = synthesize_config(config.of_method(config.run), config.method)
    code = [pipeline.code(synthesize, named)]
    if config.scores:
        code.append(pipeline.code(respond, named))
        code += [pipeline.code(module, None) for module in _LATER_STAGES]
    return {**conditions(config, pipeline), CODE: digest(code)}


def _other(cell: TrialCell, expected: Mapping[str, str]) -> str:
    """Return how a cell's conditions differ; missing fields belong to another release."""
    there = cell.conditions
    differing = sorted(n for n in there.keys() & expected.keys() if there[n] != expected[n])
    if not differing:
        return ""
    name = next((n for n in differing if n != CODE), CODE)
    return f"{name} {there[name][:60]}, here {expected[name][:60]}"


def restore(study: optuna.Study, cells: Sequence[TrialCell]) -> int:
    """Add the trials that a study lacks, and return their number."""
    added = 0
    for cell in cells:
        slots = trials_by_slot(study.get_trials(deepcopy=False))
        if not is_settled(slots.get(cell.slot, [])):
            in_turn = cell.slot not in slots and _originals(study) == cell.slot
            study.add_trial(cell.trial(slot=None if in_turn else cell.slot))
            added += 1
    return added


def _originals(study: optuna.Study) -> int:
    return sum(SLOT not in trial.user_attrs for trial in study.get_trials(deepcopy=False))


def _few(lines: Sequence[str]) -> str:
    rest = len(lines) - _NAMED
    return "; ".join(lines[:_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
