"""Soft tokens: where they start, how far they stray from the vocabulary, saving, loading.

Shapes: P soft tokens, H hidden size, V vocabulary, T tokens of a text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from domino.embedding import embed_ids
from domino.text import load_json

Initialisation = Literal["vocabulary", "text", "normal"]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_LOG = logging.getLogger(__name__)
_ROWS = 16384
_KEY = "prompt_embeddings"  # what PEFT calls the tokens of a prompt-tuning adapter


class SoftTokensError(ValueError):
    """Soft tokens that cannot be made or loaded: what, the value, the remedy."""


class Vocabulary:
    """The embeddings of a model's tokens as the model sees them, looked up as they are needed.

    Its table is not that: layers of Gemma and others scale what the table holds.

    Args:
        model: a causal language model whose weights are frozen.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        layer = model.get_input_embeddings()
        self.size, self.width = int(layer.num_embeddings), int(layer.embedding_dim)
        self.device: torch.device = layer.weight.device

    @torch.no_grad()
    def rows(self, ids_T: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of token ids, [T, H]."""
        return embed_ids(self._model, ids_T.to(self.device))

    def parts(self) -> Iterator[torch.Tensor]:
        """Yield all embeddings in parts: the complete table in float32 can take gigabytes."""
        for ids_R in torch.arange(self.size, device=self.device).split(_ROWS):
            yield self.rows(ids_R)

    @cached_property
    def mean_norm(self) -> torch.Tensor:
        """The mean norm of all embeddings."""
        return torch.cat([_norms(rows_RH) for rows_RH in self.parts()]).mean()


def initial_tokens(
    vocabulary: Vocabulary,
    count: int,
    how: Initialisation,
    generator: torch.Generator,
    text_ids: Sequence[int] = (),
) -> torch.Tensor:
    """Return `count` new soft tokens, [P, H], in float32 on the model's device.

    Args:
        vocabulary: of the model.
        count: P.
        how: "vocabulary" copies embeddings of tokens drawn at random, "text" those of a text
            (repeated or cut to P), "normal" draws from N(0, 1), whatever their norm is.
        generator: a CPU generator; equal seeds give equal tokens.
        text_ids: the text's token ids, for "text".

    Raises:
        SoftTokensError: the count is below 1, the text is empty, or the way is unknown.
    """
    if count < 1:
        raise SoftTokensError(f"{count} soft tokens asked for: give at least 1")
    if how == "normal":
        drawn_PH = torch.randn(count, vocabulary.width, generator=generator)
        return drawn_PH.to(vocabulary.device)
    if how == "vocabulary":
        rows_P = torch.randint(vocabulary.size, (count,), generator=generator)
    elif how == "text":
        if not len(text_ids):
            raise SoftTokensError("initialisation 'text' got an empty text: give one, or another")
        rows_P = torch.tensor(text_ids, dtype=torch.long)[torch.arange(count) % len(text_ids)]
    else:
        raise SoftTokensError(f"initialisation {how!r}: give 'vocabulary', 'text' or 'normal'")
    return vocabulary.rows(rows_P).float().clone()


def norm_ratio(tokens_PH: torch.Tensor, vocabulary: Vocabulary) -> float:
    """Mean norm of the soft tokens over the mean norm of the vocabulary's embeddings."""
    return float(_norms(tokens_PH.detach()).mean() / vocabulary.mean_norm)


def nearest_cosine(tokens_PH: torch.Tensor, vocabulary: Vocabulary) -> float:
    """Mean over the soft tokens of the cosine to their nearest embedding in the vocabulary."""
    tokens_PH = torch.nn.functional.normalize(tokens_PH.detach().float(), dim=-1)
    nearest = [
        (tokens_PH @ torch.nn.functional.normalize(rows_RH.float(), dim=-1).T).amax(-1)
        for rows_RH in vocabulary.parts()
    ]
    return float(torch.stack(nearest).amax(0).mean())


def _norms(rows_RH: torch.Tensor) -> torch.Tensor:
    norms_R: torch.Tensor = torch.linalg.vector_norm(rows_RH, dim=-1, dtype=torch.float32)
    return norms_R


def save_adapter(directory: Path, tokens_PH: torch.Tensor, shape: Any, model_name: str) -> None:
    """Write the tokens as a prompt-tuning adapter that `PeftModel.from_pretrained` loads.

    Args:
        directory: is made if needed.
        tokens_PH: the soft tokens.
        shape: the backbone's config, which the adapter's config takes its shape from.
        model_name: path or hub name of the backbone, for the adapter's config.
    """
    from peft import PromptTuningConfig

    directory.mkdir(parents=True, exist_ok=True)
    PromptTuningConfig(
        task_type="CAUSAL_LM",
        base_model_name_or_path=model_name,
        num_virtual_tokens=tokens_PH.shape[0],
        token_dim=tokens_PH.shape[1],
        num_transformer_submodules=1,
        num_attention_heads=shape.num_attention_heads,
        num_layers=shape.num_hidden_layers,
        inference_mode=True,
    ).save_pretrained(str(directory))
    save_file(
        {_KEY: tokens_PH.detach().float().cpu().contiguous()}, str(directory / ADAPTER_WEIGHTS)
    )


def load_adapter(directory: Path, shape: Any, model_name: str) -> torch.Tensor:
    """Read the soft tokens of a prompt-tuning adapter, [P, H], float32.

    A backbone of another width, or of other layers and heads, is another network: its answer to
    these tokens means nothing, though it may come without an error, so it is refused. The same
    backbone may lie in another place: another name is a warning.

    Args:
        directory: what `save_adapter` or PEFT wrote.
        shape: the config of the backbone that they are for.
        model_name: its path or hub name.

    Raises:
        SoftTokensError: it is not a prompt-tuning adapter, or is for a backbone of another shape.
    """
    try:
        config = load_json((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        tokens_PH = load_file(str(directory / ADAPTER_WEIGHTS))[_KEY].float()
        name = config["base_model_name_or_path"]
        made_for = [config["num_layers"], config["num_attention_heads"]]
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise SoftTokensError(
            f"{directory} does not contain a prompt-tuning adapter ({error}): give a directory "
            f"with {ADAPTER_CONFIG} and {ADAPTER_WEIGHTS}, or fit again"
        ) from error
    if tokens_PH.ndim != 2 or tokens_PH.shape[1] != shape.hidden_size:
        raise SoftTokensError(
            f"{directory} holds soft tokens of shape {tuple(tokens_PH.shape)} for {name!r}; "
            f"this backbone is {shape.hidden_size} wide: "
            "use the backbone that they were fitted on, or fit again"
        )
    if made_for != [shape.num_hidden_layers, shape.num_attention_heads]:
        raise SoftTokensError(
            f"{directory} holds soft tokens for {name!r} of {made_for[0]} layers and {made_for[1]} "
            f"heads; this backbone has {shape.num_hidden_layers} and {shape.num_attention_heads}: "
            "use the backbone that they were fitted on, or fit again"
        )
    if name != model_name:
        _LOG.warning(
            "%s holds soft tokens for %r and is loaded for %r: they mean nothing to another model",
            directory, name, model_name,
        )  # fmt: skip
    return tokens_PH
