"""vLLM in its own process: `python -m domino.engines.vllm_worker DESCRIPTOR`.

The engine starts it. It loads the model, says so, and answers orders until the pipe ends. An error
ends it, and its last words are in its log: the engine makes one message of that.

Shapes: P soft tokens, T tokens of a text, H hidden size.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from multiprocessing.connection import Connection
from typing import Any

import torch


class EmbedTokens:
    """Embeds token ids by the model's own table; vLLM calls it in each of its processes."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = list(ids)

    @torch.inference_mode()
    def __call__(self, model: Any) -> torch.Tensor:
        """Return the embeddings of the ids, [T, H], on the CPU."""
        device = next(model.parameters()).device
        embeds_TH: torch.Tensor = model.embed_input_ids(torch.tensor(self._ids, device=device))
        return embeds_TH.cpu()


def serve(connection: Connection) -> None:
    """Load the model that the first message names, then answer orders until the pipe ends."""
    from vllm.lora.request import LoRARequest

    setup = connection.recv()
    llm = load(setup["options"])
    adapter = setup["adapter"]
    lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
    connection.send("ready")
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        _answer(llm, order, lora, connection)


def load(options: Mapping[str, Any]) -> Any:
    """Return `vllm.LLM` with these arguments, and with those that vLLM needs on this machine.

    Between the parts of a prompt that is read in several steps vLLM rewinds the request's random
    numbers, and a CPU's generator cannot be rewound: there every prompt is read in one step.
    """
    from vllm import LLM
    from vllm.platforms import current_platform

    own = {"enable_chunked_prefill": False} if current_platform.is_cpu() else {}
    return LLM(**options, **own)


def _answer(llm: Any, order: dict[str, Any], lora: Any, connection: Connection) -> None:
    """Send [(index, tokens, truncated), ...] as completions finish."""
    names = llm.enqueue(
        prompts_of(llm, order), sampling_of(order), lora_request=lora, use_tqdm=False
    )
    # vLLM lengthens the names that it is given, so only their first part is compared.
    jobs = zip(names, order["prompts"], strict=True)
    index_of = {name.partition("-")[0]: job[0] for name, job in jobs}
    while llm.llm_engine.has_unfinished_requests():
        if connection.poll():  # nothing is sent while an order is open: the pipe has ended
            sys.exit("the engine's owner is gone")
        done = [output for output in llm.llm_engine.step() if output.finished]
        answers = []
        for output in done:
            (made,) = output.outputs
            index = index_of[output.request_id.partition("-")[0]]
            answers.append((index, list(made.token_ids), made.finish_reason == "length"))
        if answers:
            connection.send(answers)


def prompts_of(llm: Any, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return vLLM's prompts: embeddings alone where there are soft tokens, else token ids."""
    behind = {ids for _, number, ids, _, _ in order["prompts"] if number is not None and ids}
    text = _embedded(llm, sorted(behind))
    soft = [torch.from_numpy(array) for array in order["soft"]]
    prompts: list[dict[str, Any]] = []
    for _, number, ids, _, _ in order["prompts"]:
        if number is None:
            prompts.append({"prompt_token_ids": list(ids)})
        elif ids:
            prompts.append({"prompt_embeds": torch.cat([soft[number].to(text[ids]), text[ids]])})
        else:
            prompts.append({"prompt_embeds": soft[number]})
    return prompts


def _embedded(llm: Any, texts: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], torch.Tensor]:
    """Return the embeddings [T, H] of each text, all looked up at once."""
    if not texts:
        return {}
    flat = [token for ids in texts for token in ids]
    embeds_TH = llm.apply_model(EmbedTokens(flat))[0]
    bounds = pairwise(accumulate(map(len, texts), initial=0))
    return {ids: embeds_TH[a:b] for ids, (a, b) in zip(texts, bounds, strict=True)}


def sampling_of(order: dict[str, Any]) -> list[Any]:
    """Return the sampling parameters of each job."""
    return [_sampling(order, seed, limit) for _, _, _, seed, limit in order["prompts"]]


def _sampling(order: dict[str, Any], seed: int, limit: int) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=order["temperature"],
        top_p=order["top_p"],
        max_tokens=limit,
        seed=seed if order["temperature"] > 0 else None,
        stop=order["stop"] or None,
        stop_token_ids=order["end_ids"],
        skip_special_tokens=False,
        spaces_between_special_tokens=False,
        detokenize=bool(order["stop"]),  # the text is made by the engine, as every engine makes it
    )


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as pipe:
        serve(pipe)
