"""A model's greedy completions here, beside those of the benchmark's own tool.

EvalPlus generates by its own command. CRUXEval has no tool of its own that runs: its official
prompt is given to `generate` of transformers. All compute in float32, one in batches and one text
by text, so that two tokens of nearly the same probability can change places: every completion that
differs is shown with the margin between the two tokens where it first does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError
from benchmarks.common.process import clean_environment
from benchmarks.config.run_config import RunConfig
from benchmarks.engines import engine_factory
from benchmarks.evaluator.check import check_programs
from benchmarks.models import resolve_model
from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.evaluate import EvaluateConfig
from benchmarks.suites.base import SuiteError
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.backbone import load_backbone
from domino.records import Program

if TYPE_CHECKING:
    from benchmarks.suites.base import Suite
    from benchmarks.suites.protocol import Protocol
    from domino.records import Problem, Sampling

MARGIN = 0.01
"""Of two logits that float32 may order either way after a hundred layers and tokens, at most."""
DATASETS: Mapping[str, str] = MappingProxyType(
    {
        "humaneval+": "evalplus/HumanEvalPlus-v0.1.10.jsonl.gz",
        "mbpp+": "evalplus/MbppPlus-v0.2.0.jsonl.gz",
        "cruxeval": "cruxeval/cruxeval.jsonl.gz",
    }
)
"""The data file of each suite, below the data folder."""
_EVALPLUS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "humaneval+": ("humaneval", "HUMANEVAL_OVERRIDE_PATH"),
        "mbpp+": ("mbpp", "MBPP_OVERRIDE_PATH"),
    }
)
"""What EvalPlus calls a suite, and the variable that names its file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Which completions are compared.

    Attributes:
        model: name, directory, GGUF file or hub name.
        suite: one of `DATASETS`.
        ids: numbers of the tasks: the first, and the one behind the last.
        engine: which of ours generates, transformers or vllm.
        max_new_tokens: of a completion; None is the tool's own limit.
    """

    model: str
    suite: str
    ids: tuple[int, int]
    engine: str = "transformers"
    max_new_tokens: int | None = None

    @property
    def name(self) -> str:
        """Of its file."""
        how = "" if self.engine == "transformers" else f"-{self.engine}"
        limit = f"-{self.max_new_tokens}" if self.max_new_tokens else ""
        return f"{Path(self.model).name}-{self.suite}{how}{limit}-{self.ids[0]}-{self.ids[1]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Theirs:
    """What the tool made of a task: token ids, text, program, and which tests that passes."""

    prompt_ids: Sequence[int]
    ids: Sequence[int]
    completion: str
    program: str | None = None
    passes: Sequence[bool] | None = None


def compare(which: Slice, data: Path, config: SandboxConfig) -> dict[str, Any]:
    """Generate by both and return all that the slice's file holds: numbers, and no text of a task.

    Raises:
        ConfigError: the model cannot be had, or the limit of tokens is the tool's to choose.
        SuiteError: the data cannot be read, no task has such a number, or the tool has failed.
    """
    if which.max_new_tokens is not None and which.suite in _EVALPLUS:
        raise ConfigError(
            f"max_new_tokens is {which.max_new_tokens}, and EvalPlus's command has no such option: "
            "leave it out"
        )
    dataset = data / DATASETS[which.suite]
    suite = load_suite(which.suite, SuiteOptions(dataset=dataset))
    suite.check()
    problems = [p for p in suite.everything() if which.ids[0] <= _number(p) < which.ids[1]]
    if not problems:
        raise SuiteError(f"{which.suite} has no task with a number from {which.ids[0]} on and below"
                         f" {which.ids[1]}: give another id_range")  # fmt: skip
    directory = resolve_model(which.model)
    began = time.monotonic()
    ours = _ours(which, directory, suite, problems, config)
    middle = time.monotonic()
    theirs = _theirs(which, directory, dataset, suite, problems)
    done = time.monotonic()
    margin = _margins(directory)
    return {
        "name": which.name,
        "model": which.model,
        "suite": which.suite,
        "engine": which.engine,
        "dataset": {"file": dataset.name, "sha256": suite.digest},
        "problems": [
            {"id": problem.id, **_row(own, theirs[problem.id], margin)}
            for problem, own in zip(problems, ours, strict=True)
        ],
        "seconds": {"here": round(middle - began), "tool": round(done - middle)},
        "versions": {name: version(name) for name in ("evalplus", "torch", "transformers")},
        "command": f"python -m benchmarks.reproduction --data DIR --model {which.model} --suite "
        f"{which.suite} --id_range {which.ids[0]}:{which.ids[1]}"
        + (f" --engine {which.engine}" if which.engine != "transformers" else "")
        + (f" --max_new_tokens {which.max_new_tokens}" if which.max_new_tokens else ""),
    }


def _number(problem: Problem) -> int:
    return int(problem.id.replace("_", "/").rpartition("/")[2])


@dataclass(frozen=True, kw_only=True, slots=True)
class Ours:
    """What this harness made of a task."""

    prompt_ids: Sequence[int]
    tokens: int
    completion: str
    program: str | None
    passes: Sequence[bool]


def _ours(
    which: Slice,
    directory: Path,
    suite: Suite,
    problems: Sequence[Problem],
    config: SandboxConfig,
) -> list[Ours]:
    """Generate, extract and judge as a run does."""
    engine = engine_factory(RunConfig(engine=which.engine))(str(directory), None)
    protocol = suite.protocol(chat=engine.has_turns)
    sampling = _sampling(which, protocol)
    requests = [protocol.request(engine, suite.instruction(p), 0) for p in problems]
    made = engine.generate(requests, sampling)
    texts = [
        protocol.solution(suite.instruction(p), m.text) for p, m in zip(problems, made, strict=True)
    ]
    extracted = suite.extract_all(
        list(zip(problems, texts, strict=True)), direct=protocol.text is not None
    )
    programs = [
        Program(id=p.id, problem_id=p.id, code=e.code, failure=e.failure, detail=e.detail)
        for p, e in zip(problems, extracted, strict=True)
    ]
    run = [program for program in programs if program.failure is None]
    verdicts = check_programs(problems, run, suite.limits(config))
    passes = {v.problem_id: (v.base == "passed", v.passed) for v in verdicts}
    tokenizer = load_tokenizer(directory)
    return [
        Ours(
            prompt_ids=tokenizer(r.text, add_special_tokens=r.special_tokens)["input_ids"],
            tokens=m.tokens,
            completion=text,
            program=program.code if program.failure is None else None,
            passes=passes.get(program.problem_id, (False, False)),
        )
        for r, m, text, program in zip(requests, made, texts, programs, strict=True)
    ]


def load_tokenizer(directory: Path) -> Any:
    """Return a model's tokenizer as transformers loads it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def _sampling(which: Slice, protocol: Protocol) -> Sampling:
    config = EvaluateConfig(max_new_tokens=which.max_new_tokens)
    return replace(protocol.sampling(config.sampling), max_new_tokens=config.token_limit(protocol))


def _theirs(
    which: Slice, directory: Path, dataset: Path, suite: Suite, problems: Sequence[Problem]
) -> dict[str, Theirs]:
    if which.suite in _EVALPLUS:
        return _by_evalplus(which, directory, dataset)
    return _by_generate(which, directory, suite, problems)


def _by_evalplus(which: Slice, directory: Path, dataset: Path) -> dict[str, Theirs]:
    """Run EvalPlus's own command, with a cache of its own and no network.

    Raises:
        SuiteError: it has failed.
    """
    name, variable = _EVALPLUS[which.suite]
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "tasks.jsonl"
        surroundings = clean_environment(
            XDG_CACHE_HOME=place, HF_HUB_OFFLINE="1", **{variable: str(dataset.resolve())}
        )
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.reproduction.evalplus_tool", str(directory), name,
             *map(str, which.ids), str(output)],
            env=surroundings, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SuiteError(f"evalplus.codegen ended with exit code {done.returncode}: {last}")
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return {row.pop("id"): Theirs(**row) for row in rows}


def _by_generate(
    which: Slice, directory: Path, suite: Suite, problems: Sequence[Problem]
) -> dict[str, Theirs]:
    """Give the official prompts to transformers' `generate`, one by one."""
    import torch

    model, tokenizer = load_backbone(directory, dtype="float32")
    protocol = suite.protocol(chat=bool(tokenizer.chat_template))
    sampling = _sampling(which, protocol)

    def render(turns: Sequence[Any], prefill: str = "") -> str:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return str(text) + prefill

    made = {}
    for problem in problems:
        content = suite.instruction(problem)
        prompt, prefill = protocol.prompt(render, content)
        ids = tokenizer(
            prompt + prefill, add_special_tokens=protocol.special_tokens, return_tensors="pt"
        )["input_ids"]
        stopping = {"stop_strings": list(sampling.stop), "tokenizer": tokenizer}
        with torch.inference_mode():
            out = model.generate(
                ids,
                do_sample=False,
                max_new_tokens=sampling.max_new_tokens,
                **(stopping if sampling.stop else {}),
            )
        behind = out[0].tolist()[ids.shape[1] :]
        text = tokenizer.decode(behind, skip_special_tokens=True)
        ends = [text.index(stop) for stop in sampling.stop if stop in text]
        made[problem.id] = Theirs(
            prompt_ids=ids[0].tolist(),
            ids=behind,
            completion=protocol.solution(content, text[: min(ends, default=len(text))]),
        )
    return made


Margin = Callable[[Theirs, str], tuple[int, float]]
"""From what the tool made and our text: the first other token, and its lead in logits."""


def _margins(directory: Path) -> Margin:
    def margin(theirs: Theirs, ours: str) -> tuple[int, float]:
        import torch

        model, tokenizer = load_backbone(directory, dtype="float32")
        at = first_difference(tokenizer, theirs.ids, ours)
        ids = torch.tensor([[*theirs.prompt_ids, *theirs.ids[:at]]])
        with torch.inference_mode():
            best = model(ids).logits[0, -1].float().topk(2).values
        return at, float(best[0] - best[1])

    return margin


def first_difference(tokenizer: Any, ids: Sequence[int], text: str) -> int:
    """Return the index of the first token behind which the ids no longer begin the text."""
    for at in range(len(ids)):
        begun = tokenizer.decode(ids[: at + 1], skip_special_tokens=True).replace("\t", "    ")
        if not text.startswith(begun.rstrip("\ufffd")):
            return at
    return len(ids) - 1


def _row(ours: Ours, theirs: Theirs, margin: Margin) -> dict[str, Any]:
    """Return one task's comparison."""
    same = ours.completion == theirs.completion
    row: dict[str, Any] = {
        "same_prompt": list(ours.prompt_ids) == list(theirs.prompt_ids),
        "same_completion": same,
        "tokens": {"here": ours.tokens, "tool": len(theirs.ids)},
        "passes": {"here": list(ours.passes)},
    }
    if theirs.program is not None:
        row["same_program"] = ours.program == theirs.program
        row["passes"]["tool"] = theirs.passes and list(theirs.passes)
    if not same:
        at, lead = margin(theirs, ours.completion)
        row |= {"first_difference": at, "margin": lead}
    return row


def unexplained(result: Mapping[str, Any]) -> list[str]:
    """Return the tasks that differ by more than what float32 explains."""
    return [row["id"] for row in result["problems"] if not _explained(row)]


def _explained(row: Mapping[str, Any]) -> bool:
    if not row["same_prompt"]:
        return False
    if not row["same_completion"]:
        return bool(row["margin"] <= MARGIN)
    tool = row["passes"].get("tool")
    return row.get("same_program", True) and tool in (None, row["passes"]["here"])


def table(slices: Sequence[Mapping[str, Any]]) -> str:
    """Return all slices as Markdown, a line for each and one for each task that differs."""
    lines = [
        "# Greedy completions here and by the benchmarks' own tools, float32",
        "",
        "| model | suite | engine | tasks | tokens | same prompt | same completion | same program "
        "| same verdict | pass here | s here | s tool |",
        "|" + "---|" * 12,
    ]
    different: list[str] = []
    for found in slices:
        rows = found["problems"]
        judged = [row for row in rows if "same_program" in row]
        first, last = rows[0]["id"], rows[-1]["id"]
        counts = [
            len(rows),
            sum(row["tokens"]["tool"] for row in rows),
            sum(row["same_prompt"] for row in rows),
            sum(row["same_completion"] for row in rows),
            sum(row["same_program"] for row in judged) if judged else "",
            sum(r["passes"]["here"] == r["passes"]["tool"] for r in judged) if judged else "",
            sum(row["passes"]["here"][-1] for row in rows),
            found["seconds"]["here"],
            found["seconds"]["tool"],
        ]
        lines.append(
            f"| {found['model']} | {found['suite']}, {first} to {last} | {found['engine']} | "
            + " | ".join(map(str, counts))
            + " |"
        )
        different += [
            f"- {row['id']}: at token {row['first_difference']}, where the tool's token leads by "
            f"{row['margin']:.2g} in logits"
            for row in rows
            if not row["same_completion"]
        ]
    lines += ["", "## Other completions", "", *different] if different else []
    lines += ["", "## Commands", "", *(f"- `{found['command']}`" for found in slices)]
    return "\n".join(lines) + "\n"
