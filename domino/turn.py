"""The chat template around one instruction, as text: what references and samples stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from domino.engines.chat import SENTINEL
from domino.synthesizer import Template

if TYPE_CHECKING:
    from domino.engines.base import Engine
    from domino.records import Reference


@dataclass(frozen=True, slots=True)
class Turn:
    """The chat template around one instruction, as text.

    Attributes:
        lead: what comes before an instruction; nothing for a base model.
        separator: what stands between an instruction and its response.
        end: the token that ends a turn.
    """

    lead: str
    separator: str
    end: str

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Ask the engine's chat template."""
        rendered = engine.render([{"role": "user", "content": SENTINEL}])
        return cls(
            lead=engine.render([], open_user_turn=True) if engine.has_turns else "",
            separator=rendered.partition(SENTINEL)[2],
            end=engine.end_of_turn,
        )

    def after_lead(self, reference: Reference, template: Template) -> str:
        """What follows the lead: the instruction alone, or instruction and response.

        The end token is always part of it, or samples would never stop, also where a template
        ends a user turn by the next turn's marker.
        """
        if template == "pair":
            return f"{reference.instruction}{self.separator}{reference.response}{self.end}"
        closing, found, _ = self.separator.partition(self.end)
        return f"{reference.instruction}{closing if found else self.separator}{self.end}"

    def instruction(self, text: str) -> str:
        """Cut what was sampled behind the lead down to the instruction."""
        marker = self.separator.strip()
        return (text.partition(marker)[0] if marker else text).strip()
