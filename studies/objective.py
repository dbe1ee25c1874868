"""Objectives and measures of a study by name: development Pass@1, or a named substitute."""

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
"""Measures of the purpose of the contrastive term: fewer copies, more diversity and support."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """One number for a method with a seed.

    Attributes:
        about: its description.
        direction: maximize or minimize.
        measure: function from the outputs of a setting to the number.
        scores: whether it needs the complete pipeline, so that canonical solutions must pass
            first; otherwise it needs only the synthesize stage.
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
            "minimize", "tokens generated to make the pairs, including dropped ones",
            measures.tokens, scores=True,
        ),
        "aligned": _named(
            "maximize", "share of training pairs that are correct, by the suite's oracle",
            measures.aligned, scores=True,
        ),
        "held-out-loss": _named(
            "minimize", "loss on held-out references, instead of Pass@1", measures.held_out_loss
        ),
        "new-in-domain": _named(
            "maximize", "share of samples that are new tasks of the domain, by the suite's oracle, "
            "instead of Pass@1", measures.new_in_domain,
        ),
        "in-domain": _named(
            "maximize", "share of draws made of the domain's operations alone, by the suite's "
            "oracle", measures.in_domain,
        ),
        "copies": _named(
            "minimize", "share of samples that repeat a reference almost word by word",
            measures.copies,
        ),
        "copied-tasks": _named(
            "minimize", "share of samples with a reference's task in any words",
            measures.copied_tasks,
        ),
        "shared-run": _named(
            "minimize",
            "mean share of a sample's words in its longest run shared with a reference",
            measures.shared_run,
        ),
        "distinct-2": _named(
            "maximize", "distinct word bigrams over all bigrams of the samples",
            measures.distinct_2,
        ),
        "distinct-tasks": _named(
            "maximize", "distinct tasks over requested samples", measures.distinct_tasks
        ),
        "coverage": _named(
            "maximize", "probability of the domain's support that the draws cover, by the suite's "
            "oracle", measures.coverage,
        ),
    }
)  # fmt: skip
