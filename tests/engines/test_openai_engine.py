import logging
import time
from dataclasses import replace

import pytest
import torch

from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.openai_engine import OpenaiConfig, OpenaiEngine, Pace
from domino.engines.transformers_engine import TransformersEngine
from domino.records import Sampling
from tests.contracts.engine_contract import EngineContract
from tests.engines.completions_server import serving

GREEDY = Sampling(temperature=0.0, max_new_tokens=8)
KEY = "sk-a-key-that-nobody-may-see"
HELLO = [Request(prompt="Sort the", seed=0)]


@pytest.fixture(scope="module")
def reference(tiny_backbone):
    return TransformersEngine.load(tiny_backbone, device="cpu")


@pytest.fixture(scope="module")
def server(reference):
    with serving(reference, reference.tokenizer, "tiny") as (url, asked):
        yield url, asked


@pytest.fixture
def config(server):
    return OpenaiConfig(base_url=server[0], model="tiny", retries=3, concurrency=4)


class TestOpenaiEngine(EngineContract):
    @pytest.fixture
    def engine(self, tiny_backbone, config):
        return OpenaiEngine(tiny_backbone, config)

    @pytest.fixture
    def over_long(self):
        return "Sort the numbers and return" * 1000


def test_its_texts_are_those_of_the_engine_that_the_server_runs(tiny_backbone, config, reference):
    requests = [Request(prompt=text, seed=n) for n, text in enumerate(["Sort", "add 3 to", "Keep"])]
    for sampling in (GREEDY, Sampling(max_new_tokens=12, top_p=0.9, stop=("e",))):
        made = OpenaiEngine(tiny_backbone, config).generate(requests, sampling)
        assert made == reference.generate(requests, sampling)


def test_soft_tokens_are_refused_with_the_engines_that_take_them(tiny_backbone, config):
    request = Request(prompt=SoftPrompt(embeds_PH=torch.zeros(4, 32)), seed=0)
    with pytest.raises(EngineError, match=r"4 soft tokens.*use engine transformers or vllm"):
        OpenaiEngine(tiny_backbone, config).generate([request], GREEDY)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_is_refused_for_now_is_asked_again(tiny_backbone, config, server, reference, status):
    server[1].refusals.extend([status, status])
    made = OpenaiEngine(tiny_backbone, config).generate(HELLO, GREEDY)
    assert made == reference.generate(HELLO, GREEDY)
    assert not server[1].refusals


def test_a_server_that_goes_on_failing_is_one_error(tiny_backbone, config, server):
    server[1].refusals.extend([503] * 4)
    with pytest.raises(EngineError, match=r"keeps failing after 3 retries: .*refused"):
        OpenaiEngine(tiny_backbone, config).generate(HELLO, GREEDY)
    assert not server[1].refusals


def test_no_more_requests_are_open_than_allowed(tiny_backbone, config, server):
    server[1].delay_s, server[1].most = 0.05, 0
    requests = [Request(prompt="Sort", seed=seed) for seed in range(12)]
    OpenaiEngine(tiny_backbone, replace(config, concurrency=3)).generate(requests, GREEDY)
    server[1].delay_s = 0.0
    assert 1 < server[1].most <= 3


def test_requests_begin_no_faster_than_allowed(tiny_backbone, config, server):
    server[1].begun.clear()
    requests = [Request(prompt="Sort", seed=seed) for seed in range(3)]
    OpenaiEngine(tiny_backbone, replace(config, requests_per_minute=200)).generate(requests, GREEDY)
    begun = server[1].begun
    assert max(begun) - min(begun) >= 0.3  # two gaps of 0.3 s; half is left for a busy machine


def test_the_pace_does_not_add_up_what_was_not_used():
    pace = Pace(60 / 0.1)
    pace.wait()
    time.sleep(0.25)
    began = time.monotonic()
    pace.wait()
    pace.wait()
    assert time.monotonic() - began > 0.09


def test_the_key_comes_from_the_environment_and_is_in_no_error_and_no_log(
    tiny_backbone, config, server, monkeypatch, caplog
):
    monkeypatch.setenv("MY_KEY", KEY)
    mine = replace(config, key_variable="MY_KEY")
    server[1].refusals.append(401)
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(EngineError, match=r"refuses the key in MY_KEY: .*\*\*\*") as error:
            OpenaiEngine(tiny_backbone, mine).generate(HELLO, GREEDY)
        OpenaiEngine(tiny_backbone, mine).generate(HELLO, GREEDY)
    assert server[1].keys[-2:] == [f"Bearer {KEY}"] * 2
    assert KEY not in f"{error.value!r}{error.value.__cause__!r}{caplog.text}{mine!r}"


def test_errors_say_what_to_change(tiny_backbone, config):
    engine = OpenaiEngine(tiny_backbone, replace(config, model="other"))
    with pytest.raises(EngineError, match="has no model 'other', or no /completions"):
        engine.generate(HELLO, GREEDY)
    nowhere = replace(config, base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/v1 cannot be reached: start it"):
        OpenaiEngine(tiny_backbone, nowhere).generate(HELLO, GREEDY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": "127.0.0.1:8000"}, "give http://HOST:PORT/v1"),
        ({"base_url": f"http://user:{KEY}@host/v1"}, "give the key in the environment variable"),
        ({"key_variable": KEY}, "the variable, not the key"),
        ({"concurrency": 0}, "openai.concurrency is 0"),
        ({"requests_per_minute": 0.0}, "openai.requests_per_minute is 0"),
        ({"retries": -1}, "openai.retries is -1"),
        ({"timeout_s": 0.0}, "openai.timeout_s is 0"),
    ],
)
def test_what_no_server_can_be_asked_with_is_refused(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        OpenaiConfig(**changes)
    assert KEY not in str(error.value)
