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
from benchmarks.suites.housestyle.corpus import Corpus, Document
from domino.records import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

WARMUP_SHARE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainConfig:
    """What a pre-training run is; the defaults made the shipped checkpoint.

    Attributes:
        seed: of the corpus and the weights.
        tokenizer_documents: documents that the tokenizer is trained on.
        chunks: of the first decay.
        chunk_documents: documents of a chunk; 1,024 are about 0.1 million tokens.
        early_chunks: chunks in larger batches, while the model learns the language; after them
            many small steps learn to copy and to follow conventions in fewer tokens.
        early_batch_tokens: tokens in a batch of those.
        batch_tokens: tokens in a batch after them.
        learning_rate: the highest of the first decay, over `chunks`.
        more_chunks: of a second decay, which the rarer conventions need.
        more_learning_rate: the highest of it.
        weight_decay: of AdamW.
        threads: of the CPU; another number rounds differently.
    """

    seed: int = 0
    tokenizer_documents: int = 12_000
    chunks: int = 110
    chunk_documents: int = 1024
    early_chunks: int = 30
    early_batch_tokens: int = 4096
    batch_tokens: int = 1536
    learning_rate: float = 2e-3
    more_chunks: int = 30
    more_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    threads: int = 2


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
    early = chunk < config.early_chunks
    batch_tokens = config.early_batch_tokens if early else config.batch_tokens
    chunk_seed = derive_seed(config.seed, "chunk", chunk)
    encoded = sorted(
        (encode(d, tokenizer) for d in islice(Corpus(chunk_seed), config.chunk_documents)),
        key=lambda pair: len(pair[0]),
    )
    groups: list[list[tuple[list[int], list[float]]]] = [[]]
    for pair in encoded:
        if (len(groups[-1]) + 1) * len(pair[0]) > batch_tokens:
            groups.append([])
        groups[-1].append(pair)
    random.Random(chunk_seed).shuffle(groups)
    for group in groups:
        yield _pad(group, int(tokenizer.pad_token_id))


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


class Pretraining:
    """A run in a directory: state.pt while it works, the checkpoint when it ends."""

    def __init__(self, config: PretrainConfig, directory: Path) -> None:
        """Start a run, or take up the one that lies in the directory."""
        self.config, self.directory = config, directory
        directory.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(config.threads)
        self.tokenizer = train_tokenizer(config)
        self.model = make_model(self.tokenizer, config.seed)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
        )
        self.chunk = 0
        if (directory / "state.pt").exists():
            state = torch.load(directory / "state.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.chunk = int(state["chunk"])

    def rate(self, chunk: float) -> float:
        """Return the learning rate: two linear decays, each after a short warm-up."""
        first = chunk < self.config.chunks
        highest = self.config.learning_rate if first else self.config.more_learning_rate
        done = (
            chunk / self.config.chunks
            if first
            else (chunk - self.config.chunks) / self.config.more_chunks
        )
        return highest * min(1.0, done / WARMUP_SHARE) * max(0.02, 1.0 - done)

    def run(self) -> Path:
        """Train to the end and write the checkpoint; return its directory."""
        from tqdm import tqdm

        total = self.config.chunks + self.config.more_chunks
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
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(chunk + index / len(chunk_batches))
            loss = weighted_loss(self.model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            tokens += batch.ids_BL.numel()
            losses.append(loss.item())
        seconds = time.perf_counter() - start
        return {"chunk": chunk, "loss": sum(losses) / len(losses), "tokens": tokens,
                "tokens_s": tokens / seconds}  # fmt: skip

    def _save_state(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
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
