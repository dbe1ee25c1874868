"""A run goes on, and can be gone on with, whatever text a model, a method or a program produces."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.report.terminal import Report
from benchmarks.run import execute
from domino.engines.base import Request
from domino.engines.scripted import ScriptedEngine
from domino.records import Synthetic
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.sandbox.machine import needs_bubblewrap
from tests.stages import small

TEXTS = (
    "half an emoji \ud83d",
    "\udc00\ud800",
    "zero \x00 byte",
    "next \x85 line \u2028 paragraph \u2029 page \x0c",
    "mark \ufeff and \u202e turned",
    "[" * 100_000,
    "9" * 5_000,
    "\r\n",
)


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


@needs_bubblewrap
def test_a_run_with_any_text_in_it_is_finished_and_reused(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = itertools.count()

    def answer(request: Request) -> str:
        """The right program, then a comment or an exception of any text, or any text alone."""
        number, text = int(small.NUMBER.findall(str(request.prompt))[-1]), next(made)
        odd = TEXTS[text % len(TEXTS)]
        if text % 3 == 0:
            return odd
        if text % 3 == 1:
            return f"{small.solution(number)}# {odd.strip()[:20]}"
        return f"def f(x):\n    raise ValueError('half \ud83d', chr(0xd83d), {odd[:20]!r})\n"

    def synthesize(self, count, sampling, *, first=0):
        for record in itertools.islice(plain(self, count, sampling, first=first), count):
            text = f"{record.instruction} {TEXTS[int(record.id[1:]) % len(TEXTS)]}"
            yield Synthetic(id=record.id, instruction=text, provenance=record.provenance)

    plain = small.Counting.synthesize
    monkeypatch.setattr(small.Counting, "synthesize", synthesize)
    config = tiny_run.config(
        tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW, methods=("no-data", "counting")
    )

    def run() -> Report:
        return execute(
            config, plain=True, make_engine=lambda model, adapter: ScriptedEngine(answer)
        )

    first = run()
    assert not first.failed
    answers = next(made)
    again = run()
    assert again.reused > 0
    assert next(made) == answers + 1
    assert [row.scores for row in again.rows] == [row.scores for row in first.rows]
