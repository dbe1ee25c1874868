"""What every Synthesizer promises: inherit the class, name the method, give an engine."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.methods import METHODS, is_plug_in, load_method, reads_description
from domino.engines.base import Completion, Engine, Message, Request
from domino.records import Reference, Sampling, Synthetic
from domino.synthesizer import Domain, FitContext, Synthesizer, Template

SHORT_VERDICT_TOKENS = 8
HELD_EQUAL = frozenset(
    {
        *(field.name for field in dataclasses.fields(Sampling)),
        *("sampling", "response_sampling", "pairs", "draws", "oversample", "responder", "shots"),
        *("filter", "judge", "decontaminate", "finetune", "evaluate", "sandbox"),
    }
) - {"temperature"}
"""What a run says for all methods at once: no method has an option of such a name.

Objectives have a temperature of their own; that synthesis follows its sampling is tested apart.
"""
QUESTIONS = ("Return the largest value.", "Return the values sorted.", "Count the even values.")


class EngineAround(Engine):
    """Passes everything on to an engine and keeps what was asked and answered."""

    def __init__(self, engine: Engine) -> None:
        self.inner = engine
        self.samplings: list[Sampling] = []
        self.requests: list[Request] = []
        self.tokens = 0

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        self.samplings.append(sampling)
        self.requests.extend(requests)
        completions = self.inner.generate(requests, sampling, on_done=on_done)
        self.tokens += sum(completion.tokens for completion in completions)
        return completions

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        return self.inner.render(messages, open_user_turn=open_user_turn, prefill=prefill)

    def count_tokens(self, text: str) -> int:
        return self.inner.count_tokens(text)

    @property
    def end_of_turn(self) -> str:
        return self.inner.end_of_turn


class OneByOne(EngineAround):
    """Answers each request alone, the last one first."""

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        alone = [self.inner.generate([request], sampling)[0] for request in reversed(requests)]
        for index, completion in enumerate(reversed(alone)):
            if on_done is not None:
                on_done(index, completion)
        return alone[::-1]


class Useless(EngineAround):
    """Ends every turn at once, at the usual cost."""

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        made = super().generate(requests, sampling)
        empty = [dataclasses.replace(completion, text="") for completion in made]
        for index, completion in enumerate(empty):
            if on_done is not None:
                on_done(index, completion)
        return empty


class SynthesizerContract:
    """Inherit, set `method`, override the `engine` fixture (and others where they do not fit)."""

    method: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    count: ClassVar[int] = 24
    model: ClassVar[str] = ""

    @pytest.fixture
    def engine(self) -> Engine:
        raise NotImplementedError("override the fixture: a healthy backbone for this method")

    @pytest.fixture(params=["instruction", "pair"])
    def template(self, request: pytest.FixtureRequest) -> Template:
        return request.param

    @pytest.fixture
    def domain(self, template: Template) -> Domain:
        return Domain(references=references(6), template=template)

    @pytest.fixture
    def sampling(self) -> Sampling:
        return Sampling(temperature=0.9, top_p=0.95, max_new_tokens=120, seed=11)

    @pytest.fixture
    def context(self, engine: Engine) -> FitContext:
        return FitContext(engine=engine, model=self.model, seed=11)

    @property
    def method_class(self) -> type[Synthesizer]:
        return load_method(self.method)

    def fitted(self, domain: Domain, context: FitContext) -> Synthesizer:
        made = self.method_class(self.method_class.config_class(**self.options))
        made.fit(domain, context)
        return made

    def records(
        self, domain: Domain, context: FitContext, sampling: Sampling, **options: int
    ) -> list[Synthetic]:
        method = self.fitted(domain, context)
        return list(method.synthesize(options.pop("count", self.count), sampling, **options))

    def test_the_class_is_in_the_map_under_its_own_name_or_a_plug_in(self):
        assert self.method in METHODS or is_plug_in(self.method)
        assert self.method_class.name == self.method or is_plug_in(self.method)

    def test_the_config_is_a_frozen_dataclass_with_defaults(self):
        config = self.method_class.config_class()
        assert dataclasses.is_dataclass(config)
        assert type(config).__dataclass_params__.frozen

    def test_no_option_is_one_that_the_harness_holds_equal_between_methods(self):
        options = {field.name for field in dataclasses.fields(self.method_class.config_class)}
        assert not options & HELD_EQUAL

    def test_fit_is_given_a_domain_and_a_context_and_neither_holds_a_problem(self):
        parameters = list(inspect.signature(self.method_class.fit).parameters)
        assert parameters == ["self", "domain", "context"]
        fields = {f.name for given in (Domain, FitContext) for f in dataclasses.fields(given)}
        expected = {
            "references", "template", "description", "engine", "model", "seed", "log",
            "sampling", "scratch", "notify", "attention",
        }  # fmt: skip
        assert fields == expected

    def test_a_method_that_synthesizes_yields_exactly_the_count(self, domain, context, sampling):
        made = self.records(domain, context, sampling)
        if self.method_class.synthesizes:
            assert len(made) == self.count
        assert len(made) <= self.count

    def test_a_method_that_yields_less_than_asked_says_why(self, domain, engine, context, sampling):
        useless = dataclasses.replace(context, engine=Useless(engine))
        method = self.fitted(domain, useless)
        made = list(method.synthesize(self.count, sampling))
        if self.method_class.synthesizes and len(made) < self.count:
            assert method.tally().stopped

    def test_nothing_asked_for_is_nothing_yielded(self, domain, context, sampling):
        assert self.records(domain, context, sampling, count=0) == []

    def test_ids_are_unique_and_stay_so_in_a_continuation(self, domain, context, sampling):
        made = self.records(domain, context, sampling)
        more = self.records(domain, context, sampling, first=len(made))
        ids = [record.id for record in made + more]
        assert len(set(ids)) == len(ids)

    def test_a_continuation_gives_what_one_longer_call_gives(self, domain, context, sampling):
        whole = self.records(domain, context, sampling)
        cut = self.count // 3
        begun = self.records(domain, context, sampling, count=cut)
        rest = self.records(domain, context, sampling, count=self.count - cut, first=cut)
        assert begun + rest == whole

    def test_the_same_seed_gives_the_same_data(self, domain, context, sampling):
        first = self.records(domain, context, sampling)
        assert first == self.records(domain, context, sampling)

    def test_a_method_that_is_not_given_a_description_would_not_use_it(
        self, domain, context, sampling
    ):
        described = dataclasses.replace(domain, description="Tasks on lists of integers.")
        same = self.records(domain, context, sampling) == self.records(described, context, sampling)
        assert same or reads_description(self.method_class.name)

    def test_another_seed_gives_other_data(self, domain, context, sampling):
        other = dataclasses.replace(sampling, seed=12)
        first = self.records(domain, context, sampling)
        second = self.records(domain, context, other)
        differ = [r.instruction for r in first] != [r.instruction for r in second]
        assert differ == self.method_class.synthesizes
        assert not {r.id for r in first} & {r.id for r in second}

    def test_batching_does_not_change_the_data(self, domain, engine, context, sampling):
        alone = dataclasses.replace(context, engine=OneByOne(engine))
        together = self.records(domain, context, sampling)
        assert self.records(domain, alone, sampling) == together

    def test_save_and_load_give_the_same_data(self, domain, context, sampling, tmp_path: Path):
        method = self.fitted(domain, context)
        method.save(tmp_path / "method")
        loaded = self.method_class.load(tmp_path / "method", context)
        assert list(loaded.synthesize(self.count, sampling)) == list(
            method.synthesize(self.count, sampling)
        )
        assert loaded.respond(QUESTIONS, sampling) == method.respond(QUESTIONS, sampling)

    def test_references_are_left_as_they_are(self, domain, context, sampling):
        before = [reference.to_json() for reference in domain.references]
        self.fitted(domain, context).respond(QUESTIONS, sampling)
        self.records(domain, context, sampling)
        assert [reference.to_json() for reference in domain.references] == before

    def test_synthesis_follows_the_sampling_it_is_given(self, domain, engine, context, sampling):
        spy = EngineAround(engine)
        method = self.fitted(domain, dataclasses.replace(context, engine=spy))
        spy.samplings.clear()
        list(method.synthesize(self.count, sampling))
        assert bool(spy.samplings) == self.method_class.synthesizes
        for used in spy.samplings:
            limits = dataclasses.replace(
                used, temperature=sampling.temperature, max_new_tokens=sampling.max_new_tokens
            )
            assert limits == sampling
            verdict = used.temperature == 0 and used.max_new_tokens <= SHORT_VERDICT_TOKENS
            assert used == sampling or verdict

    def test_what_is_asked_while_learning_is_answered_greedily(self, domain, engine, context):
        spy = EngineAround(engine)
        self.fitted(domain, dataclasses.replace(context, engine=spy))
        assert {used.temperature for used in spy.samplings} <= {0.0}

    def test_save_and_load_keep_the_words_that_a_method_is_told(self, domain, context, tmp_path):
        method = self.fitted(domain, context)
        method.save(tmp_path / "method")
        loaded = self.method_class.load(tmp_path / "method", context)
        assert loaded.description == method.description

    def test_responses_follow_the_sampling_they_are_given(self, domain, engine, context, sampling):
        spy = EngineAround(engine)
        method = self.fitted(domain, dataclasses.replace(context, engine=spy))
        spy.samplings.clear()
        method.respond(QUESTIONS, sampling)
        assert spy.samplings
        assert all(used == sampling for used in spy.samplings)

    def test_each_response_belongs_to_its_instruction(self, domain, context, sampling):
        method = self.fitted(domain, context)
        together = method.respond(QUESTIONS, sampling)
        assert together == [method.respond([question], sampling)[0] for question in QUESTIONS]

    def test_no_request_seed_is_used_twice(self, domain, engine, context, sampling):
        spy = EngineAround(engine)
        self.records(domain, dataclasses.replace(context, engine=spy), sampling)
        seeds = [request.seed for request in spy.requests]
        assert len(set(seeds)) == len(seeds)

    def test_provenance_names_the_method_and_charges_what_was_spent(
        self, domain, engine, context, sampling
    ):
        spy = EngineAround(engine)
        made = self.records(domain, dataclasses.replace(context, engine=spy), sampling)
        charged = sum(record.provenance.tokens for record in made)
        assert all(record.provenance.method == self.method_class.name for record in made)
        assert all(record.provenance.tokens >= 0 for record in made)
        assert charged <= spy.tokens
        assert (charged > 0) == self.method_class.synthesizes


def references(count: int) -> tuple[Reference, ...]:
    """Return references that share few words, each with a response."""
    kinds = ("even", "odd", "positive", "negative", "prime", "repeated", "distinct", "small")
    verbs = ("Sum", "Count", "Reverse", "Sort", "Double", "Square", "Negate", "Pair")
    return tuple(
        Reference(
            id=f"r{number}",
            instruction=f"{verbs[number % 8]} the {kinds[number % 8]} values of list {number}.",
            response=f"def task_{number}(values):\n    return values[{number}:]",
            meta={"number": str(number)},
        )
        for number in range(count)
    )
