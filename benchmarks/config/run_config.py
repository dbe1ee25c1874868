"""The config of a run, validated when it is made.

Fields that cannot change a result are declared by `metadata={"changes_result": False}`: they affect
neither cached stages nor the names of runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.common.fields import ConfigError, closest, read_yaml
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.config.launch_config import LAUNCHERS, LocalConfig, RayConfig
from benchmarks.data_set import DataSetConfig, data_digest
from benchmarks.engines import ENGINES
from benchmarks.methods import (
    CONTROLS,
    METHODS,
    TEACHER_ROW,
    WITH_REFERENCES,
    base_name,
    changed_options,
    drawing_name,
    is_data_set,
    is_known,
    is_plug_in,
    reads_description,
    typed_options,
)
from benchmarks.models import HOUSESTYLE_MODEL, SHIPPED_MODELS
from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.decontaminate import DecontaminateConfig
from benchmarks.stages.embed import EmbedConfig
from benchmarks.stages.evaluate import EvaluateConfig, TeacherEvaluateConfig
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.stages.finetuning.config import AccelerateConfig, FinetuneConfig
from benchmarks.stages.respond import RespondConfig, Responder
from benchmarks.stages.synthesize import SynthesizeConfig
from benchmarks.suites.registry import SUITES, SuiteOptions, is_plug_in_suite
from benchmarks.teacher import TeacherConfig
from domino.attention import Attention
from domino.engines.server import OpenaiConfig
from domino.engines.vllm_setup import VllmConfig
from domino.records import Sampling


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """A benchmark run: all methods and seeds go through the same stages.

    Attributes:
        suite: the benchmark; own reads your file, package.module:function is your code.
        suite_options: its data and split.
        model: directory, hub name or GGUF file of the backbone; "housestyle" is the included one
            for the suite's track.
        chat_template: Jinja file that replaces the backbone's chat template.
        template_options: variables of the chat template, as --template_options.KEY VALUE.
        thought_end: text that ends a thought before an answer; null is </think> if the template
            has it.
        attention: implementation of attention; flash_attention_2 and flex_attention need a GPU,
            and decoding then still uses sdpa.
        engine: generates all text: transformers (in this process), vllm (in a separate process),
            or openai (a server; fine-tuned models are then evaluated by transformers).
        vllm: options of engine vllm.
        openai: options of engine openai.
        methods: one row each; package.module:Class is your own method, dataset/NAME your data;
            references+NAME adds the references, NAME@ALIAS samples again independently.
        method_options: fields of a method's config, as --method_options.NAME.FIELD.
        seeds: each seed is a complete pipeline: fit, synthesis, fine-tuning, evaluation.
        references: number of the suite's references that are used; null uses all.
        description: description of the domain, for methods that use one; default: the suite's.
        pairs: maximum number of synthetic pairs per method and seed for fine-tuning.
        oversample: instructions to sample per training pair.
        sampling: how instructions are sampled.
        response_sampling: how responses are sampled; a single response is decoded greedily.
        responder: who writes responses: the plain backbone, the backbone with references in its
            prompt, the method itself, the suite's exact solver, or a second model, the teacher.
        teacher: the model of responder "teacher".
        shots: number of references in the prompt of responder "references".
        filter: criteria for instructions and responses.
        decontaminate: when a task counts as repeated.
        finetune: the fine-tuning recipe, the same for every method.
        accelerate: processes of fine-tuning.
        evaluate: sampling and inputs of the evaluation.
        embed: texts and model for measures of the data; scores do not depend on it.
        compare: planned comparisons of methods.
        sandbox: limits for untrusted programs.
        launcher: where stages run: local (this machine) or ray (a cluster).
        local: options of launcher local.
        ray: options of launcher ray.
        output: directory of all stored stages.
        cells: folder for one small file per method and seed, to be committed; rows that are
            there are not run again, on any machine.
        store: URL of a store that machines share (s3://, gs://, file://, ..., by fsspec); finished
            stages are uploaded, and downloaded if they are not in `output`.
        tracking_uri: MLflow's address; null uses MLFLOW_TRACKING_URI, or a local database.
        register_mib: adapters up to this size are copied into MLflow and registered as models;
            0 registers none.
    """

    suite: str = "housestyle"
    suite_options: SuiteOptions = field(default_factory=SuiteOptions)
    model: str = HOUSESTYLE_MODEL
    chat_template: Path | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict)
    thought_end: str | None = None
    attention: Attention = field(default="auto", metadata={"changes_result": False})
    engine: str = "transformers"
    vllm: VllmConfig = field(default_factory=VllmConfig)
    openai: OpenaiConfig = field(default_factory=OpenaiConfig)
    methods: tuple[str, ...] = tuple(METHODS)
    method_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    references: int | None = 32
    description: str = ""
    pairs: int = 300
    oversample: float = 2.0
    sampling: Sampling = field(default_factory=Sampling)
    response_sampling: Sampling = field(default_factory=Sampling)
    responder: Responder = "plain"
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    shots: int = 4
    filter: FilterConfig = field(default_factory=FilterConfig)
    decontaminate: DecontaminateConfig = field(default_factory=DecontaminateConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    accelerate: AccelerateConfig = field(
        default_factory=AccelerateConfig, metadata={"changes_result": False}
    )
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    compare: ComparisonConfig = field(default_factory=ComparisonConfig)
    sandbox: SandboxConfig = field(default_factory=SandboxConfig)
    launcher: str = field(default="local", metadata={"changes_result": False})
    local: LocalConfig = field(default_factory=LocalConfig, metadata={"changes_result": False})
    ray: RayConfig = field(default_factory=RayConfig, metadata={"changes_result": False})
    output: Path = field(default=Path("runs"), metadata={"changes_result": False})
    cells: Path | None = field(default=None, metadata={"changes_result": False})
    store: str | None = field(default=None, metadata={"changes_result": False})
    tracking_uri: str | None = field(default=None, metadata={"changes_result": False})
    register_mib: int = field(default=64, metadata={"changes_result": False})

    def __post_init__(self) -> None:
        """Refuse unknown names and invalid numbers."""
        if not is_plug_in_suite(self.suite):
            _require_known("suite", [self.suite], SUITES)
        _require_known("engine", [self.engine], ENGINES)
        _require_known("launcher", [self.launcher], LAUNCHERS)
        for name in ("methods", "method_options"):
            named = [m for m in getattr(self, name) if not is_plug_in(m) and not is_known(m)]
            _require_known(name, named, [*METHODS, *CONTROLS])
        for name in self.method_options:
            if (is_plug_in(name) or is_data_set(name)) and name not in self.methods:
                raise ConfigError(
                    f"method_options has options of {name!r}, which is not among the methods"
                    f"{closest(name, self.methods)}: add it to --methods, or remove its options"
                )
        typed = {name: typed_options(name, own) for name, own in self.method_options.items()}
        object.__setattr__(self, "method_options", typed)
        _require_distinct("methods", self.methods)
        _require_distinct("seeds", self.seeds)
        self.compare.check(self.methods, self.seeds, cells=self.cells is not None)
        _require_at_least("seeds", min(self.seeds), 0)
        _require_at_least("pairs", self.pairs, 1)
        _require_at_least("oversample", self.oversample, 1)
        _require_at_least("shots", self.shots, 1)
        _require_at_least("register_mib", self.register_mib, 0)
        if self.references is not None:
            _require_at_least("references", self.references, 2)
        if self.engine == "openai" and self.ray.shards > 1:
            raise ConfigError(
                f"ray.shards is {self.ray.shards} with engine openai: the server distributes "
                "requests itself; set ray.shards to 1"
            )
        if self.engine != "transformers" and (self.local.processes or 1) > 1:
            raise ConfigError(
                f"local.processes is {self.local.processes} with engine {self.engine}: each "
                "process would start its own engine; set local.processes to 1"
            )
        _check_teacher(self)
        if self.model == HOUSESTYLE_MODEL and self.backbone not in SHIPPED_MODELS:
            raise ConfigError(
                f"suite_options.coherence is {self.suite_options.coherence!r}: the included "
                "backbones are weak and coherent; give the directory of another one by --model"
            )
        if not self.model:
            raise ConfigError("model is empty: give a directory or a hub name")
        if self.store is not None:
            _require_no_password("store", self.store)

    @property
    def backbone(self) -> str:
        """The name of the backbone; the track dialects has one for each coherence."""
        if self.model != HOUSESTYLE_MODEL or self.suite_options.track != "dialects":
            return self.model
        return f"{HOUSESTYLE_MODEL}-{self.suite_options.coherence or 'weak'}"

    @property
    def teaches(self) -> bool:
        """Whether the run has a teacher."""
        return self.responder == "teacher"

    @property
    def draws(self) -> int:
        """Number of instructions that a method samples, before any filter."""
        return math.ceil(self.pairs * self.oversample)


def _check_teacher(config: RunConfig) -> None:
    """Refuse a teacher without a model, and what means nothing without a teacher.

    Raises:
        ConfigError: as said.
    """
    if config.teaches:
        if not config.teacher.model:
            raise ConfigError(
                "responder is teacher, and teacher.model is empty: give --teacher.model a "
                "directory, a hub name, or the name that a server serves"
            )
        if (config.local.processes or 1) > 1:
            raise ConfigError(
                f"local.processes is {config.local.processes} with responder teacher: each process "
                "would load or ask a teacher of its own; leave local.processes at 1"
            )
        return
    given = {
        "options of teacher": config.teacher != TeacherConfig(),
        "filter.judge teacher": config.filter.judge == "teacher",
        "row teacher": TEACHER_ROW in map(base_name, config.methods),
    }
    for what, is_given in given.items():
        if is_given:
            raise ConfigError(
                f"{what} with responder {config.responder!r}: add --responder teacher "
                "--teacher.model NAME, or leave it out"
            )


def read_config_file(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; `update` converts its unquoted values.

    Raises:
        ConfigError: the file is missing, not UTF-8, not YAML, has a key twice, or does not
            contain a mapping.
    """
    try:
        values = read_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"config file {path} cannot be read: {error.strerror}: give a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"config file {path}: not UTF-8 text ({error.reason})") from error
    except ValueError as error:
        raise ConfigError(f"config file {path}: not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(str(key).isidentifier() for key in values):
        raise ConfigError(f"config file {path}: does not contain a mapping of fields to values")
    return values


def _require_known(name: str, given: Iterable[str], known: Iterable[str]) -> None:
    for value in given:
        if value not in known:
            names = ", ".join(known)
            raise ConfigError(f"{name}: unknown {value!r}{closest(value, known)}; known: {names}")


def _require_distinct(name: str, given: Sequence[Any]) -> None:
    if not given:
        raise ConfigError(f"{name} is empty: give at least one")
    repeated = sorted({str(value) for value in given if given.count(value) > 1})
    if repeated:
        raise ConfigError(f"{name} repeats {', '.join(repeated)}: give each once")


def _require_no_password(name: str, url: str) -> None:
    """Refuse a URL with a password, which would be logged; the error does not repeat it."""
    parts = [urlsplit(part) for part in url.split("::")]
    if not url or any(part.password is not None for part in parts):
        what = "contains a password" if url else "is empty"
        raise ConfigError(
            f"{name} {what}: give a URL without a password, such as s3://bucket/folder; "
            "credentials come from the environment, as fsspec and the protocol's package define"
        )


def _require_at_least(name: str, value: float, minimum: int) -> None:
    if not minimum <= value < math.inf:
        raise ConfigError(f"{name} is {value}: give at least {minimum}")


def synthesize_config(config: RunConfig, method: str) -> SynthesizeConfig:
    """Return the config of the first stage."""
    method = drawing_name(method)
    options, other_options = changed_options(method, options_of(config, method))
    if is_data_set(method):  # equal data has one cache key, wherever it lies
        data = DataSetConfig(**options, **other_options)
        options = {**options, "sha256": data.sha256 or data_digest(data)}
    return SynthesizeConfig(
        method=method,
        options=options,
        other_options=other_options,
        draws=config.draws,
        sampling=config.sampling,
        description=(
            config.description if config.description and reads_description(method) else ""
        ),
    )


def options_of(config: RunConfig, method: str) -> Mapping[str, Any]:
    """Return a method's options; an alias has those of its method unless given its own."""
    options = config.method_options
    own = options.get(method, options.get(drawing_name(method)))
    return options.get(base_name(method), {}) if own is None else own


def respond_config(config: RunConfig, method: str) -> RespondConfig:
    """Return the config of the responder, the same for every method."""
    return RespondConfig(
        method=drawing_name(method),
        responder=config.responder,
        sampling=config.response_sampling,
        responses=config.filter.responses,
        shots=config.shots,
    )


def evaluate_config(config: RunConfig, method: str) -> EvaluateConfig:
    """Return how the problems are tried: the same for every method; by the teacher in its row."""
    if base_name(method) != TEACHER_ROW:
        return config.evaluate
    own = {item.name: getattr(config.evaluate, item.name) for item in fields(config.evaluate)}
    return TeacherEvaluateConfig(**own)


def finetune_config(config: RunConfig, method: str) -> FinetuneConfig:
    """Return the recipe, the same for every method; a row may add the references to its pairs."""
    if method.startswith(WITH_REFERENCES):
        return replace(config.finetune, references=True)
    return config.finetune


def decontaminate_config(config: RunConfig, new: bool) -> DecontaminateConfig:
    """Return the maximum number of pairs, and whether copies of references are dropped.

    A method whose instructions are the references (`new` is False) has no maximum, and its copies
    of references are kept.
    """
    return replace(config.decontaminate, pairs=config.pairs if new else None, references=new)
