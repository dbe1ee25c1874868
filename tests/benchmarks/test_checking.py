import json
import math
from dataclasses import replace

import pytest

from benchmarks.evaluator.check import behaviours, canonical_failures, check, check_programs
from benchmarks.evaluator.comparison import ComparisonError, comparison_for
from benchmarks.evaluator.gold import Gold, KnownGolds, canonical_code, defines, gold_of, with_plus
from benchmarks.evaluator.verdicts import CheckingError
from benchmarks.sandbox import HashedOutput, Job, JobResult, Output, SandboxConfig, SandboxError
from benchmarks.sandbox.host import StopEarly, Worker
from benchmarks.sandbox.worker import codec
from domino.records import Outcome, Problem, Program, Verdict
from tests.sandbox.machine import needs_bubblewrap

CONFIG = SandboxConfig(workers=2)
EXACT = Problem(
    id="pair",
    prompt="",
    entry_point="f",
    canonical_solution="def f(x): return [x, x]",
    base_inputs=[[1], [2]],
    plus_inputs=[[3], [0]],
    meta={"comparison": "exact"},
)


def output(value: object) -> Output:
    return Output(json.dumps(codec.encode(value)).encode())


def evalplus(entry_point: str = "f", atol: float = 0.0, dataset: str = "mbpp") -> Problem:
    meta = {"comparison": "evalplus", "dataset": dataset}
    return replace(EXACT, entry_point=entry_point, atol=atol, meta=meta)


def matches(problem: Problem, got: object, wanted: object, *arguments: object) -> bool:
    return comparison_for(problem).matches(list(arguments), output(got), output(wanted))


@pytest.mark.parametrize(
    ("got", "wanted", "exact", "by_evalplus"),
    [
        ([1, 2], [1, 2], True, True),
        ((1, 2), [1, 2], False, False),
        (1, True, False, True),
        (1.0, 1, False, True),
        ({1, 2}, {2, 1}, True, True),
        ({1: 2, 3: 4}, {3: 4, 1: 2}, True, True),
        ({1}, frozenset({1}), False, True),
        (None, False, False, False),
        ("1", 1, False, False),
        (0.1 + 0.2, 0.3, False, True),
        ([0.1 + 0.2], [0.3], False, True),
        ((0.1 + 0.2,), [0.3], False, False),
        ([[0.1 + 0.2]], [[0.3]], False, False),
        (0.3001, 0.3, False, False),
        (float("inf"), float("inf"), True, True),
        (float("nan"), float("nan"), True, False),
        (-0.0, 0.0, True, True),
        (object(), object(), False, False),
        ([object()], [object()], False, False),
        (10**30, 10**30, True, True),
        (iter([1]), [1], False, False),
    ],
)
def test_exact_and_evalplus_rules(
    got: object, wanted: object, exact: bool, by_evalplus: bool
) -> None:
    assert matches(EXACT, got, wanted) is exact
    assert matches(evalplus(), got, wanted) is by_evalplus


def test_evalplus_keeps_the_tolerance_that_a_float_brought_in() -> None:
    comparison = comparison_for(evalplus())
    assert not comparison.matches([], output([1.0, 2, 3]), output([1.0 + 1e-9, 2, 3]))
    assert comparison.matches([], output(0.5), output(0.5))
    assert comparison.matches([], output([1.0, 2, 3]), output([1.0 + 1e-9, 2, 3]))


def test_a_problems_own_tolerance_counts() -> None:
    assert matches(evalplus(atol=1e-2), 1.005, 1.0)
    assert not matches(evalplus(atol=1e-2), 1.05, 1.0)
    assert not matches(evalplus(atol=1e-2), [1.0], [1.0, 1.0])


def test_evalplus_compares_a_subclass_by_its_value() -> None:
    from collections import Counter

    assert matches(evalplus(), Counter("aab"), {"a": 2, "b": 1})
    assert not matches(EXACT, Counter("aab"), {"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("entry_point", "got", "wanted", "arguments", "expected"),
    [
        ("similar_elements", [5, 4], (4, 5), (), True),
        ("similar_elements", filter(None, [4, 5]), (4, 5), (), True),
        ("similar_elements", {4}, (4, 5), (), False),
        ("similar_elements", None, (4, 5), (), False),
        ("similar_elements", [[4], [5]], (4, 5), (), False),
        ("are_equivalent", "anything", True, (), True),
        ("sum_div", 0, 7, (8,), True),
        ("sum_div", 1, 7, (8,), False),
        ("surface_Area", 33, 34, (3, 4), False),
        ("surface_Area", 35, 34, (3, 4), True),
        ("surface_Area", "x", 34, (3, 4), False),
        ("digit_distance_nums", 7, 6, (123, 256), True),
        ("digit_distance_nums", 5, 6, (123, 256), False),
        ("check_str", object(), object(), (), True),
        ("check_str", True, object(), (), True),
        ("check_str", False, object(), (), False),
        ("check_str", None, object(), (), False),
        ("check_str", None, None, (), True),
    ],
)
def test_the_oracles_of_single_mbpp_tasks(
    entry_point: str, got: object, wanted: object, arguments: tuple[object, ...], expected: bool
) -> None:
    assert matches(evalplus(entry_point), got, wanted, *arguments) is expected


@pytest.mark.parametrize(
    ("root", "expected"), [(-0.5, True), (-0.50001, True), (0.5, False), ("x", False), (1j, False)]
)
def test_any_root_of_the_polynomial_is_right(root: object, expected: bool) -> None:
    problem = evalplus("find_zero", atol=1e-4, dataset="humaneval")
    assert matches(problem, root, -0.5, [1, 2]) is expected


def test_forged_text_is_wrong_and_never_an_exception() -> None:
    for text in (b"", b"{", b'{"set": [[1]]}', b"[" * 5000, b'{"x": 1}', b'{"dict": 1}', b"NaN"):
        for problem in (EXACT, evalplus(), evalplus("similar_elements"), evalplus("surface_Area")):
            assert not comparison_for(problem).matches([[3], 4], Output(text), output([1]))


def test_an_unknown_comparison_is_refused() -> None:
    with pytest.raises(ComparisonError, match="'loose'"):
        comparison_for(replace(EXACT, meta={"comparison": "loose"}))


@needs_bubblewrap
def test_base_and_plus_inputs_count_apart_and_verdicts_keep_the_programs_order() -> None:
    codes = {
        "right": "def f(x): return [x, x]",
        "plus fails": "def f(x): return [x, x] if x else []",
        "wrong": "def f(x): return (x, x)",
        "raises": "def f(x): raise KeyError(x)",
        "raises late": "def f(x): return [x, x] if x < 3 else 1 // 0",
        "loops": "def f(x):\n    while True: pass",
    }
    programs = [Program(id=name, problem_id="pair", code=code) for name, code in codes.items()]
    seen: list[str] = []
    report = check(
        [EXACT], programs, CONFIG, on_done=lambda verdict: seen.append(verdict.program_id)
    )
    assert [(v.program_id, v.base, v.plus) for v in report.verdicts] == [
        ("right", Outcome.PASSED, Outcome.PASSED),
        ("plus fails", Outcome.PASSED, Outcome.WRONG),
        ("wrong", Outcome.WRONG, Outcome.WRONG),
        ("raises", Outcome.ERROR, Outcome.ERROR),
        ("raises late", Outcome.PASSED, Outcome.ERROR),
        ("loops", Outcome.TIMEOUT, Outcome.TIMEOUT),
    ]
    assert sorted(seen) == sorted(codes)
    assert report.retried_timeouts == 0
    assert report.verdicts[1].detail == "plus input 1: got [], expected [0, 0]"


@needs_bubblewrap
def test_base_and_plus_inputs_run_in_processes_of_their_own() -> None:
    counting = (
        "calls = []\ndef f(x):\n    calls.append(x)\n    return [x, x] if len(calls) < 3 else 0"
    )
    [verdict] = check_programs([EXACT], [Program(id="p", problem_id="pair", code=counting)], CONFIG)
    assert verdict.passed


COMPUTING = """import time
def f(x):
    end = time.process_time() + 0.4
    while time.process_time() < end: pass
    return [x, x]"""
WAITING = "import time\ndef f(x):\n    time.sleep(0.4)\n    return [x, x]"


@needs_bubblewrap
@pytest.mark.parametrize("slow", [COMPUTING, WAITING])
def test_a_slow_canonical_solution_gives_its_programs_time(slow: str) -> None:
    problem = replace(EXACT, canonical_solution=slow)
    config = SandboxConfig(workers=1, input_timeout_s=0.05)
    report = check([problem], [Program(id="p", problem_id="pair", code=slow)], config)
    assert report.verdicts[0].passed
    assert report.retried_timeouts == 0


@needs_bubblewrap
def test_time_on_the_wall_gives_programs_no_more_of_the_processor() -> None:
    """A machine that other work slows down stretches the canonical solution's time, as here."""
    problem = replace(EXACT, canonical_solution=WAITING)
    config = SandboxConfig(workers=1, input_timeout_s=0.05)
    report = check([problem], [Program(id="p", problem_id="pair", code=COMPUTING)], config)
    [verdict] = report.verdicts
    assert verdict.plus is Outcome.TIMEOUT
    assert report.retried_timeouts == 0


@needs_bubblewrap
def test_solutions_that_may_loop_far_run_first_and_programs_of_slow_ones_before_the_rest() -> None:
    computing = COMPUTING.replace("0.4", "1.1")
    other = replace(EXACT, canonical_solution=computing, base_inputs=[[10**5]], plus_inputs=[])
    slow = replace(
        EXACT, id="slow", canonical_solution=computing, base_inputs=[[1]], plus_inputs=[[10**6]]
    )
    right = "def f(x): return [x, x]"
    programs = [Program(id=p.id, problem_id=p.id, code=right) for p in (other, slow)]
    known: KnownGolds = {}
    known_when_done: dict[str, list[str]] = {}

    def done(verdict: Verdict) -> None:
        known_when_done[verdict.problem_id] = list(known)

    check([other, slow], programs, SandboxConfig(workers=1), on_done=done, known=known)
    assert known_when_done == {"slow": ["slow"], other.id: ["slow", other.id]}
    assert list(known_when_done) == ["slow", other.id]


@needs_bubblewrap
@pytest.mark.parametrize(
    ("slow", "limit_s", "again"),
    [
        pytest.param(COMPUTING, 0.35, True, id="computes 0.4 s, may go on under contention"),
        pytest.param(WAITING, 0.1, False, id="waits 0.4 s, is stopped under contention"),
    ],
)
def test_a_late_program_is_tried_again_alone_if_it_computes_and_an_endless_one_counts_at_once(
    slow: str, limit_s: float, again: bool
) -> None:
    config = SandboxConfig(workers=2, input_timeout_s=limit_s, wall_factor=1.5)
    programs = [
        Program(id="late", problem_id="pair", code=slow),
        Program(id="endless", problem_id="pair", code="def f(x):\n    while True: pass"),
        Program(id="right", problem_id="pair", code="def f(x): return [x, x]"),
    ]
    seen: list[Verdict] = []
    report = check([EXACT], programs, config, on_done=seen.append)
    late, endless, right = report.verdicts
    assert (late.base, endless.base, right.plus) == (
        Outcome.TIMEOUT, Outcome.TIMEOUT, Outcome.PASSED,
    )  # fmt: skip
    assert (late.retried, endless.retried, right.retried) == (again, False, False)
    assert report.retried_timeouts == again
    assert not again or seen[-1] == late
    assert len(seen) == 3


@needs_bubblewrap
def test_a_problem_whose_canonical_solution_fails_scores_nothing() -> None:
    broken = replace(EXACT, canonical_solution="def f(x): return 1 // x")
    program = Program(id="p", problem_id="pair", code="def f(x): return 1 // x if x else 0")
    with pytest.raises(CheckingError, match=r"pair \(ZeroDivisionError"):
        check_programs([broken], [program], CONFIG)
    [failure] = canonical_failures([broken, replace(EXACT, id="good")], CONFIG)
    assert (failure.problem_id, failure.base) == ("pair", Outcome.ERROR)


@needs_bubblewrap
def test_plus_inputs_reach_a_canonical_solution_when_a_program_passes_the_base_inputs() -> None:
    endless = "def f(x):\n    while x == 0: pass\n    return [x, x]"
    problem = replace(EXACT, canonical_solution=endless)
    wrong = [Program(id=f"p{n}", problem_id="pair", code="def f(x): return x") for n in range(3)]
    known: KnownGolds = {}
    verdicts = check_programs([problem], wrong, CONFIG, known=known)
    assert [(v.base, v.plus) for v in verdicts] == [(Outcome.WRONG, Outcome.WRONG)] * 3
    gold = known["pair"]
    assert isinstance(gold, Gold) and gold.plus is None


@needs_bubblewrap
def test_a_canonical_solution_meets_the_plus_inputs_once_however_many_programs_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []

    def counted(worker: Worker, gold: Gold, config: SandboxConfig) -> Gold | Verdict:
        runs.append(gold.problem.id)
        return with_plus(worker, gold, config)

    monkeypatch.setattr("benchmarks.evaluator.schedule.with_plus", counted)
    problem = replace(EXACT, canonical_solution=WAITING)
    right, shaky = "def f(x): return [x, x]", "def f(x): return [x, x] if x else 0"
    programs = [
        Program(id=f"p{n}", problem_id="pair", code=shaky if n % 2 else right) for n in range(8)
    ]
    done: list[Verdict] = []
    config = replace(CONFIG, workers=4)
    verdicts = check_programs([problem], programs, config, on_done=done.append)
    assert [v.plus for v in verdicts] == [Outcome.PASSED, Outcome.WRONG] * 4
    assert {v.base for v in verdicts} == {Outcome.PASSED}
    assert runs == ["pair"]
    assert len(done) == 8


BUSY = """import time
def f(x):
    end = time.process_time() + 0.6 * ({when})
    while time.process_time() < end: pass
    return {value}"""


@needs_bubblewrap
def test_a_program_that_only_passes_alone_goes_on_to_the_plus_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_time(worker: Worker, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        return worker.run(replace(job, input_limits_s=None), stop_early=stop_early)

    monkeypatch.setattr("benchmarks.sandbox.contention.slowdown_allowance", lambda began: 2.0)
    monkeypatch.setattr(Worker, "run_alone", in_time)
    config = SandboxConfig(workers=2, input_timeout_s=0.4)
    late = BUSY.format(when="x == 1", value="[x, x] if x else 0")
    [verdict] = check_programs([EXACT], [Program(id="p", problem_id="pair", code=late)], config)
    assert (verdict.base, verdict.plus, verdict.retried) == (Outcome.PASSED, Outcome.WRONG, True)


@needs_bubblewrap
def test_what_a_program_does_alone_counts_whatever_it_did_beside_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong_now(worker: Worker, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        return worker.run(replace(job, code="def f(x): return 0"), stop_early=stop_early)

    monkeypatch.setattr("benchmarks.sandbox.contention.slowdown_allowance", lambda began: 2.0)
    monkeypatch.setattr(Worker, "run_alone", wrong_now)
    late_in_plus = BUSY.format(when="x == 3", value="[x, x]")
    config = SandboxConfig(workers=2, input_timeout_s=0.4)
    [verdict] = check_programs(
        [EXACT], [Program(id="p", problem_id="pair", code=late_in_plus)], config
    )
    assert (verdict.base, verdict.plus, verdict.retried) == (Outcome.WRONG, Outcome.WRONG, True)


@needs_bubblewrap
@pytest.mark.parametrize("workers", [1, 4])
def test_a_solution_that_fails_on_plus_inputs_scores_nothing_however_many_programs_wait(
    workers: int,
) -> None:
    code = "import time\ndef f(x):\n    time.sleep(0.1)\n    return 1 // x"
    broken = replace(EXACT, canonical_solution=code)
    program = "def f(x): return 1 // x if x else 0"
    programs = [Program(id=f"p{n}", problem_id="pair", code=program) for n in range(8)]
    done: list[Verdict] = []
    config = replace(CONFIG, workers=workers)
    with pytest.raises(CheckingError, match=r"pair \(ZeroDivisionError"):
        check_programs([broken], programs, config, on_done=done.append)
    assert done == []


@needs_bubblewrap
def test_a_canonical_solution_that_contradicts_itself_is_found() -> None:
    fickle = "import time\ndef f(x): return time.perf_counter_ns()"
    [failure] = canonical_failures([replace(EXACT, canonical_solution=fickle)], CONFIG)
    assert failure.base is Outcome.WRONG


def test_a_program_for_an_unknown_problem_is_refused() -> None:
    with pytest.raises(CheckingError, match="'other'"):
        check_programs([EXACT], [Program(id="p", problem_id="other", code="")], CONFIG)


@needs_bubblewrap
def test_behaviours_are_equal_exactly_where_all_outputs_are() -> None:
    problem = replace(EXACT, canonical_solution="")
    codes = [
        "def f(x): return {x, 7}",
        "def f(x): return set([7]) | {x}",
        "def f(x): return [x, 7]",
        "def f(x): return (x, 7)",
        "def f(x): return {float(x), 7}",
        "def f(x): return 1 // (x - 2)",
        "def f(x): return object()",
        "def f(x",
    ]
    texts = behaviours(
        [(problem, Program(id="p", problem_id="pair", code=c)) for c in codes], CONFIG
    )
    assert texts[0] == texts[1] is not None
    assert len(set(texts[:5])) == 4
    assert texts[5:] == [None, None, None]


def test_the_prompt_stands_in_front_of_a_canonical_solution_that_continues_it() -> None:
    continued = replace(EXACT, prompt="def f(x):\n", canonical_solution="    return x\n")
    assert canonical_code(continued) == "def f(x):\n    return x\n"
    in_words = replace(EXACT, prompt="Write a function f.")
    assert canonical_code(in_words) == EXACT.canonical_solution


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(): pass", True),
        ("async def f(): pass", True),
        ("f = lambda: 0", True),
        ("class f: pass", True),
        ("def g():\n    def f(): pass", False),
        ("def f(:", False),
        ("x = '\0'", False),
        ("", False),
    ],
)
def test_defines(code: str, expected: bool) -> None:
    assert defines(code, "f") is expected


def test_infinities_and_nan_are_told_apart() -> None:
    for value in (math.inf, -math.inf):
        assert matches(EXACT, value, value)
        assert not matches(EXACT, value, -value)


def test_a_canonical_solution_that_is_known_is_not_run_again(monkeypatch) -> None:
    program = Program(id="p", problem_id=EXACT.id, code=EXACT.canonical_solution)
    known: dict = {}
    assert canonical_failures([EXACT], CONFIG, known=known) == []

    def refuse(*_: object) -> None:
        raise AssertionError("run again")

    monkeypatch.setattr("benchmarks.evaluator.schedule.gold_of", refuse)
    monkeypatch.setattr("benchmarks.evaluator.schedule.with_plus", refuse)
    done: list[Verdict] = []
    [verdict] = check_programs([EXACT], [program], CONFIG, on_done=done.append, known=known)
    assert verdict.passed
    assert done == [verdict]
    with pytest.raises(AssertionError, match="run again"):
        check_programs([EXACT], [program], CONFIG)


@needs_bubblewrap
@pytest.mark.parametrize("plus_known", [True, False])
def test_a_canonical_solution_that_a_busy_machine_slows_down_is_no_failure(
    plus_known: bool,
) -> None:
    """Its limits are those of a moment when it ran a hundred times as fast."""
    slow = replace(EXACT, canonical_solution=COMPUTING)
    known: KnownGolds = {}
    assert canonical_failures([slow], CONFIG, known=known) == []
    gold = known[slow.id]
    assert isinstance(gold, Gold) and gold.plus is not None
    base, plus = (replace(p, limits_s=(0.001,) * len(p.limits_s)) for p in (gold.base, gold.plus))
    known[slow.id] = Gold(slow, base, plus if plus_known else None)
    assert canonical_failures([slow], CONFIG, known=known) == []
    [verdict] = check_programs(
        [slow], [Program(id="p", problem_id=slow.id, code=COMPUTING)], CONFIG, known=known
    )
    assert verdict.plus is Outcome.TIMEOUT, "the limits hold for every other program"


@needs_bubblewrap
def test_a_solution_that_is_late_and_fails_on_plus_inputs_is_told_by_its_failure() -> None:
    code = COMPUTING.replace("return [x, x]", "return 1 // x")
    slow = replace(EXACT, canonical_solution=code)
    with Worker(CONFIG) as worker:
        gold = gold_of(worker, slow, CONFIG)
    assert isinstance(gold, Gold)
    base = replace(gold.base, limits_s=(0.001,) * len(gold.base.limits_s))
    [failure] = canonical_failures([slow], CONFIG, known={slow.id: Gold(slow, base)})
    assert "ZeroDivisionError" in failure.detail


LARGE = """def f(x):
    if x == 1: return [0.5] * 50_000
    if x == 2: return [[0.3]]
    if x == 3: return "ab" * 50_000
    return [None, x] * 50_000
"""


def large(comparison: str) -> Problem:
    return replace(
        EXACT,
        canonical_solution=LARGE,
        base_inputs=[[1], [2]],
        plus_inputs=[[3], [4]],
        meta={"comparison": comparison, "dataset": "mbpp"},
    )


@needs_bubblewrap
@pytest.mark.parametrize(
    ("changed", "exact", "by_evalplus"),
    [
        ((), True, True),
        (("[0.5] *", "[5 / 10] *"), True, True),
        (("[0.5] * 50_000", "[0.5] * 49_999 + [0.25]"), False, False),
        (("[0.5] * 50_000", "[0.5] * 49_999 + [0.5 + 1e-9]"), False, True),
        (("[0.5] * 50_000", "[0.5] * 49_999 + [float('nan')]"), False, False),
        (("[0.5] * 50_000", "(0.5,) * 50_000"), False, False),
        (("[0.5] * 50_000", "7"), False, False),
        (("[[0.3]]", "[[0.1 + 0.2]]"), False, True),
        (("[[0.3]]", "[[0.4]]"), False, False),
        (("[[0.3]]", "[[0.4]] * 50_000"), False, False),
        (('"ab" * 50_000', '"ab" * 49_999 + "ba"'), False, False),
        (("[None, x]", "[None, float(x)]"), False, True),
        (("[None, x]", "[None, x + 1]"), False, False),
        (("[None, x] * 50_000", "1 // 0"), False, False),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) and value else None,
)
def test_a_large_output_is_worth_what_it_would_be_worth_whole(
    changed: tuple[str, str] | tuple[()], exact: bool, by_evalplus: bool
) -> None:
    code = LARGE.replace(*changed) if changed else LARGE
    for comparison, passes in (("exact", exact), ("evalplus", by_evalplus)):
        problem = large(comparison)
        known: KnownGolds = {}
        [verdict] = check_programs(
            [problem], [Program(id="p", problem_id=problem.id, code=code)], CONFIG, known=known
        )
        assert verdict.passed is passes, (comparison, verdict)
        gold = known[problem.id]
        assert isinstance(gold, Gold)
        assert isinstance(gold.base.expected[0], HashedOutput)
        plus = gold.plus.expected if gold.plus else []
        assert all(isinstance(output, HashedOutput) for output in plus)


@needs_bubblewrap
def test_a_wrong_large_output_is_shown_beside_the_expected_one() -> None:
    problem = large("exact")
    code = LARGE.replace('"ab" * 50_000', '"cd" * 50_000')
    [verdict] = check_programs(
        [problem], [Program(id="p", problem_id=problem.id, code=code)], CONFIG
    )
    assert verdict.base is Outcome.PASSED
    assert verdict.plus is Outcome.WRONG
    assert 'plus input 0: got "cdcd' in verdict.detail
    assert 'expected "abab' in verdict.detail


@needs_bubblewrap
def test_a_hash_that_differs_ends_the_run_whose_outputs_come_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[int] = []
    run = Worker.run_concurrently

    def spied(worker: Worker, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        result = run(worker, job, stop_early)
        answered.append(len(result.outputs))
        return result

    monkeypatch.setattr(Worker, "run_concurrently", spied)
    problem = replace(large("evalplus"), base_inputs=[[1]] + [[2]] * 20, plus_inputs=[])
    code = LARGE.replace("[0.5] * 50_000", "[0.5] * 49_999 + [0.5 + 1e-9]")
    code = code.replace("if x == 2: return", "if x == 2: return __import__('time').sleep(0.1) or")
    [verdict] = check_programs(
        [problem], [Program(id="p", problem_id=problem.id, code=code)], CONFIG
    )
    assert verdict.passed
    first, second = answered
    assert first < 21
    assert second == 21


@needs_bubblewrap
def test_a_wrong_output_does_not_end_a_program_which_would_tell_its_siblings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[int] = []
    run = Worker.run_concurrently

    def spied(worker: Worker, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        result = run(worker, job, stop_early)
        answered.append(len(result.outputs))
        return result

    monkeypatch.setattr(Worker, "run_concurrently", spied)
    problem = replace(
        EXACT,
        canonical_solution="def f(x): return x",
        base_inputs=[[n] for n in range(5)],
        plus_inputs=[],
    )
    code = "import time\ndef f(x):\n    time.sleep(0.05)\n    return 'wrong'"
    program = Program(id="p", problem_id=problem.id, code=code)
    [verdict] = check_programs([problem], [program], CONFIG)
    assert verdict.detail == 'base input 0: got "wrong", expected 0'
    assert answered == [5]


@needs_bubblewrap
def test_a_program_that_is_right_the_second_time_alone_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Worker.run_concurrently

    def first_wrong(worker: Worker, job: Job, stop_early: StopEarly | None = None) -> JobResult:
        result = run(worker, job, stop_early)
        if job.hash_above is None:
            return result
        other = HashedOutput("0" * 64)
        outputs = [other if isinstance(one, HashedOutput) else one for one in result.outputs]
        return replace(result, outputs=tuple(outputs))

    monkeypatch.setattr(Worker, "run_concurrently", first_wrong)
    problem = large("exact")
    program = Program(id="p", problem_id=problem.id, code=LARGE)
    [verdict] = check_programs([problem], [program], CONFIG)
    assert verdict.base is Outcome.WRONG
    assert "others each time" in verdict.detail


@needs_bubblewrap
def test_outputs_that_an_oracle_judges_always_come_whole() -> None:
    problem = replace(large("evalplus"), entry_point="sum_div")
    problem = replace(problem, canonical_solution=LARGE.replace("def f(", "def sum_div("))
    with Worker(CONFIG) as worker:
        gold = gold_of(worker, problem, CONFIG)
    assert isinstance(gold, Gold)
    assert all(isinstance(output, Output) for output in gold.base.expected)


def test_a_canonical_solution_that_fails_the_second_time_scores_nothing() -> None:
    hashed = JobResult(
        id="x", outcome=Outcome.PASSED, outputs=(HashedOutput("0"),) * 2,
        input_seconds=(0.1, 0.1), input_wall_seconds=(0.1, 0.1),
    )  # fmt: skip
    failed = JobResult(id="x", outcome=Outcome.TIMEOUT, detail="no answer")
    results = [hashed, failed]

    class Failing(Worker):
        def run(self, job: object, **_: object) -> JobResult:
            return results.pop(0)

    worker = Failing(replace(CONFIG, golds=None))
    gold = gold_of(worker, large("exact"), replace(CONFIG, golds=None))
    assert isinstance(gold, Gold) and gold.base.whole is not None
    with pytest.raises(SandboxError, match=r"ran through, and not when .*no answer"):
        gold.base.whole.part(worker)


@needs_bubblewrap
def test_nothing_is_scored_once_a_canonical_solution_has_failed() -> None:
    failing = replace(EXACT, id="bad", canonical_solution="def f(x): return 1 // 0")
    programs = [
        Program(id=key, problem_id=key, code=EXACT.canonical_solution) for key in ("pair", "bad")
    ]
    with pytest.raises(CheckingError, match=r"of 1 problems fail.*bad \(ZeroDivisionError"):
        check_programs([EXACT, failing], programs, CONFIG)
    assert [v.problem_id for v in canonical_failures([EXACT, failing], CONFIG)] == ["bad"]


@needs_bubblewrap
def test_no_plus_inputs_are_given_after_a_canonical_solution_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing = replace(
        EXACT, id="bad", canonical_solution="def f(x): return 1 // 0", base_inputs=[[50]]
    )
    one = replace(CONFIG, workers=1)
    with Worker(one) as worker:
        gold = gold_of(worker, EXACT, one)
    runs: list[str] = []
    monkeypatch.setattr(
        "benchmarks.evaluator.schedule.with_plus",
        lambda worker, gold, config: runs.append(gold.problem.id),
    )
    programs = [
        Program(id=key, problem_id=key, code=EXACT.canonical_solution) for key in ("pair", "bad")
    ]
    with pytest.raises(CheckingError, match=r"of 1 problems fail.*bad \(ZeroDivisionError"):
        check_programs([EXACT, failing], programs, one, known={EXACT.id: gold})
    assert runs == []


@needs_bubblewrap
def test_plus_inputs_that_come_later_have_the_patience_of_the_base_inputs() -> None:
    with Worker(CONFIG) as worker:
        gold = gold_of(worker, EXACT, CONFIG)
        assert isinstance(gold, Gold)
        hasty, patient = (with_plus(worker, g, CONFIG) for g in (gold, gold.patient()))
    assert isinstance(hasty, Gold) and hasty.plus and isinstance(patient, Gold) and patient.plus
    assert set(hasty.plus.limits_s) == {CONFIG.input_timeout_s}
    assert patient.plus.limits_s == patient.base.limits_s
    assert min(patient.plus.limits_s) > 60


@needs_bubblewrap
def test_no_program_is_begun_after_a_canonical_solution_has_failed() -> None:
    bad = "def f(x): return 1 // 0"
    failing = [replace(EXACT, id=key, canonical_solution=bad) for key in ("z", "a")]
    far = replace(EXACT, id="far", canonical_solution=bad, base_inputs=[[10**9]])
    right = replace(EXACT, plus_inputs=[])
    programs = [
        Program(id=p.id, problem_id=p.id, code=EXACT.canonical_solution)
        for p in (right, *failing, far)
    ]
    done: list[Verdict] = []
    one = replace(CONFIG, workers=1)
    with pytest.raises(CheckingError, match=r"of 3 problems fail.*: z \(.*, a \(.*, far \("):
        check_programs([right, *failing, far], programs, one, on_done=done.append)
    assert done == []
