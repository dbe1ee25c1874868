"""How EvalPlus's codegen asks: its decoder's chat prompt, or direct completion for base models.

Nothing of it is typed here: its own code generation is run up to the point where it has made the
decoder of backend hf, and its prompt function is asked for the turns that it renders.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache, partial
from typing import Any, Literal

from benchmarks.suites.official.recording import (
    Loads,
    NoModel,
    RecordingTokenizer,
    replaced,
    turns_of,
)
from benchmarks.suites.protocol import Protocol
from domino.engines.base import Message

Dataset = Literal["humaneval", "mbpp"]

_CHARACTERS = 10_000
"""The decoder cuts an answer there (`min_index` in evalplus.provider.hf)."""


@cache
def evalplus_protocol(dataset: Dataset, *, chat: bool) -> Protocol:
    """Return how HumanEval+ or MBPP+ is asked, in chat turns or by direct completion."""
    decoder = _decoder(dataset, chat=chat)
    common = Protocol(
        stop=tuple(decoder.eos),
        max_new_tokens=int(decoder.max_new_tokens),
        special_tokens=True,
        clean=_clean,
        is_official=True,
    )
    if not chat:
        return replace(
            common,
            text=partial(_prompt, dataset),
            continues=True,
            answer=partial(_completion, dataset),
        )
    _, prefill, closing = _turns(decoder, "")
    return replace(
        common,
        turns=lambda content: _turns(decoder, _prompt(dataset, content))[0],
        prefill=prefill,
        closing=closing,
        answer=_code,
    )


def _decoder(dataset: Dataset, *, chat: bool) -> Any:
    """Return the decoder that `evalplus.codegen --backend hf` would generate with."""
    import evalplus.codegen as tool
    import evalplus.provider.base as base
    import evalplus.provider.hf as hf

    made: list[Any] = []
    tokenizer = RecordingTokenizer(chat=chat)
    with (
        tempfile.TemporaryDirectory() as root,
        replaced(tool, codegen=lambda **given: made.append(given["model"])),
        replaced(base, EOS=list(base.EOS)),  # each decoder adds its own to the list
        replaced(hf, AutoTokenizer=Loads(tokenizer), AutoModelForCausalLM=Loads(NoModel())),
    ):
        tool.run_codegen(model="model", dataset=dataset, root=root, backend="hf", greedy=True)
    return made[0]


def _turns(decoder: Any, prompt: str) -> tuple[tuple[Message, ...], str, str]:
    from evalplus.provider import utility

    return turns_of(
        lambda tokenizer: utility.make_raw_chat_prompt(
            prompt, decoder.instruction_prefix, decoder.response_prefix, tokenizer
        ),
        utility._MAGIC_SPLITTER_,
    )


def _prompt(dataset: Dataset, content: str) -> str:
    """Return the task's prompt as codegen gives it to the decoder."""
    text = f'"""\n{content.strip()}\n"""' if dataset == "mbpp" else content
    return text.strip() + "\n"


def _clean(completion: str) -> str:
    return completion[:_CHARACTERS].replace("\t", "    ")


def _code(content: str, response: str) -> str:
    return code_of(response)


def _completion(dataset: Dataset, content: str, response: str) -> str:
    """Return how a program goes on behind the prompt of a direct completion."""
    return code_of(response).removeprefix(_prompt(dataset, content)) + "\n"


def code_of(response: str) -> str:
    """Return the program of a response that is one fenced block, or has lost its first fence."""
    text = response.strip("\n")
    if text.startswith("```"):
        text = text.partition("\n")[2]
    return text.rstrip().removesuffix("```").rstrip()
