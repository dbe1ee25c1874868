import pytest
import torch

from domino.soft_tokens import (
    SoftTokensError,
    initial_tokens,
    load_adapter,
    nearest_cosine,
    norm_ratio,
    save_adapter,
)
from tests.tiny import make_model, make_vocabulary


@pytest.fixture
def table():
    return torch.randn(40, 8, generator=torch.Generator().manual_seed(0))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_vocabulary_tokens_are_rows_drawn_by_the_seed(table):
    tokens = initial_tokens(make_vocabulary(table), 6, "vocabulary", rng())
    assert all(any(torch.equal(token, row) for row in table) for token in tokens)
    assert torch.equal(tokens, initial_tokens(make_vocabulary(table), 6, "vocabulary", rng()))
    assert not torch.equal(tokens, initial_tokens(make_vocabulary(table), 6, "vocabulary", rng(1)))
    assert norm_ratio(tokens, make_vocabulary(table)) == pytest.approx(1, abs=0.4)
    assert nearest_cosine(tokens, make_vocabulary(table)) == pytest.approx(1)


def test_text_tokens_repeat_or_cut_the_text(table):
    longer = initial_tokens(make_vocabulary(table), 5, "text", rng(), [3, 7])
    assert torch.equal(longer, table[[3, 7, 3, 7, 3]])
    assert torch.equal(
        initial_tokens(make_vocabulary(table), 2, "text", rng(), [3, 7, 9]), table[[3, 7]]
    )


def test_normal_tokens_are_standard_normal(table):
    tokens = initial_tokens(make_vocabulary(table), 4000, "normal", rng())
    assert float(tokens.mean()) == pytest.approx(0, abs=0.02)
    assert float(tokens.std()) == pytest.approx(1, abs=0.02)


def test_tokens_are_float32_copies(table):
    tokens = initial_tokens(make_vocabulary(table.bfloat16()), 3, "vocabulary", rng())
    assert tokens.dtype == torch.float32
    kept = table.clone()
    initial_tokens(make_vocabulary(table), 3, "text", rng(), [1]).zero_()
    assert torch.equal(table, kept)


def test_what_cannot_be_made_is_refused(table):
    with pytest.raises(SoftTokensError, match="0 soft tokens"):
        initial_tokens(make_vocabulary(table), 0, "normal", rng())
    with pytest.raises(SoftTokensError, match="empty text"):
        initial_tokens(make_vocabulary(table), 2, "text", rng())
    with pytest.raises(SoftTokensError, match="'zeros'"):
        initial_tokens(make_vocabulary(table), 2, "zeros", rng())


@pytest.mark.filterwarnings("ignore:Position ids are not supported")  # raised inside PEFT
def test_peft_loads_the_adapter_and_gives_the_same_logits_and_greedy_tokens(tmp_path):
    from peft import PeftModel

    model = make_model()
    tokens = torch.randn(5, 32, generator=rng())
    save_adapter(tmp_path / "adapter", tokens, model.config, "some/backbone")
    ids = torch.tensor([[9, 8, 7, 6]])
    embeds = torch.cat([tokens, model.get_input_embeddings()(ids[0])])[None]
    expected = model(inputs_embeds=embeds).logits[0, -4:]
    greedy = model.generate(
        inputs_embeds=embeds,
        attention_mask=torch.ones(1, 9, dtype=torch.long),
        max_new_tokens=8,
        do_sample=False,
    )
    loaded = PeftModel.from_pretrained(make_model(), str(tmp_path / "adapter")).eval()
    mask = torch.ones_like(ids)
    got = loaded(input_ids=ids, attention_mask=mask).logits[0, -4:]
    assert torch.allclose(got, expected, atol=1e-5)
    out = loaded.generate(input_ids=ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
    assert out[0, 4:].tolist() == greedy[0].tolist()


def test_the_adapter_comes_back_as_it_was(tmp_path):
    tokens = torch.randn(5, 32, generator=rng())
    save_adapter(tmp_path, tokens, make_model().config, "some/backbone")
    assert torch.equal(load_adapter(tmp_path, make_model().config, "some/backbone"), tokens)


def test_another_backbones_width_is_named(tmp_path):
    save_adapter(tmp_path, torch.zeros(5, 32), make_model().config, "some/backbone")
    with pytest.raises(
        SoftTokensError, match=r"shape \(5, 32\) for 'some/backbone'; this backbone is 64 wide"
    ):
        load_adapter(tmp_path, make_model(hidden_size=64).config, "some/backbone")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 3}, "of 2 layers and 4 heads; this backbone has 3 and 4"),
        ({"num_attention_heads": 8}, "of 2 layers and 4 heads; this backbone has 2 and 8"),
    ],
)
def test_a_backbone_of_the_same_width_but_another_shape_is_refused(tmp_path, changes, message):
    save_adapter(tmp_path, torch.zeros(5, 32), make_model().config, "some/backbone")
    with pytest.raises(SoftTokensError, match=message):
        load_adapter(tmp_path, make_model(**changes).config, "some/backbone")


def test_a_backbone_of_another_name_is_a_warning(tmp_path, caplog):
    save_adapter(tmp_path, torch.zeros(5, 32), make_model().config, "some/backbone")
    load_adapter(tmp_path, make_model().config, "some/backbone")
    assert not caplog.records
    load_adapter(tmp_path, make_model().config, "/copies/backbone")
    assert "for 'some/backbone' and is loaded for '/copies/backbone'" in caplog.text


def test_a_vocabulary_larger_than_one_part_has_the_same_nearest_cosine():
    table = torch.randn(40_000, 4, generator=rng())
    tokens = torch.randn(3, 4, generator=rng(1))
    cosines = torch.nn.functional.cosine_similarity(tokens[:, None], table[None], dim=-1)
    assert nearest_cosine(tokens, make_vocabulary(table)) == pytest.approx(
        float(cosines.amax(1).mean()), abs=1e-6
    )


def test_a_damaged_adapter_is_refused(tmp_path):
    with pytest.raises(SoftTokensError, match="does not contain a prompt-tuning adapter"):
        load_adapter(tmp_path, make_model().config, "some/backbone")
    save_adapter(tmp_path, torch.zeros(5, 32), make_model().config, "some/backbone")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"torn")
    with pytest.raises(SoftTokensError, match="does not contain a prompt-tuning adapter"):
        load_adapter(tmp_path, make_model().config, "some/backbone")
