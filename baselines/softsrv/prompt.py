"""The three forms of a soft prompt that depends on a context.

Shapes: B contexts, P prompt tokens, H hidden size, K prompts of a mixture.
"""

from __future__ import annotations

import torch

from baselines.softsrv.config import SoftSRVConfig
from domino.soft_tokens import Vocabulary, initial_tokens


class ContextualPrompt(torch.nn.Module):
    """Maps contexts [B, H] to soft prompts [B, P, H], float32.

    Args:
        config: the form and its sizes.
        vocabulary: of the model, from whose embeddings the prompts start.
        seed: of the rows and the weights.
    """

    def __init__(self, config: SoftSRVConfig, vocabulary: Vocabulary, seed: int) -> None:
        super().__init__()
        self.form = config.form
        generator = torch.Generator().manual_seed(seed)
        count = config.prompts if config.form == "mixture" else 1
        start_KPH = torch.stack(
            [
                initial_tokens(vocabulary, config.prompt_tokens, "vocabulary", generator)
                for _ in range(count)
            ]
        )
        self.prompt_KPH = torch.nn.Parameter(start_KPH)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = self._network(config, vocabulary.width).to(vocabulary.device)

    def _network(self, config: SoftSRVConfig, hidden: int) -> torch.nn.Module:
        if config.form == "mixture":
            return torch.nn.Linear(hidden, config.prompts)
        if config.form == "none":
            return torch.nn.Identity()
        last = torch.nn.Linear(config.width, config.prompt_tokens * hidden)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
        return torch.nn.Sequential(torch.nn.Linear(hidden, config.width), torch.nn.GELU(), last)

    def forward(self, context_BH: torch.Tensor) -> torch.Tensor:
        """Return the prompt of each context, [B, P, H]."""
        if self.form == "mixture":
            weight_BK = torch.softmax(self.network(context_BH), -1)
            return torch.einsum("bk,kph->bph", weight_BK, self.prompt_KPH)
        prompt_BPH = self.prompt_KPH.expand(len(context_BH), -1, -1)
        if self.form == "none":
            return prompt_BPH
        change_BX: torch.Tensor = self.network(context_BH)
        return prompt_BPH + change_BX.view_as(prompt_BPH)
