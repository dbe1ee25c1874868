"""What the baselines promise beyond the contract of every Synthesizer: their accounts balance."""

from __future__ import annotations

import dataclasses
import json
from typing import ClassVar

import pytest

from baselines.independent import Independent
from domino.engines.base import Engine
from domino.synthesizer import SynthesisError
from tests.baselines.backbone import barren_engine, healthy_engine
from tests.contracts.synthesizer_contract import EngineAround, SynthesizerContract, references


class BaselineContract(SynthesizerContract):
    """Inherit and set `method`; `batches` names the options that must not change the data.

    `shows_references` is False for a method whose requests show none.
    """

    batches: ClassVar[tuple[dict[str, int], ...]] = ()
    shows_references: ClassVar[bool] = True

    @pytest.fixture
    def engine(self) -> Engine:
        return healthy_engine(bad_share=0.25)

    def test_candidates_are_kept_or_rejected_with_a_reason(self, domain, context, sampling):
        method = self.fitted(domain, context)
        made = list(method.synthesize(self.count, sampling))
        counts = method.counts
        assert counts.candidates == counts.kept + sum(counts.rejected.values())
        assert counts.kept >= len(made)
        if method.synthesizes:
            assert counts.rejected, "the scripted backbone answers badly now and then"

    def test_counts_hold_every_generated_token(self, domain, engine, context, sampling):
        spy = EngineAround(engine)
        method = self.fitted(domain, dataclasses.replace(context, engine=spy))
        list(method.synthesize(self.count, sampling))
        assert method.counts.tokens == spy.tokens
        assert method.counts.requests == len(spy.requests)

    def test_counts_are_logged_and_saved(self, domain, context, sampling, tmp_path):
        logged = []
        context = dataclasses.replace(context, log=lambda values, step: logged.append(values))
        method = self.fitted(domain, context)
        list(method.synthesize(self.count, sampling))
        assert logged[-1] == method.counts.metrics()
        method.save(tmp_path)
        if method.counts.candidates:
            saved = json.loads((tmp_path / "rejections.json").read_text())
            assert saved["rejected"] == method.counts.rejected

    def test_batch_options_do_not_change_the_data(self, domain, context, sampling):
        expected = self.records(domain, context, sampling)
        for options in self.batches:
            method = self.method_class(self.method_class.config_class(**options))
            method.fit(domain, context)
            assert list(method.synthesize(self.count, sampling)) == expected

    @pytest.mark.parametrize("answer", ["", "x " * 400, "?!", "of the"])
    def test_a_useless_backbone_ends_the_method_with_a_reason(
        self, domain, context, sampling, answer
    ):
        method = self.fitted(domain, dataclasses.replace(context, engine=barren_engine(answer)))
        made = list(method.synthesize(self.count, sampling))
        if not method.synthesizes:
            assert method.counts.requests == 0
        elif len(made) < self.count:
            assert method.counts.stopped
            assert method.counts.metrics()["stopped_early"] == 1

    def test_the_first_record_comes_long_before_the_last(self, domain, engine, context, sampling):
        spy = EngineAround(engine)
        method = self.fitted(domain, dataclasses.replace(context, engine=spy))
        next(method.synthesize(100_000, sampling), None)
        assert len(spy.requests) < 1000

    def test_synthesis_before_fit_is_refused(self, sampling):
        method = self.method_class(self.method_class.config_class())
        with pytest.raises(SynthesisError, match="call fit or load first"):
            list(method.synthesize(1, sampling))

    def test_another_methods_directory_is_refused(self, domain, context, tmp_path):
        self.fitted(domain, context).save(tmp_path)
        text = (tmp_path / "method.json").read_text().replace(f'"{self.method}"', '"other"')
        (tmp_path / "method.json").write_text(text)
        with pytest.raises(SynthesisError, match="contains the method 'other'"):
            self.method_class.load(tmp_path, context)

    def test_parents_are_references_or_records_made_before(self, domain, context, sampling):
        known = {reference.id for reference in references(6)}
        for record in self.records(domain, context, sampling):
            assert set(record.provenance.parents) <= known
            assert bool(record.provenance.parents) == self.shows_references
            known.add(record.id)

    def test_a_continuation_of_independent_records_generates_nothing_twice(
        self, domain, engine, context, sampling
    ):
        if not issubclass(self.method_class, Independent):
            return
        spy = EngineAround(engine)
        method = self.fitted(domain, dataclasses.replace(context, engine=spy))
        list(method.synthesize(12, sampling))
        before = len(spy.requests)
        list(method.synthesize(12, sampling, first=12))
        seeds = [request.seed for request in spy.requests]
        assert not set(seeds[:before]) & set(seeds[before:])

    def test_records_are_charged_for_all_that_was_generated_for_them(
        self, domain, engine, context, sampling
    ):
        if not issubclass(self.method_class, Independent):
            return
        spy = EngineAround(engine)
        made = self.records(domain, dataclasses.replace(context, engine=spy), sampling)
        assert sum(record.provenance.tokens for record in made) == spy.tokens
