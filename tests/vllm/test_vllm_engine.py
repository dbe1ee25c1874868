"""vLLM for real: the same texts as the reference engine, and a process that comes and goes."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from benchmarks.suites.housestyle.backbone import CHECKPOINT
from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.transformers_engine import TransformersEngine
from domino.engines.vllm_engine import VllmEngine
from domino.records import Sampling
from domino.soft_tokens import load_adapter, save_adapter
from domino.turn import Turn
from tests.contracts.engine_contract import EngineContract
from tests.vllm import conftest
from tests.vllm.conftest import CONFIG

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

GREEDY = Sampling(temperature=0.0, max_new_tokens=32)
TASKS = [
    "Take a list of integers: keep the 2 at the end, then divide each by 3.",
    "Sort the numbers, then add each to the next.",
    "For the integers of a list, drop what is not below 22, then take running totals.",
    "Return the largest number.",
]


def text_requests(engine) -> list[Request]:
    turns = [engine.render([{"role": "user", "content": task}]) for task in TASKS]
    return [Request(prompt=turn, seed=0) for turn in turns]


def soft_tokens(engine, seed: int, count: int = 12) -> torch.Tensor:
    """Soft tokens that start as a fit's do: rows of the vocabulary."""
    table_VH = engine.model.get_input_embeddings().weight
    rows = torch.randint(len(table_VH), (count,), generator=torch.Generator().manual_seed(seed))
    return table_VH[rows].detach().clone()


def soft_requests(engine) -> list[Request]:
    lead = Turn.of(engine).lead
    texts = ["", lead, engine.render([{"role": "user", "content": TASKS[0]}])]
    prompts = [soft_tokens(engine, seed) for seed in (1, 2)]
    return [
        Request(prompt=SoftPrompt(embeds_PH=embeds, text=text), seed=0)
        for embeds in prompts
        for text in texts
    ]


def workers() -> list[psutil.Process]:
    return conftest.workers(psutil.Process())


class TestVllmEngine(EngineContract):
    @pytest.fixture
    def engine(self, shared_engine):
        return shared_engine

    @pytest.fixture
    def over_long(self):
        return "Sort the numbers and return" * 1000


def test_greedy_texts_are_those_of_the_reference_engine(shared_engine, reference):
    requests = text_requests(reference)
    assert shared_engine.generate(requests, GREEDY) == reference.generate(requests, GREEDY)


def test_greedy_texts_behind_soft_tokens_are_those_of_the_reference_engine(
    shared_engine, reference
):
    requests = soft_requests(reference)
    made = shared_engine.generate(requests, GREEDY)
    assert made == reference.generate(requests, GREEDY)
    assert len({completion.text for completion in made}) > 3


def test_requests_with_and_without_soft_tokens_mix_in_one_call(shared_engine, reference):
    requests = [*text_requests(reference), *soft_requests(reference)] * 3
    assert shared_engine.generate(requests, GREEDY) == reference.generate(requests, GREEDY)


def test_stop_strings_cut_and_count_as_in_the_reference_engine(shared_engine, reference):
    sampling = replace(GREEDY, stop=("xs", "return"))
    requests = [*text_requests(reference), *soft_requests(reference)]
    made = shared_engine.generate(requests, sampling)
    assert made == reference.generate(requests, sampling)
    assert any(completion.tokens < 32 for completion in made)


def test_the_seed_decides_the_text(shared_engine, reference):
    prompt = SoftPrompt(embeds_PH=soft_tokens(reference, 1), text=Turn.of(reference).lead)
    requests = [Request(prompt=prompt, seed=seed) for seed in (7, 7, *range(8, 20))]
    one, same, *others = shared_engine.generate(requests, Sampling(max_new_tokens=24))
    assert one == same
    assert len({completion.text for completion in others}) > 6


def test_seeded_prompts_longer_together_than_a_step_give_the_texts_they_give_alone(
    shared_engine, reference
):
    prompts = [SoftPrompt(embeds_PH=soft_tokens(reference, 1, 1500)), "Sort the numbers. " * 250]
    requests = [Request(prompt=prompt, seed=seed) for seed in (7, 8) for prompt in prompts]
    sampling = Sampling(max_new_tokens=4)
    together = shared_engine.generate(requests, sampling)
    assert sum(completion.prompt_tokens for completion in together) > 4096  # vLLM's step on a CPU
    assert together == [shared_engine.generate([request], sampling)[0] for request in requests]


@pytest.mark.filterwarnings("ignore:Position ids are not supported")  # raised inside PEFT
def test_soft_tokens_from_a_saved_peft_adapter_give_pefts_own_text(
    shared_engine, reference, tmp_path
):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    shape = reference.model.config
    save_adapter(tmp_path, soft_tokens(reference, 3), shape, str(CHECKPOINT))
    embeds_PH = load_adapter(tmp_path, shape, str(CHECKPOINT))
    lead = Turn.of(reference).lead
    request = Request(prompt=SoftPrompt(embeds_PH=embeds_PH, text=lead), seed=0)
    (made,) = shared_engine.generate([request], GREEDY)

    model = AutoModelForCausalLM.from_pretrained(str(CHECKPOINT), dtype="float32")
    tuned = PeftModel.from_pretrained(model, str(tmp_path)).eval()
    ids = torch.tensor([reference.tokenizer(lead, add_special_tokens=False)["input_ids"]])
    out = tuned.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False,
        eos_token_id=sorted(reference.end_ids), pad_token_id=0,
    )[0, ids.shape[1] :]  # fmt: skip
    tokens = [token for token in out.tolist() if token not in reference.end_ids]
    assert made.text == reference.tokenizer.decode(tokens, clean_up_tokenization_spaces=False)


def test_a_lora_adapter_gives_the_reference_engines_texts(reference, tmp_path):
    requests = [*text_requests(reference), *soft_requests(reference)]
    save_lora(tmp_path / "lora", rank=4)
    tuned = TransformersEngine.load(CHECKPOINT, adapter=tmp_path / "lora")
    expected = tuned.generate(requests, GREEDY)
    assert expected != reference.generate(requests, GREEDY)
    with VllmEngine(CHECKPOINT, CONFIG, adapter=tmp_path / "lora") as engine:
        assert engine.generate(requests, GREEDY) == expected


def save_lora(directory: Path, *, rank: int) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(CHECKPOINT), dtype="float32")
    torch.manual_seed(0)
    tuned = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear"))
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.02)
    tuned.save_pretrained(str(directory))


def test_an_adapter_of_another_backbone_is_one_error(tmp_path):
    from peft import LoraConfig, get_peft_model

    from tests.tiny import make_model

    other = get_peft_model(make_model("llama"), LoraConfig(r=4, target_modules=["q_proj"]))
    other.save_pretrained(str(tmp_path))
    engine, before = VllmEngine(CHECKPOINT, CONFIG, adapter=tmp_path), workers()
    with pytest.raises(EngineError, match=r"does not fit the model: .*q_proj is \(32, 32\) there"):
        engine.generate([Request(prompt="Sort", seed=0)], GREEDY)
    assert workers() == before


def test_bad_soft_tokens_are_refused_before_a_process_starts(reference):
    engine = VllmEngine(CHECKPOINT, CONFIG)
    before = workers()
    width, context = reference.model.config.hidden_size, reference.context_tokens
    for shape, message in {
        (4, width + 1): rf"shape \(4, {width + 1}\), this model needs \[tokens, {width}\]",
        (context, width): rf"{context} soft tokens, and this model's context is {context} tokens",
    }.items():
        request = Request(prompt=SoftPrompt(embeds_PH=torch.zeros(shape)), seed=0)
        with pytest.raises(EngineError, match=message):
            engine.generate([request], GREEDY)
    assert workers() == before


def test_a_process_that_dies_is_one_error_and_the_next_call_starts_another(reference):
    requests = text_requests(reference) * 8
    before = workers()

    def kill(index, completion):
        for own in set(workers()) - set(before):
            os.kill(own.pid, signal.SIGKILL)

    with VllmEngine(CHECKPOINT, CONFIG) as engine:
        with pytest.raises(EngineError, match=r"vLLM for .* ended \(killed by SIGKILL\)"):
            engine.generate(requests, GREEDY, on_done=kill)
        assert workers() == before
        assert engine.generate(requests[:4], GREEDY) == reference.generate(requests[:4], GREEDY)
        assert len(workers()) == len(before) + 1
    assert workers() == before


def test_two_replicas_give_the_texts_of_one(shared_engine, reference):
    requests = [*text_requests(reference), *soft_requests(reference)]
    with VllmEngine(CHECKPOINT, replace(CONFIG, data_parallel=2)) as engine:
        assert engine.generate(requests, GREEDY) == shared_engine.generate(requests, GREEDY)
