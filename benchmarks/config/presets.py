"""Named runs: functions that return a complete config; a variant is a `replace` of another.

All numbers of the presets are in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import ConfigError, closest
from benchmarks.config.launch_config import LocalConfig
from benchmarks.config.run_config import RunConfig
from benchmarks.stages.evaluate import EvaluateConfig
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.finetuning.config import FinetuneConfig
from benchmarks.suites.registry import SuiteOptions
from domino.records import Sampling

DEFAULT = "housestyle"
OF_OTHER_SUITES = "housestyle-compositions"
"""The preset of suites that have none of their own: they have no dialects and no solver."""
OFFICIAL_FIT: Mapping[str, Any] = MappingProxyType(
    {
        "domain_tokens": 256, "sample_tokens": 256, "epochs": 10, "batch_size": 3,
        "learning_rate": 1e-3, "clip_norm": 1.0, "dense_updates": True, "form": "official",
        "padding": "labels", "initialisation": "normal", "held_out": 0.0, "guard_samples": 0,
    }
)  # fmt: skip
"""`DominoConfig.official()` as options; its module imports torch, which is too slow for --help."""

PAPER_FIT: Mapping[str, Any] = MappingProxyType({**OFFICIAL_FIT, "padding": "ignored"})
"""The same without loss on padding: prefixes are shared and gradients cached."""
_OF_THE_MATRIX = frozenset({"sample_tokens", "form", "dense_updates"})
"""Options that do not exist for a fit of the domain term alone."""
PAPER_BACKBONES: Mapping[str, str] = MappingProxyType(
    {
        "7b": "Qwen/Qwen2.5-Coder-7B-Instruct",
        "14b": "Qwen/Qwen2.5-Coder-14B-Instruct",
        "deepseek-lite": "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct",
    }
)
"""The paper's backbones, by the suffix of their presets."""


TUNED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "domino": {
            "domain_tokens": 31, "sample_tokens": 3, "learning_rate": 0.00878,
            "form": "official", "w_contrastive": 0.0779,
        },
        "few-shot": {"examples": 8},
    }
)  # fmt: skip
"""What the study `housestyle-quick` chose on the domain ledger, 16 trials each; the studies of the
other methods have not been run, and they keep their authors' parameters."""


def housestyle_compositions() -> RunConfig:
    """Track compositions: references are instructions, the plain backbone answers.

    The options of DOMINO and few-shot were chosen by the study `housestyle-quick`. It preferred
    low sampling temperatures for both (0.62 and 0.55); the run has one temperature for all methods.
    """
    return RunConfig(
        suite="housestyle",
        methods=(
            "no-data", "references-only", "few-shot", "self-instruct", "evol-instruct", "domino",
        ),
        method_options=TUNED,
        seeds=(0,),
        references=32,
        pairs=300,
        oversample=2.0,
        sampling=Sampling(temperature=0.6, top_p=1.0, max_new_tokens=128),
        response_sampling=Sampling(temperature=0.7, top_p=1.0, max_new_tokens=256),
        responder="plain",
        filter=FilterConfig(consistency=True, consistency_samples=8, consistency_share=0.5),
        finetune=FinetuneConfig(
            rank=32, alpha=64, learning_rate=3e-3, steps=300, batch_size=32, max_tokens=512
        ),
        local=LocalConfig(processes=None),
        evaluate=EvaluateConfig(samples=1, temperature=0.0, max_new_tokens=256),
    )  # fmt: skip


def housestyle() -> RunConfig:
    """The default, track dialects: 8 references show some of the domain's terms.

    The exact solver answers. The backbone is the one with weak in-context learning, as small real
    models have; `--suite_options.coherence coherent` takes the other. Fits are short because long
    ones overfit eight references.
    """
    fit = {"domain_tokens": 16, "steps": 60, "batch_size": 4, "learning_rate": 0.01,
           "guard_samples": 0, "held_out": 0.0}  # fmt: skip
    return replace(
        housestyle_compositions(),
        suite_options=SuiteOptions(track="dialects"),
        methods=(
            "no-data", "references-only", "few-shot", "self-instruct", "evol-instruct",
            "prompt-tuning", "domino", "plain-wording", "recombined", "ceiling",
        ),
        method_options={
            "domino": {**fit, "sample_tokens": 12},
            "prompt-tuning": fit,
            "few-shot": {"examples": 6},
        },
        references=8,
        oversample=1.5,
        sampling=Sampling(temperature=0.8, top_p=1.0, max_new_tokens=96),
        responder="solver",
        filter=FilterConfig(consistency=False),
        finetune=FinetuneConfig(
            rank=32, alpha=64, learning_rate=3e-3, steps=150, batch_size=16, max_tokens=512
        ),
        evaluate=EvaluateConfig(samples=1, temperature=0.0, max_new_tokens=160),
    )  # fmt: skip


def housestyle_conventions() -> RunConfig:
    """Hidden conventions: two references with responses, and each method writes its responses."""
    return replace(
        housestyle_compositions(),
        suite="housestyle-conventions",
        method_options={},
        sampling=Sampling(temperature=1.0, top_p=1.0, max_new_tokens=128),
        references=2,
        responder="own",
        filter=FilterConfig(consistency=False),
        finetune=FinetuneConfig(learning_rate=3e-3, steps=200, batch_size=16, max_tokens=512),
    )


def housestyle_all() -> RunConfig:
    """All methods on one domain of compositions; a person wrote the description."""
    return replace(
        housestyle_compositions(),
        methods=(
            "no-data", "references-only", "few-shot", "self-instruct", "evol-instruct",
            "oss-instruct", "magpie", "magpie-described", "magpie-induced", "softsrv",
            "prompt-tuning", "domino",
        ),
        description=(
            "Tasks on lists of integers in 6 to 8 steps, such as: take running totals, "
            "rotate by k, add each to the next, keep the first k, divide each by k."
        ),
    )  # fmt: skip


def mbpp() -> RunConfig:
    """MBPP+ with your own model: give --model and --suite_options.*."""
    return replace(
        housestyle_compositions(),
        suite="mbpp+",
        local=LocalConfig(),
        method_options={},
        references=100,
        pairs=1000,
        sampling=Sampling(temperature=0.8, top_p=1.0, max_new_tokens=512),
        response_sampling=Sampling(temperature=0.8, top_p=1.0, max_new_tokens=1024),
        filter=FilterConfig(consistency=False),
        finetune=FinetuneConfig(learning_rate=2e-4, steps=200, batch_size=16, max_tokens=2048),
        evaluate=EvaluateConfig(samples=10, temperature=0.2, max_new_tokens=1024, ks=(1, 5, 10)),
    )


def own() -> RunConfig:
    """Your own file of problems and model: give --suite_options.dataset and --model."""
    return replace(
        mbpp(),
        suite="own",
        suite_options=SuiteOptions(),
        references=32,
        pairs=300,
        finetune=FinetuneConfig(max_tokens=2048),
        evaluate=EvaluateConfig(),
    )


def paper_official() -> RunConfig:
    """The settings of the paper's public code, on MBPP+: give --model and --suite_options.*.

    80,000 samples at temperature 0.8, greedy responses, 10 programs per problem at temperature
    0.2. The options of `domino` are `DominoConfig.official()`; --suite selects another suite.
    """
    return replace(
        mbpp(),
        methods=("no-data", "references-only", "domino"),
        method_options={"domino": OFFICIAL_FIT},
        references=None,
        pairs=40_000,
        oversample=2.0,
        sampling=Sampling(temperature=0.8, top_p=1.0, max_new_tokens=2048),
        response_sampling=Sampling(temperature=0.0, top_p=1.0, max_new_tokens=4096),
    )


def paper_lcb_generation(model: str) -> RunConfig:
    """The paper's run on LiveCodeBench's code generation: 80,000 samples at temperature 0.8.

    Earlier problems are references, later ones the test, split by `--suite_options.cutoff`. The
    fit is that of `paper_official` without loss on padding, so that a step fits on one GPU. The
    paper does not state the fine-tuning recipe and the maximum number of tokens in evaluation;
    here it is LoRA for about one epoch over 40,000 pairs.
    """
    return RunConfig(
        suite="livecodebench",
        model=model,
        engine="vllm",
        methods=(
            "no-data", "self-instruct", "evol-instruct", "magpie-described", "magpie-induced",
            "prompt-tuning", "domino",
        ),
        method_options={
            "domino": PAPER_FIT,
            "prompt-tuning": {k: v for k, v in PAPER_FIT.items() if k not in _OF_THE_MATRIX},
        },
        references=None,
        pairs=40_000,
        oversample=2.0,
        sampling=Sampling(temperature=0.8, top_p=1.0, max_new_tokens=2048),
        response_sampling=Sampling(temperature=0.0, top_p=1.0, max_new_tokens=4096),
        filter=FilterConfig(judge_instructions=True, judge_responses=True),
        finetune=FinetuneConfig(
            learning_rate=2e-4, steps=1250, batch_size=32, micro_batch_size=4, max_tokens=4096,
            gradient_checkpointing=True,
        ),
        evaluate=EvaluateConfig(samples=10, temperature=0.2, max_new_tokens=2048, ks=(1, 5, 10)),
    )  # fmt: skip


def paper_lcb_execution(model: str) -> RunConfig:
    """The paper's run on LiveCodeBench's code execution: 40,000 samples at temperature 0.6.

    Methods generate a function and a call; the suite runs them and checks the response.
    """
    generation = paper_lcb_generation(model)
    return replace(
        generation,
        suite="livecodebench-execution",
        pairs=20_000,
        sampling=replace(generation.sampling, temperature=0.6),
        finetune=replace(generation.finetune, steps=625),
    )


def smoke() -> RunConfig:
    """Runs every stage once, in about a minute; its scores mean nothing."""
    return replace(
        housestyle_compositions(),
        local=LocalConfig(),
        references=6,
        pairs=4,
        sampling=Sampling(temperature=1.0, max_new_tokens=128),
        response_sampling=Sampling(temperature=0.7, max_new_tokens=96),
        method_options={"domino": {"steps": 4}, "evol-instruct": {"rounds": 1}},
        filter=FilterConfig(consistency=True, consistency_samples=2, consistency_share=0.5),
        finetune=FinetuneConfig(steps=2, batch_size=4, max_tokens=256),
        evaluate=EvaluateConfig(max_new_tokens=96, split="development"),  # the smaller split
    )


def _on_paper_backbones(
    name: str, preset: Callable[[str], RunConfig]
) -> dict[str, Callable[[], RunConfig]]:
    return {f"{name}-{end}": partial(preset, model) for end, model in PAPER_BACKBONES.items()}


PRESETS: Mapping[str, Callable[[], RunConfig]] = MappingProxyType(
    {
        "housestyle": housestyle,
        "housestyle-compositions": housestyle_compositions,
        "housestyle-all": housestyle_all,
        "housestyle-conventions": housestyle_conventions,
        "mbpp+": mbpp,
        "own": own,
        "paper-official": paper_official,
        **_on_paper_backbones("paper-lcb-generation", paper_lcb_generation),
        **_on_paper_backbones("paper-lcb-execution", paper_lcb_execution),
        "smoke": smoke,
    }
)


def load_preset(name: str) -> RunConfig:
    """Return the config of a preset.

    Raises:
        ConfigError: no preset has this name.
    """
    if name not in PRESETS:
        names = ", ".join(PRESETS)
        raise ConfigError(f"no preset is named {name!r}{closest(name, PRESETS)}; known: {names}")
    return PRESETS[name]()
