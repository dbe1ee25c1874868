"""A run's adapters in MLflow's model registry: names, files, and how to load them.

Does not import MLflow. A row has up to two adapters for the backbone: the LoRA that was fine-tuned
on its pairs, and the soft tokens that a method fitted to the references.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from benchmarks.models import SHIPPED_MODELS
from benchmarks.stages.finetuning.config import ADAPTER
from benchmarks.stages.synthesize import METHOD

if TYPE_CHECKING:
    from benchmarks.config.run_config import RunConfig
    from benchmarks.pipeline.rows import SeedRun
    from benchmarks.store.store import Stage

LORA, DOMAIN_TOKENS = "lora", "domain-tokens"
NEWEST = "newest"
"""The alias of a model's last version."""
FENCE = "```"
_CARD, _STAGE = "domino.json", "stage"
_WHAT = {
    LORA: "LoRA adapter of the backbone, fine-tuned on the pairs of $method for $suite: it "
    "answers tasks of the domain.",
    DOMAIN_TOKENS: "Soft tokens that $method fitted to references of $suite, as a prompt-tuning "
    "adapter: after them the backbone writes new tasks of the domain.",
}
_LOADING = """\
import mlflow
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
$imports
mlflow.set_tracking_uri($uri)
adapter = mlflow.artifacts.download_artifacts("models:/$name$version")
backbone = $backbone
tokenizer = AutoTokenizer.from_pretrained(backbone)
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(backbone), adapter).eval()
"""
_USING = {
    LORA: """
turn = tokenizer.apply_chat_template(
    [{"role": "user", "content": "A task of the domain."}], add_generation_prompt=True,
    tokenize=False,
)
prompt = tokenizer(turn, add_special_tokens=False, return_tensors="pt")
output = model.generate(**prompt, max_new_tokens=128)
text = tokenizer.decode(output[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True)
""",
    DOMAIN_TOKENS: """
prompt = tokenizer($lead, add_special_tokens=False, return_tensors="pt")
output = model.generate(**prompt, do_sample=True, max_new_tokens=128)
text = tokenizer.decode(output[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True)
""",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """One adapter of a row.

    Attributes:
        kind: `LORA` or `DOMAIN_TOKENS`.
        method: of the row.
        seed: of the row.
        folder: its files.
        address: of the stage that made it.
        lead: what comes before an instruction in the backbone's chat template; "" for LoRA.
    """

    kind: str
    method: str
    seed: int
    folder: Path
    address: str
    lead: str = ""

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def name(self, suite: str) -> str:
        """Return the registered model's name: MLflow allows no slash and no colon in it."""
        spelled = f"{suite}.{self.method}.{self.kind}"
        return "".join("-" if c in "/:" else c for c in spelled)


def adapters_of(row: SeedRun, most_bytes: int) -> Iterator[Adapter]:
    """Yield the adapters of at most this size that a row's stages hold."""
    found = []
    tuned, fitted = row.tuned.path / ADAPTER, row.synthesized.path / METHOD
    if tuned.is_dir():
        found.append(_adapter(row, LORA, row.tuned, tuned))
    if (fitted / "adapter").is_dir() and (fitted / _CARD).is_file():
        lead = str(json.loads((fitted / _CARD).read_text(encoding="utf-8"))["lead"])
        found.append(_adapter(row, DOMAIN_TOKENS, row.synthesized, fitted / "adapter", lead))
    yield from (adapter for adapter in found if adapter.bytes <= most_bytes)


def adapter_tags(adapter: Adapter, row: SeedRun) -> dict[str, str]:
    """Return what a version of a registered model is tagged with."""
    tags = {"seed": str(row.seed), _STAGE: adapter.address}
    if adapter.kind == LORA:
        tags["pass_at_1"] = f"{row.evaluated.summary['pass@1']:.4f}"
    return tags


def register(
    client: Any,
    adapter: Adapter,
    config: RunConfig,
    run: str,
    *,
    uri: str,
    tags: Mapping[str, str],
) -> None:
    """Copy an adapter into MLflow and make it a version of its model, where it is none yet.

    Args:
        client: an MlflowClient.
        adapter: what is registered.
        config: of the run.
        run: id of the row's MLflow run.
        uri: MLflow's address.
        tags: of the version.
    """
    name = adapter.name(config.suite)
    query = f"name = '{name}'"
    if not client.search_registered_models(query):
        client.create_registered_model(name, tags={"suite": config.suite, "kind": adapter.kind})
    if any(v.tags.get(_STAGE) == adapter.address for v in client.search_model_versions(query)):
        return
    place = f"adapters/{adapter.kind}"
    client.log_artifacts(run, str(adapter.folder), artifact_path=place)
    source = f"{client.get_run(run).info.artifact_uri}/{place}"
    made = client.create_model_version(name, source=source, run_id=run, tags=dict(tags))

    def words(version: str) -> str:
        return description(
            adapter, suite=config.suite, model=config.backbone, uri=uri, version=version
        )

    client.update_model_version(name, made.version, words(f"/{made.version}"))
    client.set_registered_model_alias(name, NEWEST, made.version)
    client.update_registered_model(name, words(f"@{NEWEST}"))


def _adapter(row: SeedRun, kind: str, stage: Stage, folder: Path, lead: str = "") -> Adapter:
    return Adapter(
        kind=kind, method=row.method, seed=row.seed, folder=folder, address=stage.address, lead=lead
    )


def description(adapter: Adapter, *, suite: str, model: str, uri: str, version: str) -> str:
    """Return what the registry shows: what the adapter is, and the code that loads it.

    Args:
        adapter: which.
        suite: of the run.
        model: the backbone as the run names it.
        uri: MLflow's address.
        version: "/3" or "@newest".
    """
    shipped = model in SHIPPED_MODELS
    place = "resolve_model(" + repr(model) + ")" if shipped else repr(model)
    snippet = Template(_LOADING + _USING[adapter.kind]).substitute(
        imports="\nfrom benchmarks.models import resolve_model\n" if shipped else "",
        uri=repr(uri),
        name=adapter.name(suite),
        version=version,
        backbone=place,
        lead=repr(adapter.lead),
    )
    what = Template(_WHAT[adapter.kind]).substitute(method=adapter.method, suite=suite)
    return f"{what}\n\n{FENCE}python\n{snippet}{FENCE}\n"
