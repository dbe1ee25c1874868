"""Search spaces: small functions from a trial and a run to the run with what the trial suggests.

A field is changed by its name and checked against the config that has it, so that a misspelt name
is refused before anything runs. What only matters where another choice was made is suggested under
that choice alone. Parameters bear the names of the fields that they set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError, update
from benchmarks.methods import method_config

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from benchmarks.config.run_config import RunConfig

Space = Callable[["BaseTrial", "RunConfig"], "RunConfig"]
"""From (trial, run as it is) to the run that the trial proposes."""

DOMAIN_ALONE = "domain alone"
CONTRASTIVE_WEIGHTS = (DOMAIN_ALONE, 0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
"""The first is the plain soft prompt: no sample tokens, no reconstruction either."""
REFERENCE_FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
DOMAIN_LENGTHS = (4, 16, 64)
SAMPLE_LENGTHS = (2, 8, 32)


def domino(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """P and Q, learning rate, initialisation, the contrastive term, and how to sample."""
    sample_tokens = trial.suggest_int("sample_tokens", 2, 32, log=True)
    options = {**_fit(trial), "sample_tokens": sample_tokens, **_contrastive(trial)}
    return _sampled(trial, with_options(run, "domino", options))


def paper(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """DOMINO's at the size of the paper's backbones: its P and Q are 256, its rate 1e-3."""
    options = {
        "domain_tokens": trial.suggest_int("domain_tokens", 32, 512, log=True),
        "sample_tokens": trial.suggest_int("sample_tokens", 32, 512, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "initialisation": trial.suggest_categorical("initialisation", ("normal", "vocabulary")),
        **_contrastive(trial),
    }
    return _sampled(trial, with_options(run, "domino", options))


def prompt_tuning(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """As DOMINO, as far as its ablation has the same parameters."""
    return _sampled(trial, with_options(run, "prompt-tuning", _fit(trial)))


def few_shot(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """How many references a prompt shows, and how to sample."""
    options = {"examples": trial.suggest_int("examples", 1, 8)}
    return _sampled(trial, with_options(run, "few-shot", options))


def self_instruct(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """How many tasks a prompt shows and asks for, how unlike they must be, how to sample."""
    examples = trial.suggest_int("examples", 2, 8)
    options = {
        "examples": examples,
        "last": examples + trial.suggest_int("asked_for", 1, 4),
        "max_rouge_l": trial.suggest_float("max_rouge_l", 0.5, 0.95),
    }
    return _sampled(trial, with_options(run, "self-instruct", options))


def evol_instruct(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """How many rounds, whether in breadth too, what becomes of failures, how to sample."""
    options = {
        "rounds": trial.suggest_int("rounds", 1, 4),
        "breadth": trial.suggest_categorical("breadth", (False, True)),
        "retry_failed": trial.suggest_categorical("retry_failed", (False, True)),
    }
    return _sampled(trial, with_options(run, "evol-instruct", options))


def oss_instruct(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """How long snippets may be, and how to sample."""
    options = {"snippet_lines": trial.suggest_int("snippet_lines", 3, 15)}
    return _sampled(trial, with_options(run, "oss-instruct", options))


def softsrv(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """Its form, its number of prompts where that counts, P, learning rate, and how to sample."""
    form = trial.suggest_categorical("form", ("mlp", "mixture"))
    options = {
        "form": form,
        "prompt_tokens": trial.suggest_int("prompt_tokens", 4, 64, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
    }
    if form == "mixture":
        options["prompts"] = trial.suggest_int("prompts", 2, 8)
    return _sampled(trial, with_options(run, "softsrv", options))


def magpie(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """How to sample: Magpie has nothing else to tune, and nothing that describes the domain."""
    return _sampled(trial, with_options(run, "magpie", {}))


def magpie_induced(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """From how many references the description is written, and how to sample."""
    options = {"examples": trial.suggest_int("examples", 1, 8)}
    return _sampled(trial, with_options(run, "magpie-induced", options))


def contrastive_weight(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """DOMINO's contrastive weight alone, without the term, and the domain term alone."""
    weight = trial.suggest_categorical("w_contrastive", CONTRASTIVE_WEIGHTS)
    if weight == DOMAIN_ALONE:
        return with_options(run, "domino", {"w_contrastive": 0.0, "w_reconstruction": 0.0})
    return with_options(run, "domino", {"w_contrastive": weight})


def reference_fraction(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """The share of the run's references that the method is given, the first ones."""
    share = trial.suggest_categorical("reference_fraction", REFERENCE_FRACTIONS)
    if run.references is None:
        raise ConfigError("references is null: a share needs a number: give one in the study's run")
    return replace(run, references=max(2, round(share * run.references)))


def prompt_length(trial: BaseTrial, run: RunConfig) -> RunConfig:
    """DOMINO's P × Q alone."""
    options = {
        "domain_tokens": trial.suggest_categorical("domain_tokens", DOMAIN_LENGTHS),
        "sample_tokens": trial.suggest_categorical("sample_tokens", SAMPLE_LENGTHS),
    }
    return with_options(run, "domino", options)


SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "domino": domino,
        "prompt-tuning": prompt_tuning,
        "few-shot": few_shot,
        "self-instruct": self_instruct,
        "evol-instruct": evol_instruct,
        "oss-instruct": oss_instruct,
        "magpie": magpie,
        "magpie-induced": magpie_induced,
        "softsrv": softsrv,
    }
)
"""Method name to all of its own parameters that are worth tuning."""


def with_options(run: RunConfig, method: str, options: Mapping[str, Any]) -> RunConfig:
    """Return the run with fields of a method's own config set, the others as they were.

    Raises:
        ConfigError: the method's config has no such field, or not with this value.
    """
    own = {**run.method_options.get(method, {}), **options}
    method_config(method, own)
    return replace(run, method_options={**run.method_options, method: own})


def _fit(trial: BaseTrial) -> dict[str, Any]:
    """Return what every fit of domain tokens has."""
    return {
        "domain_tokens": trial.suggest_int("domain_tokens", 4, 64, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 3e-2, log=True),
        "initialisation": trial.suggest_categorical("initialisation", ("vocabulary", "normal")),
    }


def _contrastive(trial: BaseTrial) -> dict[str, Any]:
    """Return weight, form and temperature; no logarithm reaches 0, so "none" is a choice."""
    form = trial.suggest_categorical("contrastive", ("none", "bounded", "official"))
    if form == "none":
        return {"w_contrastive": 0.0}
    weight = trial.suggest_float("w_contrastive", 0.01, 3.0, log=True)
    if form == "official":
        return {"form": form, "w_contrastive": weight}
    temperature = trial.suggest_float("temperature", 0.1, 3.0, log=True)
    return {"form": form, "w_contrastive": weight, "temperature": temperature}


def _sampled(trial: BaseTrial, run: RunConfig) -> RunConfig:
    temperature = trial.suggest_float("sampling.temperature", 0.5, 1.3)
    return update(run, {"sampling": {"temperature": temperature}})
