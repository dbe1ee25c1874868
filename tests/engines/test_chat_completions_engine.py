"""The engine of servers that take chat turns: the same texts, and whatever a server says."""

import threading
from dataclasses import replace

import pytest
import torch

from domino.engines import server as server_module
from domino.engines.base import Completion, EngineError, Request, SoftPrompt
from domino.engines.chat_completions_engine import ChatCompletionsEngine
from domino.engines.scripted import ScriptedEngine
from domino.engines.server import OpenaiConfig
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling
from tests.engines.completions_server import serving as serving_engine
from tests.engines.scripted_server import KEY, Answer, Server, said

pytestmark = pytest.mark.usefixtures("without_waits")

GREEDY = Sampling(temperature=0.0, max_new_tokens=8)
HELLO = [Request(prompt="Sort the", seed=0)]
TURNS = [
    {"role": "user", "content": "Keep the first 3."},
    {"role": "assistant", "content": "def f(x): return x[:3]"},
    {"role": "user", "content": "Sort the numbers."},
]


@pytest.fixture(scope="module")
def reference(tiny_backbone):
    return TransformersEngine.load(tiny_backbone, device="cpu")


@pytest.fixture(scope="module")
def server(reference):
    with serving_engine(reference, reference.tokenizer, "tiny") as (url, asked):
        yield url, asked


@pytest.fixture
def engine(server):
    return ChatCompletionsEngine("tiny", OpenaiConfig(base_url=server[0], retries=3))


@pytest.mark.parametrize(
    "sampling", [GREEDY, Sampling(max_new_tokens=12, top_p=0.9, stop=("e",))], ids=str
)
def test_its_texts_are_those_of_the_engine_that_the_server_runs(engine, reference, sampling):
    asked = [TURNS, TURNS[:1], TURNS[2:]]

    def made(by):
        requests = [Request(prompt=by.render(turns), seed=n) for n, turns in enumerate(asked)]
        return by.generate(requests, sampling)

    assert made(engine) == made(reference)


def test_turns_are_sent_as_they_are_and_a_plain_text_is_one_user_turn(engine, server):
    del server[1].bodies[:]
    engine.generate([Request(prompt=engine.render(TURNS), seed=0)], GREEDY)
    engine.generate(HELLO, GREEDY)
    assert [body["messages"] for body in server[1].bodies] == [
        TURNS,
        [{"role": "user", "content": "Sort the"}],
    ]


def test_each_completion_is_reported_once_and_they_come_in_the_order_of_requests(engine):
    requests = [Request(prompt=f"add {n}", seed=n) for n in range(6)]
    seen: list[tuple[int, Completion]] = []
    done = engine.generate(requests, GREEDY, on_done=lambda n, made: seen.append((n, made)))
    assert sorted(seen, key=lambda item: item[0]) == list(enumerate(done))
    assert engine.generate(requests[::-1], GREEDY)[::-1] == done
    assert engine.generate([], GREEDY) == []


def test_a_protocols_prefill_is_left_out_and_other_text_that_begins_an_answer_is_refused(engine):
    assert engine.render(TURNS, prefill="```python\n") == engine.render(TURNS)
    for request in (
        Request(prompt="Sort", prefill="def", seed=0),
        Request(prompt=SoftPrompt(embeds_PH=torch.zeros(4, 32)), seed=0),
    ):
        with pytest.raises(EngineError, match="engine chat sends turns alone: use engine trans"):
            engine.generate([request], GREEDY)


def test_what_needs_an_open_turn_or_the_models_tokens_is_refused(engine):
    with pytest.raises(EngineError, match="cannot continue a user turn"):
        engine.render([], open_user_turn=True)
    with pytest.raises(EngineError, match="the prompt of request 0 is empty"):
        engine.generate([Request(prompt="", seed=0)], GREEDY)
    with pytest.raises(EngineError, match="does not know the token that ends a turn"):
        engine.end_of_turn  # noqa: B018 - a property


def chat(content: object, **values: object) -> Answer:
    message = {"role": "assistant", "content": content}
    return said({"choices": [{"message": message, "finish_reason": "stop", **values}]})


def connected(server: Server, **changes: object) -> ChatCompletionsEngine:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    config = OpenaiConfig(base_url=url, retries=2, timeout_s=20)
    return ChatCompletionsEngine("any", replace(config, **changes))


def answer(server: Server, sampling: Sampling = GREEDY) -> Completion:
    (made,) = connected(server).generate(HELLO, sampling)
    return made


JUNK = {
    "completions": said({"choices": [{"text": "fine", "finish_reason": "stop"}]}),
    "no-message": said({"choices": [{"finish_reason": "stop"}]}),
    "message-a-text": said({"choices": [{"message": "fine"}]}),
    "content-null": chat(None),
    "content-a-list": chat(["fine"]),
    "error-and-choices": said({"error": "stopped", "choices": [{"message": {"content": "half"}}]}),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_not_a_completion_is_asked_for_again_and_then_one_error(serving, junk):
    assert answer(serving(junk, junk, chat("fine"))).text == "fine"
    with pytest.raises(EngineError, match=r"answers without a completion.*including /v1"):
        answer(serving(junk))


def test_a_thought_is_no_part_of_the_answer_and_one_without_an_end_is_an_empty_answer(serving):
    assert answer(serving(chat("<think>hm</think>\nfine"))).text == "fine"
    cut = answer(serving(chat("<think>hm", finish_reason="length")))
    assert (cut.text, cut.unfinished_thought, cut.truncated) == ("", True, True)
    kept_elsewhere = answer(serving(chat(None, finish_reason="length")))
    assert (kept_elsewhere.text, kept_elsewhere.truncated) == ("", True)


def test_stop_strings_hold_that_no_server_takes(serving):
    stops = ("a1", "b2", "c3", "d4", "e5")
    sampling = replace(GREEDY, stop=stops)
    made = answer(serving(chat("one e5 two", finish_reason="length")), sampling)
    assert (made.text, made.truncated) == ("one ", False)


def test_a_prompt_without_room_is_an_empty_truncated_answer_and_no_error(serving):
    full = b'{"error": {"message": "maximum context length is 512 tokens"}}'
    made = answer(serving((400, {"Content-Type": "application/json"}, full)))
    assert (made.text, made.tokens, made.truncated) == ("", 0, True)


def test_tokens_are_those_that_the_server_counts_or_an_estimate(serving):
    values = {"choices": [{"message": {"content": "a fine text"}, "finish_reason": "stop"}]}
    usage = {"completion_tokens": 5, "prompt_tokens": 17}
    counted = answer(serving(said({**values, "usage": usage})))
    assert (counted.tokens, counted.prompt_tokens) == (5, 17)
    estimated = answer(serving(said({**values, "usage": {"completion_tokens": -1}})))
    assert (estimated.tokens, estimated.prompt_tokens) == (3, 2)


def test_what_was_answered_before_an_error_is_handed_on(serving):
    server = serving(chat("fine"), chat("fine"), (401, {}, b"{}"))
    kept: list[int] = []
    requests = [Request(prompt=f"add {n}", seed=n) for n in range(5)]
    with pytest.raises(EngineError, match="refuses the key"):
        connected(server, concurrency=1).generate(
            requests, GREEDY, on_done=lambda n, made: kept.append(n)
        )
    assert kept == [0, 1]


def test_answers_of_other_threads_are_handed_on_too_where_one_fails(monkeypatch):
    config = OpenaiConfig(concurrency=2)
    engine = ChatCompletionsEngine("any", config)
    failed = threading.Event()

    def ask(self, body):
        if body["messages"][0]["content"] == "bad":
            failed.set()
            raise EngineError("refused")
        failed.wait(20)
        return server_module.Answer(text="fine")

    monkeypatch.setattr(server_module.Server, "_ask", ask)
    kept: list[int] = []
    requests = [Request(prompt=text, seed=0) for text in ("good", "bad")]
    with pytest.raises(EngineError, match="refused"):
        engine.generate(requests, GREEDY, on_done=lambda n, made: kept.append(n))
    assert kept == [0]


def test_its_errors_name_the_endpoint_and_no_key(serving, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EngineError, match=r"no model 'any', or no /chat/completions: give openai"):
        answer(serving((404, {}, b"{}")))
    with pytest.raises(EngineError, match=r"refuses the key in OPENAI_API_KEY: .*\*\*\*") as error:
        answer(serving((401, *said({"error": {"message": f"bad {KEY}"}})[1:])))
    assert KEY not in repr(error.value)


def test_it_counts_words_and_signs(engine):
    assert engine.count_tokens("add 3, then sort") == 5
    assert engine.has_turns


def test_a_scripted_engine_behind_a_server_answers_chats():
    scripted = ScriptedEngine(lambda request: str(request.prompt).upper())
    with serving_engine(scripted, None, "loud") as (url, _):
        engine = ChatCompletionsEngine("loud", OpenaiConfig(base_url=url))
        (made,) = engine.generate([Request(prompt="sort", seed=0)], Sampling(temperature=0.0))
    assert "SORT" in made.text
