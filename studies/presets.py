"""Named studies: functions that return a whole config; a variant is a `replace` of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from benchmarks.fields import ConfigError, closest
from benchmarks.presets import housestyle
from studies.config import StudyConfig
from studies.spaces import (
    CONTRASTIVE_WEIGHTS,
    DOMAIN_LENGTHS,
    SAMPLE_LENGTHS,
    SPACES,
    contrastive_weight,
    prompt_length,
)

FINAL_SEEDS = (1000, 1001, 1002)
"""Seeds of results; trials have seeds from 0 on."""


def housestyle_quick() -> StudyConfig:
    """DOMINO on *housestyle*, at most 15 minutes on four cores, by a stand-in for Pass@1.

    A trial fits for 100 steps and draws 96 instructions: what counts is how many of them are new
    tasks of the domain. The default fit and the whole pipeline are for the result alone, with one
    fresh seed.
    """
    run = housestyle()
    quick = {method: {"steps": 100} for method in ("domino", "prompt-tuning")}
    return StudyConfig(
        name="housestyle-quick",
        spaces=SPACES,
        method="domino",
        objective="new-in-domain",
        trials=16,
        run=replace(
            run,
            pairs=96,
            oversample=1.0,
            method_options=quick,
            evaluate=replace(run.evaluate, split="development"),
        ),
        final=replace(run, seeds=FINAL_SEEDS[:1]),
    )


def _ablation() -> StudyConfig:
    """Development Pass@1 of DOMINO over five seeds, everything else as in *housestyle*."""
    run = housestyle()
    return StudyConfig(
        name="ablation",
        spaces={"domino": contrastive_weight},
        method="domino",
        objective="pass@1",
        run=replace(
            run, seeds=(0, 1, 2, 3, 4), evaluate=replace(run.evaluate, split="development")
        ),
        final=replace(run, seeds=FINAL_SEEDS),
    )


def ablation_contrastive_weight() -> StudyConfig:
    """What the contrastive term does: its weight from 0 to 3, five seeds each."""
    return replace(
        _ablation(),
        name="ablation-contrastive-weight",
        sampler="grid",
        grid={"w_contrastive": CONTRASTIVE_WEIGHTS},
        trials=len(CONTRASTIVE_WEIGHTS),
    )


def ablation_prompt_length() -> StudyConfig:
    """What prompt lengths do: P × Q, five seeds each."""
    return replace(
        _ablation(),
        name="ablation-prompt-length",
        spaces={"domino": prompt_length},
        sampler="grid",
        grid={"domain_tokens": DOMAIN_LENGTHS, "sample_tokens": SAMPLE_LENGTHS},
        trials=len(DOMAIN_LENGTHS) * len(SAMPLE_LENGTHS),
    )


STUDIES: Mapping[str, Callable[[], StudyConfig]] = MappingProxyType(
    {
        "housestyle-quick": housestyle_quick,
        "ablation-contrastive-weight": ablation_contrastive_weight,
        "ablation-prompt-length": ablation_prompt_length,
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
