"""The ceiling of a domain: `python -m benchmarks.suites.housestyle.calibrate`.

Fine-tunes the backbone on correct pairs of the domain by the recipe of a preset and evaluates it.
With the rows *no data* and *references only* of `benchmarks.run` this is all that the universe was
calibrated on: no synthesis method appears in it.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks.presets import PRESETS, load_preset
from benchmarks.stages import evaluate, finetune
from benchmarks.stages.context import StageContext
from benchmarks.stages.sieve import KEPT
from benchmarks.store import Stage, Store
from benchmarks.suites.housestyle.backbone import CHECKPOINT
from benchmarks.suites.housestyle.domains import DOMAINS, Track
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.records import Provenance, Synthetic


def oracle_pairs(suite: HousestyleSuite, store: Store) -> Stage:
    """Return a stage that holds the domain's correct pairs as if a method had made them."""
    stage = store.stage(
        "oracle-pairs",
        config={"domain": suite.domain.name, "track": suite.track},
        inputs=[],
        code="1",
    )
    if not stage.complete:
        have = {record.id for record in stage.read(KEPT, Synthetic)}
        for pair in suite.oracle_pairs():
            if pair.id not in have:
                origin = Provenance(method="oracle", seed=0)
                record = Synthetic(
                    id=pair.id,
                    instruction=pair.instruction,
                    response=pair.response,
                    provenance=origin,
                )
                stage.append(KEPT, record)
        stage.finish({"kept": len(suite.oracle_pairs())})
    return stage


def ceiling(suite: HousestyleSuite, preset: str, model: Path, root: Path) -> float:
    """Return Pass@1 on the test problems after fine-tuning on the domain's correct pairs."""
    config = load_preset(preset)
    store = Store(root)
    context = StageContext(suite=suite, model=str(model), seed=0, sandbox=config.sandbox)
    pairs = oracle_pairs(suite, store)
    tuned = store.stage(
        "finetune",
        config={**asdict(config.finetune), "model": str(model)},
        inputs=[pairs],
        code="1",
    )
    if not tuned.complete:
        finetune.run(config.finetune, pairs, tuned, context)
    scored = store.stage("evaluate", config=asdict(config.evaluate), inputs=[tuned], code="1")
    if not scored.complete:
        evaluate.run(config.evaluate, tuned, scored, context)
    return float(scored.summary["pass@1"])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--domain", choices=list(DOMAINS), action="append")
    parser.add_argument("--preset", choices=[n for n in PRESETS if n.startswith("housestyle")],
                        default="housestyle")  # fmt: skip
    parser.add_argument("--model", type=Path, default=CHECKPOINT)
    parser.add_argument("--output", type=Path, default=Path("runs/calibrate"))
    options = parser.parse_args()
    track: Track = "conventions" if options.preset.endswith("conventions") else "compositions"
    for domain in options.domain or list(DOMAINS):
        suite = HousestyleSuite(domain, track)
        share = ceiling(suite, options.preset, options.model, options.output)
        pairs = len(suite.oracle_pairs())
        print(f"{track:13} {domain:9} {pairs} oracle pairs: Pass@1 {share:.1%}")


if __name__ == "__main__":
    main()
