"""The config of both filters, the same for every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.judge import INSTRUCTION_GRADES, RESPONSE_GRADES
from benchmarks.stages.errors import StageError


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterConfig:
    """Criteria for instructions and responses.

    Attributes:
        judge_instructions: have the plain backbone grade every instruction.
        instruction_grades: grades that pass.
        judge_responses: have the plain backbone grade every response.
        response_grades: grades that pass.
        consistency: sample several responses per instruction and keep one that most agree with.
        consistency_samples: responses sampled per instruction.
        consistency_share: minimum share of samples that must behave the same, in (0, 1].
    """

    judge_instructions: bool = False
    instruction_grades: tuple[str, ...] = ("excellent",)
    judge_responses: bool = False
    response_grades: tuple[str, ...] = ("good",)
    consistency: bool = False
    consistency_samples: int = 8
    consistency_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse unknown grades, and invalid numbers."""
        _require_grades("instruction_grades", self.instruction_grades, INSTRUCTION_GRADES)
        _require_grades("response_grades", self.response_grades, RESPONSE_GRADES)
        if self.consistency_samples < 2:
            raise StageError(
                f"consistency_samples is {self.consistency_samples}: agreement needs at least 2"
            )
        if not 0 < self.consistency_share <= 1:
            raise StageError(
                f"consistency_share is {self.consistency_share}: give a share in (0, 1]"
            )

    @property
    def responses(self) -> int:
        """Number of responses per instruction in the respond stage."""
        return self.consistency_samples if self.consistency else 1


def _require_grades(name: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [grade for grade in given if grade not in known]
    if unknown or not given:
        raise StageError(f"{name} is {list(given)}: give one or more of {', '.join(known)}")
