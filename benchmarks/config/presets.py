"""Named runs: functions that return a whole config; a variant is a `replace` of another.

The numbers of each preset are all here.
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
OFFICIAL_FIT: Mapping[str, Any] = MappingProxyType(
    {
        "domain_tokens": 256, "sample_tokens": 256, "epochs": 10, "batch_size": 3,
        "learning_rate": 1e-3, "clip_norm": 1.0, "dense_updates": True, "form": "official",
        "padding": "labels", "initialisation": "normal", "held_out": 0.0, "guard_samples": 0,
    }
)  # fmt: skip
"""`DominoConfig.official()` as options: its module imports torch, which --help must not."""

PAPER_FIT: Mapping[str, Any] = MappingProxyType({**OFFICIAL_FIT, "padding": "ignored"})
"""The same where a batch's padding carries no loss: prefixes are shared, and gradients cached."""
_OF_THE_MATRIX = frozenset({"sample_tokens", "form", "dense_updates"})
"""Options that a fit of the domain term alone does not have."""
PAPER_BACKBONES: Mapping[str, str] = MappingProxyType(
    {
        "7b": "Qwen/Qwen2.5-Coder-7B-Instruct",
        "14b": "Qwen/Qwen2.5-Coder-14B-Instruct",
        "deepseek-lite": "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct",
    }
)
"""The paper's backbones, by the end of their presets' names."""


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
    """Compositions of common operations: references are instructions, the plain backbone answers.

    The options of DOMINO and of few-shot are those that the study `housestyle-quick` chose. Both
    came out for low temperatures of sampling (0.62 and 0.55); the run has one for all methods.
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
    """The default: a domain with terms of its own, of which 8 references show a part.

    A solver answers. The backbone is the one that is weak in context, as real small models are;
    `--suite_options.coherence coherent` is the other. Fits are short because long ones overfit
    eight references.
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
    """Hidden house conventions: two references with responses, each method answers itself."""
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
    """Every method on one domain of compositions; the description is a reader's."""
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
    """Real MBPP+ problems with a model of your own: give --model and --suite_options.*."""
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


def paper_official() -> RunConfig:
    """The paper's run as its public code does it, over MBPP+: give --model and --suite_options.*.

    80,000 draws at temperature 0.8, greedy responses, 10 programs a problem at temperature 0.2.
    The options of `domino` are `DominoConfig.official()`; other suites by --suite.
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
    """The paper's run on LiveCodeBench's code generation: 80,000 draws at temperature 0.8.

    Earlier problems are references, later ones the test; `--suite_options.cutoff` names the day.
    The fit is `paper_official`'s, but for padding, which carries no loss here, so that a step
    fits one GPU. What the paper leaves open is ours: the fine-tuning recipe (LoRA, about one epoch
    over 40,000 pairs) and the limit of tokens in evaluation.
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
    """The paper's run on LiveCodeBench's code execution: 40,000 draws at temperature 0.6.

    What is reconstructed is function and call; the suite runs what was drawn and checks its answer.
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
    """Every stage once, in seconds; its scores mean nothing."""
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
