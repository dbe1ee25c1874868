"""The vLLM engine: continuous batching with paged attention on GPUs, in a process of its own.

Soft tokens go in as prompt embeddings, with the text behind them embedded by the model's own
table; prefix caching stays off, since requests with and without embeddings can poison each other's
cached prefixes (vLLM issue 56655). Nothing of the model lives in this process: the first `generate`
starts vLLM, `close` ends it, and with it goes the GPU's memory.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domino.backbone import check_adapter_directory, load_shape
from domino.engines.base import Completion, Request
from domino.engines.chat import ChatEngine, ChatFormat, end_ids
from domino.engines.encoding import EncodedRequest, Results, make_jobs
from domino.engines.vllm_setup import VllmConfig, context_tokens, devices, llm_options, require_vllm
from domino.engines.worker_process import WorkerProcess

if TYPE_CHECKING:
    from domino.records import Sampling

_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB, on a machine without a GPU
    "TOKENIZERS_PARALLELISM": "false",
}
_WORKER = "domino.engines.vllm_worker"
_FORCED = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}  # our process is the engine's own already


class VllmEngine(ChatEngine):
    """Generates with vLLM.

    Args:
        model: a directory written by `save_pretrained`, or a hub name.
        config: how vLLM runs it.
        adapter: directory of a PEFT LoRA adapter that every request goes through.
        chat: how turns become text, where it is not left to the model.

    Raises:
        EngineError: there is no vLLM, no such model or adapter, or the context is too long for it.
    """

    def __init__(
        self,
        model: str | Path,
        config: VllmConfig | None = None,
        *,
        adapter: str | Path | None = None,
        chat: ChatFormat | None = None,
    ) -> None:
        require_vllm()
        self.config = VllmConfig() if config is None else config
        if adapter is not None:
            check_adapter_directory(adapter)
        self._model = str(model)
        self._adapter = None if adapter is None else Path(adapter).resolve()
        shape, self.tokenizer = load_shape(model, chat)
        self._shape = shape.get_text_config()
        self.context_tokens = context_tokens(self.config, self._model, self._shape)
        self.width = int(self._shape.hidden_size)
        self._replicas: list[WorkerProcess] = []

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`.

        Raises:
            EngineError: a prompt is empty, its soft tokens do not fit the model, or vLLM died;
                the next call starts it again.
        """
        sampling = self.until_next_turn(sampling, requests)
        results = Results(on_done, requests, self.thoughts)
        jobs = make_jobs(
            self.tokenizer, requests, sampling, results,
            width=self.width, context_tokens=self.context_tokens,
        )  # fmt: skip
        if jobs:
            try:
                self._decode(jobs, sampling, results)
            except BaseException:  # what is still running would answer the next call
                self.close()
                raise
        return results.in_order()

    def _decode(self, jobs: Sequence[EncodedRequest], sampling: Sampling, results: Results) -> None:
        from domino.engines.decoding import StopMatcher, StopRule

        ending = StopRule(self.end_ids, StopMatcher(self.tokenizer, sampling.stop))
        by_index = {job.index: job for job in jobs}
        for index, tokens, truncated in self._answers(jobs, sampling):
            results.report(
                index,
                Completion(
                    text=ending.text(self.tokenizer, tokens),
                    tokens=len(tokens),
                    prompt_tokens=len(by_index[index].prompt),
                    truncated=truncated,
                ),
            )

    def _answers(
        self, jobs: Sequence[EncodedRequest], sampling: Sampling
    ) -> Iterator[tuple[int, list[int], bool]]:
        """Deal the jobs out to the replicas and yield (index, tokens, truncated) as they come."""
        replicas = self._started()[: len(jobs)]
        for number, replica in enumerate(replicas):
            replica.send(order(jobs[number :: len(replicas)], sampling, self.end_ids))
        missing = len(jobs)
        while missing:
            ready = wait([replica.connection for replica in replicas])
            for replica in replicas:
                if replica.connection in ready:
                    answers = replica.receive()
                    missing -= len(answers)
                    yield from answers

    def _started(self) -> list[WorkerProcess]:
        if not self._replicas:
            self._replicas = self.start(_WORKER)
        return self._replicas

    def start(self, worker: str) -> list[WorkerProcess]:
        """Start a process for each replica and return them once they have loaded the model.

        They are the caller's to close. `worker` is the module that runs in them.

        Raises:
            EngineError: the adapter does not fit the model, or a process died or took too long.
        """
        options = llm_options(self.config, self._model, self._shape, self._adapter)
        own = [devices(self.config, number) for number in range(self.config.data_parallel)]
        _free_gpu()
        started: list[WorkerProcess] = []
        try:
            for environment in own:
                started.append(self._process(worker, environment))
                started[-1].send({"options": options, "adapter": self._adapter})
            for process in started:
                process.receive(self.config.start_timeout_s)
        except BaseException:
            for process in started:
                process.close()
            raise
        return started

    def _process(self, worker: str, environment: Mapping[str, str]) -> WorkerProcess:
        adapter = "" if self._adapter is None else f" with adapter {str(self._adapter)!r}"
        return WorkerProcess(
            worker,
            name=f"vLLM for {self._model!r}{adapter}",
            environment=_ENVIRONMENT,
            forced={**_FORCED, **environment},
        )

    def close(self) -> None:
        """End vLLM's processes, so that the GPU's memory comes back; `generate` starts it anew."""
        while self._replicas:
            self._replicas.pop().close()

    @cached_property
    def end_ids(self) -> frozenset[int]:
        """The ids of all tokens that end a completion."""
        from transformers import GenerationConfig

        try:
            named = GenerationConfig.from_pretrained(self._model).eos_token_id
        except OSError:  # it is optional, and then the model's config counts
            named = getattr(self._shape, "eos_token_id", None)
        return end_ids(self.tokenizer, named)


def order(
    jobs: Sequence[EncodedRequest], sampling: Sampling, ends: frozenset[int]
) -> dict[str, Any]:
    """Return jobs as plain values; soft tokens that several share go over once.

    `prompts` holds (index, number of its soft tokens or None, token ids, seed, limit) for each job.
    """
    numbers: dict[int, int] = {}
    soft: list[Any] = []  # float32 arrays, [P, H]
    prompts = []
    for job in jobs:
        number = None
        if job.prompt.soft_PH is not None:
            number = numbers.setdefault(job.prompt.group, len(numbers))
            if number == len(soft):
                soft.append(job.prompt.soft_PH.detach().float().cpu().numpy())
        prompts.append((job.index, number, job.prompt.ids, job.seed, job.limit))
    return {
        "soft": soft,
        "prompts": prompts,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop),
        "end_ids": sorted(ends),
    }


def _free_gpu() -> None:
    """Give back what this process has cached of the GPU and no longer uses: vLLM needs it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()
