"""A scripted backbone that answers every prompt form of the baselines, now and then badly."""

from __future__ import annotations

import random
import re

from domino.engines.base import Request
from domino.engines.scripted import ScriptedEngine

_WORDS = (
    "sum count reverse sort double square negate pair even odd prime small large first last middle "
    "list integers strings letters digits window bucket matrix graph tree queue stack interval "
    "prefix suffix rotate merge split filter map clamp group unique ordered missing nearest total"
)
WORDS = _WORDS.split()


def healthy_engine(bad_share: float = 0.1) -> ScriptedEngine:
    """Return an engine whose answer depends on the request alone; some answers are ill-formed."""
    return ScriptedEngine(lambda request: _answer(request, bad_share))


def barren_engine(answer: str = "") -> ScriptedEngine:
    """Return an engine that gives the same useless answer to everything."""
    return ScriptedEngine(lambda request: answer)


def _answer(request: Request, bad_share: float) -> str:
    prompt = str(request.prompt)
    rng = random.Random(f"{request.seed}|{prompt}")
    if "Do these two tasks" in prompt:
        return rng.choices(("different", "Equal.", "perhaps"), (8, 1, 1))[0]
    if rng.random() < bad_share:
        return rng.choice(("", "word " * 500, "4. one\n5. two"))
    if "Continue this list" in prompt:
        return _items(prompt, rng)
    if "Make this task harder" in prompt or "Write a new, rarer task" in prompt:
        return prompt.partition("Task: ")[2].partition("<|end|>")[0] + f" Then {task(rng)}"
    if "what these tasks have in common" in prompt:
        return f"Tasks about {rng.choice(WORDS)} and {rng.choice(WORDS)}."
    if "Take inspiration from this code" in prompt and prompt.endswith("<|assistant|>\n"):
        return f"{task(rng)}\n\nSolution:\ndef answer(values):\n    return {rng.randrange(1000)}"
    if "Write one more task" in prompt or prompt.endswith("<|user|>\n"):
        return task(rng)
    return f"def answer(values):\n    return values[:{rng.randrange(1000)}]"


def _items(prompt: str, rng: random.Random) -> str:
    last = int(re.search(r"up to number (\d+)", prompt)[1])
    shown = len(re.findall(r"^\d+\. ", prompt, re.MULTILINE))
    return "\n".join(f"{number}. {task(rng)}" for number in range(shown + 1, last + 1))


def task(rng: random.Random) -> str:
    """Return a task of eight to fourteen random words."""
    return " ".join(rng.choices(WORDS, k=rng.randint(8, 14))).capitalize() + "."
