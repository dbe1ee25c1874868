import copy
from typing import ClassVar

import peft
import pytest
import torch

from baselines.prompt_tuning import PromptTuning, PromptTuningConfig
from domino.fit_config import FittingError
from domino.records import Sampling
from domino.soft_tokens import Vocabulary, initial_tokens
from domino.synthesizer import Domain, FitContext
from tests.contracts.synthesizer_contract import SynthesizerContract
from tests.domino import toy

TEXT = "Sort the even ships"
CHECKED = PromptTuningConfig(
    domain_tokens=6,
    steps=8,
    batch_size=4,
    learning_rate=2e-2,
    held_out=0,
    initialisation="text",
    initial_text=TEXT,
)


class TestContract(SynthesizerContract):
    method = "prompt-tuning"
    options: ClassVar = {"domain_tokens": 3, "steps": 3, "requests_per_call": 7}

    @pytest.fixture
    def engine(self, toy_engine):
        return toy_engine

    @pytest.fixture
    def context(self, engine, toy_directory):
        return FitContext(engine=engine, model=toy_directory, seed=11)

    @pytest.fixture
    def sampling(self):
        return Sampling(temperature=0.9, top_p=0.95, max_new_tokens=30, seed=11)


def fit_curve(engine, config, references):
    """The fit's own loss, step by step."""
    rows = []
    context = FitContext(
        engine=engine, model="toy", seed=0, log=lambda metrics, step: rows.append(metrics)
    )
    PromptTuning(config).fit(Domain(references=references), context)
    return rows


def peft_model(model, directory, config):
    return peft.get_peft_model(
        copy.deepcopy(model),
        peft.PromptTuningConfig(
            task_type="CAUSAL_LM",
            num_virtual_tokens=config.domain_tokens,
            prompt_tuning_init="TEXT",
            prompt_tuning_init_text=TEXT,
            tokenizer_name_or_path=directory,
        ),
    ).eval()


def peft_loss(tuned, tokenizer, reference):
    """The loss that transformers computes behind peft's prompt, the opening marker given."""
    ids = tokenizer(f"<|user|>{reference.instruction}<|assistant|><|end|>", return_tensors="pt")
    labels = ids["input_ids"].clone()
    labels[:, 0] = -100
    mask = torch.ones_like(labels)
    return tuned(input_ids=ids["input_ids"], attention_mask=mask, labels=labels).loss


def peft_curve(tuned, tokenizer, config, references):
    optimizer = torch.optim.Adam(p for p in tuned.parameters() if p.requires_grad)
    losses = []
    for step in range(config.steps):
        loss = torch.stack([peft_loss(tuned, tokenizer, r) for r in references]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned.parameters(), config.clip_norm)
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.steps)
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_every_step_has_the_loss_of_peft_s_own_prompt_tuning(trained, toy_engine, toy_directory):
    references = toy.references("sky", CHECKED.batch_size)
    ours = [row["objective"] for row in fit_curve(toy_engine, CHECKED, references)]
    model, tokenizer = trained
    theirs = peft_curve(peft_model(model, toy_directory, CHECKED), tokenizer, CHECKED, references)
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours[-1] < ours[0] - 0.1


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_starts_from_the_same_rows_as_peft(trained, seed):
    table = trained[0].get_input_embeddings()
    shape = peft.PromptTuningConfig(
        task_type="CAUSAL_LM",
        num_virtual_tokens=5,
        token_dim=table.embedding_dim,
        num_transformer_submodules=1,
        prompt_tuning_init="SAMPLE_VOCAB",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = peft.PromptEmbedding(shape, table).embedding.weight
    generator = torch.Generator().manual_seed(seed)
    # peft first fills a table with normal numbers, then overwrites it with the rows.
    torch.empty(5, table.embedding_dim).normal_(generator=generator)
    assert torch.equal(initial_tokens(Vocabulary(trained[0]), 5, "vocabulary", generator), theirs)


def test_the_domain_term_is_the_whole_objective(toy_engine):
    for row in fit_curve(toy_engine, CHECKED, toy.references("sky", 4)):
        assert row["objective"] == row["domain"]
        assert not {"reconstruction", "contrastive"} & set(row)


def test_samples_are_tasks_of_the_references_domain(toy_engine):
    method = PromptTuning(
        PromptTuningConfig(domain_tokens=4, steps=80, learning_rate=2e-2, evaluate_every=20)
    )
    domain = Domain(references=toy.references("sky", 16))
    method.fit(domain, FitContext(engine=toy_engine, model="toy", seed=0))
    records = list(method.synthesize(100, Sampling(max_new_tokens=40)))
    assert sum(toy.domain_of(record.instruction) == "sky" for record in records) > 75


@pytest.mark.parametrize("name", ["w_reconstruction", "w_contrastive"])
def test_a_weight_that_would_make_it_domino_is_refused(name):
    with pytest.raises(FittingError, match=f"no {name}, got 0.5: remove it, or use domino"):
        PromptTuningConfig(**{name: 0.5})


def test_what_no_fit_can_follow_is_refused_here_too():
    with pytest.raises(FittingError, match="steps is 0"):
        PromptTuningConfig(steps=0)
