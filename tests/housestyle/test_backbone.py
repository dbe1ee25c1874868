"""The shipped checkpoint: small, loadable, and able to do what the suite needs of it."""

from itertools import islice
from pathlib import Path

import pytest

from benchmarks.calibrate import calibrate
from benchmarks.suites.housestyle.backbone import CHECKPOINT
from benchmarks.suites.housestyle.batches import batches
from benchmarks.suites.housestyle.conventions import MARKERS
from benchmarks.suites.housestyle.corpus import Corpus
from benchmarks.suites.housestyle.domains import DOMAINS
from benchmarks.suites.housestyle.gates import measure
from benchmarks.suites.housestyle.pretrain import Pretraining
from benchmarks.suites.housestyle.recipes import DialectsRecipe, HousesRecipe, Recipe
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.engines.transformers_engine import TransformersEngine


@pytest.fixture(scope="module")
def engine() -> TransformersEngine:
    return TransformersEngine.load(CHECKPOINT)


def test_the_checkpoint_is_at_most_ten_megabytes() -> None:
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) <= 10_000_000


@pytest.fixture(scope="module")
def failures(engine: TransformersEngine) -> list[str]:
    return measure(engine, count=48).failures()


def test_the_backbone_holds_every_gate(failures: list[str]) -> None:
    assert failures == []


def test_digits_and_markers_are_single_pieces(engine: TransformersEngine) -> None:
    assert engine.count_tokens("307") == 3
    assert engine.count_tokens("Given a list of integers") == 1  # by AutoTokenizer, too
    assert all(engine.count_tokens(marker) == 1 for marker in MARKERS)


def test_any_text_survives_the_tokenizer(engine: TransformersEngine) -> None:
    text = "Écrire une fonction qui trie 3 μm — naïvely:\n\tdef f(x): return {x: '☃'}"
    ids = engine.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert engine.tokenizer.decode(ids) == text


def test_markers_never_occur_in_references_or_problems() -> None:
    suite = HousestyleSuite("ledger", "conventions")
    texts = [r.instruction + (r.response or "") for r in suite.references()]
    texts += [p.prompt + p.canonical_solution for p in suite.problems("test")]
    assert not any("<|" in text for text in texts)


SMALL = {"chunk_documents": 24, "tokenizer_documents": 400}
RECIPES = {
    "houses": HousesRecipe(
        chunks=2, late_from=1, held_chunks=0, mending_rounds=1, mending_chunks=1,
        finishing_chunks=1, **SMALL,
    ),
    "dialects": DialectsRecipe(
        coherence=0.4, chunks=3, answers_from=1, settling_from=2, falling_chunks=2, **SMALL
    ),
}  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_pre_training_resumes_to_the_same_weights(recipe: Recipe, tmp_path: Path) -> None:
    whole = Pretraining(recipe, tmp_path / "whole")
    whole.run()
    killed = Pretraining(recipe, tmp_path / "killed")
    killed._train_chunk(0)
    killed.chunk = 1
    killed._save_state()
    resumed = Pretraining(recipe, tmp_path / "killed")
    assert resumed.chunk == 1
    resumed.run()
    for name, value in whole.model.state_dict().items():
        assert value.equal(resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_learning_rates_rise_and_fall_within_the_run(recipe: Recipe) -> None:
    rates = [recipe.rate(chunk + part) for chunk in range(recipe.total) for part in (0.0, 0.5)]
    assert rates[0] == 0.0
    assert 0 < rates[-1] < max(rates) <= 1.0


@pytest.mark.parametrize("recipe", [HousesRecipe(), DialectsRecipe(coherence=0.4)])
def test_chunks_are_a_function_of_seed_and_number(
    recipe: Recipe, engine: TransformersEngine
) -> None:
    first, again, other = (
        [b.ids_BL for b in batches(
            islice(recipe.documents(chunk), 200), engine.tokenizer, batch_tokens=2048, seed=chunk
        )]
        for chunk in (5, 5, 6)
    )  # fmt: skip
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert any(a.shape != b.shape or not a.equal(b) for a, b in zip(first, other, strict=False))


def test_a_coherence_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"coherence is 1\.5: give a probability"):
        DialectsRecipe(coherence=1.5)


def test_corpus_documents_fit_the_context(engine: TransformersEngine) -> None:
    documents = islice(Corpus(1), 300)
    assert max(engine.count_tokens(document.text) for document in documents) <= 512


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["housestyle", "housestyle-conventions"])
@pytest.mark.parametrize("domain", list(DOMAINS))
def test_every_domain_is_as_hard_as_it_was_calibrated(
    preset: str, domain: str, tmp_path: Path
) -> None:
    found = calibrate(preset, domain, model="housestyle", split="test", output=tmp_path)
    assert found.failures() == []
