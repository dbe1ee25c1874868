"""The ordeal: an undisturbed run, then the same run killed at random instants, then both compared.

A run that ends before it is killed is compared, and the next one begins in a new directory, until
all kills have been dealt. Torn tails and full disks keep step with the kills from the first one on;
one that had no effect is repeated later.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.chaos.compare import Stored, differences, same_table
from benchmarks.chaos.harm import Disk, Ended, attempt, disk_at, tear_tail, tearable
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError

_REACH = 0.25  # of the undisturbed work, the furthest that an attempt gets at first


class OrdealError(ConfigError):
    """The ordeal cannot be held: why, and what to do."""


class BrokenPromiseError(StoreError):
    """A run that was killed, or had no space left, did not go on as it must."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrdealConfig:
    """What is run, and what befalls it.

    Attributes:
        command: a run without --output and --json.
        work: an empty or new directory for all that the ordeal writes.
        kills: how often the process group is killed, at most.
        minutes: after this time no more faults are injected, and the current run may end; None is
            no limit.
        tails: torn tails of record files for each kill, at most one.
        full_disks: full disks for each kill, at most one.
        seed: of all chances.
        mount: whether small file systems may be mounted.
    """

    command: Sequence[str]
    work: Path
    kills: int = 50
    minutes: float | None = None
    tails: float = 0.3
    full_disks: float = 0.15
    seed: int = 0
    mount: bool = True

    def __post_init__(self) -> None:
        """Refuse what no ordeal can be."""
        if self.kills < 1:
            raise OrdealError(f"kills is {self.kills}: give at least 1")
        if self.minutes is not None and self.minutes <= 0:
            raise OrdealError(f"minutes is {self.minutes}: give more than 0")
        for name in ("tails", "full_disks"):
            if not 0 <= getattr(self, name) <= 1:
                raise OrdealError(f"{name} is {getattr(self, name)}: give a share from 0 to 1")
        if self.work.exists() and (not self.work.is_dir() or any(self.work.iterdir())):
            raise OrdealError(f"work {self.work} is not an empty directory: give another")


@dataclass(kw_only=True, slots=True)
class OrdealResult:
    """What was dealt, and what differs from the undisturbed run.

    Attributes:
        seconds: of the undisturbed run.
        kills: that befell a run.
        tails: that were torn.
        full_disks: that ended an attempt.
        owed: kills that were asked for and never came; of torn tails and full disks, those that
            belong to the kills that came.
        records: that were compared, over all disturbed runs.
        stages: the same of stages.
        disk: how disks were filled.
        differences: one line each; none is what must hold.
    """

    seconds: float
    kills: int = 0
    tails: int = 0
    full_disks: int = 0
    owed: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    records: int = 0
    stages: int = 0
    disk: str = ""
    differences: list[str] = field(default_factory=list)


def hold(config: OrdealConfig, say: Callable[[str], None]) -> OrdealResult:
    """Hold the ordeal and return what came of it.

    Raises:
        OrdealError: the undisturbed run fails.
        BrokenPromiseError: a disturbed run ended otherwise than it must.
    """
    return _Ordeal(config, say).hold()


class _Ordeal:
    def __init__(self, config: OrdealConfig, say: Callable[[str], None]) -> None:
        self._config, self._say = config, say
        self._chance = random.Random(config.seed)
        self._whole = config.work / "undisturbed" / "runs"
        self._start_s = self._work_s = 0.0
        self._until = math.inf
        self._vain: set[str] = set()  # tried since the last kill, and the run ended all the same

    def hold(self) -> OrdealResult:
        outcome = OrdealResult(seconds=self._undisturbed())
        expected, table = Stored.at(self._whole), _report(self._whole)
        if self._config.minutes is not None:
            self._until = time.monotonic() + 60 * self._config.minutes
        while self._more(outcome):
            outcome.runs += 1
            root = self._config.work / f"disturbed-{outcome.runs}" / "runs"
            with disk_at(root, self._whole, mount=self._config.mount) as disk:
                outcome.disk = disk.name
                self._disturb(root, disk, outcome)
                found = Stored.at(root)
                outcome.records += found.count
                outcome.stages += len(found.summaries)
                lines = differences(expected, found)
                if not same_table(table, _report(root)):
                    lines.append("the table")
                outcome.differences += [f"run {outcome.runs}: {line}" for line in lines]
        outcome.owed["kills"] = self._config.kills - outcome.kills
        for kind in ("tails", "full_disks"):
            outcome.owed[kind] = max(0, self._due(kind, outcome.kills) - getattr(outcome, kind))
        return outcome

    def _due(self, kind: str, kills: int) -> int:
        """How many of a kind belong to a number of kills: the first comes with the first kill."""
        share: float = getattr(self._config, kind)
        return math.ceil(share * kills)

    def _owes(self, kind: str, outcome: OrdealResult) -> bool:
        """Whether the next kill needs one of a kind; a kill must come between two vain attempts."""
        happened: int = getattr(outcome, kind)
        return kind not in self._vain and happened < self._due(kind, outcome.kills + 1)

    def _more(self, outcome: OrdealResult) -> bool:
        return outcome.kills < self._config.kills and time.monotonic() < self._until

    def _undisturbed(self) -> float:
        """Run once, and once more to learn how long it takes until work begins."""
        self._whole.mkdir(parents=True)
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            ended = attempt(self._command(self._whole))
            seconds.append(time.monotonic() - began)
            if ended.code != 0:
                raise OrdealError(f"the undisturbed run fails with exit code {_told(ended)}")
        self._start_s, self._work_s = seconds[1], max(seconds[0] - seconds[1], 1.0)
        self._say(f"undisturbed: {seconds[0]:.1f} s, of which {seconds[1]:.1f} s to start")
        return seconds[0]

    def _disturb(self, root: Path, disk: Disk, outcome: OrdealResult) -> None:
        """Let one run end in spite of everything; all of it once the kills are dealt."""
        reach_s = _REACH * self._work_s
        while self._more(outcome):
            if self._owes("full_disks", outcome) and self._starve(root, disk, outcome):
                return
            before = _progress(root)
            if not self._kill(root, outcome, reach_s, fresh=not before):
                return
            # An attempt that got nowhere is followed by a longer one, or no run would ever end.
            reach_s = reach_s * 2 if _progress(root) <= before else _REACH * self._work_s
        self._require(attempt(self._command(root)), 0, "the last resumed run")

    def _kill(self, root: Path, outcome: OrdealResult, reach_s: float, *, fresh: bool) -> bool:
        """Kill one attempt, and tear a tail where one is owed; False where it ended before."""
        tear = self._owes("tails", outcome)
        ended = attempt(
            self._command(root),
            lifetime_s=self._lifetime_s(reach_s),
            ripe=lambda: not tear or bool(tearable(root)),
        )
        if ended.code is not None:
            self._require(ended, 0, "a resumed run")
            # The rest of a run may be past all that could be torn; a whole run shows what there is.
            self._vain |= {"tails"} if tear and fresh else set()
            self._say(f"run {outcome.runs} ended before kill {outcome.kills + 1}")
            return False
        self._vain.clear()
        outcome.kills += 1
        torn = tear_tail(root, self._chance) if tear else None
        outcome.tails += torn is not None
        told = f"kill {outcome.kills}/{self._config.kills} in run {outcome.runs}"
        self._say(f"{told}; {torn}" if torn else told)
        return True

    def _lifetime_s(self, reach_s: float) -> float:
        return self._chance.uniform(0.2 * self._start_s, self._start_s + reach_s)

    def _starve(self, root: Path, disk: Disk, outcome: OrdealResult) -> bool:
        """Run on a full disk; return whether the space sufficed to end."""
        before = disk.fill(self._chance)
        try:
            ended = attempt(self._command(root), before=before)
        finally:
            disk.empty()
        if ended.code == 0:
            self._vain.add("full_disks")
            self._say(f"run {outcome.runs} ended in spite of a full disk")
            return True
        self._require(ended, 1, "a run on a full disk")
        if "no space left" not in ended.text:
            raise BrokenPromiseError(f"a full disk is not named: {_told(ended)}")
        outcome.full_disks += 1
        self._say(f"full disk ({disk.name}) in run {outcome.runs}: {ended.text.splitlines()[-1]}")
        return False

    def _command(self, root: Path) -> list[str]:
        table = str(root.parent / "table.json")
        return [*self._config.command, "--output", str(root), "--json", table]

    def _require(self, ended: Ended, code: int, what: str) -> None:
        if ended.code != code:
            raise BrokenPromiseError(f"{what} must end with {code}, not with {_told(ended)}")


def _report(root: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((root.parent / "table.json").read_text(encoding="utf-8"))
    return report


def _progress(root: Path) -> int:
    """What a store holds, as a number that grows with every record."""
    return sum(path.stat().st_size for path in root.glob("stages/**/*") if path.is_file())


def _told(ended: Ended) -> str:
    return f"{ended.code}: ...{' '.join(ended.text.split())[-400:]}"
