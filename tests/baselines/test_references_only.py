from domino.records import Sampling
from tests.baselines.baseline_contract import BaselineContract
from tests.contracts.synthesizer_contract import references


class TestContract(BaselineContract):
    method = "references-only"

    def test_yields_every_reference_once_and_in_order(self, domain, template, context, sampling):
        made = self.records(domain, context, sampling)
        assert [record.instruction for record in made] == [r.instruction for r in references(6)]
        assert [record.provenance.parents for record in made] == [(f"r{n}",) for n in range(6)]
        expected = [r.response if template == "pair" else None for r in references(6)]
        assert [record.response for record in made] == expected

    def test_never_yields_more_than_the_count(self, domain, context):
        assert len(self.records(domain, context, Sampling(), count=4)) == 4
