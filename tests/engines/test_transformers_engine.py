import logging

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.encoding import Results, make_jobs
from domino.engines.slots import SlotCache, can_use_slots
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling
from tests.benchmarks.tokenizers_of_families import family_tokenizer
from tests.contracts.engine_contract import EngineContract
from tests.tiny import make_model, make_tokenizer

GREEDY = Sampling(temperature=0.0, max_new_tokens=20)
TEXTS = [
    "Keep the even",
    "Sort",
    "def solve(values):\n    return",
    "add 3 to each, and",
    "Sort the",
]


def greedy_reference(model, embeds_PH, ids, count, ends):
    """transformers' own generate, from the embeddings of the whole prompt."""
    text_LH = model.get_input_embeddings()(torch.tensor(ids, dtype=torch.long))
    embeds_LH = text_LH if embeds_PH is None else torch.cat([embeds_PH, text_LH])
    out = model.generate(
        inputs_embeds=embeds_LH[None],
        attention_mask=torch.ones(1, len(embeds_LH), dtype=torch.long),
        max_new_tokens=count,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=sorted(ends),
    )[0].tolist()
    return out


def made_tokens(monkeypatch, engine, requests, sampling):
    """The token ids of each completion, caught where they are turned into text."""
    caught = {}
    decode = TransformersEngine._decode

    def spy(self, jobs, sampling, report):
        import domino.engines.transformers_engine as module

        original = module.ContinuousBatch

        def batch(rows, slots, jobs, sampling, ending, finish, device):
            def note(job, tokens, truncated):
                caught[job.index] = tokens
                finish(job, tokens, truncated)

            return original(rows, slots, jobs, sampling, ending, note, device)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "ContinuousBatch", batch)
            decode(self, jobs, sampling, report)

    monkeypatch.setattr(TransformersEngine, "_decode", spy)
    engine.generate(requests, sampling)
    return [caught[index] for index in range(len(requests))]


@pytest.fixture(params=["qwen2", "llama"])
def model(request):
    return request.getfixturevalue(request.param)


class TestTransformersEngine(EngineContract):
    @pytest.fixture
    def engine(self, model, tokenizer):
        return TransformersEngine(model, tokenizer, slots=3)

    @pytest.fixture
    def over_long(self):
        return "Sort the numbers and return" * 100


@pytest.mark.parametrize("slots", [1, 3, 16])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_greedy_text_equals_generate(tokenizer, monkeypatch, slots, implementation):
    model = make_model("qwen2", len(tokenizer), attn_implementation=implementation)
    engine = TransformersEngine(model, tokenizer, slots=slots)
    requests = [Request(prompt=text, seed=0) for text in TEXTS * 2]
    got = made_tokens(monkeypatch, engine, requests, GREEDY)
    for text, tokens in zip(TEXTS * 2, got, strict=True):
        ids = tokenizer(text)["input_ids"]
        assert tokens == greedy_reference(model, None, ids, 20, engine.end_ids)


@pytest.mark.parametrize("slots", [1, 16])
def test_greedy_behind_soft_tokens_equals_generate_from_embeddings(
    model, tokenizer, monkeypatch, slots
):
    soft = [torch.randn(6, 32, generator=torch.Generator().manual_seed(s)) for s in (1, 2)]
    engine = TransformersEngine(model, tokenizer, slots=slots)
    pairs = [(s, text) for s in soft for text in ["", *TEXTS, ""]]
    requests = [Request(prompt=SoftPrompt(embeds_PH=s, text=text), seed=0) for s, text in pairs]
    got = made_tokens(monkeypatch, engine, requests, GREEDY)
    for (embeds, text), tokens in zip(pairs, got, strict=True):
        ids = tokenizer(text)["input_ids"]
        assert tokens == greedy_reference(model, embeds, ids, 20, engine.end_ids)


def test_a_prefill_stands_behind_the_text_behind_soft_tokens(model, tokenizer):
    soft_PH = torch.randn(6, 32, generator=torch.Generator().manual_seed(1))
    engine = TransformersEngine(model, tokenizer)
    apart = Request(
        prompt=SoftPrompt(embeds_PH=soft_PH, text="Sort "), prefill="the numbers", seed=0
    )
    together = Request(prompt=SoftPrompt(embeds_PH=soft_PH, text="Sort the numbers"), seed=0)
    first, second = engine.generate([apart, together], GREEDY)
    assert first == second
    assert not first.text.startswith("the numbers")


def test_special_tokens_are_put_before_a_prompt_on_demand_alone(model):
    tokenizer = family_tokenizer("base with bos")
    texts = [Request(prompt="Sort", seed=0, special_tokens=special) for special in (False, True)]
    jobs = make_jobs(
        tokenizer, texts, GREEDY, Results(None), width=32, context_tokens=100
    )  # fmt: skip
    plain, special = (job.prompt.ids for job in jobs)
    assert special == (tokenizer.bos_token_id, *plain)


def test_sampled_texts_do_not_depend_on_the_number_of_slots(model, tokenizer):
    sampling = Sampling(temperature=1.0, top_p=0.9, max_new_tokens=25)
    requests = [Request(prompt=TEXTS[i % 5], seed=i) for i in range(23)]
    by_slots = [
        TransformersEngine(model, tokenizer, slots=slots).generate(requests, sampling)
        for slots in (1, 4, 16, 64)
    ]
    assert by_slots[0] == by_slots[1] == by_slots[2] == by_slots[3]
    assert len({completion.text for completion in by_slots[0]}) > 10


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_texts_behind_soft_tokens_do_not_depend_on_the_number_of_slots(
    model, tokenizer, temperature
):
    soft_PH = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    sampling = Sampling(temperature=temperature, max_new_tokens=25, stop=("e", "ab"))
    requests = [
        Request(prompt=SoftPrompt(embeds_PH=soft_PH, text=TEXTS[i % 5]), seed=i) for i in range(20)
    ]
    one, sixteen = (
        TransformersEngine(model, tokenizer, slots=slots).generate(requests, sampling)
        for slots in (1, 16)
    )
    assert one == sixteen
    assert any(not completion.truncated for completion in one)
    assert not any(stop in completion.text for completion in one for stop in sampling.stop)


def test_the_seed_decides_the_text(qwen2, tokenizer):
    engine = TransformersEngine(qwen2, tokenizer)
    sampling = Sampling(temperature=1.0, max_new_tokens=12)
    one, same, other = engine.generate(
        [Request(prompt="Sort", seed=seed) for seed in (7, 7, 8)], sampling
    )
    assert one == same
    assert one.text != other.text


def test_finished_rows_are_refilled_at_once(qwen2, tokenizer, monkeypatch):
    steps = []
    step = SlotCache.step
    monkeypatch.setattr(
        SlotCache, "step", lambda self, tokens: steps.append(len(tokens)) or step(self, tokens)
    )
    engine = TransformersEngine(qwen2, tokenizer, slots=4)
    sampling = Sampling(temperature=1.0, max_new_tokens=30)
    requests = [Request(prompt=TEXTS[i % 5], seed=i) for i in range(40)]
    engine.generate([Request(prompt="Sort", seed=0)], GREEDY)  # the trial of the slots
    steps.clear()
    completions = engine.generate(requests, sampling)
    assert len({completion.tokens for completion in completions}) > 5  # lengths vary
    # A row's first token comes from its prefill; every other one costs a row of one step.
    assert sum(steps) == sum(completion.tokens - 1 for completion in completions)
    full = sum(1 for rows in steps if rows == 4)
    assert full >= len(steps) - 31  # only the last rows run in a smaller batch


def test_a_shared_prompt_is_prefilled_once(qwen2, tokenizer, monkeypatch):
    lengths = []
    forward = type(qwen2).forward

    def spy(self, *args, **kwargs):
        inputs = kwargs.get("input_ids", kwargs.get("inputs_embeds"))
        lengths.append(inputs.shape[0] * inputs.shape[1])
        return forward(self, *args, **kwargs)

    engine = TransformersEngine(qwen2, tokenizer, slots=4)
    engine.generate([Request(prompt="Sort", seed=0)], GREEDY)  # the trial of the slots
    soft = torch.randn(9, 32)
    monkeypatch.setattr(type(qwen2), "forward", spy)
    requests = [Request(prompt=SoftPrompt(embeds_PH=soft, text="Sort"), seed=i) for i in range(12)]
    completions = engine.generate(requests, Sampling(max_new_tokens=2))
    prompt = completions[0].prompt_tokens
    assert sum(lengths) == prompt + sum(completion.tokens - 1 for completion in completions)


def test_top_p_keeps_to_the_nucleus(qwen2, tokenizer):
    engine = TransformersEngine(qwen2, tokenizer)
    requests = [Request(prompt="Sort", seed=seed) for seed in range(30)]
    narrow = engine.generate(requests, Sampling(temperature=1.0, top_p=1e-6, max_new_tokens=5))
    greedy = engine.generate(requests[:1], Sampling(temperature=0.0, max_new_tokens=5))
    assert {completion.text for completion in narrow} == {greedy[0].text}


def test_sampling_follows_the_models_probabilities(qwen2, tokenizer):
    engine = TransformersEngine(qwen2, tokenizer)
    count = 4000
    requests = [Request(prompt="Sort", seed=seed) for seed in range(count)]
    texts = [c.text for c in engine.generate(requests, Sampling(max_new_tokens=1))]
    ids = torch.tensor([tokenizer("Sort")["input_ids"]])
    probs = torch.softmax(qwen2(ids).logits[0, -1], -1)
    likely = [t for t in probs.topk(40).indices.tolist() if "\ufffd" not in tokenizer.decode([t])]
    for token in likely[:4]:  # a broken byte decodes to the same text as any other
        expected = probs[token].item()
        share = texts.count(tokenizer.decode([token])) / count
        assert abs(share - expected) < 4 * (expected * (1 - expected) / count) ** 0.5


def test_a_model_without_slots_is_served_one_by_one_with_a_warning(tokenizer, caplog, monkeypatch):
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        sliding_window=8,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=4,
    )
    model = MistralForCausalLM(config).eval()
    engine = TransformersEngine(model, tokenizer, slots=8)
    requests = [Request(prompt=text, seed=0) for text in TEXTS]
    with caplog.at_level(logging.WARNING):
        got = made_tokens(monkeypatch, engine, requests, GREEDY)
    assert "requests run one by one" in caplog.text
    for text, tokens in zip(TEXTS, got, strict=True):
        ids = tokenizer(text)["input_ids"]
        assert tokens == greedy_reference(model, None, ids, 20, engine.end_ids)


def test_a_cache_that_decodes_wrongly_is_found_out(qwen2, monkeypatch):
    assert can_use_slots(qwen2)
    step = SlotCache.step
    monkeypatch.setattr(SlotCache, "step", lambda self, tokens: step(self, tokens) * 1.5)
    assert not can_use_slots(qwen2)


def test_soft_tokens_of_another_width_are_refused(qwen2, tokenizer):
    engine = TransformersEngine(qwen2, tokenizer)
    request = Request(prompt=SoftPrompt(embeds_PH=torch.zeros(4, 48)), seed=0)
    with pytest.raises(EngineError, match=r"shape \(4, 48\), this model needs \[tokens, 32\]"):
        engine.generate([request], GREEDY)


def test_an_empty_prompt_is_refused(qwen2, tokenizer):
    with pytest.raises(EngineError, match="request 0 is empty"):
        TransformersEngine(qwen2, tokenizer).generate([Request(prompt="", seed=0)], GREEDY)


def test_a_tokenizer_without_a_chat_template_says_what_to_do(qwen2):
    bare = make_tokenizer()
    bare.chat_template = None
    with pytest.raises(EngineError, match="no chat template: use an instruction-tuned"):
        TransformersEngine(qwen2, bare).render([{"role": "user", "content": "x"}])


@pytest.mark.parametrize(("style", "end"), [("marker", "<|end|>"), ("im", "<|im_end|>")])
def test_the_template_tells_which_token_ends_a_turn(qwen2, style, end):
    engine = TransformersEngine(qwen2, make_tokenizer(style))
    assert engine.end_of_turn == end


def test_the_end_token_ends_a_text_and_is_not_part_of_it(tokenizer):
    model = make_model("qwen2", len(tokenizer))
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.weight[4] = 1.0
    hidden = model.model(torch.tensor([tokenizer("Sort")["input_ids"]])).last_hidden_state[0, -1]
    with torch.no_grad():
        model.lm_head.weight[4] = hidden
    engine = TransformersEngine(model, tokenizer)
    completion = engine.generate([Request(prompt="Sort", seed=0)], GREEDY)[0]
    assert (completion.text, completion.tokens, completion.truncated) == ("", 1, False)


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"has no config\.json"):
        TransformersEngine.load(tmp_path)
    with pytest.raises(EngineError, match="does not exist"):
        TransformersEngine.load(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineError, match="cannot be loaded as a causal language model"):
        TransformersEngine.load(tmp_path)


def test_a_saved_model_loads_with_its_adapter_merged(tmp_path, tokenizer):
    from peft import LoraConfig, get_peft_model

    model = make_model("qwen2", len(tokenizer))
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.5)
    tuned.save_pretrained(tmp_path / "adapter")
    engine = TransformersEngine.load(tmp_path / "model", adapter=tmp_path / "adapter", device="cpu")
    ids = torch.tensor([tokenizer("Sort the numbers")["input_ids"]])
    assert torch.allclose(engine.model(ids).logits, tuned(ids).logits, atol=1e-4)
    plain = TransformersEngine.load(tmp_path / "model", device="cpu")
    assert not torch.allclose(engine.model(ids).logits, plain.model(ids).logits, atol=1e-2)
    with pytest.raises(EngineError, match=r"no adapter_config\.json"):
        TransformersEngine.load(tmp_path / "model", adapter=tmp_path, device="cpu")
