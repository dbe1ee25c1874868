"""Counts and mean lengths that a plan assumes: given, counted in the data, or from a table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks.common.fields import ConfigError
from benchmarks.models import SHIPPED_MODELS
from benchmarks.stages.evaluate import chosen_problems
from benchmarks.suites.registry import GENERATED, load_suite

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.suites.base import Suite


CHARACTERS_A_TOKEN = 3.5
"""Of code and English, for a model whose tokenizer is not at hand: assumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """Counts and lengths that are unknown before a run; null takes the data's or the suite's.

    Attributes:
        references: references that methods are given, where the data is not at hand.
        problems: problems of the split that is evaluated.
        reference_tokens: mean tokens of what a fit learns of a reference.
        problem_tokens: mean tokens of a problem's prompt.
        instruction_tokens: mean new tokens of a sampled instruction.
        response_tokens: mean new tokens of a response.
        solution_tokens: mean new tokens of a program that solves a problem.
        kept_share: share of the draws that pass the filter and are answered.
        program_s: seconds of a program in the sandbox.
    """

    references: int | None = None
    problems: int | None = None
    reference_tokens: float | None = None
    problem_tokens: float | None = None
    instruction_tokens: float | None = None
    response_tokens: float | None = None
    solution_tokens: float | None = None
    kept_share: float | None = None
    program_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be: negative counts, shares above 1."""
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not 0 <= value < math.inf:
                raise ConfigError(f"assume.{item.name} is {value}: give 0 or more")
        if self.kept_share is not None and self.kept_share > 1:
            raise ConfigError(f"assume.kept_share is {self.kept_share}: give a share of at most 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A number of a plan and where it comes from: "given", "counted in ...", "assumed ..."."""

    value: float
    source: str


Lengths = Mapping[str, Known]
"""Every field of `Assumptions` by name, resolved."""


_HOUSESTYLE = "measured on runs of the shipped backbone"


_PROMPTS = "mean characters of the public data over 3.5 a token"


_TABLE: Mapping[str, Mapping[str, tuple[float, str]]] = MappingProxyType(
    {
        "housestyle": {
            "instruction_tokens": (30, _HOUSESTYLE), "response_tokens": (46, _HOUSESTYLE),
            "solution_tokens": (47, _HOUSESTYLE), "kept_share": (0.97, _HOUSESTYLE),
            "program_s": (0.004, _HOUSESTYLE),
        },
        "livecodebench": {
            "references": (440, "assumed"), "problems": (440, "assumed"),
            "reference_tokens": (402, _PROMPTS), "problem_tokens": (450, _PROMPTS),
            "response_tokens": (500, "assumed"), "solution_tokens": (400, "assumed"),
            "program_s": (2.0, "assumed"),
        },
        "livecodebench-execution": {
            "references": (240, "assumed"), "problems": (240, "assumed"),
            "reference_tokens": (120, "assumed"), "problem_tokens": (200, "assumed"),
            "response_tokens": (30, "assumed"), "solution_tokens": (30, "assumed"),
            "program_s": (0.1, "assumed"),
        },
        "mbpp+": {
            "references": (374, "MBPP's train split"), "problems": (378, "MBPP+ 0.2.0"),
            "reference_tokens": (45, _PROMPTS), "problem_tokens": (60, _PROMPTS),
        },
        "humaneval+": {
            "references": (100, "assumed"), "problems": (164, "HumanEval+"),
            "reference_tokens": (129, _PROMPTS), "problem_tokens": (140, _PROMPTS),
        },
        "bigcodebench": {
            "references": (400, "assumed"), "problems": (570, "assumed"),
            "reference_tokens": (318, _PROMPTS), "problem_tokens": (330, _PROMPTS),
            "program_s": (3.0, "assumed"),
        },
    }
)  # fmt: skip


_LIKE: Mapping[str, str] = MappingProxyType(
    {
        "housestyle-conventions": "housestyle",
        "cruxeval": "livecodebench-execution",
        "bigcodebench-hard": "bigcodebench",
    }
)


_ELSE: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "references": (200, "assumed"), "problems": (200, "assumed"),
        "reference_tokens": (150, "assumed"), "problem_tokens": (200, "assumed"),
        "response_tokens": (300, "assumed"), "solution_tokens": (250, "assumed"),
        "program_s": (0.2, "assumed"),
    }
)  # fmt: skip


def resolve(config: RunConfig, given: Assumptions) -> Lengths:
    """Return every number: what is given, else what the data at hand shows, else the table's.

    Raises:
        SuiteError: the data that the run names cannot be read.
        ConfigError: the suite has fewer references than the run asks for.
    """
    counted = _counted(config)
    table = _TABLE.get(_LIKE.get(config.suite, config.suite), {})
    found: dict[str, Known] = {}
    for item in fields(given):
        value = getattr(given, item.name)
        if value is not None:
            found[item.name] = Known(value=value, source="given")
        elif item.name in counted:
            found[item.name] = counted[item.name]
        elif item.name in table or item.name in _ELSE:
            number, source = table.get(item.name) or _ELSE[item.name]
            found[item.name] = Known(value=number, source=source)
    if config.references is not None and given.references is None:
        found["references"] = Known(value=config.references, source="the run's own")
    found.setdefault("instruction_tokens", _like_references(found))
    found.setdefault("kept_share", _kept(config))
    return _within_limits(config, found)


def _like_references(found: Lengths) -> Known:
    tokens = found["reference_tokens"].value
    return Known(value=tokens, source="assumed to be as long as references")


def _kept(config: RunConfig) -> Known:
    judged = config.filter.judge_instructions
    return Known(value=0.5 if judged else 1.0, source="assumed" + (", judged" if judged else ""))


def _within_limits(config: RunConfig, found: Mapping[str, Known]) -> Lengths:
    """Cut assumed lengths to the limits of the run; what is given is the user's affair."""
    limits = {
        "instruction_tokens": config.sampling.max_new_tokens,
        "response_tokens": config.response_sampling.max_new_tokens,
        "solution_tokens": config.evaluate.token_limit(),
    }
    cut = {
        name: Known(value=limit, source="the run's limit")
        for name, limit in limits.items()
        if found[name].value > limit
    }
    return {**found, **cut}


def _counted(config: RunConfig) -> dict[str, Known]:
    """Return what the suite's data shows; nothing where a plan would have to download it."""
    options = config.suite_options
    if config.suite not in GENERATED and options.dataset is None:
        return {}
    suite = load_suite(config.suite, options)
    references = suite.references()[: config.references]
    problems = chosen_problems(config.evaluate, suite)
    measure, how = _tokens(config.backbone)
    texts = [_learned(suite, r.instruction, r.response) for r in references]
    found = {"references": len(references), "problems": len(problems)}
    means = {
        "reference_tokens": _mean(texts, measure),
        "problem_tokens": _mean([suite.instruction(problem) for problem in problems], measure),
    }
    known = {name: Known(value=n, source="counted in the data") for name, n in found.items()}
    return known | {n: Known(value=value, source=how) for n, value in means.items() if value}


def _learned(suite: Suite, instruction: str, response: str | None) -> str:
    return f"{instruction}\n{response}" if suite.template == "pair" else instruction


def _mean(texts: Sequence[str], measure: Callable[[str], float]) -> float:
    return sum(map(measure, texts)) / len(texts) if texts else 0.0


def _tokens(model: str) -> tuple[Callable[[str], float], str]:
    """Return what counts a text's tokens, the chat template's few left out, and how."""
    directory = Path(model).expanduser()
    if model in SHIPPED_MODELS:
        from benchmarks.suites.housestyle.backbone import CHECKPOINTS

        directory = CHECKPOINTS[model]
    file = directory / "tokenizer.json"
    if not file.is_file():
        return lambda text: len(text) / CHARACTERS_A_TOKEN, "counted in the data, 3.5 letters each"
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(json.dumps(json.loads(file.read_text(encoding="utf-8"))))
    except Exception as error:  # its errors have no class of their own
        raise ConfigError(f"{file} is not a tokenizer: {error}") from error
    return lambda text: len(tokenizer.encode(text).ids), "counted by the model's tokenizer"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What a plan is asked for.

    Attributes:
        device: its name; None is this machine for the shipped backbone, else an H100.
        assumed: numbers that replace counted and assumed ones.
    """

    device: str | None = None
    assumed: Assumptions = field(default_factory=Assumptions)
