import pytest
import torch

from domino.engines.base import EngineError, Request, SoftPrompt
from domino.engines.scripted import ScriptedEngine
from domino.records import Sampling
from tests.contracts.engine_contract import EngineContract


class TestScriptedEngine(EngineContract):
    @pytest.fixture
    def engine(self):
        return ScriptedEngine(
            lambda request: f"seed {request.seed} of {len(request.text)} letters and so on",
            context_tokens=500,
        )

    @pytest.fixture
    def over_long(self):
        return "word " * 500

    def test_a_list_answers_in_order_and_runs_out_loudly(self):
        engine = ScriptedEngine(["first", "second"])
        requests = [Request(prompt="a", seed=1), Request(prompt="b", seed=2)]
        assert [c.text for c in engine.generate(requests, Sampling())] == ["first", "second"]
        with pytest.raises(EngineError, match="2 answers and request 3"):
            engine.generate(requests[:1], Sampling())

    def test_requests_and_seeds_are_recorded(self):
        engine = ScriptedEngine(lambda request: "x")
        requests = [Request(prompt="a", seed=5), Request(prompt="b", seed=6)]
        engine.generate(requests, Sampling(temperature=0.3))
        assert [request.seed for request in engine.requests] == [5, 6]
        assert [sampling.temperature for sampling in engine.samplings] == [0.3, 0.3]

    def test_soft_prompts_are_answered_too(self):
        engine = ScriptedEngine(lambda request: request.prompt.text)
        prompt = SoftPrompt(embeds_PH=torch.zeros(3, 8), text="two words")
        completion = engine.generate([Request(prompt=prompt, seed=0)], Sampling())[0]
        assert (completion.text, completion.prompt_tokens) == ("two words", 5)
