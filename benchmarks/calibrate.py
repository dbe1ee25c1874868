"""How hard the universe is: `python -m benchmarks.calibrate`.

Three rows for each domain, and no synthesis method among them: the plain backbone, fine-tuned on
its references alone, and fine-tuned on 1,000 correct pairs. The universe was calibrated on them and
on nothing else. The recipe of a preset is chosen with `--split development`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cli.exit_codes import exit_code
from benchmarks.config.presets import PRESETS, load_preset
from benchmarks.console.display import make_display
from benchmarks.pipeline.pipeline import Pipeline, open_pipeline
from benchmarks.run import run_row
from benchmarks.stages import evaluate, finetune
from benchmarks.stages.sieve import KEPT
from benchmarks.store.store import Stage
from benchmarks.suites.base import Split
from benchmarks.suites.housestyle.domains import DOMAINS, Track
from benchmarks.suites.housestyle.suite import HousestyleSuite
from benchmarks.suites.registry import SuiteOptions
from domino.records import Provenance, Synthetic

ORACLE_AT_LEAST = 0.85
CLOSED_AT_MOST = 0.60
NO_DATA: dict[Track, tuple[float, float]] = {"compositions": (0.3, 0.6), "conventions": (0.0, 0.1)}


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
        verdict = "; ".join(self.failures()) or "holds"
        return (
            f"{self.track:13} {self.domain:9} {self.no_data:7.1%} {self.references_only:11.1%} "
            f"{self.closed:7.0%} {self.oracle:7.1%}  {verdict}"
        )


def calibrate(preset: str, domain: str, *, model: str, split: Split, output: Path) -> Calibration:
    """Return Pass@1 of the three rows under the recipe of a preset."""
    config = load_preset(preset)
    config = replace(
        config,
        suite_options=SuiteOptions(domain=domain),
        model=model,
        methods=("no-data", "references-only"),
        evaluate=replace(config.evaluate, split=split),
        output=output,
    )
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
    return row.step(evaluate, config.evaluate, row.step(finetune, config.finetune, pairs))


def _score(evaluated: Stage) -> float:
    return float(evaluated.summary["pass@1"])


def report(found: Iterable[Calibration]) -> bool:
    """Print a line for each domain as it is found; return whether every bound holds."""
    print(f"{'track':13} {'domain':9} no data  references  closed  oracle  bounds")
    holds = True
    for calibration in found:
        print(calibration, flush=True)
        holds = holds and not calibration.failures()
    return holds


def main() -> int:
    """Run the command line; return 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", choices=list(DOMAINS), action="append")
    parser.add_argument(
        "--preset",
        choices=[n for n in PRESETS if n.startswith("housestyle")],
        default="housestyle",
    )
    parser.add_argument("--model", default="housestyle")
    parser.add_argument("--split", choices=["test", "development"], default="test")
    parser.add_argument("--output", type=Path, default=Path("runs"))
    options = parser.parse_args()
    where = {"model": options.model, "split": options.split, "output": options.output}
    domains = options.domain or list(DOMAINS)
    return int(not report(calibrate(options.preset, domain, **where) for domain in domains))


if __name__ == "__main__":
    raise SystemExit(exit_code("benchmarks.calibrate", main))
