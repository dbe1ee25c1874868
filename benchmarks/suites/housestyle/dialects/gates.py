"""What a backbone of the track must be able to do before synthesis has something to win or lose.

Measured on draws alone, by the oracle: how often a draw stays in a dialect that six examples show
in context, and in one that a soft prompt was fitted on. The latter's dialect belongs to no domain.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.few_shot import FewShot, FewShotConfig
from baselines.prompt_tuning import PromptTuning
from benchmarks.suites.housestyle.dialects.domains import DOMAINS, draw
from benchmarks.suites.housestyle.dialects.wording import dialects
from benchmarks.suites.housestyle.grammar import (
    OPERATIONS,
    RETURNS,
    Mix,
    Wording,
    instruction,
    parse,
)
from domino.records import Reference, Sampling, derive_seed
from domino.synthesizer import Domain, FitContext, Synthesizer

IN_CONTEXT: Mapping[str, tuple[float, float]] = {"weak": (0.4, 0.6), "coherent": (0.9, 1.0)}
SOFT_PROMPT_AT_LEAST = 0.75
EXAMPLES, FITTED = 6, 32
SAMPLING = Sampling(temperature=0.8, top_p=1.0, max_new_tokens=96)
OTHER_DIALECT = "bakery"
"""No domain's: what is measured here may be looked at as often as one likes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Steering:
    """Shares of draws that are in the dialect they should be in."""

    coherence: str
    in_context: float
    soft_prompt: float

    def failures(self) -> list[str]:
        """Return one line for each bound that does not hold."""
        low, high = IN_CONTEXT[self.coherence]
        found = []
        if not low <= self.in_context <= high:
            found.append(f"{self.in_context:.0%} in context outside {low:.0%} to {high:.0%}")
        if self.soft_prompt < SOFT_PROMPT_AT_LEAST:
            found.append(f"{self.soft_prompt:.0%} by soft prompt, below {SOFT_PROMPT_AT_LEAST:.0%}")
        return found


def measure(
    context: FitContext, coherence: str, tuning: PromptTuning, *, draws: int = 200
) -> Steering:
    """Measure the backbone of a context, with `tuning` as the soft prompt that is fitted."""
    dialect = dialects()[OTHER_DIALECT]
    few = FewShot(FewShotConfig(examples=EXAMPLES))
    return Steering(
        coherence=coherence,
        in_context=_share(few, _references(dialect, EXAMPLES), dialect, context, draws),
        soft_prompt=_share(tuning, _references(dialect, FITTED), dialect, context, draws),
    )


def _references(dialect: Wording, count: int) -> Sequence[Reference]:
    mix = Mix(dict.fromkeys(OPERATIONS, 1.0), DOMAINS["ledger"].lengths,
              dict.fromkeys(list(RETURNS)[:5], 1.0))  # fmt: skip
    rng = random.Random(derive_seed(0, "gates", dialect.name))
    return [
        Reference(id=f"gate-{number}", instruction=instruction(task, rng, wording=dialect))
        for number, task in enumerate(draw(mix, count, "references", rng))
    ]


def _share(
    method: Synthesizer,
    references: Sequence[Reference],
    dialect: Wording,
    context: FitContext,
    draws: int,
) -> float:
    method.fit(Domain(references=tuple(references)), context)
    texts = [record.instruction for record in method.synthesize(draws, SAMPLING)]
    return sum(parse(text, dialect) is not None for text in texts) / draws
