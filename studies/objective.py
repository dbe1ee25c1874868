"""What a study improves or measures, by name: development Pass@1, or a stand-in that it states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from studies import measures
from studies.outputs import TrialOutputs

Direction = Literal["maximize", "minimize"]
CLAIMS = (
    "in-domain", "copies", "copied-tasks", "shared-run", "distinct-2", "distinct-tasks", "coverage",
)  # fmt: skip
"""Measures of what the contrastive term is for: fewer copies, more diversity, more support."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """One number for a method with a seed.

    Attributes:
        about: what it is, in words.
        direction: which way is better.
        measure: from what a setting made to the number.
        scores: whether it needs the complete pipeline, so that canonical solutions must pass
            first; otherwise the synthesize stage is all that it needs.
    """

    about: str
    direction: Direction
    measure: Callable[[TrialOutputs], float]
    scores: bool = False


def _named(
    direction: Direction,
    about: str,
    measure: Callable[[TrialOutputs], float],
    *,
    scores: bool = False,
) -> Objective:
    return Objective(about=about, direction=direction, measure=measure, scores=scores)


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "pass@1": _named(
            "maximize", "Pass@1 on development problems, after the complete pipeline",
            measures.pass_at_1, scores=True,
        ),
        "tokens": _named(
            "minimize", "tokens generated to make the pairs, refused ones included",
            measures.tokens, scores=True,
        ),
        "aligned": _named(
            "maximize", "share of the pairs trained on that are right, by the suite's oracle",
            measures.aligned, scores=True,
        ),
        "held-out-loss": _named(
            "minimize", "loss on held-out references, in place of Pass@1", measures.held_out_loss
        ),
        "new-in-domain": _named(
            "maximize", "share of draws that are new tasks of the domain, by the suite's oracle, "
            "in place of Pass@1", measures.new_in_domain,
        ),
        "in-domain": _named(
            "maximize", "share of draws made of the domain's operations alone, by the suite's "
            "oracle", measures.in_domain,
        ),
        "copies": _named(
            "minimize", "share of draws that repeat a reference in nearly its words",
            measures.copies,
        ),
        "copied-tasks": _named(
            "minimize", "share of draws that state a reference's task in any words",
            measures.copied_tasks,
        ),
        "shared-run": _named(
            "minimize",
            "mean share of a draw's words in the longest run that it has from a reference",
            measures.shared_run,
        ),
        "distinct-2": _named(
            "maximize", "distinct pairs of neighbouring words over all in the draws",
            measures.distinct_2,
        ),
        "distinct-tasks": _named(
            "maximize", "different tasks over the draws asked for", measures.distinct_tasks
        ),
        "coverage": _named(
            "maximize", "probability of the domain's support that the draws cover, by the suite's "
            "oracle", measures.coverage,
        ),
    }
)  # fmt: skip
