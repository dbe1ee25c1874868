"""How BigCodeBench's generate asks: complete or instruct, in turns or by direct completion."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from benchmarks.suites.base import SuiteError
from benchmarks.suites.official import packages
from benchmarks.suites.official.evalplus_protocol import code_of
from benchmarks.suites.official.recording import (
    Loads,
    NoModel,
    RecordingTokenizer,
    replaced,
    turns_of,
)
from benchmarks.suites.protocol import Protocol
from domino.engines.base import Message

Split = Literal["complete", "instruct"]


@cache
def bigcodebench_protocol(split: Split, *, chat: bool) -> Protocol:
    """Return how its tasks are asked.

    Raises:
        SuiteError: instructions in words are to be completed directly, which the tool refuses.
    """
    if split == "instruct" and not chat:
        raise SuiteError(
            "prompt instruct is asked in chat turns, and the backbone has no chat template: give "
            "--suite_options.prompt complete, or an instruction-tuned backbone"
        )
    given = _defaults()
    common = Protocol(
        stop=tuple(_decoder(split, given, chat=chat).eos),
        max_new_tokens=int(given["max_new_tokens"]),
        special_tokens=True,
        clean=lambda completion: completion.replace("\t", "    "),
        is_official=True,
    )
    if not chat:
        return replace(common, text=_text, continues=True, answer=_completion)
    _, prefill, closing = _turns(split, given, "")
    return replace(
        common,
        turns=lambda content: _turns(split, given, content)[0],
        prefill=prefill,
        closing=closing,
        answer=lambda content, response: code_of(response),
    )


def _defaults() -> dict[str, Any]:
    """Return the defaults of the tool's own command."""
    parameters = inspect.signature(packages.load("bigcodebench.generate").run_codegen).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def _decoder(split: Split, given: dict[str, Any], *, chat: bool) -> Any:
    """Return its decoder, whose stop strings depend on whether there is a chat template."""
    base = packages.load("bigcodebench.provider.base")
    hf = packages.load("bigcodebench.provider.hf")
    tokenizer = RecordingTokenizer(chat=chat)
    names = ("instruction_prefix", "response_prefix", "max_new_tokens")
    with (
        replaced(base, EOS=list(base.EOS)),  # each decoder adds its own to the list
        replaced(hf, AutoTokenizer=Loads(tokenizer), AutoModelForCausalLM=Loads(NoModel())),
    ):
        return hf.HuggingFaceDecoder(
            name="model",
            dataset="bigcodebench",
            subset="full",
            split=split,
            prefill=not given["skip_prefill"],
            **{name: given[name] for name in names},
        )


def _turns(
    split: Split, given: dict[str, Any], content: str
) -> tuple[tuple[Message, ...], str, str]:
    utility = packages.load("bigcodebench.provider.utility")
    return turns_of(
        lambda tokenizer: utility.make_raw_chat_prompt(
            task_prompt=content,
            subset="full",
            split=split,
            instruction_prefix=given["instruction_prefix"],
            response_prefix=given["response_prefix"],
            tokenizer=tokenizer,
        ),
        utility._MAGIC_SPLITTER_,
    )


def _text(content: str) -> str:
    return content if content.endswith("\n") else f"{content}\n"


def _completion(content: str, response: str) -> str:
    return code_of(response).removeprefix(_text(content)) + "\n"
