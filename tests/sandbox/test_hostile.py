"""No hostile program passes, and none leaves a process, a file or a connection behind."""

import os
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.checking import check_programs
from benchmarks.sandbox import SandboxConfig
from domino.records import Outcome, Problem, Program, Verdict
from tests.sandbox import hostile
from tests.sandbox.machine import needs_bubblewrap

pytestmark = needs_bubblewrap

PROBLEM = Problem(
    id="sum",
    prompt="",
    entry_point="solve",
    canonical_solution="def solve(numbers): return sum(numbers)",
    base_inputs=[[[1, 2, 3]], [[4, 5]]],
    plus_inputs=[[[7]], [[]], [[10, -3]]],
    meta={"comparison": "exact"},
)
BATCHES = {
    "cheating": (hostile.CHEATING, 1),
    "escaping": (hostile.ESCAPING, 1),
    "exhausting": (hostile.EXHAUSTING, 1),
    "forking": (hostile.FORKING, 6),
}


@dataclass
class Outcomes:
    """Verdicts by program name, and what the host noticed."""

    verdicts: dict[str, Verdict]
    connections: int
    marked_processes: list[int]
    files: list[str]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcomes]:
    seen = {}
    for name, (programs, processes) in BATCHES.items():
        # Not under /tmp: programs have a /tmp of their own, in which they may write.
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            seen[name] = _run(programs, processes, Path(folder))
    return seen


def _run(bodies: dict[str, str], processes: int, folder: Path) -> Outcomes:
    (folder / "file.keep").write_text("keep")
    os.environ["DOMINO_TEST_SECRET"] = "secret"
    # Forks share their command line with the zygote: an odd limit in it tells ours from others.
    config = SandboxConfig(
        workers=2,
        memory_mib=200 + os.getpid() % 97,
        output_mib=1,
        processes=processes,
        input_timeout_s=0.5,
        load_timeout_s=3.0,
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        programs = [
            Program(
                id=name,
                problem_id="sum",
                code=hostile.source(body, str(folder / "file"), port),
            )
            for name, body in {**bodies, **hostile.HONEST}.items()
        ]
        verdicts = check_programs([PROBLEM], programs, config)
        connections = _connections(server)
    del os.environ["DOMINO_TEST_SECRET"]
    return Outcomes(
        verdicts={verdict.program_id: verdict for verdict in verdicts},
        connections=connections,
        marked_processes=_processes_with(f'"memory_mib": {config.memory_mib},'),
        files=sorted(path.name for path in folder.iterdir()),
    )


def _connections(server: socket.socket) -> int:
    try:
        server.accept()
    except TimeoutError:
        return 0
    return 1


def _processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize(
    ("batch", "name"),
    [(batch, name) for batch, (programs, _) in BATCHES.items() for name in programs],
)
def test_a_hostile_program_never_passes(
    outcomes: dict[str, Outcomes], batch: str, name: str
) -> None:
    verdict = outcomes[batch].verdicts[name]
    assert verdict.plus is not Outcome.PASSED, verdict


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", hostile.HONEST)
def test_an_honest_program_next_to_them_passes(
    outcomes: dict[str, Outcomes], batch: str, name: str
) -> None:
    verdict = outcomes[batch].verdicts[name]
    assert verdict.passed, verdict


@pytest.mark.parametrize("batch", BATCHES)
def test_nothing_is_left_behind(outcomes: dict[str, Outcomes], batch: str) -> None:
    seen = outcomes[batch]
    assert seen.marked_processes == []
    assert seen.connections == 0
    assert seen.files == ["file.keep"]
    assert not (Path(os.__file__).parent / "planted_by_test.py").exists()


@pytest.mark.parametrize(
    ("batch", "name", "outcome"),
    [
        ("exhausting", "a loop without end", Outcome.TIMEOUT),
        ("exhausting", "a loop that ignores signals", Outcome.TIMEOUT),
        ("exhausting", "one huge allocation", Outcome.OUT_OF_MEMORY),
        ("exhausting", "a huge output", Outcome.OUTPUT_LIMIT),
        ("exhausting", "endless writing on the reply pipe", Outcome.OUTPUT_LIMIT),
        ("cheating", "exit status 0 by os._exit", Outcome.ERROR),
        ("cheating", "the right value of the wrong type", Outcome.WRONG),
        ("cheating", "an object that equals everything", Outcome.WRONG),
        ("forking", "children without end", Outcome.KILLED),
    ],
)
def test_the_outcome_names_what_happened(
    outcomes: dict[str, Outcomes], batch: str, name: str, outcome: Outcome
) -> None:
    assert outcomes[batch].verdicts[name].base is outcome


def test_a_program_cannot_see_what_another_one_left(tmp_path: Path) -> None:
    leave = "import os\nopen('/tmp/left', 'w').write('x')\ndef solve(numbers): return sum(numbers)"
    look = "import os\ndef solve(numbers): return sum(numbers) + len(os.listdir('/tmp'))"
    programs = [
        Program(id="leave", problem_id="sum", code=leave),
        Program(id="look", problem_id="sum", code=look),
    ]
    verdicts = check_programs([PROBLEM], programs, SandboxConfig(workers=1))
    assert [verdict.passed for verdict in verdicts] == [True, True]
