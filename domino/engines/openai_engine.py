"""The engine of an OpenAI-compatible server: vLLM's, llama.cpp's, or a hosted one.

It asks `/completions` with the token ids of prompts that this process renders and tokenizes by the
run's own model directory, so that a method's text reaches the model as with every other engine.
Servers that offer chat turns alone cannot continue a user turn or a list: a teacher can be such a
server (`chat_completions_engine`), a backbone cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from domino.backbone import load_shape
from domino.engines.base import Completion, EngineError, Request, SoftPrompt
from domino.engines.chat import ChatEngine, ChatFormat
from domino.engines.encoding import EncodedRequest, Results, make_jobs
from domino.engines.server import SEEDS, Answer, OpenaiConfig, Server
from domino.text import storable

if TYPE_CHECKING:
    from domino.records import Sampling


class OpenaiEngine(ChatEngine):
    """Generates text with a server that runs the backbone.

    Args:
        model: directory or hub name of the backbone, for its tokenizer and chat template.
        config: the server.
        chat: how turns become text, where it is not left to the model.

    Raises:
        EngineError: there is no such model.
    """

    takes_embeddings: ClassVar[bool] = False

    def __init__(
        self,
        model: str | Path,
        config: OpenaiConfig | None = None,
        *,
        chat: ChatFormat | None = None,
    ) -> None:
        config = OpenaiConfig() if config is None else config
        shape, self.tokenizer = load_shape(model, chat)
        self._shape = shape.get_text_config()
        self._server = Server(config, config.model or str(model), "/completions")

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`.

        Raises:
            EngineError: a prompt is empty or has soft tokens, the key cannot be sent, or the
                server cannot be reached, refuses the key or the request, or keeps failing.
        """
        for index, request in enumerate(requests):
            if isinstance(request.prompt, SoftPrompt):
                raise EngineError(
                    f"request {index} has {len(request.prompt.embeds_PH)} soft tokens, and engine "
                    "openai sends only text: use engine transformers or vllm for this method"
                )
        sampling = self.until_next_turn(sampling, requests)
        results = Results(on_done, requests, self.thoughts)
        jobs = make_jobs(
            self.tokenizer, requests, sampling, results,
            width=self._shape.hidden_size,
            context_tokens=getattr(self._shape, "max_position_embeddings", None) or 2**31,
        )  # fmt: skip
        by_index = {job.index: job for job in jobs}
        bodies = {index: _body(job, sampling) for index, job in by_index.items()}
        self._server.ask_all(
            bodies, lambda index, answer: results.report(index, self._read(by_index[index], answer))
        )
        return results.in_order()

    def _read(self, job: EncodedRequest, answer: Answer) -> Completion:
        text = storable(answer.text.partition(self.end_of_turn)[0])
        counted = 0 <= answer.tokens <= job.limit
        return Completion(
            text=text,
            tokens=answer.tokens if counted else self.count_tokens(text),
            prompt_tokens=len(job.prompt),
            truncated=answer.truncated,
        )


def _body(job: EncodedRequest, sampling: Sampling) -> dict[str, object]:
    """Return the fields of a request."""
    return {
        "prompt": list(job.prompt.ids),
        "max_tokens": job.limit,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": job.seed % SEEDS,
        "stop": list(sampling.stop) or None,
    }
