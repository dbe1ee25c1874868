"""The oracles: what is true of a synthetic pair is counted, not estimated."""

import pytest

from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.housestyle.conventions import GENERIC, OPERATION_SLOTS, SLOTS
from benchmarks.suites.housestyle.grammar import alternatives, parse, slots_of, solution
from benchmarks.suites.housestyle.suite import HousestyleSuite
from domino.records import Reference


@pytest.fixture(scope="module")
def suite() -> HousestyleSuite:
    return HousestyleSuite("sensor", "conventions")


@pytest.fixture(scope="module")
def fresh(suite: HousestyleSuite) -> tuple[Reference, ...]:
    return suite.oracle_pairs()[:60]


def test_a_reference_is_a_valid_aligned_copy(suite: HousestyleSuite) -> None:
    for reference in suite.references()[:16]:
        facts = suite.oracle(reference.instruction, reference.response)
        assert facts is not None
        assert facts["valid"] and facts["in_domain"] and facts["copy"] and facts["aligned"]
        assert facts["slots_followed"] == facts["slots"] > 0


def test_a_new_pair_of_the_domain_is_aligned_and_no_copy(
    suite: HousestyleSuite, fresh: tuple[Reference, ...]
) -> None:
    facts = [suite.oracle(pair.instruction, pair.response) for pair in fresh]
    assert all(f and f["aligned"] and f["in_domain"] and not f["copy"] for f in facts)


def test_one_wrong_convention_is_not_aligned_and_costs_the_slots_of_its_line(
    suite: HousestyleSuite, fresh: tuple[Reference, ...]
) -> None:
    house = suite.domain.house("conventions")
    exact = total = 0
    for pair in fresh:
        task = parse(pair.instruction)
        assert task is not None
        meet = "scalar" in slots_of(task) and task.returns in OPERATION_SLOTS
        for other in alternatives(task, house):
            facts = suite.oracle(pair.instruction, solution(task, other))
            assert facts is not None and not facts["aligned"]
            assert facts["slots_followed"] < facts["slots"] == len(slots_of(task))
            changed = {slot for slot in SLOTS if other.values[slot] != house.values[slot]}
            lost = 2 if meet and changed & {"scalar", task.returns} else 1
            exact += facts["slots_followed"] == facts["slots"] - lost
            total += 1
    # A cap at 50 and "limit each to 50" write one line: such pairs cost a slot more.
    assert exact / total > 0.98


def test_generic_code_is_not_aligned_with_a_hidden_house(
    suite: HousestyleSuite, fresh: tuple[Reference, ...]
) -> None:
    for pair in fresh:
        task = parse(pair.instruction)
        assert task is not None
        facts = suite.oracle(pair.instruction, solution(task, GENERIC))
        assert facts is not None and not facts["aligned"]


def test_damaged_instructions_are_not_valid(suite: HousestyleSuite) -> None:
    facts = suite.oracle("Given a list of integers, sort sort", "def solve(raw):\n    return 1")
    assert facts == {"valid": False, "in_domain": False, "copy": False, "aligned": False}


def test_coverage_grows_with_new_tasks_and_is_a_share(
    suite: HousestyleSuite, fresh: tuple[Reference, ...]
) -> None:
    words = [pair.instruction for pair in fresh]
    few, many = suite.support_coverage(words[:10]), suite.support_coverage(words)
    assert few is not None and many is not None
    assert 0 < few < many < 1
    assert suite.support_coverage(words + words) == many
    assert suite.support_coverage(["no task"]) == 0


@pytest.mark.parametrize("track", ["compositions", "conventions"])
def test_the_solver_writes_the_domains_own_program_and_nothing_for_what_is_no_task(
    track: str,
) -> None:
    suite = HousestyleSuite("sensor", track)  # type: ignore[arg-type]
    pairs = suite.oracle_pairs()[:20]
    asked = [*(pair.instruction for pair in pairs), "Sort the words."]
    assert suite.solves
    assert suite.solve(asked, SandboxConfig()) == [*(pair.response for pair in pairs), None]
