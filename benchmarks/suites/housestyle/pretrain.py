"""Pre-train the housestyle backbone: `python -m benchmarks.suites.housestyle.pretrain`.

Deterministic by seed, resumable (type the same command again), with loss and capabilities in
`log.jsonl`. The result is a directory that transformers loads with `from_pretrained`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from benchmarks.suites.housestyle.backbone import SPECIAL, as_llama, make_model, make_tokenizer
from benchmarks.suites.housestyle.corpus import (
    EARLY,
    FINISHING,
    LAST,
    LATE,
    MENDING,
    Corpus,
    Document,
    Mixture,
)
from domino.records import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Optimizers = tuple[torch.optim.Optimizer, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """What a pre-training run is; the defaults made the shipped checkpoint.

    Attributes:
        seed: of the corpus and the weights.
        tokenizer_documents: documents that the tokenizer is trained on.
        chunks: how many there are before the mending; the learning rates fall linearly over all but
            those held.
        late_from: the first chunk of the late mixture.
        last_from: the first chunk of the last mixture, at which the learning rates are held.
        held_chunks: over which they do not fall.
        mending_rounds: how often, after those, what was still missed is shown.
        mending_chunks: of one round.
        mending_share: of the highest learning rates, at which a round begins.
        finishing_chunks: of the last round, with what the others crowded out.
        chunk_documents: documents of a chunk; 1,024 are about 0.1 million tokens.
        batch_tokens: tokens in a batch, padding included.
        matrix_learning_rate: highest, of Muon, on the matrices between the layers.
        learning_rate: highest, of AdamW, on embeddings, norms and biases.
        last_share: of the learning rates that is left at the end.
        warmup_chunks: over which the rates rise.
        weight_decay: of both optimisers.
        threads: of the CPU; another number rounds differently.
    """

    seed: int = 0
    tokenizer_documents: int = 12_000
    chunks: int = 160
    late_from: int = 90
    last_from: int = 110
    held_chunks: int = 20
    mending_rounds: int = 2
    mending_chunks: int = 12
    mending_share: float = 0.12
    finishing_chunks: int = 12
    chunk_documents: int = 1024
    batch_tokens: int = 2048
    matrix_learning_rate: float = 5e-3
    learning_rate: float = 2e-3
    last_share: float = 0.02
    warmup_chunks: float = 1.0
    weight_decay: float = 0.01
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and loss weights, both [B, L], padded on the right (weight 0)."""

    ids_BL: torch.Tensor
    weights_BL: torch.Tensor


def train_tokenizer(config: PretrainConfig) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the first documents of the corpus, special tokens cut out."""
    cut = re.compile("|".join(map(re.escape, SPECIAL)))
    documents = islice(Corpus(derive_seed(config.seed, "tokenizer")), config.tokenizer_documents)
    return make_tokenizer(piece for d in documents for piece in cut.split(d.text) if piece)


def encode(document: Document, tokenizer: PreTrainedTokenizerFast) -> tuple[list[int], list[float]]:
    """Return a document's token ids and their loss weights."""
    ids: list[int] = []
    weights: list[float] = []
    for text, weight in document.segments:
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        weights += [weight] * len(piece)
    return ids, weights


def batches(
    config: PretrainConfig, chunk: int, tokenizer: PreTrainedTokenizerFast
) -> Iterator[Batch]:
    """Yield one chunk's batches: documents of like length together, up to a number of tokens."""
    chunk_seed = derive_seed(config.seed, "chunk", chunk)
    corpus = Corpus(chunk_seed, mixture(config, chunk))
    encoded = sorted(
        (encode(document, tokenizer) for document in islice(corpus, config.chunk_documents)),
        key=lambda pair: len(pair[0]),
    )
    groups: list[list[tuple[list[int], list[float]]]] = [[]]
    for pair in encoded:
        if (len(groups[-1]) + 1) * len(pair[0]) > config.batch_tokens:
            groups.append([])
        groups[-1].append(pair)
    random.Random(chunk_seed).shuffle(groups)
    for group in groups:
        yield _pad(group, int(tokenizer.pad_token_id))


def mixture(config: PretrainConfig, chunk: int) -> Mixture:
    """Return what a chunk shows."""
    if chunk < config.late_from:
        return EARLY
    if chunk < config.last_from:
        return LATE
    if chunk < config.chunks:
        return LAST
    return MENDING if chunk < _mended(config) else FINISHING


def _mended(config: PretrainConfig) -> int:
    return config.chunks + config.mending_rounds * config.mending_chunks


def _pad(group: list[tuple[list[int], list[float]]], pad: int) -> Batch:
    longest = max(len(ids) for ids, _ in group)
    ids = [ids + [pad] * (longest - len(ids)) for ids, _ in group]
    weights = [weights + [0.0] * (longest - len(weights)) for _, weights in group]
    return Batch(torch.tensor(ids), torch.tensor(weights))


def weighted_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the weighted mean cross-entropy; causal attention needs no mask for right padding."""
    logits_BLV = model(input_ids=batch.ids_BL, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(
        logits_BLV.flatten(0, 1).float(), batch.ids_BL[:, 1:].flatten(), reduction="none"
    )
    weights = batch.weights_BL[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()


def make_optimizers(model: PreTrainedModel, config: PretrainConfig) -> Optimizers:
    """Return Muon for the matrices between the layers, and AdamW for all else.

    The conventions are rare associations, and Muon learns those in fewer tokens than AdamW.
    """
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed" not in name else others).append(weight)
    muon = torch.optim.Muon(
        matrices,
        lr=config.matrix_learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    adamw = torch.optim.AdamW(
        others, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    return muon, adamw


class Pretraining:
    """A run in a directory: state.pt while it works, the checkpoint when it ends."""

    def __init__(self, config: PretrainConfig, directory: Path) -> None:
        """Start a run, or take up the one that lies in the directory."""
        self.config, self.directory = config, directory
        directory.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(config.threads)
        self.tokenizer = train_tokenizer(config)
        self.model = make_model(self.tokenizer, config.seed)
        self.optimizers = make_optimizers(self.model, config)
        self._highest = [optimizer.defaults["lr"] for optimizer in self.optimizers]
        self.chunk = 0
        if (directory / "state.pt").exists():
            state = torch.load(directory / "state.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.chunk = int(state["chunk"])

    def rate(self, chunk: float) -> float:
        """Return the share of the highest learning rates: rise, fall, hold, fall, mend."""
        config = self.config
        if chunk >= config.chunks:
            return self._round_rate(chunk)
        held = min(max(0.0, chunk - config.last_from), config.held_chunks)
        fallen = (chunk - held) / (config.chunks - config.held_chunks)
        return min(1.0, chunk / config.warmup_chunks) * max(config.last_share, 1.0 - fallen)

    def _round_rate(self, chunk: float) -> float:
        config, ended = self.config, _mended(self.config)
        if chunk < ended:
            done = (chunk - config.chunks) % config.mending_chunks / config.mending_chunks
        else:
            done = (chunk - ended) / config.finishing_chunks
        return max(config.last_share, config.mending_share * (1.0 - done))

    def run(self) -> Path:
        """Train to the end and write the checkpoint; return its directory."""
        from tqdm import tqdm

        config = self.config
        total = _mended(config) + config.finishing_chunks
        bar = tqdm(range(self.chunk, total), initial=self.chunk, total=total, unit="chunk")
        for chunk in bar:
            record = self._train_chunk(chunk)
            bar.set_postfix(loss=f"{record['loss']:.4f}", tokens_s=int(record["tokens_s"]))
            with (self.directory / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            self.chunk = chunk + 1
            if self.chunk % 10 == 0:
                self._save_state()
        return self._save_checkpoint()

    def _train_chunk(self, chunk: int) -> dict[str, Any]:
        self.model.train()
        start, tokens, losses = time.perf_counter(), 0, []
        chunk_batches = list(batches(self.config, chunk, self.tokenizer))
        for index, batch in enumerate(chunk_batches):
            losses.append(self._train_batch(batch, self.rate(chunk + index / len(chunk_batches))))
            tokens += batch.ids_BL.numel()
        seconds = time.perf_counter() - start
        return {"chunk": chunk, "loss": sum(losses) / len(losses), "tokens": tokens,
                "tokens_s": tokens / seconds}  # fmt: skip

    def _train_batch(self, batch: Batch, rate: float) -> float:
        loss = weighted_loss(self.model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, highest in zip(self.optimizers, self._highest, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = highest * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def _save_state(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "chunk": self.chunk,
        }
        torch.save(state, self.directory / "state.tmp")
        (self.directory / "state.tmp").replace(self.directory / "state.pt")

    def _save_checkpoint(self) -> Path:
        checkpoint = self.directory / "checkpoint"
        model = as_llama(self.model.eval())
        model.generation_config.eos_token_id = self.tokenizer.eos_token_id
        model.generation_config.pad_token_id = self.tokenizer.pad_token_id
        model.save_pretrained(checkpoint)
        self.tokenizer.save_pretrained(checkpoint)
        return checkpoint


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--seed", type=int, default=PretrainConfig().seed)
    parser.add_argument("--threads", type=int, default=PretrainConfig().threads)
    options = parser.parse_args()
    config = PretrainConfig(seed=options.seed, threads=options.threads)
    print(f"checkpoint: {Pretraining(config, options.output).run()}")


if __name__ == "__main__":
    main()
