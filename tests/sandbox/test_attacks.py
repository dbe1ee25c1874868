"""No attack of `tests/attacks` passes, and none leaves anything on this machine."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.attack.__main__ import main
from benchmarks.attack.ours import attack_ours
from benchmarks.attack.programs import (
    KINDS,
    Attack,
    AttackError,
    candidate,
    load_attacks,
    right_program,
    wrong_program,
)
from benchmarks.attack.results import Result, count, table
from benchmarks.attack.scene import SECRET, Scene
from benchmarks.attack.tasks import EMBEDDED, OWN_PROBLEMS, own_problem, problem_of
from benchmarks.evaluator.check import check_programs
from benchmarks.sandbox import SandboxConfig
from domino.records import Outcome, Problem, Program
from tests.sandbox.machine import needs_bubblewrap

PROBLEM = Problem(
    id="total",
    prompt="",
    entry_point="total",
    canonical_solution="def total(numbers): return sum(numbers)",
    base_inputs=[[[1, 2, 3]], [[4, 5]]],
    plus_inputs=[[[7]], [[]], [[10, -3]]],
    meta={"comparison": "exact"},
)
BY_EVALPLUS = replace(PROBLEM, meta={"comparison": "evalplus", "dataset": "mbpp"})
CONFIG = SandboxConfig(
    workers=1,
    memory_mib=256,
    output_mib=1,
    input_timeout_s=0.15,
    load_timeout_s=0.5,
)
ATTACKS = load_attacks()
# Each is stopped by a limit on time, and takes twice that time.
TIMED = {
    *("endless_loop", "loading_loop", "blocked_signals", "long_sleep", "uninterruptible_call"),
    *("sleeps_till_it_is_alone", "sleeps_while_loading", "right_at_the_second_time"),
    *("swallowed_timeout", "moved_alarm", "lying_clock", "endless_printing", "endless_recursion"),
}


def attack(body: str, kind: str = "escaping") -> Attack:
    return Attack(kind=kind, name="made up", description="", code=body)


@needs_bubblewrap
@pytest.mark.parametrize(
    "one",
    [
        pytest.param(
            one,
            id=f"{one.kind}-{one.name}",
            marks=[pytest.mark.slow] if one.name in TIMED - {"endless_loop", "long_sleep"} else [],
        )
        for one in ATTACKS
    ],
)
def test_an_attack_neither_passes_nor_leaves_anything(one: Attack) -> None:
    [result] = attack_ours([one], PROBLEM, CONFIG)
    assert not result.passed, result.outcome
    assert result.effects == ()


SOLUTIONS = {
    "an int": "def total(numbers): return sum(numbers)",
    "a float": "def total(numbers): return sum(numbers) / 8",
    "a list of a float": "def total(numbers): return [sum(numbers) / 8]",
    "a truth value": "def total(numbers): return sum(numbers) > 5",
}


@needs_bubblewrap
@pytest.mark.parametrize("returned", SOLUTIONS)
def test_no_cheat_passes_under_evalplus_own_rules(returned: str) -> None:
    problem = replace(BY_EVALPLUS, canonical_solution=SOLUTIONS[returned], atol=1e-6)
    with Scene() as scene:
        programs = [
            Program(
                id=one.name,
                problem_id=PROBLEM.id,
                code=candidate(one, scene.fill(one.code), problem),
            )
            for one in ATTACKS
            if one.kind == "cheating"
        ]
        verdicts = check_programs([problem], programs, CONFIG)
        assert [verdict for verdict in verdicts if verdict.passed] == []
        assert scene.effects() == []


OUTCOMES = {
    "equal_object": Outcome.WRONG,
    "hard_exit": Outcome.ERROR,
    "early_end": Outcome.ERROR,
    "endless_loop": Outcome.TIMEOUT,
    "long_sleep": Outcome.TIMEOUT,
    "memory_at_once": Outcome.OUT_OF_MEMORY,
    "endless_replies": Outcome.OUTPUT_LIMIT,
    "deep_recursion": Outcome.KILLED,
}


@needs_bubblewrap
def test_verdicts_name_what_happened() -> None:
    known = {one.name: one for one in ATTACKS}
    codes = {name: candidate(known[name], known[name].code, PROBLEM) for name in OUTCOMES}
    programs = [Program(id=name, problem_id=PROBLEM.id, code=codes[name]) for name in OUTCOMES]
    verdicts = check_programs([PROBLEM], programs, CONFIG)
    assert {verdict.program_id: verdict.base for verdict in verdicts} == OUTCOMES
    details = {verdict.program_id: verdict.detail for verdict in verdicts}
    assert "ended by signal 11" in details["deep_recursion"]


BELIEVED = (
    *("stops_the_test", "lenient_test_case", "failure_that_stops", "other_class_builder"),
    *("swallowed_outcome", "exception_by_another_name", "interrupted_tests", "sent_as_it_is"),
    *("memory_of_the_judge", "module_in_the_folder", "forged_answers"),
)


@needs_bubblewrap
@pytest.mark.parametrize("apart", ["yes", ""], ids=["two processes", "one process"])
def test_unittest_believes_no_program_whether_or_not_it_shares_its_process(apart: str) -> None:
    problem = problem_of("bigcodebench", None)
    assert problem.meta["apart"]
    problem = replace(problem, meta={**problem.meta, "apart": apart})
    config = replace(CONFIG, processes=8, memory_mib=1024)
    results = attack_ours(load_attacks(names=BELIEVED), problem, config)
    assert [one.attack.name for one in results if one.got_through] == []


COMPUTING = ("child_computes", "orphan_computes", "forgotten_child_computes", "threads_compute")
WAITING = ("sleeps_till_it_is_alone", "sleeps_while_loading", "right_at_the_second_time")


@needs_bubblewrap
def test_work_counts_whoever_does_it_and_waiting_gives_no_second_chance() -> None:
    named = load_attacks(names=[*COMPUTING, *WAITING])
    attacks = [replace(one, settings={}) for one in named]  # the limits below, and not their own
    config = replace(CONFIG, processes=8, memory_mib=1024)
    results = attack_ours(attacks, PROBLEM, config)
    assert {one.attack.name: one.outcome for one in results if one.got_through} == {}
    assert all(one.outcome.startswith(Outcome.TIMEOUT) for one in results)
    ample = replace(config, input_timeout_s=10.0, load_timeout_s=10.0)
    able = attack_ours(attacks, PROBLEM, ample)
    assert all(one.passed for one in able), "each passes where it has the time"


FORKING = {
    "children without end": """
import os, time
def total(numbers):
    while True:
        if os.fork() == 0: time.sleep(1000)
""",
    "a daemon left behind": """
import os, time
def total(numbers):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: time.sleep(1000)
        os._exit(0)
    return None
""",
    "a child that holds the reply pipe": """
import os, time
def total(numbers):
    if os.fork() == 0: time.sleep(1000)
    return None
""",
}


@needs_bubblewrap
@pytest.mark.parametrize("name", FORKING)
def test_where_processes_are_allowed_none_is_left_behind(name: str) -> None:
    config = replace(CONFIG, processes=6)
    with Scene() as scene:
        [verdict] = check_programs(
            [PROBLEM], [Program(id=name, problem_id=PROBLEM.id, code=FORKING[name])], config
        )
        assert scene.effects() == []
    assert verdict.plus is (Outcome.KILLED if "end" in name else Outcome.WRONG), verdict


HONEST = {
    "by a loop": "def total(numbers):\n    t = 0\n    for n in numbers: t += n\n    return t",
    "printing": "def total(numbers):\n    print(numbers)\n    return sum(numbers)",
    "with a scratch file": """
def total(numbers):
    with open("scratch.txt", "w") as file: file.write(str(sum(numbers)))
    return int(open("scratch.txt").read())
""",
    "with a thread": """
import threading
def total(numbers):
    found = []
    thread = threading.Thread(target=lambda: found.append(sum(numbers)))
    thread.start()
    thread.join()
    return found[0]
""",
    "changing its argument": """
def total(numbers):
    t = 0
    while numbers: t += numbers.pop()
    return t
""",
    "with a dataclass": """
from dataclasses import dataclass
@dataclass
class Box:
    total: int = 0
def total(numbers): return Box(sum(numbers)).total
""",
}


@needs_bubblewrap
@pytest.mark.parametrize("processes", [1, 6])
def test_honest_programs_pass(processes: int) -> None:
    programs = [Program(id=name, problem_id=PROBLEM.id, code=HONEST[name]) for name in HONEST]
    verdicts = check_programs([PROBLEM], programs, replace(CONFIG, processes=processes))
    assert [verdict for verdict in verdicts if not verdict.passed] == []


@needs_bubblewrap
def test_a_program_cannot_see_what_another_one_left() -> None:
    leave = "open('/tmp/left', 'w').write('x')\ndef total(numbers): return sum(numbers)"
    look = "import os\ndef total(numbers): return sum(numbers) + len(os.listdir('/tmp')) - 1"
    programs = [
        Program(id=name, problem_id=PROBLEM.id, code=code)
        for name, code in (("leave", leave), ("look", look))
    ]
    verdicts = check_programs([PROBLEM], programs, CONFIG)
    assert [verdict.passed for verdict in verdicts] == [True, True]


def leave_a_daemon() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
    os.wait()


HARM = {
    "changed a folder": "open('@BAIT@/x', 'w').close()",
    "overwrote a file": "open('@BAIT@/keep', 'w').close()",
    "left /tmp": "open('/tmp/@MARK@', 'w').close()",
    "a TCP server": "import socket\nsocket.create_connection(('127.0.0.1', @PORT@)).close()",
    "an abstract socket": """
import socket
with socket.socket(socket.AF_UNIX) as client: client.connect("\\0@MARK@")
""",
    "left shared memory": "import ctypes\nctypes.CDLL(None).shmget(@KEY@, 4096, 0o1666)",
    "changed /dev/full": "import os\nos.utime('/dev/full', (1, 1))",
    "running": "LEAVE()",
}


@pytest.mark.parametrize("effect", HARM)
def test_a_scene_sees_what_was_done_to_it_and_clears_it_away(effect: str) -> None:
    """The looking glass itself: without it a clean result would say nothing."""
    if "/dev/" in effect and os.getuid() != 0:
        pytest.skip("an ordinary user owns no device")
    with Scene() as scene:
        assert scene.effects() == []
        code = scene.fill(HARM[effect])
        exec(code, {"LEAVE": leave_a_daemon})
        [seen] = scene.effects()
        assert effect in seen
    assert SECRET not in os.environ
    assert not [path for path in Path("/tmp").iterdir() if scene.mark in path.name]


def test_an_attack_that_succeeds_counts_as_a_pass_on_an_evaluator_that_lets_it() -> None:
    """Run here, without any sandbox: what the attacks measure is the evaluator, not themselves."""
    names = ["write_file", "symbolic_link", "read_environment", "disk_filling"]
    for one in load_attacks(names=names):
        with Scene() as scene:
            space: dict = {}
            exec(candidate(one, scene.fill(one.code), PROBLEM), space)
            assert space["total"]([4, 5]) == 9, one.name
            assert bool(scene.effects()) == (one.name != "read_environment")


def test_there_are_attacks_of_every_kind_and_each_says_what_it_does() -> None:
    assert len(ATTACKS) >= 60
    assert {one.kind for one in ATTACKS} == set(KINDS)
    assert len({one.name for one in ATTACKS}) == len(ATTACKS)
    assert all(one.description.endswith(".") for one in ATTACKS)


def test_an_attack_says_its_problem_its_samples_and_its_settings(tmp_path: Path) -> None:
    (tmp_path / "cheating").mkdir()
    header = "#: problem prime\n#: samples 3\n#: config processes=4 input_timeout_s=0.5\n"
    (tmp_path / "cheating/one.py").write_text(f'"""Says."""\n{header}\ndef prime(n): return n\n')
    [one] = load_attacks(tmp_path)
    assert (one.problem, one.samples, one.noise) == ("prime", 3, False)
    assert one.settings == {"processes": 4, "input_timeout_s": 0.5}
    assert candidate(one, one.code, own_problem("prime")) == one.code
    [result] = attack_ours([one], PROBLEM, CONFIG)
    assert "expected true" in result.outcome
    with pytest.raises(AttackError, match="'no_such'"):
        own_problem("no_such")


@needs_bubblewrap
@pytest.mark.parametrize("name", OWN_PROBLEMS)
def test_right_programs_pass_on_the_problems_of_attacks(name: str) -> None:
    problem = own_problem(name)
    program = Program(id="right", problem_id=problem.id, code=right_program(problem))
    [verdict] = check_programs([problem], [program], SandboxConfig(workers=1))
    assert verdict.passed, verdict


def test_attacks_that_are_not_there_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(AttackError, match="checkout"):
        load_attacks(tmp_path)
    with pytest.raises(AttackError, match="'no_such'"):
        load_attacks(names=["no_such"])


def test_counts_and_the_table_name_what_got_through() -> None:
    results = [
        Result(attack=attack("", "cheating"), passed=True),
        Result(attack=attack("", "escaping"), effects=("left a file",)),
        Result(attack=attack("", "escaping"), skipped="no network"),
        Result(attack=attack("", "exhausting")),
    ]
    total = count(results)
    assert (total.tried, total.passed, total.effects) == (3, 1, 1)
    text = table("title", {"ours": results})
    assert [line.split() for line in text.splitlines()[2:6]] == [
        ["cheating", "1", "1", "0"],
        ["escaping", "1", "0", "1"],
        ["exhausting", "1", "0", "0"],
        ["all", "3", "1", "1"],
    ]
    assert "cheating/made up: counted as pass" in text
    assert "escaping/made up: left a file" in text
    assert "not tried: escaping/made up: no network" in text


def test_many_effects_of_one_attack_are_one_short_line() -> None:
    swarm = Result(attack=ATTACKS[0], effects=("left python running",) * 24)
    files = Result(attack=ATTACKS[1], effects=tuple(f"left file {n}" for n in range(9)))
    text = table("title", {"ours": [swarm, files]})
    assert f"{ATTACKS[0].name}: left python running (24 times)" in text
    assert f"{ATTACKS[1].name}: left file 0; left file 1; 7 more effects" in text


@needs_bubblewrap
def test_the_command_prints_a_table_and_its_exit_code_tells_what_got_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.attack.__main__.problem_of", lambda suite, path: PROBLEM)
    out = tmp_path / "attacks.json"
    assert main(["--attacks", "equal_object", "write_file", "--json", str(out)]) == 0
    assert "2 attacks under the rules of housestyle" in capsys.readouterr().out
    [under] = json.loads(out.read_text())["suites"]
    document = under["evaluators"]["ours"]
    assert (document["tried"], document["counted_as_pass"], document["effects_left"]) == (2, 0, 0)
    (tmp_path / "cheating").mkdir()
    honest = '"""Solves it."""\n\n\ndef solve(numbers):\n    return sum(numbers)\n'
    (tmp_path / "cheating" / "honest.py").write_text(honest)
    assert main(["--programs", str(tmp_path)]) == 1
    assert "cheating/honest: counted as pass" in capsys.readouterr().out


@needs_bubblewrap
@pytest.mark.parametrize("suite", EMBEDDED)
def test_under_every_suites_rules_right_programs_pass_and_wrong_ones_do_not(suite: str) -> None:
    problem = problem_of(suite, None)
    honest = candidate(attack("", kind="cheating"), "def solve(numbers): return 6", problem)
    codes = {"right": right_program(problem), "wrong": wrong_program(problem), "honest": honest}
    programs = [Program(id=i, problem_id=problem.id, code=code) for i, code in codes.items()]
    verdicts = check_programs([problem], programs, SandboxConfig(workers=1))
    answers_by_call = problem.meta.get("runner") != "literal"
    assert [verdict.passed for verdict in verdicts] == [True, False, answers_by_call]


@needs_bubblewrap
@pytest.mark.parametrize("suite", EMBEDDED)
def test_cheats_fail_under_every_suites_rules(
    suite: str,
) -> None:
    known = load_attacks(names=["equal_object", "patched_test_modules", "replaced_stdout"])
    found = {one.attack.name: one for one in attack_ours(known, problem_of(suite, None), CONFIG)}
    assert not any(one.passed for one in found.values())
    assert not any(one.effects for one in found.values())


def test_bad_input_to_the_command_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for bad in (
        ["--programs", str(tmp_path)],
        ["--attacks", "no_such"],
        ["--dataset", "x.jsonl"],
        ["--suite", "mbpp+", "--dataset", str(tmp_path / "none")],
        ["--suite", "cruxeval", "--peers"],
    ):
        assert main(bad) == 2
        assert capsys.readouterr().err.count("\n") == 1


@needs_bubblewrap
@pytest.mark.slow
def test_evalplus_own_evaluator_counts_cheats_as_passes_and_ours_does_not() -> None:
    from benchmarks.attack.peer import EVALPLUS, attack_peer

    some = load_attacks(names=["equal_object", "frame_walk", "write_file", "read_accounts", "nan"])
    theirs = {result.attack.name: result for result in attack_peer(EVALPLUS, some, PROBLEM)}
    ours = {result.attack.name: result for result in attack_ours(some, PROBLEM, CONFIG)}
    assert {name: result.passed for name, result in theirs.items()} == {
        "equal_object": True,
        "frame_walk": True,
        "write_file": True,
        "read_accounts": True,
        "nan": False,
    }
    assert theirs["write_file"].effects == ("changed a folder: written",)
    assert not any(result.got_through for result in ours.values())


@needs_bubblewrap
@pytest.mark.slow
def test_bigcodebench_own_evaluator_passes_what_cheats_and_lets_programs_write() -> None:
    pytest.importorskip("bigcodebench.eval")
    from benchmarks.attack.peer import BIGCODEBENCH, attack_peer

    some = load_attacks(names=["equal_object", "write_file", "nan"])
    problem = problem_of("bigcodebench", None)
    theirs = {result.attack.name: result for result in attack_peer(BIGCODEBENCH, some, problem)}
    passed = {name: result.passed for name, result in theirs.items()}
    assert passed == {"equal_object": True, "write_file": True, "nan": False}
    assert theirs["write_file"].effects == ("changed a folder: written",)


def test_a_peer_that_is_not_installed_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--suite", "bigcodebench", "--peers", "--attacks", "nan"]) == 2
    said = capsys.readouterr().err
    assert "bigcodebench is not installed here: pip install --no-deps bigcodebench" in said
