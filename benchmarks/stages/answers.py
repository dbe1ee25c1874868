"""What the teacher has answered, kept in the stage that asked: a question is asked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from domino.engines.base import Completion, Engine, Message, Request
from domino.records import Record, stable_id

if TYPE_CHECKING:
    from benchmarks.store.store import Stage
    from domino.records import Sampling

ANSWERS = "teacher.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherAnswer(Record):
    """An answer; `id` is that of everything it depends on. See `Completion` for the others."""

    id: str
    text: str
    tokens: int
    prompt_tokens: int
    truncated: bool
    unfinished_thought: bool

    def completion(self) -> Completion:
        """Return it as the engine gave it."""
        return Completion(
            text=self.text, tokens=self.tokens, prompt_tokens=self.prompt_tokens,
            truncated=self.truncated, unfinished_thought=self.unfinished_thought,
        )  # fmt: skip


class KeptAnswers(Engine):
    """The teacher's engine, as a stage asks it: what an earlier process was answered is there.

    Args:
        engine: of the teacher.
        stage: where each answer is written as it comes.
    """

    def __init__(self, engine: Engine, stage: Stage) -> None:
        self._engine, self._stage = engine, stage
        self._known = {answer.id: answer for answer in stage.read(ANSWERS, TeacherAnswer)}

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete the requests that have no answer yet; see `Engine.generate`."""
        ids = [_id(request, sampling) for request in requests]
        asked = {one: n for n, one in enumerate(ids) if one not in self._known}
        missing = list(asked.values())

        def keep(index: int, done: Completion) -> None:
            answer = TeacherAnswer(
                id=ids[missing[index]], text=done.text, tokens=done.tokens,
                prompt_tokens=done.prompt_tokens, truncated=done.truncated,
                unfinished_thought=done.unfinished_thought,
            )  # fmt: skip
            self._known[answer.id] = answer
            self._stage.append(ANSWERS, answer)

        if missing:
            self._engine.generate([requests[n] for n in missing], sampling, on_done=keep)
        made = [self._known[identity].completion() for identity in ids]
        for index, completion in enumerate(made):
            if on_done is not None:
                on_done(index, completion)
        return made

    @property
    def has_turns(self) -> bool:
        """The same as the teacher's."""
        return self._engine.has_turns

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Render as the teacher's engine does."""
        return self._engine.render(messages, open_user_turn=open_user_turn, prefill=prefill)

    def count_tokens(self, text: str) -> int:
        """Count as the teacher's engine does."""
        return self._engine.count_tokens(text)

    @property
    def end_of_turn(self) -> str:
        """The same as the teacher's."""
        return self._engine.end_of_turn


def _id(request: Request, sampling: Sampling) -> str:
    """Return an id of everything that an answer depends on; the seed is the request's own."""
    return stable_id(request.text, request.seed, repr(replace(sampling, seed=0)))


def teacher_counts(stage: Stage) -> dict[str, dict[str, int]]:
    """Return what a stage asked the teacher, for its summary; {} where it asked nothing."""
    answers = stage.read(ANSWERS, TeacherAnswer)
    if not answers:
        return {}
    return {
        "teacher": {
            "answers": len(answers),
            "tokens": sum(answer.tokens for answer in answers),
            "prompt_tokens": sum(answer.prompt_tokens for answer in answers),
        }
    }
