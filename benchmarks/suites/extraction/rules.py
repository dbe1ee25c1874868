"""How a candidate is taken out of a text: one function for each rule, loaded when it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.suites.official import packages

Rule = Literal[
    "evalplus",
    "bigcodebench",
    "livecodebench",
    "livecodebench base",
    "livecodebench execution",
    "lenient function",
    "lenient program",
    "lenient value",
    "lenient query",
    "lenient answer",
    "refuse function",
    "refuse program",
    "refuse value",
    "refuse query",
    "refuse answer",
]
Take = Callable[["Extraction"], str]


@dataclass(frozen=True, slots=True)
class Extraction:
    """One text, and by which rule the candidate in it is found.

    Attributes:
        rule: a key of `RULES`.
        text: what the official tool would be given.
        entry_point: the function that is asked for, of an answer the scorer; "" where that is not
            known.
        prompt: what the function stands behind, for the lenient rules.
    """

    rule: Rule
    text: str
    entry_point: str = ""
    prompt: str = ""


def _evalplus() -> Take:
    from evalplus.sanitize import sanitize

    return lambda given: str(sanitize(given.text, given.entry_point or None))


def _bigcodebench() -> Take:
    sanitize = packages.load("bigcodebench.sanitize").sanitize
    # It looks for the entry point's name in lines, also where it is given none.
    return lambda given: str(sanitize(given.text, given.entry_point or "task_func"))


def _livecodebench(style: str) -> Take:
    utils = packages.load("livecodebench.utils.extraction_utils")
    styled = getattr(packages.load("livecodebench.lm_styles").LMStyle, style)
    return lambda given: str(utils.extract_code(given.text, styled))


def _execution() -> Take:
    utils = packages.load("livecodebench.utils.extraction_utils")
    style = packages.load("livecodebench.lm_styles").LMStyle.OpenAIChat
    return lambda given: str(utils.extract_execution_code(given.text, style))


def _lenient_function() -> Take:
    from benchmarks.suites.extraction.lenient import function_in

    return lambda given: function_in(given.text, given.entry_point, given.prompt)


def _lenient_program() -> Take:
    from benchmarks.suites.extraction.lenient import program_in

    return lambda given: program_in(given.text)


def _lenient_value() -> Take:
    from benchmarks.suites.extraction.lenient import value_in

    return lambda given: value_in(given.text)


def _lenient_query() -> Take:
    from benchmarks.suites.extraction.lenient import query_in

    return lambda given: query_in(given.text)


def _lenient_answer() -> Take:
    from benchmarks.suites.extraction.lenient import answer_in

    return lambda given: answer_in(given.text)


def _refusal(kind: str) -> Take:
    """Judge what another rule has taken: JSON of reason and detail, or null."""
    from benchmarks.suites.extraction import refusal

    judge: Mapping[str, Callable[[Extraction], refusal.Refusal | None]] = {
        "function": lambda given: refusal.refuse_function(given.text, given.entry_point),
        "program": lambda given: refusal.refuse_program(given.text),
        "value": lambda given: refusal.refuse_value(given.text),
        "query": lambda given: refusal.refuse_query(given.text),
        "answer": lambda given: refusal.refuse_answer(given.text, given.entry_point),
    }
    return lambda given: json.dumps(judge[kind](given))


RULES: Mapping[Rule, Callable[[], Take]] = {
    "evalplus": _evalplus,
    "bigcodebench": _bigcodebench,
    "livecodebench": lambda: _livecodebench("OpenAIChat"),
    "livecodebench base": lambda: _livecodebench("GenericBase"),
    "livecodebench execution": _execution,
    "lenient function": _lenient_function,
    "lenient program": _lenient_program,
    "lenient value": _lenient_value,
    "lenient query": _lenient_query,
    "lenient answer": _lenient_answer,
    "refuse function": lambda: _refusal("function"),
    "refuse program": lambda: _refusal("program"),
    "refuse value": lambda: _refusal("value"),
    "refuse query": lambda: _refusal("query"),
    "refuse answer": lambda: _refusal("answer"),
}
