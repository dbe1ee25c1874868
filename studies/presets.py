"""Named studies: functions that return a complete config; a variant is a `replace` of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from benchmarks.common.fields import ConfigError, closest
from benchmarks.config.presets import housestyle, paper_official
from benchmarks.config.run_config import RunConfig
from studies.config import StudyConfig
from studies.objective import CLAIMS
from studies.spaces import (
    CONTRASTIVE_WEIGHTS,
    DOMAIN_LENGTHS,
    REFERENCE_FRACTIONS,
    SAMPLE_LENGTHS,
    SPACES,
    contrastive_weight,
    paper,
    prompt_length,
    reference_fraction,
)

FINAL_SEEDS = (1000, 1001, 1002)
"""Seeds of results; trials have seeds from 0 on."""
PAPER_MODEL = "Qwen/Qwen2.5-Coder-7B-Instruct"


def _tuning() -> RunConfig:
    """The default run where its settings are chosen: a domain of its own, development problems."""
    run = housestyle()
    return replace(
        run,
        suite_options=replace(run.suite_options, domain="stock"),
        evaluate=replace(run.evaluate, split="development"),
    )


def housestyle_quick() -> StudyConfig:
    """DOMINO on *housestyle*, at most 15 minutes on four cores, by a substitute for Pass@1.

    A trial fits and samples 96 instructions; its value is the share of new tasks of the domain.
    Only the result uses the complete pipeline, on another domain, with a new seed.
    """
    return StudyConfig(
        name="housestyle-quick",
        spaces=SPACES,
        method="domino",
        objective="new-in-domain",
        trials=16,
        run=replace(_tuning(), pairs=96, oversample=1.0),
        final=replace(housestyle(), seeds=FINAL_SEEDS[:1]),
    )


def housestyle_full() -> StudyConfig:
    """DOMINO on *housestyle* by Pass@1 on development problems, with the default's budget.

    A trial is the complete pipeline with two seeds, the second for the better half of the settings
    (pruner halving by seeds: LOG.md, 2026-11-27). Hours on four cores: several processes share its
    trials.
    """
    return StudyConfig(
        name="housestyle-full",
        spaces=SPACES,
        method="domino",
        trials=40,
        measures=CLAIMS,
        pruner="halving",
        prune_by="seeds",
        run=replace(_tuning(), seeds=(0, 1)),
        final=replace(housestyle(), seeds=FINAL_SEEDS),
    )


def housestyle_tokens() -> StudyConfig:
    """Development Pass@1 of DOMINO and the tokens of its pairs: a Pareto front."""
    return replace(housestyle_full(), name="housestyle-tokens", also=("tokens",), pruner="none")


def housestyle_front() -> StudyConfig:
    """Alignment and diversity: samples in the domain, and distinct tasks.

    As `housestyle-quick`, with two objectives instead of the one that combines both.
    """
    return replace(
        housestyle_quick(),
        name="housestyle-front",
        objective="in-domain",
        also=("distinct-tasks",),
        measures=("new-in-domain", "copies", "coverage"),
    )


def paper_7b() -> StudyConfig:
    """DOMINO over the paper's run: LiveCodeBench, Qwen2.5-Coder-7B-Instruct; needs a GPU.

    P, Q, learning rate, start, contrastive term and temperature, on the earlier problems that are
    for development; 2,000 pairs a trial, the paper's 40,000 for the result. The data's file comes
    by --config (suite_options.dataset); other backbones likewise.
    """
    run = replace(paper_official(), suite="livecodebench", model=PAPER_MODEL, engine="vllm")
    run = replace(run, references=100)  # trials and result learn from the same number
    return StudyConfig(
        name="paper-7b",
        spaces={**SPACES, "domino": paper},
        method="domino",
        trials=30,
        run=replace(
            run,
            pairs=2000,
            evaluate=replace(run.evaluate, samples=1, temperature=0.0, ks=(1,),
                             split="development"),
        ),
        final=replace(run, seeds=FINAL_SEEDS),
    )  # fmt: skip


def _ablation() -> StudyConfig:
    """DOMINO over five seeds and 128 samples each, by properties of its samples.

    Every fit keeps its last step, as in the paper: choosing checkpoints by held-out loss and copies
    would reduce the differences between the compared terms. `--objective pass@1` runs the complete
    pipeline for every setting instead.
    """
    run = _tuning()
    return StudyConfig(
        name="ablation",
        spaces={"domino": contrastive_weight},
        method="domino",
        objective="new-in-domain",
        measures=CLAIMS,
        sampler="grid",
        grid={"w_contrastive": CONTRASTIVE_WEIGHTS},
        trials=len(CONTRASTIVE_WEIGHTS),
        run=replace(
            run,
            seeds=(0, 1, 2, 3, 4),
            pairs=128,
            oversample=1.0,
        ),
        final=replace(housestyle(), seeds=FINAL_SEEDS),
    )


def ablation_contrastive_weight() -> StudyConfig:
    """Effect of the contrastive term: its weight from 0 to 3, and the plain soft prompt."""
    return replace(_ablation(), name="ablation-contrastive-weight")


def ablation_prompt_length() -> StudyConfig:
    """Effect of the prompt lengths: P × Q, five seeds each."""
    return replace(
        _ablation(),
        name="ablation-prompt-length",
        spaces={"domino": prompt_length},
        grid={"domain_tokens": DOMAIN_LENGTHS, "sample_tokens": SAMPLE_LENGTHS},
        trials=len(DOMAIN_LENGTHS) * len(SAMPLE_LENGTHS),
    )


def ablation_reference_fraction() -> StudyConfig:
    """Effect of the number of references: 20 to 100 % of them, five seeds each."""
    return replace(
        _ablation(),
        name="ablation-reference-fraction",
        spaces={"domino": reference_fraction},
        varies=("references",),
        grid={"reference_fraction": REFERENCE_FRACTIONS},
        trials=len(REFERENCE_FRACTIONS),
    )


STUDIES: Mapping[str, Callable[[], StudyConfig]] = MappingProxyType(
    {
        "housestyle-quick": housestyle_quick,
        "housestyle-full": housestyle_full,
        "housestyle-front": housestyle_front,
        "housestyle-tokens": housestyle_tokens,
        "ablation-contrastive-weight": ablation_contrastive_weight,
        "ablation-prompt-length": ablation_prompt_length,
        "ablation-reference-fraction": ablation_reference_fraction,
        "paper-7b": paper_7b,
    }
)


def load_study(name: str) -> StudyConfig:
    """Return the config of a study.

    Raises:
        ConfigError: no study has this name.
    """
    if name not in STUDIES:
        names = ", ".join(STUDIES)
        raise ConfigError(f"no study is named {name!r}{closest(name, STUDIES)}; known: {names}")
    return STUDIES[name]()
