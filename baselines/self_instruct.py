"""Self-Instruct: a task pool that grows from the references by its own novel continuations."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as count_from
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from rapidfuzz import process
from rapidfuzz.distance import Indel

from baselines.base import Baseline, Draft, at_least, draw, spread
from baselines.prompting import fill, numbered, one_line
from domino.records import Reference, Sampling, derive_seed
from domino.synthesizer import RequestProfile, plain_responses
from domino.text import normalised

if TYPE_CHECKING:
    from domino.engines.base import Completion

_WORD = re.compile(r"[a-z0-9]+")
_ITEM_START = re.compile(r"^(?=\d+\.(?:\s|$))", re.MULTILINE)
_ITEM = re.compile(r"(\d+)\. +(\S.*)")


def list_prompt(examples: Sequence[str], last: int) -> str:
    """Return the user turn that shows a numbered list and asks for its items up to `last`."""
    return fill("self_instruct", examples=numbered(examples), last=last)


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfInstructConfig:
    """Options of Self-Instruct; defaults are the usual adaptation to code (CodeAlpaca).

    Attributes:
        examples: instructions shown in each request (the original task mix shows 8).
        machine_made: how many of them come from the pool, as soon as it has that many (original
            2 of 8).
        last: number of the list's last item; a request asks for `last - examples` new ones.
        max_rouge_l: an instruction with a higher ROUGE-L F against any in the pool is refused.
        min_words: fewer words than this are refused.
        max_words: more words than this are refused.
        requests_per_round: requests made from one state of the pool.
        min_kept_per_round: a round that keeps fewer is fruitless.
        fruitless_rounds: consecutive fruitless rounds after which the method stops.
    """

    examples: int = 3
    machine_made: int = 1
    last: int = 6
    max_rouge_l: float = 0.7
    min_words: int = 4
    max_words: int = 150
    requests_per_round: int = 32
    min_kept_per_round: int = 1
    fruitless_rounds: int = 5

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        at_least(self, examples=1, machine_made=0, last=self.examples + 1, min_words=1)
        at_least(self, max_rouge_l=0, max_words=self.min_words, requests_per_round=1)
        at_least(self, min_kept_per_round=1, fruitless_rounds=1)
        if self.machine_made >= self.examples:
            raise ValueError(
                f"SelfInstructConfig.machine_made is {self.machine_made}: give less than examples "
                f"({self.examples}), so that a reference is always shown"
            )


class Pool:
    """References and kept instructions, tokenised once for ROUGE-L."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self.references = tuple(references)
        self.made: list[Reference] = []
        self._tokens = [tokenise(reference.instruction) for reference in references]
        self._texts = {normalised(reference.instruction) for reference in references}

    def add(self, item: Reference) -> None:
        """Add a kept instruction under its record's id."""
        self.made.append(item)
        self._tokens.append(tokenise(item.instruction))
        self._texts.add(normalised(item.instruction))

    def __contains__(self, instruction: str) -> bool:
        return normalised(instruction) in self._texts

    def rouge_l(self, instruction: str) -> float:
        """Return the highest ROUGE-L F of the instruction against the pool, in [0, 1].

        ROUGE-L F is 2·LCS / (m + n), which is the normalised similarity of insertions and
        deletions: a compiled routine has it.
        """
        tokens = tokenise(instruction)
        if not tokens:
            return 0.0
        best = process.extractOne(tokens, self._tokens, scorer=Indel.normalized_similarity)
        return float(best[1])


class SelfInstruct(Baseline[SelfInstructConfig]):
    """Grows a pool: shows references and its own instructions, keeps novel continuations.

    Departures from the authors' program, and why:

    - Three examples, one of them machine-made as soon as there is one, and a list of six: the
      usual adaptation to code (theirs are eight, two and sixteen, from 175 seeds). Temperature,
      top-p and limits are the harness's, which has no presence penalty (theirs is 2).
    - No keyword filters ("file", "graph", "plot", ...): on code they remove the domain.
    - No classification check, and no separate inputs: every task here is one instruction. Its
      one instance is the response. Under the responder rule "own" it is conditioned on example
      pairs, as theirs is, where references are pairs; where they are instructions alone there is
      no instance to show, and it is plain.
    - Empty, truncated or echoing responses are not programs, and the harness refuses those under
      one rule for all methods. How responses are decoded is its rule too.
    - A round is `requests_per_round` requests from one state of the pool, not a few at a time, so
      that an engine can batch them. The count changes the data; the engine's batching does not.
    - A list item must stand on one line under its expected number; anything else is dropped.

    A round's tokens, with those of fruitless rounds before it, are spread evenly over the records
    that it keeps. `synthesize(first=...)` grows the same pool again and skips what came before.
    """

    name: ClassVar[str] = "self-instruct"
    config_class: ClassVar[type[SelfInstructConfig]] = SelfInstructConfig
    profile: ClassVar[RequestProfile] = RequestProfile(
        requests=0.4, shown=3, words=40, lengths=3.0,
        source="lists of three, of which one in six is refused: assumed",
    )  # fmt: skip

    def respond(self, instructions: Sequence[str], sampling: Sampling) -> list[str]:
        """Answer behind references where they are pairs, else with nothing in the context."""
        if self.domain.template == "instruction":
            return plain_responses(self.engine, instructions, sampling)
        return self._respond_behind(self.config.examples, instructions, sampling)

    def _drafts(self, count: int, sampling: Sampling, first: int) -> Iterator[Draft]:
        return islice(self._grow(sampling), first, None)

    def _grow(self, sampling: Sampling) -> Iterator[Draft]:
        pool = Pool(self.domain.references)
        fruitless = owed = 0
        for number in count_from(1):
            before = self.counts.tokens
            drafts = self._round(number, pool, sampling)
            owed += self.counts.tokens - before
            if drafts:
                shares = spread(owed, len(drafts))
                yield from (replace(d, tokens=t) for d, t in zip(drafts, shares, strict=True))
                owed = 0
            fruitless = 0 if len(drafts) >= self.config.min_kept_per_round else fruitless + 1
            if fruitless == self.config.fruitless_rounds:
                self._stop(
                    f"{fruitless} rounds kept fewer than {self.config.min_kept_per_round} new "
                    f"instructions each; the pool holds {len(pool.made)}"
                )
                return

    def _round(self, number: int, pool: Pool, sampling: Sampling) -> list[Draft]:
        """Ask `requests_per_round` times from the pool as it is, then add what is novel."""
        shown = [
            self._examples(pool, number, request, sampling)
            for request in range(self.config.requests_per_round)
        ]
        requests = [
            self._user_turn(
                list_prompt([example.instruction for example in examples], self.config.last),
                derive_seed(sampling.seed, self.name, number, request),
            )
            for request, examples in enumerate(shown)
        ]
        drafts = []
        for examples, completion in zip(shown, self._generate(requests, sampling), strict=True):
            parents = tuple(example.id for example in examples)
            for instruction in self._novel(completion, len(examples), pool, sampling):
                drafts.append(Draft(instruction=instruction, round=number, parents=parents))
        return drafts

    def _examples(
        self, pool: Pool, number: int, request: int, sampling: Sampling
    ) -> list[Reference]:
        """Draw machine-made instructions and fill up with references, in random order."""
        randomness = self._random(sampling, "examples", number, request)
        examples = draw(pool.made, self.config.machine_made, randomness)
        examples += draw(pool.references, self.config.examples - len(examples), randomness)
        randomness.shuffle(examples)
        return examples

    def _novel(
        self, completion: Completion, shown: int, pool: Pool, sampling: Sampling
    ) -> Iterator[str]:
        """Add the novel items of one answer to the pool, and yield them."""
        for instruction, reason in items(completion, shown + 1, self.config.last):
            if self.counts.count(reason or refuse(instruction, pool, self.config)):
                made = self._id(len(pool.made), sampling)
                pool.add(Reference(id=made, instruction=instruction))
                yield instruction


def tokenise(text: str) -> list[str]:
    """Return the lower-case words and numbers of a text, as ROUGE counts them."""
    return _WORD.findall(text.lower())


def items(completion: Completion, start: int, last: int) -> list[tuple[str, str | None]]:
    """Return the instructions of a continued list, each with the reason where it is ill-formed.

    Items are numbered from `start` without a gap, one line each. A truncated answer is dropped as
    a whole.
    """
    if completion.truncated:
        return [(completion.text, "truncated")]
    parsed: list[tuple[str, str | None]] = []
    expected = start
    for chunk in filter(None, map(str.strip, _ITEM_START.split(completion.text))):
        match = _ITEM.fullmatch(chunk)
        if match is None or int(match[1]) != expected:
            parsed.append((chunk, "ill-formed item"))
            continue
        reason = "past the end of the list" if expected > last else None
        parsed.append((one_line(match[2]), reason))
        expected += 1
    return parsed or [("", "empty")]


def refuse(instruction: str, pool: Pool, config: SelfInstructConfig) -> str | None:
    """Return why an instruction may not join the pool, or None where it may."""
    words = len(instruction.split())
    if words < config.min_words:
        return "too short"
    if words > config.max_words:
        return "too long"
    if instruction[0] in string.punctuation:
        return "leading punctuation"
    if not instruction[0].isascii():
        return "leading non-ASCII"
    if instruction in pool:
        return "duplicate"
    if pool.rouge_l(instruction) > config.max_rouge_l:
        return "too similar"
    return None
