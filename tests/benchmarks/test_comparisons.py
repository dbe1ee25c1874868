"""Every two methods of a run are compared, planned pairs first, and the verdicts are sentences."""

import math
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from benchmarks.common.fields import ConfigError
from benchmarks.config.comparison_config import ComparisonConfig
from benchmarks.metrics.crossed import Design, difference, needed
from benchmarks.metrics.intervals import holm
from benchmarks.metrics.pooling import pool
from benchmarks.metrics.sequential import bounds
from benchmarks.pipeline.rows import FailedRun, SeedRun
from benchmarks.report.comparisons import Comparisons, Group, compare, group
from benchmarks.report.sentences import (
    exploratory_lines,
    headline,
    how,
    missing_lines,
    primary_lines,
)
from benchmarks.report.shares import variance_lines
from benchmarks.report.stored import compare_rows
from domino.records import Outcome, Verdict
from tests.benchmarks.test_table import finished, method_row, printed, report
from tests.metrics import simulate

DEFAULT = ComparisonConfig()


def row(root: Path, method: str, solved: str, seed: int = 0, trained: bool = True) -> SeedRun:
    """A row that solves the problems marked by 1."""
    outcome = {"1": Outcome.PASSED, "0": Outcome.WRONG}
    verdicts = [
        Verdict(program_id=f"{n}/0", problem_id=f"{n:03}", base=outcome[mark], plus=outcome[mark])
        for n, mark in enumerate(solved)
    ]
    root = root / f"{method}{seed}"
    other = finished(root, "other", {})
    tuned = finished(root, "finetune", {"adapter": trained})
    evaluated = finished(root, "evaluate", {}, verdicts=verdicts)
    return SeedRun(
        method=method, seed=seed, synthesized=other, filtered=other, responded=other, agreed=other,
        pairs=other, tuned=tuned, evaluated=evaluated,
    )  # fmt: skip


def compared(rows: list[SeedRun | FailedRun], config: ComparisonConfig = DEFAULT) -> Comparisons:
    return compare_rows(rows, list(dict.fromkeys(row.method for row in rows)), config)


def tables(
    seeds: int = 5, problems: int = 1024, seed_sd: float = 2, **points: float
) -> dict[str, np.ndarray]:
    """Results of methods that are so many points above a half; no data is one run."""
    rng = np.random.default_rng(4)
    skills = tuple(map(simulate.skill, points.values()))
    sds = [0.0 if name == "no_data" else seed_sd for name in points]
    found = simulate.results(rng, 1, seeds, problems, sds, skills)[:, 0].astype(float)
    named = dict(zip([name.replace("_", "-") for name in points], found, strict=True))
    return {name: own[:1] if name == "no-data" else own for name, own in named.items()}


def of(own: dict[str, np.ndarray], config: ComparisonConfig = DEFAULT, **more: str) -> Comparisons:
    primary = config.pairs(list(own))
    group = Group(tables=own, primary=primary, planned=len(primary), **more)
    (found,), _ = compare([group], config)
    return found


def test_planned_pairs_come_first_and_the_others_are_exploratory() -> None:
    found = of(tables(no_data=-12, few_shot=0, evol_instruct=0, domino=12))
    assert [(pair.first, pair.second) for pair in found.primary] == [
        ("few-shot", "no-data"), ("evol-instruct", "no-data"), ("domino", "no-data"),
        ("domino", "few-shot"), ("domino", "evol-instruct"),
    ]  # fmt: skip
    (other,) = found.exploratory
    assert (other.first, other.second) == ("evol-instruct", "few-shot")
    assert found.families == (5, 1)


def test_the_primary_ps_are_corrected_among_themselves() -> None:
    own = tables(no_data=-3, few_shot=0, domino=3)
    found = of(own)
    raw = [float(difference(own[p.first], own[p.second]).p()) for p in found.primary]
    assert [pair.p for pair in found.primary] == pytest.approx(holm(raw))
    config = ComparisonConfig(contrasts=("domino vs no-data",))
    alone = of(own, config)
    assert alone.primary[0].p == pytest.approx(raw[1])
    assert len(alone.exploratory) == 2


def test_several_domains_are_one_family() -> None:
    one, other = tables(no_data=-3, domino=3), tables(seeds=6, no_data=-3, domino=3)
    groups = [Group(tables=own, primary=DEFAULT.pairs(list(own)), domain=name)
              for own, name in ((one, "a"), (other, "b"))]  # fmt: skip
    both, _ = compare(groups, DEFAULT)
    raw = [float(difference(own["domino"], own["no-data"]).p()) for own in (one, other)]
    assert [found.pairs[0].p for found in both] == pytest.approx(holm(raw))
    assert both[0].families == (2, 0)


def test_what_is_pooled_belongs_to_the_family_of_its_domains() -> None:
    domains = {name: tables(seeds=seeds, no_data=-3, few_shot=0, domino=3)
               for name, seeds in (("a", 5), ("b", 6))}  # fmt: skip
    plan = ComparisonConfig(contrasts=("domino vs no-data",))
    groups = [Group(tables=own, primary=plan.pairs(list(own)), domain=name)
              for name, own in domains.items()]  # fmt: skip
    names = {name: name for name in domains["a"]}
    found, pooled = compare(groups, plan, names)
    differences = [difference(own["domino"], own["no-data"]) for own in domains.values()]
    raw = [float(one.p()) for one in (*differences, pool(differences))]
    primary, *exploratory = pooled
    assert [*(one.primary[0].p for one in found), primary.decision.p] == pytest.approx(holm(raw))
    assert primary.interval == pool(differences).interval()
    assert found[0].families == found[1].families == (3, 6)
    assert [one.family for one in exploratory] == ["exploratory"] * 2
    assert (
        "Holm at 5 % over 3 primary comparisons and over 6 exploratory comparisons"
        in how(found[0])[0]
    )
    assert compare(groups, plan)[1] == []


def test_pooled_comparisons_are_decided_at_the_level_of_their_analysis() -> None:
    plan = ComparisonConfig(until_decided=True)
    domains = [tables(seeds=seeds, no_data=-3, domino=3) for seeds in (6, 4)]
    groups = [Group(tables=own, primary=plan.pairs(list(own)), domain=str(n))
              for n, own in enumerate(domains)]  # fmt: skip
    _, (pooled,) = compare(groups, plan, {name: name for name in domains[0]})
    at_4 = pool([difference(own["domino"][:4], own["no-data"]) for own in domains])
    assert pooled.pooled == at_4, "the analysis that both domains have had"
    assert pooled.level == pytest.approx(1 - bounds(0.05, (4,))[0])
    low, high = pooled.interval
    assert high - low > 2 * (at_4.interval()[1] - at_4.interval()[0])


def test_the_three_verdicts_are_sentences() -> None:
    own = tables(no_data=-12, few_shot=0, domino=12)
    first, second, third = primary_lines(of(own))
    assert first.startswith("few-shot vs no-data: better by ")
    assert "(uncorrected 95 % interval" in first
    assert "p < 0.001" in second
    assert third.startswith("domino vs few-shot: better by ")
    alike = of(tables(seeds=10, problems=4096, few_shot=0, domino=0))
    (line,) = primary_lines(alike)
    assert line.startswith("domino vs few-shot: equivalent within 3 points (")
    assert "equivalent. Minimum detectable" in headline(alike, [])
    (unclear,) = primary_lines(of(tables(problems=128, few_shot=0, domino=0)))
    assert unclear.startswith("domino vs few-shot: undecided (")
    assert "; deciding it takes " in unclear


def test_a_worse_method_and_exploratory_pairs_are_called_so() -> None:
    found = of(tables(few_shot=0, domino=-12, evol_instruct=12))
    assert primary_lines(found)[0].startswith("domino vs few-shot: worse by ")
    (line,) = exploratory_lines(found)
    assert line.startswith("exploratory: evol-instruct vs few-shot: better by ")
    assert headline(found, []).startswith(
        "On 5 seeds × 1,024 problems: of 2 primary comparisons 2 worse; of 1 exploratory "
        "comparison 1 better. Minimum detectable difference between two methods: "
    )
    assert "points (80 % power, Holm-corrected)." in headline(found, [])


def test_where_nothing_is_significant_the_first_sentence_says_so() -> None:
    found = of(tables(problems=128, no_data=0, few_shot=0, domino=0))
    assert headline(found, []).startswith(
        "On 5 seeds × 128 problems no pairwise difference is significant. Minimum detectable "
    )


def test_equivalence_at_the_floor_or_at_the_ceiling_is_labelled() -> None:
    size = {"seeds": 10, "problems": 8192, "seed_sd": 1}
    floor = tables(**size, no_data=0, few_shot=0, domino=0)
    found = of(floor, floor="no-data").primary[-1]
    assert (found.verdict, found.edge) == ("equivalent", "floor")
    raised = tables(**size, no_data=-10, few_shot=0, domino=0)
    assert of(raised, floor="no-data").primary[-1].edge == ""
    ceiling = tables(**size, no_data=-10, few_shot=0, domino=0, ceiling=0)
    found = of(ceiling, floor="no-data", ceiling="ceiling")
    pair = next(p for p in found.pairs if (p.first, p.second) == ("domino", "few-shot"))
    assert pair.edge == "ceiling"
    assert any("both at the ceiling" in line for line in primary_lines(found))


def test_one_seed_gives_estimates_and_speaks_of_two_models(tmp_path: Path) -> None:
    rows = [row(tmp_path, "a", "0" * 10 + "1" * 2), row(tmp_path, "domino", "1" * 12)]
    found = compared(rows)
    (pair,) = found.pairs
    assert pair.verdict == "not compared"
    assert pair.p == pytest.approx(mcnemar([[2, 10], [0, 0]], exact=True).pvalue)
    assert primary_lines(found) == [
        "domino vs a: one seed: these two fine-tuned models differ (exact test, p = 0.002; +83.3); "
        "comparing methods takes at least 4 seeds."
    ]
    assert headline(found, []) == (
        "Estimates of 1 seed × 12 problems and no verdict: comparing methods takes at least 4 "
        "seeds."
    )
    assert how(found) == []


def test_the_exact_ps_of_one_seed_are_corrected_too(tmp_path: Path) -> None:
    solved = {"a": "1" * 6 + "0" * 6, "b": "0" * 12, "c": "1" * 7 + "0" * 5}
    rows = [row(tmp_path, method, marks) for method, marks in solved.items()]
    assert [pair.p for pair in compared(rows).pairs] == pytest.approx(
        holm([mcnemar([[0, 0], [6, 6]], exact=True).pvalue,
              mcnemar([[6, 1], [0, 5]], exact=True).pvalue,
              mcnemar([[0, 7], [0, 5]], exact=True).pvalue])
    )  # fmt: skip


@pytest.mark.parametrize("seeds", [2, 3])
def test_two_or_three_seeds_give_estimates_and_no_verdict(seeds: int) -> None:
    found = of(tables(seeds=seeds, no_data=-20, domino=20))
    assert found.pairs[0].verdict == "not compared"
    assert found.pairs[0].p is None
    assert primary_lines(found) == []
    assert "takes at least 4 seeds" in headline(found, [])


def test_no_data_is_one_run_for_all_seeds(tmp_path: Path) -> None:
    marks = ["0110", "0111", "1110", "0010"]
    rows = [
        row(tmp_path, name, mark if name == "domino" else "0010", seed, name == "domino")
        for seed, mark in enumerate(marks)
        for name in ("no-data", "domino")
    ]
    made = group(rows, [{"no-data": "no-data", "domino": "domino"}], DEFAULT)
    assert made.tables["no-data"].shape == (1, 4)
    assert made.tables["domino"].shape == (4, 4)
    once = group([rows[0], *rows[1::2]], [{"no-data": "no-data", "domino": "domino"}], DEFAULT)
    assert once.tables["no-data"].shape == (1, 4)
    assert not once.missing


def test_a_method_that_lacks_a_seed_or_failed_is_said_to_be_missing(tmp_path: Path) -> None:
    rows: list[SeedRun | FailedRun] = [
        row(tmp_path, name, "0101", seed) for name in "ab" for seed in (0, 1)
    ]
    failed = FailedRun(method="c", seed=0, asked=1, stages=(), stage="respond", reason="x")
    found = compared([*rows, row(tmp_path, "d", "1111"), failed])
    assert {pair.first for pair in found.pairs} == {"b"}
    assert missing_lines(found) == [
        "d is missing from comparisons: not scored with every seed.",
        "c is missing from comparisons: not scored with every seed.",
    ]
    assert "nothing is compared" in headline(compared([failed]), [method_row("c")])


def test_methods_of_different_problems_are_refused_in_one_line(tmp_path: Path) -> None:
    rows = [row(tmp_path, "a", "0101"), row(tmp_path, "b", "01011")]
    with pytest.raises(ConfigError, match=r"a and b were tried on different problems \(4 and 5, 4"):
        compared(rows)


def test_seeds_of_one_method_with_different_problems_are_refused_in_one_line(
    tmp_path: Path,
) -> None:
    rows = [row(tmp_path, "a", "0101"), row(tmp_path, "a", "01011", seed=1)]
    with pytest.raises(ConfigError, match="the seeds of one method have different problems"):
        compared(rows)


def test_a_planned_pair_of_another_run_is_left_out(tmp_path: Path) -> None:
    rows = [row(tmp_path, name, "0101", seed) for name in "ab" for seed in range(4)]
    plan = ComparisonConfig(contrasts=("b vs a", "domino vs a"))
    assert compared(rows, plan).families == (1, 0)


def test_nothing_is_decided_where_nothing_planned_can_be_compared() -> None:
    own = tables(few_shot=0, evol=30)
    plan = ComparisonConfig(contrasts=("domino vs no-data",))
    found = of(own, plan)
    assert found.pairs
    assert not found.decided


@pytest.mark.parametrize(("points", "said"), [(-10, True), (20, False)])
def test_a_ceiling_below_no_data_is_said_with_one_seed_too(points: int, said: bool) -> None:
    own = tables(seeds=1, no_data=0, ceiling=points)
    found = of(own, floor="no-data", ceiling="ceiling")
    assert found.separates is (False if said else None)
    assert headline(found, []).startswith("these measurements cannot separate") is said


def test_a_single_problem_compares_nothing(tmp_path: Path) -> None:
    assert compared([row(tmp_path, "a", "0"), row(tmp_path, "b", "1")]).pairs == ()


def test_interim_analyses_are_reported_and_decided_by_their_bounds() -> None:
    config = ComparisonConfig(until_decided=True)
    own = tables(seeds=6, no_data=-12, domino=12)
    found = of(own, config)
    assert found.analyses == (4, 6)
    assert found.decided
    assert any(
        "p 0.0008 at 4, 0.0074 at 6, 0.0220 at 8, 0.0423 at 10 seeds): analysis 2 of 4, at 6 "
        "seeds; every primary comparison is decided" in line
        for line in how(found)
    )
    unclear = of(tables(seeds=4, problems=128, no_data=0, domino=0), config)
    assert not unclear.decided
    assert any("not all are decided" in line for line in how(unclear))


@pytest.mark.parametrize(
    ("seeds", "analyses"), [(5, (4, 5)), (7, (4, 6, 7)), (12, (4, 6, 8, 10, 12))]
)
def test_interim_analyses_take_all_seeds_whatever_their_number(
    seeds: int, analyses: tuple[int, ...]
) -> None:
    config = ComparisonConfig(until_decided=True)
    own = tables(seeds=seeds, problems=128, no_data=0, domino=0)
    found = of(own, config)
    (pair,) = found.pairs
    assert found.analyses == analyses
    assert pair.value == pytest.approx(float(difference(own["domino"], own["no-data"]).value))
    (_, line, _) = how(found)
    assert f"analysis {len(analyses)} of {len({*analyses, 4, 6, 8, 10})}, at {seeds} seeds" in line
    level = 1 - bounds(0.05, analyses)[-1]
    assert pair.interval == tuple(map(float, pair.estimate.interval(level)))
    (plain,) = of(own).pairs
    assert pair.interval[0] < plain.interval[0] < plain.interval[1] < pair.interval[1]


def test_a_design_has_one_minimum_detectable_difference() -> None:
    found = of(tables(problems=128, no_data=0, few_shot=0, domino=0))
    (_, now), *_ = found.outlook()
    assert now == found.detectable


def test_methods_that_solve_nothing_are_decided_by_more_problems() -> None:
    own = {name: np.zeros((5, 128)) for name in ("few-shot", "domino")}
    found = of(own)
    assert primary_lines(found) == [
        "domino vs few-shot: equivalent within 3 points, both at the floor (+0.0, uncorrected 95 % "
        "interval -2.9 to 2.9)."
    ]
    several = of({**own, "magpie": own["domino"], "no-data": np.zeros((1, 128))})
    assert {pair.verdict for pair in several.primary} == {"undecided"}
    assert several.primary[0].needed == (Design(seeds=4, problems=1024),)


def test_the_shares_add_up_and_more_seeds_or_problems_find_smaller_differences() -> None:
    found = of(tables(problems=128, no_data=0, few_shot=0, domino=0))
    assert sum(found.shares()) == pytest.approx(1.0)
    (now, size), (seeds, with_seeds), (problems, with_problems) = found.outlook()
    assert now == found.design
    assert (seeds.seeds, problems.problems) == (10, 1024)
    assert max(with_seeds, with_problems) < size
    (line,) = [line for line in how(found) if line.startswith("Variance of a difference")]
    assert "with 10 seeds × 128 problems" in line


def test_what_would_decide_a_pair_is_the_smallest_design_that_does() -> None:
    own = tables(problems=128, few_shot=0, domino=0)
    estimate = difference(own["domino"], own["few-shot"])
    more, larger = needed(estimate, Design(seeds=5, problems=128), 0.08, 1)
    assert more.problems == 128
    assert larger.problems == 1024
    assert 4 <= larger.seeds < more.seeds
    assert needed(estimate, Design(seeds=5, problems=128), 0.0001, 1) == ()
    wide = needed(estimate, Design(seeds=5, problems=128), 0.9, 1)
    assert wide[0] == Design(seeds=5, problems=128)


def test_the_terminal_and_the_json_have_the_comparisons(tmp_path: Path) -> None:
    found = of(tables(no_data=-12, domino=12))
    shown = report(method_row("no-data"), method_row("domino"), comparisons=found)
    assert "domino vs no-data: better by" in printed(shown)
    assert "Minimum detectable difference between two methods:" in printed(shown)
    (pair,) = shown.to_dict()["comparisons"]
    assert (pair["verdict"], pair["family"]) == ("better", "primary")
    assert pair["low"] <= pair["difference"] <= pair["high"]
    assert math.isfinite(pair["df"])


@pytest.mark.parametrize(("points", "separates"), [(0, False), (-10, False), (20, True)])
def test_a_run_whose_ceiling_does_not_beat_no_data_says_so_first(
    points: int, separates: bool
) -> None:
    own = tables(no_data=0, domino=0, ceiling=points)
    found = of(own, floor="no-data", ceiling="ceiling")
    assert found.separates is separates
    said = headline(found, []).startswith("these measurements cannot separate methods: the ceiling")
    assert said is not separates
    assert of(own).separates is None


def test_the_closed_share_of_the_gap_is_a_line_of_each_method() -> None:
    own = tables(no_data=-10, few_shot=0, ceiling=20)
    made = Group(tables=own, primary=[], floor="no-data", ceiling="ceiling")
    lines = {line["method"]: line for line in variance_lines([made])}
    assert "closed" not in lines["ceiling"]
    assert lines["few-shot"]["closed"] == pytest.approx(1 / 3, abs=0.1)
    assert lines["few-shot"]["closed_low"] < 1 / 3 < lines["few-shot"]["closed_high"]
    parts = [lines["few-shot"][name] for name in ("run", "problem", "residual")]
    assert sum(parts) == pytest.approx(1.0)
    assert "no-data" not in lines, "one run has no variance between runs"
    names = {name: name for name in own}
    both = {line["method"]: line for line in variance_lines([made, made], names)}
    pooled = both["few-shot over 2 domains"]
    assert pooled["closed"] == pytest.approx(lines["few-shot"]["closed"])
    assert pooled["closed_low"] < pooled["closed"] < pooled["closed_high"]
    assert "run" not in pooled
