"""What is measured of draws, against counts made by hand."""

from types import SimpleNamespace

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.suites.registry import SuiteOptions, load_suite
from studies.objective import CLAIMS, OBJECTIVES
from studies.outputs import TrialOutputs
from tests.stages import small


@pytest.fixture(autouse=True)
def names() -> None:
    """These tests are about the real objectives."""


@pytest.fixture(scope="module")
def suite():
    return load_suite("housestyle", SuiteOptions())


def made(suite, drawn: list[str], draws: int | None = None) -> TrialOutputs:
    pipeline = SimpleNamespace(
        context=SimpleNamespace(suite=suite),
        references=suite.references()[:8],
        config=SimpleNamespace(draws=draws or len(drawn)),
    )
    pipeline.for_seed = lambda seed: pipeline
    found = TrialOutputs(pipeline, "domino", 0, whole=False)
    found.__dict__["drawn"] = drawn
    return found


def measured(suite, drawn: list[str], draws: int | None = None) -> dict[str, float]:
    names = [*CLAIMS, "new-in-domain"]
    return {name: OBJECTIVES[name].measure(made(suite, drawn, draws)) for name in names}


def test_copies_are_counted_in_words_and_as_tasks_and_new_tasks_once(suite) -> None:
    own = [reference.instruction for reference in suite.references()]
    new = [p.prompt for p in suite.problems("development")[:2]]
    found = measured(suite, [own[0], own[1], new[0], new[0], new[1], "nothing at all"], draws=10)
    assert found["copies"] == pytest.approx(2 / 6)
    assert found["copied-tasks"] == pytest.approx(2 / 6)
    assert found["in-domain"] == pytest.approx(5 / 6)
    assert found["distinct-tasks"] == pytest.approx(4 / 10)
    assert found["new-in-domain"] == pytest.approx(2 / 10)
    assert 2 / 6 <= found["shared-run"] < 1
    assert 0 < found["coverage"] == suite.support_coverage([*own[:2], *new])


def test_more_repetition_is_less_diversity_and_never_more_support(suite) -> None:
    own = [reference.instruction for reference in suite.references()[:4]]
    various, same = measured(suite, own), measured(suite, own[:1] * 4)
    for name in ("distinct-2", "distinct-tasks", "coverage"):
        assert various[name] > same[name], name


def test_a_method_that_drew_nothing_has_measures(suite) -> None:
    assert set(measured(suite, [], draws=3).values()) == {0.0}


@pytest.mark.parametrize("name", ["in-domain", "new-in-domain", "coverage"])
def test_a_suite_without_an_oracle_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"objective '{name}': .* has no oracle: use a"):
        OBJECTIVES[name].measure(made(small.SmallSuite(), ["some text"]))
