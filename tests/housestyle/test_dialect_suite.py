"""The track dialects as a suite: its references by seed, its oracles, its solver, its backbones."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.config.presets import load_preset
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display
from benchmarks.pipeline.pipeline import open_pipeline, take_references
from benchmarks.run import execute
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.base import SuiteError
from benchmarks.suites.housestyle.dialects.domains import DOMAINS
from benchmarks.suites.housestyle.dialects.reading import read_any, restricted, terms_in
from benchmarks.suites.housestyle.dialects.suite import DialectSuite
from benchmarks.suites.housestyle.dialects.wording import dialects, terms_of
from benchmarks.suites.housestyle.grammar import PLAIN, Task, instruction, parse, solution
from benchmarks.suites.registry import SuiteOptions, load_suite
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.stages.small import SmallSuite

SUITE = DialectSuite("ranking", "weak")
REFERENCES = SUITE.references()[:8]


def test_the_track_is_loaded_by_its_options_and_the_default_is_another() -> None:
    loaded = load_suite("housestyle", SuiteOptions(track="dialects", domain="harbour"))
    assert isinstance(loaded, DialectSuite)
    assert loaded.variant == "domain harbour, track dialects, coherence weak"
    assert not isinstance(load_suite("housestyle", SuiteOptions()), DialectSuite)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"track": "dialects", "domain": "harbor"}, "has no domain 'harbor' (did you mean"),
        ({"track": "dialects", "coherence": "strong"}, "coherence is 'strong': give weak"),
        ({"track": "dialects", "coherence": "1.5"}, "coherence is '1.5': give weak"),
        ({"track": "conventions", "coherence": "weak"}, "has no option coherence"),
    ],
)
def test_options_that_are_none_are_refused_in_one_line(
    options: dict[str, str], message: str
) -> None:
    with pytest.raises(SuiteError) as refused:
        load_suite("housestyle", SuiteOptions(**options))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_the_backbone_follows_track_and_coherence_unless_a_model_is_given() -> None:
    run = load_preset("housestyle")
    options = run.suite_options
    assert run.backbone == "housestyle-weak"
    coherent = replace(run, suite_options=replace(options, coherence="coherent"))
    assert coherent.backbone == "housestyle-coherent"
    assert RunConfig().backbone == "housestyle"
    own = replace(run, model="my/model", suite_options=replace(options, coherence="0.7"))
    assert own.backbone == "my/model"
    with pytest.raises(ConfigError, match=r"coherence is '0\.7': .* as --model"):
        replace(own, model="housestyle")


def test_there_are_1024_test_problems_and_128_for_development() -> None:
    problems = {split: SUITE.problems(split) for split in ("test", "development")}
    assert len(problems["test"]) == 1024 and len(problems["development"]) == 128
    dialect = SUITE.domain.dialect
    for problem in problems["development"]:
        task = parse(problem.prompt, dialect)
        assert task is not None and task.key == problem.meta["program"]
    assert len({p.prompt for split in problems.values() for p in split}) == 1152


def test_each_seed_draws_its_own_references_and_fewer_are_the_first_of_more() -> None:
    eight, other, sixteen = (take_references(SUITE, n, s) for n, s in ((8, 0), (8, 1), (16, 0)))
    assert sixteen[:8] == eight == take_references(SUITE, 8, 0)
    assert len({r.id for r in (*eight, *other)}) > 8
    small = SmallSuite()
    assert take_references(small, 2, 5) == small.references()[:2]


def test_a_row_is_given_the_references_of_its_seed_and_is_compared_with_them(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []

    def oracle(self, instruction, response, references=None):  # type: ignore[no-untyped-def]
        seen.append(tuple(reference.id for reference in references))
        return {"valid": True, "in_domain": True, "copy": False}

    monkeypatch.setattr(SmallSuite, "draws_references", True)
    monkeypatch.setattr(SmallSuite, "oracle", oracle)
    with tiny_run.names():
        config = tiny_run.config(
            tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW, methods=("counting",),
            references=2, pairs=2, seeds=(0, 1, 2),
        )  # fmt: skip
        report = execute(config, plain=True, make_engine=tiny_run.make_engine)
    assert not report.failed
    expected = [tuple(r.id for r in take_references(SmallSuite(), 2, seed)) for seed in (0, 1, 2)]
    assert len(set(expected)) > 1
    assert set(seen) == set(expected)
    assert len(list((tmp_path / "runs/stages").glob("domain-*"))) == len(set(expected))


def test_a_reference_is_in_the_domain_and_a_copy_of_itself_alone() -> None:
    for reference in REFERENCES:
        found = SUITE.oracle(reference.instruction, None, REFERENCES)
        assert found is not None and found["valid"] and found["in_domain"] and found["copy"]
        assert not found["recombined"] and not found["new_terms"]
        rest = [other for other in REFERENCES if other is not reference]
        assert not (SUITE.oracle(reference.instruction, None, rest) or {})["copy"]


def test_a_draw_recombines_or_has_new_terms_or_is_a_copy() -> None:
    for pair in SUITE.right_pairs()[:200]:
        found = SUITE.oracle(pair.instruction, pair.response, REFERENCES)
        assert found is not None and found["aligned"] and found["in_domain"]
        assert found["recombined"] + found["new_terms"] + found["copy"] == 1


def test_other_words_are_valid_and_not_in_the_domain_and_mixed_ones_are_no_task() -> None:
    task = parse(SUITE.right_pairs()[0].instruction, SUITE.domain.dialect)
    assert task is not None
    for wording in (PLAIN, dialects()["bakery"]):
        found = SUITE.oracle(instruction(task, wording=wording), solution(task, SUITE.house))
        assert found is not None and found["valid"] and found["aligned"]
        assert not found["in_domain"] and not found["new_terms"]
    mixed = "Given a list of integers, cue 3 teams, then sort the numbers, and return the count."
    assert SUITE.solve([mixed, "nothing"], SandboxConfig()) == [None, None]
    assert not (SUITE.oracle(mixed, None) or {"valid": True})["valid"]


@pytest.mark.parametrize("wording", [PLAIN, SUITE.domain.dialect, dialects()["lamps"]])
def test_the_solver_reads_any_one_wording(wording: object) -> None:
    task = Task((), "sum")
    for task in (parse(p.instruction, SUITE.domain.dialect) for p in SUITE.right_pairs()[:10]):
        assert task is not None
        text = instruction(task, wording=wording)  # type: ignore[arg-type]
        assert SUITE.solve([text], SandboxConfig()) == [solution(task, SUITE.house)]
        assert read_any(text) == (task, wording)


def test_terms_are_found_whatever_their_numbers() -> None:
    dialect = SUITE.domain.dialect
    every = {(operation, term) for operation, terms in dialect.terms.items() for term in terms}
    for operation, term in every:
        text = f"For a list, {term.replace('{a}', '7').replace('{b}', '12')}, and return the sum."
        assert terms_in(text, dialect) == {(operation, term)}
    few = sorted(every)[:5]
    assert terms_of(restricted(dialect, few)) == tuple(
        term for operation, own in dialect.terms.items() for term in own if (operation, term) in few
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_coverage_is_the_probability_of_the_terms_and_the_domain_covers_itself(
    domain: str,
) -> None:
    suite = DialectSuite(domain, "weak")
    texts = [pair.instruction for pair in suite.right_pairs()]
    few, many = suite.support_coverage(texts[:8]), suite.support_coverage(texts)
    assert few is not None and many is not None
    assert 0.2 < few < 0.95 and many == pytest.approx(1.0)
    plain = [pair.instruction for pair in suite.plain_pairs()]
    assert suite.support_coverage(plain) == 0.0


def test_a_run_takes_the_suites_description_unless_it_has_its_own(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallSuite, "description", "Additions.")
    with tiny_run.names():
        config = tiny_run.config(tiny_backbone, tmp_path / "runs")
        own = replace(config, description="Sums.")
        found = [open_pipeline(c, display=Display(), steps=1).config.description
                 for c in (config, own)]  # fmt: skip
    assert found == ["Additions.", "Sums."]


def test_a_domain_is_described_in_words_that_a_person_can_read() -> None:
    assert DialectSuite("ledger", "weak").description == (
        "Tasks on lists of integers in 2 to 4 steps, in the words of the books of a company: "
        "entries, accounts, balances."
    )
