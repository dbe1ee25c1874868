"""How LiveCodeBench asks, for chat models and for base models: code generation, code execution."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from benchmarks.suites.official import packages
from benchmarks.suites.official.recording import replaced
from benchmarks.suites.protocol import Protocol
from domino.engines.base import Message

_PACKAGE = "livecodebench"


@cache
def generation_protocol(*, chat: bool) -> Protocol:
    """Return how contest problems are asked; a content is question and starter code."""
    arguments = _arguments()
    if chat:
        return Protocol(
            turns=_generation_turns, max_new_tokens=arguments.max_tokens, is_official=True
        )
    return Protocol(
        text=lambda content: _generation_prompts().get_base_model_question_template_answer(
            _question(content)
        ),
        stop=tuple(arguments.stop),
        max_new_tokens=arguments.max_tokens,
        special_tokens=True,
        is_official=True,
    )


@cache
def execution_protocol(*, chat: bool) -> Protocol:
    """Return how calls are asked; a content is function and call, CRUXEval's too.

    The prompt shows two solved examples, and ends where the answer begins.
    """
    arguments = _arguments()
    if chat:
        return Protocol(
            turns=_execution_turns,
            max_new_tokens=arguments.max_tokens,
            answer=_answer,
            is_official=True,
        )
    return Protocol(
        text=lambda content: _execution_prompts().make_direct_output_prompt(parts_of(content)),
        stop=tuple(arguments.stop),
        max_new_tokens=arguments.max_tokens,
        special_tokens=True,
        answer=_answer,
        is_official=True,
    )


def parts_of(content: str) -> tuple[str, str]:
    """Return function and call of a content, as they stand in it."""
    code, _, assertion = content.rpartition("\nassert ")
    return code, assertion.rstrip().removesuffix("??").rstrip().removesuffix("==").removesuffix(" ")


def question_of(content: str) -> tuple[str, str]:
    """Return question and starter code of a content; the code is "" where it has none."""
    question, found, block = content.rpartition(STARTER)
    code = block.removesuffix("```").removesuffix("\n")
    if found and "class " in code and block.rstrip().endswith("```"):
        return question, code
    return content, ""


STARTER = "\n\n```python\n"
"""Between a question and its starter code."""


def _answer(content: str, response: str) -> str:
    """Return an answer without the mark that the prompt has opened already."""
    return response.strip().removeprefix("[ANSWER]").lstrip("\n")


def _arguments() -> Any:
    """Return the options of the tool's own command, where none is given."""
    parser = packages.load(f"{_PACKAGE}.runner.parser")
    with replaced(sys, argv=[_PACKAGE]):
        return parser.get_args()


def _generation_prompts() -> Any:
    return packages.load_alone(_PACKAGE, "prompts/code_generation.py")


def _execution_prompts() -> Any:
    return packages.load_alone(_PACKAGE, "prompts/code_execution.py")


def _chat_style() -> Any:
    return packages.load(f"{_PACKAGE}.lm_styles").LMStyle.OpenAIChat


def _generation_turns(content: str) -> tuple[Message, ...]:
    turns = _generation_prompts().format_prompt_generation(_question(content), _chat_style())
    return tuple(turns)


def _execution_turns(content: str) -> tuple[Message, ...]:
    code, call = parts_of(content)
    problem = packages.load(f"{_PACKAGE}.benchmarks.code_execution").CodeExecutionProblem(
        question_id="", contest_id="", contest_date="", difficulty="", function_name="", code=code,
        input=call, output="", id="", problem_id="", numsteps=0,
    )  # fmt: skip
    return tuple(_execution_prompts().format_prompt_execution(problem, _chat_style()))


def _question(content: str) -> Any:
    question, starter = question_of(content)
    return packages.load(f"{_PACKAGE}.benchmarks.code_generation").CodeGenerationProblem(
        question_title="", question_content=question, platform="leetcode", question_id="",
        contest_id="", contest_date="2024-01-01", starter_code=starter, difficulty="easy",
        public_test_cases="[]", private_test_cases="[]", metadata="{}",
    )  # fmt: skip
