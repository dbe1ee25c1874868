from tests.baselines.baseline_contract import BaselineContract


class TestContract(BaselineContract):
    method = "no-data"

    def test_yields_nothing(self, domain, context, sampling):
        assert self.records(domain, context, sampling) == []
