"""The shipped backbones of the track dialects: small, loadable, as steerable as they should be."""

from pathlib import Path

import pytest

from baselines.prompt_tuning import PromptTuning, PromptTuningConfig
from benchmarks.calibrate import calibrate_dialect
from benchmarks.config.presets import load_preset
from benchmarks.suites.housestyle.backbone import CHECKPOINTS
from benchmarks.suites.housestyle.dialects.domains import DOMAINS
from benchmarks.suites.housestyle.dialects.gates import measure
from domino.engines.transformers_engine import TransformersEngine
from domino.synthesizer import FitContext

COHERENCES = ("weak", "coherent")


@pytest.mark.parametrize("coherence", COHERENCES)
def test_the_checkpoint_is_at_most_ten_megabytes_and_reads_terms_as_few_tokens(
    coherence: str,
) -> None:
    checkpoint = CHECKPOINTS[f"housestyle-{coherence}"]
    assert sum(path.stat().st_size for path in checkpoint.iterdir()) <= 10_000_000
    engine = TransformersEngine.load(checkpoint)
    assert engine.count_tokens("307") == 3
    for domain in DOMAINS.values():
        terms = [term for own in domain.dialect.terms.values() for term in own]
        assert sum(map(engine.count_tokens, terms)) / len(terms) < 8  # {a} alone is up to three


@pytest.mark.slow
@pytest.mark.parametrize("coherence", COHERENCES)
def test_the_backbone_is_as_steerable_in_context_and_by_soft_prompts_as_it_should_be(
    coherence: str,
) -> None:
    model = str(CHECKPOINTS[f"housestyle-{coherence}"])
    context = FitContext(engine=TransformersEngine.load(model), model=model, seed=0)
    options = load_preset("housestyle").method_options["prompt-tuning"]
    found = measure(context, coherence, PromptTuning(PromptTuningConfig(**options)))
    assert found.failures() == [], found


@pytest.mark.slow
@pytest.mark.parametrize("coherence", COHERENCES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_is_as_hard_as_it_was_calibrated(
    domain: str, coherence: str, tmp_path: Path
) -> None:
    found = calibrate_dialect(
        domain, coherence=coherence, model="housestyle", split="test", output=tmp_path
    )
    assert found.failures() == []
