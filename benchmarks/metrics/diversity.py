"""How much the texts of one set differ from one another.

Shapes: n texts, D dimensions of an embedding.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domino.text import words

Floats = NDArray[np.float64]
SELF_BLEU_TEXTS = 100
"""Texts that self-BLEU compares with one another: its cost grows with the square."""


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Return distinct runs of n words over all runs of n words (Li et al., 2016); 0 without any.

    The measure falls as texts are added: compare sets of one size.
    """
    runs = [
        tokens[start : start + n]
        for tokens in map(words, texts)
        for start in range(len(tokens) - n + 1)
    ]
    return len(set(runs)) / len(runs) if runs else 0.0


def compression_ratio(texts: Sequence[str]) -> float:
    """Return bytes before over bytes after deflate (Shaib et al., 2024): higher is more alike.

    Raises:
        ValueError: there is no text to compress.
    """
    whole = "\n".join(texts).encode()
    if not whole:
        raise ValueError("nothing to compress: give at least one text that is not empty")
    return len(whole) / len(zlib.compress(whole, level=9))


def self_bleu(texts: Sequence[str], *, seed: int = 0) -> float:
    """Return the mean BLEU-4 of each text against all others (Zhu et al., 2018): 1 is all alike.

    More than `SELF_BLEU_TEXTS` texts are sampled down to that many.

    Raises:
        ValueError: there are fewer than two texts.
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    if len(texts) < 2:
        raise ValueError(f"self-BLEU compares texts with one another, got {len(texts)}: give 2")
    chosen = list(texts)
    if len(chosen) > SELF_BLEU_TEXTS:
        chosen = random.Random(seed).sample(chosen, SELF_BLEU_TEXTS)
    tokens = [words(text) for text in chosen]
    smoothing = SmoothingFunction().method1  # a text without a common 4-gram is not worth 0
    scores = [
        sentence_bleu(tokens[:place] + tokens[place + 1 :], text, smoothing_function=smoothing)
        for place, text in enumerate(tokens)
    ]
    return float(np.mean(scores))


def vendi_score(embeddings_nD: Floats) -> float:
    """Return the effective number of different texts, from 1 to n (Friedman and Dieng, 2023).

    The exponential of the entropy of the eigenvalues of the cosine similarities over n.

    Raises:
        ValueError: there is no embedding, or one of norm 0.
    """
    norms_n1 = np.linalg.norm(embeddings_nD, axis=1, keepdims=True)
    if not len(embeddings_nD) or not norms_n1.all():
        raise ValueError("a Vendi score needs at least one embedding, none of them of norm 0")
    unit_nD = embeddings_nD / norms_n1
    # The squared singular values are the eigenvalues of unit · unitᵀ, at less cost for n > D.
    shares = np.linalg.svd(unit_nD, compute_uv=False) ** 2 / len(unit_nD)
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
