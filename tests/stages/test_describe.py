from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.metrics.coverage import coverage
from benchmarks.stages.describe import PROGRAMS_OF, DescribeConfig, ProgramKey, program_keys, run
from benchmarks.stages.embed import EMBEDDINGS, TEXTS, VECTORS, EmbeddedText
from benchmarks.store.store import Stage
from domino.records import Reference
from tests.stages.small import (
    KeyedSuite,
    SmallSuite,
    context,
    fresh,
    instruction,
    source,
    synthetic,
)

RNG = np.random.default_rng(0)


class KnownSuite(KeyedSuite):
    def oracle(self, text: str, response: str | None, references: Any = None) -> dict[str, Any]:
        return {"valid": "Add" in text, "in_domain": False, "copy": text == instruction(21)}

    def support_coverage(self, instructions: Any) -> float:
        return len(set(instructions)) / 10


def stored(root: Path, texts: list[tuple[str, str]], vectors: np.ndarray) -> Stage:
    """A finished stage `embed` of (group, text)."""
    stage = fresh(root, "embed")
    with stage.writing():
        for number, (group, text) in enumerate(texts):
            stage.append(TEXTS, EmbeddedText(id=f"t{number}", group=group, text=text))
        with stage.directory(EMBEDDINGS) as folder:
            np.save(folder / VECTORS, vectors.astype(np.float32))
        stage.finish({})
    return stage


def describe(
    root: Path, drawn: list[str], suite: SmallSuite, vectors: np.ndarray | None = None
) -> Stage:
    references = suite.references()
    own = [("references", r.instruction) for r in references]
    own += [("problems", p.prompt) for p in suite.problems("test")]
    domain = stored(root / "domain", own, DOMAIN)
    given = RNG.normal(size=(len(drawn), 4)) if vectors is None else vectors
    embedded = stored(root / "drawn", [("drawn", text) for text in drawn], given)
    made = source(
        root, "synthetic.jsonl", [synthetic(n, text=text) for n, text in enumerate(drawn)]
    )
    stage = fresh(root, "describe")
    with stage.writing():
        run(DescribeConfig(), domain, embedded, made, references, stage, context(suite))
    return stage


DOMAIN = RNG.normal(size=(7, 4)).astype(np.float32).astype(float)


def test_measures_are_those_of_the_texts_and_of_their_embeddings(tmp_path: Path) -> None:
    drawn = [instruction(21), instruction(500), instruction(500), "Say something else entirely."]
    vectors = RNG.normal(size=(4, 4)).astype(np.float32)
    summary = describe(tmp_path, drawn, KnownSuite(), vectors).summary
    assert (summary["n"], summary["drawn"]) == (4, 4)
    assert summary["programs"] == 2, "two tasks; the last text states none"
    assert summary["references"]["memorisation"]["exact"] == 1 / 4
    assert summary["problems"]["memorisation"]["exact"] == 0
    expected = coverage(DOMAIN[:4], vectors.astype(float))
    assert summary["references"]["coverage"]["precision"] == expected.precision
    assert summary["references"]["coverage"]["references"] == 4
    assert summary["problems"]["coverage"]["references"] == 3
    assert summary["oracle"] == {"valid": 0.75, "in_domain": 0.0, "copy": 0.25, "coverage": 0.3}
    assert 1 < summary["diversity"]["vendi"] <= 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_measure_that_needs_more_texts_is_left_out(tmp_path: Path, count: int) -> None:
    summary = describe(tmp_path, [instruction(n) for n in range(count)], SmallSuite()).summary
    assert summary["n"] == count
    assert summary["references"]["classifier"] is None
    assert (summary["references"]["coverage"] is None) == (count < 2)
    assert (summary["references"]["mmd"] is None) == (count < 2)
    assert (summary["references"]["memorisation"] is None) == (count < 1)
    assert (summary["diversity"]["self_bleu"] is None) == (count < 2)
    assert (summary["diversity"]["distinct_1"] is None) == (count < 1)
    assert summary["oracle"] == {}


def test_the_task_of_every_draw_is_written_down(tmp_path: Path) -> None:
    stage = describe(tmp_path, [instruction(7), "nothing"], KeyedSuite())
    assert stage.read(PROGRAMS_OF, ProgramKey) == [
        ProgramKey(id="s0", key="7"), ProgramKey(id="s1", key="")
    ]  # fmt: skip


def test_where_the_suite_has_no_keys_equal_words_are_one_task() -> None:
    references = [Reference(id="r", instruction="x")]
    made = [("a", "Sort it!"), ("b", "sort IT"), ("c", "sort")]
    keys = [key.key for key in program_keys(made, SmallSuite(), references)]
    assert keys[0] == keys[1] != keys[2]


def test_the_references_are_described_against_the_problems_alone(tmp_path: Path) -> None:
    suite = KnownSuite()
    texts = [("references", r.instruction) for r in suite.references()]
    texts += [("problems", p.prompt) for p in suite.problems("test")]
    domain = stored(tmp_path, texts, DOMAIN)
    stage = fresh(tmp_path, "describe")
    with stage.writing():
        run(
            DescribeConfig(group="references"), domain, domain,
            source(tmp_path, "references.jsonl", []), suite.references(), stage, context(suite),
        )  # fmt: skip
    summary = stage.summary
    assert (summary["n"], summary["drawn"], summary["programs"]) == (4, 4, 4)
    assert "references" not in summary
    assert summary["problems"]["memorisation"]["n"] == 4
