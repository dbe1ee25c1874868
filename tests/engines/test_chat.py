"""Chat templates: the model's own, the plain one of base models, values, dates, thoughts."""

import pytest

from domino.backbone import load_shape
from domino.engines.base import Completion, Request
from domino.engines.chat import (
    PLAIN_STOP,
    ChatFormat,
    Thoughts,
    has_turns,
    prepare_tokenizer,
    render_chat,
    turn_end_token,
)
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Reference, Sampling
from domino.turn import Turn
from tests.tiny import make_model, make_tokenizer

USER = [{"role": "user", "content": "Add."}]
PAIR = [*USER, {"role": "assistant", "content": "a + b"}]
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
"""How Qwen3's template switches thinking off."""


def tokenizer_with(own, **chat):
    tokenizer = make_tokenizer("im")
    tokenizer.chat_template = own
    return prepare_tokenizer(tokenizer, ChatFormat(**chat))


def test_thinking_is_off_where_the_template_can_and_nobody_asks_for_it():
    assert render_chat(tokenizer_with(QWEN3), USER).endswith("<think>\n\n</think>\n\n")
    asked = tokenizer_with(QWEN3, options={"enable_thinking": True})
    assert render_chat(asked, USER).endswith("assistant\n")


def test_any_value_of_a_template_can_be_given():
    template = "{{ effort }} {{ messages[0].content }}"
    assert render_chat(tokenizer_with(template, options={"effort": "low"}), USER) == "low Add."


def test_a_template_that_reads_a_date_gets_one_that_stands():
    template = "{{ date_string }} {{ strftime_now('%Y') }} {{ messages[0].content }}"
    assert render_chat(tokenizer_with(template), USER) == "26 Jul 2024 2024 Add."
    asked = tokenizer_with(template, options={"date_string": "1 Jan 2030"})
    assert render_chat(asked, USER) == "1 Jan 2030 2024 Add."


def test_a_base_model_gets_a_plain_template_and_no_turns():
    base = tokenizer_with(None)
    assert render_chat(base, USER) == "### Instruction:\nAdd.\n\n### Response:\n"
    assert render_chat(base, PAIR).startswith(
        "### Instruction:\nAdd.\n\n### Response:\na + b<|im_end|>\n\n"
    )
    assert turn_end_token(base) == "<|im_end|>"
    assert not has_turns(base)
    assert has_turns(tokenizer_with(QWEN3))
    assert has_turns(tokenizer_with(None, template=QWEN3)), "the user's own counts"


def test_a_plain_template_begins_as_the_tokenizer_begins_texts():
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer("im")
    tokenizer.chat_template = None
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    assert render_chat(prepare_tokenizer(tokenizer), USER).startswith("<|im_start|>### Instr")


def base_engine():
    tokenizer = tokenizer_with(None)
    return TransformersEngine(make_model(vocabulary=len(tokenizer)), tokenizer)


def test_soft_tokens_stand_before_an_empty_lead_on_a_base_model():
    turn = Turn.of(base_engine())
    assert turn.lead == ""
    reference = Reference(id="r", instruction="Add.", response="a + b")
    assert turn.after_lead(reference, "instruction").endswith("<|im_end|>")
    pair = turn.after_lead(reference, "pair")
    assert pair == "Add.\n\n### Response:\na + b<|im_end|>"
    assert turn.instruction(pair) == "Add."


def test_a_base_model_stops_where_it_would_write_the_next_turn():
    engine = base_engine()
    asked = [Request(prompt=engine.render(USER), seed=0)]
    assert engine.until_next_turn(Sampling(stop=("x",)), asked).stop == ("x", PLAIN_STOP)
    direct = [Request(prompt="def f(x):", seed=0)]
    assert engine.until_next_turn(Sampling(stop=("x",)), direct).stop == ("x",)
    other = TransformersEngine(engine.model, tokenizer_with(QWEN3))
    assert other.until_next_turn(Sampling(stop=("x",)), asked).stop == ("x",)


def completion(text, truncated=False):
    return Completion(text=text, tokens=5, prompt_tokens=3, truncated=truncated)


@pytest.mark.parametrize(
    ("prompt", "text", "answer", "unfinished"),
    [
        ("assistant\n", "<think>a draft</think>\n\nright", "right", False),
        ("assistant\n<think>\n", "a draft</think>right", "right", False),
        ("assistant\n<think>\n", "a draft that never", "", True),
        ("assistant\n", "<think>a draft that never", "", True),
        ("assistant\n", "no thought", "no thought", False),
        ("<think>\n\n</think>\n\n", "no thought", "no thought", False),
        ("assistant\n", "<think></think>", "", False),
    ],
)
def test_what_follows_a_thought_is_the_answer(prompt, text, answer, unfinished):
    split = Thoughts("</think>").split(prompt, completion(text))
    assert (split.text, split.unfinished_thought) == (answer, unfinished)
    assert split.tokens == 5, "what a thought cost is counted"


def test_other_marks_end_thoughts_too():
    marks = Thoughts("[/THINK]")
    assert marks.start == "[THINK]"
    assert marks.split("", completion("[THINK]x[/THINK] y")).text == "y"
    bare = Thoughts("final:")
    assert bare.split("", completion("x final: y")).text == "y"
    assert bare.split("", completion("x", truncated=True)).unfinished_thought
    assert not bare.split("", completion("x")).unfinished_thought


def test_an_engine_hands_on_answers_without_thoughts(monkeypatch):
    tokenizer = tokenizer_with(QWEN3.replace("<think>\n\n</think>\n\n", "<think>\n"))
    engine = TransformersEngine(make_model(vocabulary=len(tokenizer)), tokenizer)
    assert engine.thoughts is None, "the template has no </think>"
    tokenizer = tokenizer_with(QWEN3, options={"enable_thinking": True}, thought_end="</x>")
    engine = TransformersEngine(make_model(vocabulary=len(tokenizer)), tokenizer)
    assert engine.thoughts == Thoughts("</x>")
    made = engine.generate(
        [Request(prompt=p, seed=0) for p in ("Add.", "Add.<x>")], Sampling(max_new_tokens=4)
    )
    assert [one.unfinished_thought for one in made] == [False, True]
    assert made[0].text
    assert made[1].text == ""


def test_no_mark_is_looked_for_where_the_user_names_none():
    tokenizer = tokenizer_with(QWEN3, thought_end="")
    assert TransformersEngine(make_model(vocabulary=len(tokenizer)), tokenizer).thoughts is None


def test_a_loaded_tokenizer_is_prepared(tmp_path):
    tokenizer = make_tokenizer("im")
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    make_model(vocabulary=len(tokenizer)).save_pretrained(tmp_path)
    assert not has_turns(load_shape(tmp_path)[1])
    assert has_turns(load_shape(tmp_path, ChatFormat(template=QWEN3))[1])
    assert TransformersEngine.load(tmp_path, chat=ChatFormat(template=QWEN3)).has_turns
