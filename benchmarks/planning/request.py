"""What a plan is asked for, beside the run itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.planning.lengths import Assumptions


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What a plan is asked for.

    Attributes:
        device: its name; None is this machine for the shipped backbone, else an H100.
        assumed: numbers that replace counted and assumed ones.
    """

    device: str | None = None
    assumed: Assumptions = field(default_factory=Assumptions)
