"""The judge: the plain backbone grades an instruction or a response, in one word.

The prompts are fixed text in `benchmarks/prompts/`; an answer that is not a grade is data with its
own reason, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from domino.engines.base import Request
from domino.records import Sampling, derive_seed

if TYPE_CHECKING:
    from domino.engines.base import Engine

INSTRUCTION_GRADES = ("very poor", "poor", "average", "good", "excellent")
RESPONSE_GRADES = ("poor", "average", "good")
UNPARSABLE = "judge gave no grade"
"""The reason under which an item is dropped when the judge's answer is not one of the grades."""

_PROMPTS = Path(__file__).parent / "prompts"
_GRADE_TOKENS = 8  # the longest grade is two words


def instruction_prompt(instruction: str) -> str:
    """Return the user turn that asks for a grade of an instruction."""
    return _template("judge_instruction").substitute(instruction=instruction)


def response_prompt(instruction: str, response: str) -> str:
    """Return the user turn that asks for a grade of a response."""
    return _template("judge_response").substitute(instruction=instruction, response=response)


def parse_grade(text: str, grades: Sequence[str]) -> str | None:
    """Return the grade that the first line of an answer is, or None where it is none.

    Case, surrounding spaces and closing punctuation do not matter; further words do.
    """
    lines = text.strip().splitlines()
    words = " ".join(lines[0].lower().split()).strip(" .!\"'*`") if lines else ""
    return words if words in grades else None


def grade(
    engine: Engine, prompts: Sequence[str], grades: Sequence[str], *, seed: int = 0
) -> list[str | None]:
    """Ask the engine for a greedy grade of each prompt, in order; None where it gave no grade."""
    sampling = Sampling(temperature=0.0, max_new_tokens=_GRADE_TOKENS, seed=seed)
    requests = [
        Request(
            prompt=engine.render([{"role": "user", "content": prompt}]),
            seed=derive_seed(seed, "judge", prompt),
        )
        for prompt in prompts
    ]
    return [parse_grade(done.text, grades) for done in engine.generate(requests, sampling)]


@cache
def _template(name: str) -> Template:
    """Read one fixed prompt; the newline that ends the file is not part of it."""
    return Template((_PROMPTS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n"))
