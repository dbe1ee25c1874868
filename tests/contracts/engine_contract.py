"""What every Engine does, whatever model is behind it. Each engine's test inherits this class."""

import re

import pytest

from domino.engines.base import Completion, Engine, Request
from domino.records import Sampling

SAMPLING = Sampling(temperature=0.0, max_new_tokens=6)
WORDS = ["one", "two", "three", "four five", "six seven eight", "nine", "ten", "eleven"]


class EngineContract:
    """Inherit, and give the fixture `engine` (and `over_long`, a prompt without room after it)."""

    @pytest.fixture
    def engine(self) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    def over_long(self) -> str:
        raise NotImplementedError

    def requests(self, engine: Engine) -> list[Request]:
        prompts = [engine.render([{"role": "user", "content": words}]) for words in WORDS]
        return [Request(prompt=prompt, seed=seed) for seed, prompt in enumerate(prompts)]

    def test_no_request_gives_no_completion(self, engine):
        assert engine.generate([], SAMPLING) == []

    def test_one_completion_per_request_reported_once_as_it_finishes(self, engine):
        seen: list[tuple[int, Completion]] = []
        requests = self.requests(engine)
        done = engine.generate(requests, SAMPLING, on_done=lambda i, c: seen.append((i, c)))
        assert sorted(seen, key=lambda item: item[0]) == list(enumerate(done))
        assert len(done) == len(requests)

    def test_order_of_completions_is_that_of_requests(self, engine):
        requests = self.requests(engine)
        forward = engine.generate(requests, SAMPLING)
        assert engine.generate(requests[::-1], SAMPLING)[::-1] == forward

    def test_temperature_zero_is_deterministic(self, engine):
        requests = self.requests(engine)
        assert engine.generate(requests, SAMPLING) == engine.generate(requests, SAMPLING)

    def test_a_request_alone_gives_the_same_text_as_in_a_batch(self, engine):
        sampling = Sampling(temperature=1.0, max_new_tokens=6)
        requests = self.requests(engine)
        alone = [engine.generate([request], sampling)[0] for request in requests]
        assert engine.generate(requests, sampling) == alone

    def test_no_completion_is_longer_than_the_limit(self, engine):
        for completion in engine.generate(self.requests(engine), SAMPLING):
            assert completion.tokens <= SAMPLING.max_new_tokens
            if completion.truncated:
                assert completion.tokens == SAMPLING.max_new_tokens

    def test_text_is_cut_before_the_stop_string(self, engine):
        requests = self.requests(engine)
        texts = [completion.text for completion in engine.generate(requests, SAMPLING)]
        stop = next(match.group() for text in texts if (match := re.search(r"[a-z]{2}", text)))
        stopped = engine.generate(
            requests, Sampling(temperature=0.0, max_new_tokens=6, stop=(stop,))
        )
        assert [c.text for c in stopped] == [text.partition(stop)[0] for text in texts]
        hit = [c for c, text in zip(stopped, texts, strict=True) if stop in text]
        assert hit and not any(completion.truncated for completion in hit)

    def test_an_over_long_prompt_gives_an_empty_truncated_completion(self, engine, over_long):
        good = self.requests(engine)[0]
        first, second = engine.generate([Request(prompt=over_long, seed=0), good], SAMPLING)
        assert (first.text, first.tokens, first.truncated) == ("", 0, True)
        assert second == engine.generate([good], SAMPLING)[0]

    def test_prompt_tokens_count_the_prompt(self, engine):
        request = self.requests(engine)[3]
        completion = engine.generate([request], SAMPLING)[0]
        assert completion.prompt_tokens == engine.count_tokens(request.prompt)

    def test_render_shows_the_message_before_the_assistants_turn(self, engine):
        before, _, after = engine.render([{"role": "user", "content": "count me"}]).partition(
            "count me"
        )
        assert before and after

    def test_a_prefill_continues_the_prompt_and_is_no_part_of_the_text(self, engine):
        before = self.requests(engine)[3].prompt
        apart = Request(prompt=before, prefill="six seven", seed=0)
        together = Request(prompt=before + "six seven", seed=0)
        first, second = engine.generate([apart, together], SAMPLING)
        assert first == second
        assert first.prompt_tokens == engine.count_tokens(before + "six seven")

    def test_render_ends_in_the_assistants_turn_behind_its_prefill(self, engine):
        turns = [{"role": "user", "content": "count me"}]
        assert engine.render(turns, prefill="It is\n") == engine.render(turns) + "It is\n"
        assert engine.has_turns

    def test_an_open_user_turn_is_where_an_instruction_goes(self, engine):
        opened = engine.render([], open_user_turn=True)
        assert engine.render([{"role": "user", "content": "count me"}]).startswith(
            opened + "count me"
        )

    def test_end_of_turn_is_one_token(self, engine):
        assert engine.end_of_turn
        assert engine.count_tokens(engine.end_of_turn) == 1
