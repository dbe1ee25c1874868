"""What every suite promises; a test class inherits it and gives the suite as a fixture."""

from pathlib import Path

from benchmarks.evaluator.check import canonical_failures
from benchmarks.sandbox import SandboxConfig
from benchmarks.store.identity import digest
from benchmarks.suites.base import Suite
from benchmarks.suites.export import export_samples, problems_of, read_about
from benchmarks.suites.samples import read_samples
from domino.records import Program
from tests.sandbox.machine import needs_bubblewrap


class SuiteContract:
    """Inherit, and define a fixture `suite`, and `same` that makes the same suite anew."""

    def test_references_development_and_test_are_disjoint(self, suite: Suite) -> None:
        references = {reference.id for reference in suite.references()}
        development = {problem.id for problem in suite.problems("development")}
        test = {problem.id for problem in suite.problems("test")}
        assert len(references) >= 2
        assert test
        assert not references & development
        assert not references & test
        assert not development & test

    def test_no_two_problems_or_references_have_one_id(self, suite: Suite) -> None:
        for ids in (
            [problem.id for problem in suite.everything()],
            [reference.id for reference in suite.references()],
        ):
            assert len(ids) == len(set(ids))

    def test_the_same_options_give_the_same_suite(self, suite: Suite, same: Suite) -> None:
        for part in ("test", "development"):
            assert digest(suite.problems(part)) == digest(same.problems(part))
        assert suite.references() == same.references()
        assert suite.digest == same.digest

    def test_every_test_problem_is_one_of_all(self, suite: Suite) -> None:
        known = {problem.id for problem in suite.everything()}
        assert {problem.id for problem in suite.problems("test")} <= known
        assert set(suite.unjudged) <= known
        assert not set(suite.unjudged) & {problem.id for problem in suite.problems("test")}

    def test_an_instruction_says_what_the_problem_says(self, suite: Suite) -> None:
        instructions = {suite.instruction(problem) for problem in suite.problems("test")}
        assert len(instructions) == len(suite.problems("test"))
        assert not any(suite.refuse_instruction(instruction) for instruction in instructions)

    def test_references_have_responses_where_the_track_is_pair(self, suite: Suite) -> None:
        paired = [reference.response is not None for reference in suite.references()]
        assert all(paired) if suite.template == "pair" else not any(paired)

    def test_exported_samples_are_read_back_on_their_problems(
        self, suite: Suite, tmp_path: Path
    ) -> None:
        test = suite.problems("test")
        programs = [Program(id=f"{p.id}#0", problem_id=p.id, code="def f(): pass") for p in test]
        path = export_samples(tmp_path / "export", suite, test, programs)
        problems = problems_of(suite, read_about(path))
        assert problems == test
        assert read_samples(path, problems).programs == programs

    @needs_bubblewrap
    def test_every_canonical_solution_passes_its_own_problem(self, suite: Suite) -> None:
        problems = [p for p in suite.everything() if p.id not in suite.unjudged]
        assert canonical_failures(problems, suite.limits(SandboxConfig(workers=1))) == []
