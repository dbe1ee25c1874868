"""How hard the universe is: `python -m benchmarks.calibrate`.

Rows for each domain, and no synthesis method among them: the plain backbone, fine-tuned on its
references alone, on correct pairs, and in the track dialects on pairs that must not help or not
help enough. The universe was calibrated on them and on nothing else. The recipe of a preset is
chosen with `--split development`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from benchmarks.cli.exit_codes import exit_code
from benchmarks.config.presets import PRESETS, load_preset
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import make_display
from benchmarks.pipeline.pipeline import Pipeline, open_pipeline
from benchmarks.run import run_row
from benchmarks.stages import evaluate, finetune
from benchmarks.stages.sieve import KEPT
from benchmarks.store.store import Stage
from benchmarks.suites.base import Split
from benchmarks.suites.housestyle.dialects.domains import DOMAINS as DIALECT_DOMAINS
from benchmarks.suites.housestyle.domains import DOMAINS, Track
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.records import Provenance, Synthetic

ORACLE_AT_LEAST = 0.85
CLOSED_AT_MOST = 0.60
NO_DATA: dict[Track, tuple[float, float]] = {"compositions": (0.3, 0.6), "conventions": (0.0, 0.1)}
DIALECTS = "housestyle"
"""The preset of the track dialects."""
CEILING_AT_LEAST: Mapping[str, float] = {"weak": 0.75, "coherent": 0.85}
NO_DATA_AT_MOST, REFERENCES_AT_MOST = 0.10, 0.15
OTHER_WORDS_ADD_AT_MOST = 0.05
RECOMBINED_BELOW_CEILING = 0.25
DIALECT_ROWS = (
    "no-data", "references-only", "plain-wording", "other-domain", "recombined", "ceiling",
)  # fmt: skip


class Calibrated(Protocol):
    """What was measured of a domain; as text, one line of the table."""

    def failures(self) -> list[str]:
        """Return the bounds that do not hold, each in a few words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """Pass@1 of a domain's three rows."""

    track: Track
    domain: str
    no_data: float
    references_only: float
    oracle: float

    @property
    def closed(self) -> float:
        """The share of the gap between no data and the oracle that the references alone close."""
        return (self.references_only - self.no_data) / max(self.oracle - self.no_data, 1e-9)

    def failures(self) -> list[str]:
        """Return the bounds that do not hold, each in a few words."""
        low, high = NO_DATA[self.track]
        found = []
        if not low <= self.no_data <= high:
            found.append(f"no data outside {low:.0%} to {high:.0%}")
        if self.oracle < ORACLE_AT_LEAST:
            found.append(f"oracle below {ORACLE_AT_LEAST:.0%}")
        if self.closed > CLOSED_AT_MOST:
            found.append(f"references alone close more than {CLOSED_AT_MOST:.0%}")
        return found

    def __str__(self) -> str:
        """One line of the table."""
        return (
            f"{self.track:13} {self.domain:9} {self.no_data:7.1%} {self.references_only:11.1%} "
            f"{self.closed:7.0%} {self.oracle:7.1%}  {_verdict(self)}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DialectCalibration:
    """Pass@1 of a domain's rows in the track dialects, by the names of `DIALECT_ROWS`."""

    coherence: str
    domain: str
    scores: Mapping[str, float]

    def failures(self) -> list[str]:
        """Return the bounds that do not hold, each in a few words."""
        scores, found = self.scores, []
        for name, most in (
            ("no-data", NO_DATA_AT_MOST),
            ("references-only", REFERENCES_AT_MOST),
            ("plain-wording", scores["no-data"] + OTHER_WORDS_ADD_AT_MOST),
            ("other-domain", scores["no-data"] + OTHER_WORDS_ADD_AT_MOST),
            ("recombined", scores["ceiling"] - RECOMBINED_BELOW_CEILING),
        ):
            if scores[name] > most:
                found.append(f"{name} above {most:.1%}")
        least = CEILING_AT_LEAST[self.coherence]
        if scores["ceiling"] < least:
            found.append(f"ceiling below {least:.0%}")
        return found

    def __str__(self) -> str:
        """One line of the table."""
        shown = " ".join(f"{self.scores[name]:{len(name)}.1%}" for name in DIALECT_ROWS)
        return f"{self.coherence:9} {self.domain:9} {shown}  {_verdict(self)}"


def _verdict(calibrated: Calibrated) -> str:
    return "; ".join(calibrated.failures()) or "holds"


def calibrate(preset: str, domain: str, *, model: str, split: Split, output: Path) -> Calibration:
    """Return Pass@1 of the three rows under the recipe of a preset."""
    config = _config(preset, domain, model=model, split=split, output=output)
    config = replace(config, methods=("no-data", "references-only"))
    with make_display(plain=True) as display:
        pipeline = open_pipeline(config, display=display, steps=16)
        no_data, references_only = (
            _score(run_row(pipeline, method, seed=0).evaluated) for method in config.methods
        )
        suite = pipeline.context.suite
        assert isinstance(suite, HousestyleSuite)
        return Calibration(
            track=suite.track,
            domain=domain,
            no_data=no_data,
            references_only=references_only,
            oracle=_score(_ceiling(pipeline, suite)),
        )


def calibrate_dialect(
    domain: str, *, coherence: str, model: str, split: Split, output: Path, seed: int = 0
) -> DialectCalibration:
    """Return Pass@1 of a domain's rows in the track dialects, with the references of a seed."""
    config = _config(DIALECTS, domain, model=model, split=split, output=output)
    options = replace(config.suite_options, coherence=coherence)
    config = replace(config, suite_options=options, methods=DIALECT_ROWS, seeds=(seed,))
    with make_display(plain=True) as display:
        pipeline = open_pipeline(config, display=display, steps=7 * len(DIALECT_ROWS))
        rows = {method: run_row(pipeline, method, seed) for method in DIALECT_ROWS}
    return DialectCalibration(
        coherence=coherence,
        domain=domain,
        scores={method: _score(row.evaluated) for method, row in rows.items()},
    )


def _config(preset: str, domain: str, *, model: str, split: Split, output: Path) -> RunConfig:
    config = load_preset(preset)
    return replace(
        config,
        suite_options=replace(config.suite_options, domain=domain),
        model=model,
        evaluate=replace(config.evaluate, split=split),
        output=output,
    )


def oracle_pairs(pipeline: Pipeline, suite: HousestyleSuite) -> Stage:
    """Return a stage that holds the domain's correct pairs as if a method had made them."""
    pairs = suite.oracle_pairs()
    stage = pipeline.store.stage("oracle-pairs", config={"pairs": pairs}, inputs=[], code="1")
    if not stage.complete:
        with stage.writing():
            have = {record.id for record in stage.read(KEPT, Synthetic)}
            for pair in pairs:
                if pair.id not in have:
                    stage.append(
                        KEPT,
                        Synthetic(
                            id=pair.id,
                            instruction=pair.instruction,
                            response=pair.response,
                            provenance=Provenance(method="oracle", seed=0),
                        ),
                    )
            stage.finish({"kept": len(pairs)})
    return stage


def _ceiling(pipeline: Pipeline, suite: HousestyleSuite) -> Stage:
    pairs, config = oracle_pairs(pipeline, suite), pipeline.config
    row = pipeline.for_row("oracle", 0)
    return row.step(evaluate, config.evaluate, row.step(finetune, config.finetune, pairs, ()))


def _score(evaluated: Stage) -> float:
    return float(evaluated.summary["pass@1"])


def report(heading: str, found: Iterable[Calibrated]) -> bool:
    """Print a line for each domain as it is found; return whether every bound holds."""
    print(heading)
    holds = True
    for calibration in found:
        print(calibration, flush=True)
        holds = holds and not calibration.failures()
    return holds


def main() -> int:
    """Run the command line; return 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", choices=list(DIALECT_DOMAINS), action="append")
    parser.add_argument(
        "--preset",
        choices=[n for n in PRESETS if n.startswith("housestyle")],
        default=DIALECTS,
    )
    parser.add_argument("--coherence", choices=list(CEILING_AT_LEAST), default="weak")
    parser.add_argument("--model", default="housestyle")
    parser.add_argument("--split", choices=["test", "development"], default="test")
    parser.add_argument("--seed", type=int, default=0, help="of the track dialects")
    parser.add_argument("--output", type=Path, default=Path("runs"))
    options = parser.parse_args()
    where = {"model": options.model, "split": options.split, "output": options.output}
    if options.preset == DIALECTS:
        how = {"coherence": options.coherence, "seed": options.seed, **where}
        heading = f"{'coherence':9} {'domain':9} {' '.join(DIALECT_ROWS)}  bounds"
        domains = options.domain or list(DIALECT_DOMAINS)
        return int(not report(heading, (calibrate_dialect(name, **how) for name in domains)))
    heading = f"{'track':13} {'domain':9} no data  references  closed  oracle  bounds"
    domains = options.domain or list(DOMAINS)
    return int(not report(heading, (calibrate(options.preset, n, **where) for n in domains)))


if __name__ == "__main__":
    raise SystemExit(exit_code("benchmarks.calibrate", main))
