"""EvalPlus's own code generation and its verdicts, with the token ids that went in and came out.

Run as a process of its own, since EvalPlus reads where its data is as it is imported. It runs what
the model writes, as EvalPlus does: without a sandbox.

Each task is generated as in a run of that task alone. In a run of several, backend hf of EvalPlus
0.3.1 keeps the stop criteria of every task before, each with that task's length of prompt: where a
later prompt is longer, its end counts as generated, and the fence in it ends the completion after
one token.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RecordingModels:
    """Stands for `AutoModelForCausalLM`: what its models are given and generate is kept."""

    def __init__(self, models: Any) -> None:
        """Load by `models`."""
        self._models = models
        self.generated: list[tuple[list[int], list[int]]] = []

    def from_pretrained(self, *given: Any, **options: Any) -> Any:
        """Return the model, whose `generate` is recorded: ids of the prompt, ids behind it."""
        model = self._models.from_pretrained(*given, **options)
        generate = model.generate

        def recorded(input_ids: Any, **how: Any) -> Any:
            ids = generate(input_ids, **how)
            vars(model).pop(
                "_get_stopping_criteria", None
            )  # what EvalPlus registered for this task
            prompt = input_ids[0].tolist()
            self.generated.append((prompt, ids[0].tolist()[len(prompt) :]))
            return ids

        model.generate = recorded
        return model


def main() -> None:
    """Write a line for each task: its ids, the completion, the program, both verdicts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("dataset", choices=["humaneval", "mbpp"])
    parser.add_argument("first", type=int)
    parser.add_argument("behind", type=int)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    made = _generate(options.model, options.dataset, (options.first, options.behind))
    with options.output.open("w", encoding="utf-8") as out:
        for task in made:
            passes = _passes(options.dataset, task)
            out.write(json.dumps({**task, "passes": passes}) + "\n")


def _generate(model: str, dataset: str, id_range: tuple[int, int]) -> list[dict[str, Any]]:
    """Run its `codegen --backend hf --greedy` in float32."""
    import evalplus.codegen as tool
    import evalplus.provider.hf as hf

    models = RecordingModels(hf.AutoModelForCausalLM)
    hf.AutoModelForCausalLM = models
    with tempfile.TemporaryDirectory() as root:
        target = Path(
            tool.run_codegen(
                model=model, dataset=dataset, root=root, backend="hf", greedy=True,
                dtype="float32", id_range=list(id_range),
            )
        )  # fmt: skip
        programs = _lines(target)
        raw = _lines(target.with_suffix(".raw.jsonl"))
    return [
        {
            "id": text["task_id"],
            "prompt_ids": prompt,
            "ids": ids,
            "completion": text["solution"],
            "program": program["solution"],
        }
        for text, program, (prompt, ids) in zip(raw, programs, models.generated, strict=True)
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _passes(dataset: str, task: Mapping[str, Any]) -> list[bool]:
    """Return whether its program passes the base tests, and those and the plus tests."""
    from evalplus.data import get_human_eval_plus, get_mbpp_plus
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.evaluate import check_correctness, get_groundtruth

    problem = (get_human_eval_plus() if dataset == "humaneval" else get_mbpp_plus())[task["id"]]
    not_none = MBPP_OUTPUT_NOT_NONE_TASKS if dataset == "mbpp" else []
    expected = get_groundtruth({task["id"]: problem}, f"one-{problem['entry_point']}", not_none)
    found = check_correctness(dataset, 0, problem, task["program"], expected[task["id"]])
    base, plus = (found[part][0] == "pass" for part in ("base", "plus"))
    return [base, base and plus]


if __name__ == "__main__":
    main()
