"""Pre-train a housestyle backbone: `python -m benchmarks.suites.housestyle.pretrain`.

With `--coherence` the backbone of the track dialects, in which a task keeps its document's dialect
with that probability (the shipped ones: 0.4, weak, and 1.0, coherent); without, the one of the
tracks compositions and conventions. Deterministic by seed, resumable (type the same command again),
with the loss in `log.jsonl`. The result is a directory that transformers loads with
`from_pretrained`.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.suites.housestyle.backbone import CHAT_TOKENS, as_llama, make_model, make_tokenizer
from benchmarks.suites.housestyle.batches import Batch, batches, weighted_loss
from benchmarks.suites.housestyle.recipes import DialectsRecipe, HousesRecipe, Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SAVE_EVERY = 5  # chunks


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the first documents of the corpus, special tokens cut out."""
    special = (*CHAT_TOKENS, *recipe.markers)
    cut = re.compile("|".join(map(re.escape, special)))
    texts = (piece for d in recipe.tokenizer_texts() for piece in cut.split(d.text) if piece)
    return make_tokenizer(texts, recipe.vocabulary, recipe.markers)


class Pretraining:
    """A run in a directory: state.pt while it works, the checkpoint when it ends."""

    def __init__(self, recipe: Recipe, directory: Path) -> None:
        """Start a run, or take up the one that lies in the directory."""
        self.recipe, self.directory = recipe, directory
        directory.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(recipe.threads)
        self.tokenizer = train_tokenizer(recipe)
        self.model = make_model(self.tokenizer, recipe.seed)
        self.optimizers = recipe.optimizers(self.model)
        self._highest = [optimizer.defaults["lr"] for optimizer in self.optimizers]
        self.chunk = 0
        if (directory / "state.pt").exists():
            state = torch.load(directory / "state.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.chunk = int(state["chunk"])

    def run(self) -> Path:
        """Train to the end and write the checkpoint; return its directory."""
        from tqdm import tqdm

        total = self.recipe.total
        bar = tqdm(range(self.chunk, total), initial=self.chunk, total=total, unit="chunk")
        for chunk in bar:
            record = self._train_chunk(chunk)
            bar.set_postfix(loss=f"{record['loss']:.4f}", tokens_s=int(record["tokens_s"]))
            with (self.directory / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            self.chunk = chunk + 1
            if self.chunk % SAVE_EVERY == 0:
                self._save_state()
        return self.save_checkpoint()

    def _train_chunk(self, chunk: int) -> dict[str, Any]:
        self.model.train()
        start, tokens, losses = time.perf_counter(), 0, []
        found = list(
            batches(
                self.recipe.documents(chunk),
                self.tokenizer,
                batch_tokens=self.recipe.batch_tokens,
                seed=self.recipe.chunk_seed(chunk),
            )
        )
        for index, batch in enumerate(found):
            losses.append(self._train_batch(batch, self.recipe.rate(chunk + index / len(found))))
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

    def save_checkpoint(self) -> Path:
        """Write the model as it is, in the form that transformers loads; return its directory."""
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
    parser.add_argument("--coherence", type=float, help="of the track dialects, from 0 to 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    shared = {"seed": options.seed, "threads": options.threads}
    recipe: Recipe = (
        HousesRecipe(**shared)
        if options.coherence is None
        else DialectsRecipe(coherence=options.coherence, **shared)
    )
    print(f"checkpoint: {Pretraining(recipe, options.output).run()}")


if __name__ == "__main__":
    main()
