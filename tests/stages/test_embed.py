from pathlib import Path

import numpy as np
import pytest

from benchmarks.stages import embed
from benchmarks.stages.domain import PROBLEMS, REFERENCES, DomainConfig, ProblemText
from benchmarks.stages.domain import run as keep_domain
from benchmarks.stages.embed import EmbedConfig, read, run
from benchmarks.stages.errors import StageError
from benchmarks.store.store import Stage
from domino.records import Reference
from tests.stages.small import (
    SmallSuite,
    assert_same_after_every_kill,
    context,
    fresh,
    source,
    synthetic,
)


def embedded(root: Path, given: Stage, model: Path, **options: object) -> Stage:
    stage = fresh(root, "embed")
    with stage.writing():
        run(EmbedConfig(**options), given, stage, context(model=str(model)))
    return stage


def slow_mean(model: Path, text: str) -> np.ndarray:
    """The mean over a text's own tokens, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return AutoModel.from_pretrained(model)(input_ids=ids)[0][0].mean(0).numpy()


def test_an_embedding_is_the_mean_state_whatever_stands_beside_it(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    texts = ["Sort it.", "Add one to each number of the list, then reverse.", "Sort it.", "x"]
    records = [synthetic(n, text=text) for n, text in enumerate(texts)]
    stage = embedded(tmp_path, source(tmp_path, "synthetic.jsonl", records), tiny_backbone)
    found, vectors = read(stage, "drawn")
    assert [text.text for text in found] == texts
    assert [text.id for text in found] == ["s0", "s1", "s2", "s3"]
    for text, vector in zip(texts, vectors, strict=True):
        assert vector == pytest.approx(slow_mean(tiny_backbone, text), abs=1e-5)


def test_the_domain_is_embedded_in_two_groups(tiny_backbone: Path, tmp_path: Path) -> None:
    kept = fresh(tmp_path, "domain")
    with kept.writing():
        keep_domain(DomainConfig(), SmallSuite().references(), kept, context())
    stage = embedded(tmp_path, kept, tiny_backbone)
    references, vectors = read(stage, "references")
    problems, others = read(stage, "problems")
    assert [text.id for text in references] == ["r21", "r22", "r23", "r24"]
    assert [text.id for text in problems] == ["test/1", "test/2", "test/3"]
    assert (len(vectors), len(others)) == (4, 3)


def test_of_many_texts_a_fixed_sample_is_embedded(tiny_backbone: Path, tmp_path: Path) -> None:
    given = source(tmp_path, "synthetic.jsonl", [synthetic(n) for n in range(30)])
    one, other = (
        read(embedded(tmp_path / name, given, tiny_backbone, texts=7), "drawn") for name in "ab"
    )
    assert len(one[0]) == len(one[1]) == 7
    assert one[0] == other[0]
    assert one[0] != [f"s{n}" for n in range(7)]
    assert np.array_equal(one[1], other[1])


def test_nothing_drawn_is_nothing_embedded(tiny_backbone: Path, tmp_path: Path) -> None:
    stage = embedded(tmp_path, source(tmp_path, "synthetic.jsonl", []), tiny_backbone)
    assert stage.summary["texts"] == 0
    assert read(stage, "drawn")[0] == []


def test_a_model_that_does_not_load_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    given = source(tmp_path, "synthetic.jsonl", [synthetic(1)])
    with pytest.raises(StageError, match=r"embed\.model .*empty.* cannot be loaded"):
        embedded(tmp_path, given, tmp_path / "empty")
    embed.forget_models()
    with pytest.raises(StageError, match=r"embed\.texts is 0"):
        EmbedConfig(texts=0)


def test_the_domain_keeps_what_methods_were_given_after_every_kill(tmp_path: Path) -> None:
    def work(stage: Stage) -> None:
        keep_domain(DomainConfig(split="development"), SmallSuite().references(), stage, context())

    stage = assert_same_after_every_kill(tmp_path, "domain", work)
    assert stage.read(REFERENCES, Reference) == list(SmallSuite().references())
    assert [p.id for p in stage.read(PROBLEMS, ProblemText)] == ["development/11", "development/12"]
