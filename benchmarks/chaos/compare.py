"""Whether two stores hold the same: every stage, every record, every file.

Values that depend on the machine and not on the data are left out: times, and which programs were
rerun without contention.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.store.store import MANIFEST

_OF_THE_MACHINE = frozenset({"seconds", "retried", "retried_timeouts"})
_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What a store holds, comparable by `==`.

    Attributes:
        summaries: of every stage, by its directory's name; None where it is not finished.
        records: of every record file, by its path below the stages.
        digests: the sha256 of every other file.
    """

    summaries: Mapping[str, Any]
    records: Mapping[str, list[Any]]
    digests: Mapping[str, str]

    @classmethod
    def at(cls, root: Path) -> Stored:
        """Read the store below `root`."""
        summaries: dict[str, Any] = {}
        records: dict[str, list[Any]] = {}
        digests: dict[str, str] = {}
        for directory in sorted((root / "stages").iterdir()):
            path = directory / MANIFEST
            manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
            summaries[directory.name] = manifest and of_the_data(manifest["summary"])
            for file, entry in (manifest or {"files": {}})["files"].items():
                name = f"{directory.name}/{file}"
                if file.endswith(".jsonl"):
                    lines = (directory / file).read_text(encoding="utf-8").split("\n")
                    records[name] = [of_the_data(json.loads(line)) for line in lines if line]
                else:
                    digests[name] = entry["sha256"]
        return cls(summaries=summaries, records=records, digests=digests)

    @property
    def count(self) -> int:
        """How many records there are."""
        return sum(map(len, self.records.values()))


def differences(expected: Stored, found: Stored) -> list[str]:
    """Return one line for each stage, record file and file that is not the same."""
    return [
        *_differing("stage", expected.summaries, found.summaries),
        *_differing("records", expected.records, found.records),
        *_differing("file", expected.digests, found.digests),
    ]


def same_table(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether two reports, as `--json` writes them, say the same but for machine and place."""
    return _table(expected) == _table(found)


def _table(report: Mapping[str, Any]) -> dict[str, Any]:
    left_out = {"stored", "reused", *_OF_THE_MACHINE}
    told = {name: value for name, value in report.items() if name not in left_out}
    return told | {"methods": [of_the_data(row) for row in told["methods"]]}


def of_the_data(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, a summary or a row of a table without values that depend on the machine."""
    return {name: value for name, value in record.items() if name not in _OF_THE_MACHINE}


def _differing(kind: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        if name not in found:
            yield f"{kind} {name}: missing"
        elif name not in expected:
            yield f"{kind} {name}: one too many"
        elif expected[name] != found[name]:
            want, got = (json.dumps(side[name], sort_keys=True) for side in (expected, found))
            at = next((i for i, (a, b) in enumerate(zip(want, got, strict=False)) if a != b), 0)
            start = max(0, at - _SHOWN // 2)
            shown = [text[start : start + _SHOWN] for text in (want, got)]
            yield f"{kind} {name}: expected ...{shown[0]!r}, found ...{shown[1]!r}"
