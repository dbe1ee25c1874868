"""Embed the texts of a stage: the mean last hidden state of a model, by default the backbone.

Shapes: n texts, B texts of a batch, L tokens, D dimensions of an embedding.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.stages.context import StageContext
from benchmarks.stages.domain import PROBLEMS, REFERENCES, ProblemText
from benchmarks.stages.errors import StageError
from benchmarks.stages.synthesize import SYNTHETIC
from benchmarks.stages.traits import Traits
from domino.records import Record, Reference, Synthetic, derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.store.store import Stage

TEXTS, EMBEDDINGS, VECTORS = "texts.jsonl", "embeddings", "vectors.npy"
_BATCH = 32
_LONGEST = 2048  # tokens of a text that are read


TRAITS = Traits()


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedConfig:
    """The embedding model for measures of the data; scores do not depend on it.

    Attributes:
        model: directory or hub name of an embedding model; null uses the backbone.
        texts: maximum number of a method's instructions per seed, chosen at random.
    """

    model: str | None = None
    texts: int = 1000

    def __post_init__(self) -> None:
        """Refuse to embed nothing."""
        if self.texts < 1:
            raise StageError(f"embed.texts is {self.texts}: give at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedText(Record):
    """A text whose embedding is the row of the same number in the array."""

    id: str
    group: str
    text: str


def run(config: EmbedConfig, source: Stage, stage: Stage, context: StageContext) -> None:
    """Write texts.jsonl and embeddings/vectors.npy, float32 [n, D].

    Args:
        config: how many texts; its model is `context.model` by now.
        source: a stage `domain`, whose references and problems are the groups "references" and
            "problems"; or a stage `synthesize`, whose instructions are the group "drawn".
        stage: what is written.
        context: of the run.

    Raises:
        StageError: the model cannot be loaded as one that embeds.
    """
    texts = _texts(config, source)
    context.progress.start(stage.name, len(texts))
    context.release_engine()  # two models at once may be too many
    stage.discard(TEXTS)
    for text in texts:
        stage.append(TEXTS, text)
    vectors_nD = _embed([text.text for text in texts], context)
    with stage.directory(EMBEDDINGS) as directory:
        _save(vectors_nD, directory / VECTORS)
    stage.finish({"texts": len(texts), "dimensions": int(vectors_nD.shape[1])})


def read(stage: Stage, group: str) -> tuple[list[EmbeddedText], NDArray[np.float64]]:
    """Return the texts of a group in their order, and their embeddings [n, D]."""
    import numpy as np

    texts = stage.read(TEXTS, EmbeddedText)
    vectors_nD = np.load(stage.path / EMBEDDINGS / VECTORS).astype(np.float64)
    places = [place for place, text in enumerate(texts) if text.group == group]
    return [texts[place] for place in places], vectors_nD[places]


def forget_models() -> None:
    """Give back the memory of the model that was used last."""
    _body.cache_clear()


def _texts(config: EmbedConfig, source: Stage) -> list[EmbeddedText]:
    references = source.read(REFERENCES, Reference)
    problems = source.read(PROBLEMS, ProblemText)
    drawn = source.read(SYNTHETIC, Synthetic)
    if len(drawn) > config.texts:
        rng = random.Random(derive_seed(0, "embed", source.address))
        places = sorted(rng.sample(range(len(drawn)), config.texts))
        drawn = [drawn[place] for place in places]
    return [
        *(EmbeddedText(id=r.id, group="references", text=r.instruction) for r in references),
        *(EmbeddedText(id=p.id, group="problems", text=p.prompt) for p in problems),
        *(EmbeddedText(id=s.id, group="drawn", text=s.instruction) for s in drawn),
    ]


def _save(vectors_nD: NDArray[np.float32], path: Any) -> None:
    import numpy as np

    np.save(path, vectors_nD)


@functools.lru_cache(maxsize=1)
def _body(path: str) -> tuple[Any, Any]:
    """Return the model without a head, frozen, and its tokenizer; the last one is kept."""
    from transformers import AutoTokenizer

    from domino.backbone import freeze, pick_device

    device = pick_device("auto")
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model, missing = _without_head(path, "float32" if device == "cpu" else "auto")
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _not_loadable(path, reason) from error
    if missing:
        raise _not_loadable(path, f"it has no weights for {', '.join(missing[:3])}")
    return freeze(model.to(device)), tokenizer


def _without_head(path: str, dtype: str) -> tuple[Any, list[str]]:
    """Return the model and its missing weights; the unused head of a causal model is ignored."""
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    from domino.backbone import silent_loading

    logging: Any = transformers_logging  # its functions have no types
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with silent_loading(path):
            model, info = AutoModel.from_pretrained(path, dtype=dtype, output_loading_info=True)
    finally:
        logging.set_verbosity(verbosity)
    # The pooler is not used, and many checkpoints have none.
    return model, sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))


def _not_loadable(path: str, reason: str) -> StageError:
    return StageError(
        f"embed.model {path!r} cannot be loaded to embed texts: {reason}; give a directory "
        "written by save_pretrained, or null for the backbone"
    )


def _embed(texts: Sequence[str], context: StageContext) -> NDArray[np.float32]:
    """Return the mean last hidden state of each text, over its own tokens alone."""
    import numpy as np

    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    model, tokenizer = _body(context.model)
    ids = [tokenizer(text)["input_ids"][:_LONGEST] or [0] for text in texts]
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    means: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        means.update(zip(places, _means(model, [ids[p] for p in places]), strict=True))
        context.progress.advance(len(places))
    return np.stack([means[place] for place in range(len(texts))])


def _means(model: Any, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Return the mean states of a batch, [B, D]; what pads a text to the longest has no part."""
    import torch

    longest = max(map(len, ids))
    padded_BL = torch.tensor([[*one, *[0] * (longest - len(one))] for one in ids])
    mask_BL = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in ids])
    with torch.no_grad():
        state_BLD = model(
            input_ids=padded_BL.to(model.device), attention_mask=mask_BL.to(model.device)
        ).last_hidden_state.float()
    mask_BL1 = mask_BL.to(state_BLD.device)[..., None]
    means: NDArray[np.float32] = ((state_BLD * mask_BL1).sum(1) / mask_BL1.sum(1)).cpu().numpy()
    return means
