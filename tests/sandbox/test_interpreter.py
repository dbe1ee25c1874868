"""Programs run under an interpreter of choice, and see of this machine what it needs alone."""

import os
import shutil
import site
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.evaluate import main as evaluate
from benchmarks.sandbox import Job, JobResult, SandboxConfig, SandboxConfigError, run_jobs
from benchmarks.sandbox.interpreter import find_interpreter, refuse_in_sight
from domino.records import Outcome

PREFIX = "import sys\ndef f(x):\n    return [sys.prefix, x]"
PACKAGE = "import of_a_test\ndef f(x):\n    return of_a_test.ANSWER"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder outside of /tmp, where programs have a folder of their own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    find_interpreter.cache_clear()
    yield
    find_interpreter.cache_clear()


def make(path: Path, **options: bool) -> str:
    venv.create(path, **options)
    return str(path / "bin/python")


def packages_of(python: str) -> Path:
    [found] = Path(python).parent.parent.glob("lib/python*/site-packages")
    return found


def package(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "of_a_test.py").write_text("ANSWER = 42\n")


def run(code: str, python: str | None = None) -> JobResult:
    job = Job(id="one", code=code, entry_point="f", inputs=[[1]])
    [result] = run_jobs([job], SandboxConfig(workers=1, interpreter=python, golds=None))
    return result


@pytest.mark.parametrize("parent", ["/tmp", "/var/tmp"])
def test_an_environment_runs_programs_wherever_it_lies(parent: str) -> None:
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        result = run(PREFIX, make(Path(folder, "env")))
    assert result.outcome is Outcome.PASSED, result.detail


def test_an_interpreter_may_be_named_through_a_folder_that_programs_do_not_see(
    folder: Path,
) -> None:
    """As a shell passes on `../.venv/bin/python`."""
    make(folder / "env")
    (folder / "here").mkdir()
    result = run(PREFIX, f"{folder}/here/../env/bin/python")
    assert result.outcome is Outcome.PASSED, result.detail


def test_programs_find_what_pth_files_and_pythonpath_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make(folder / "env")
    package(folder / "by pth")
    (packages_of(python) / "added.pth").write_text(f"{folder}/by pth\n")
    assert run(PACKAGE, python).outcome is Outcome.PASSED
    find_interpreter.cache_clear()
    (packages_of(python) / "added.pth").unlink()
    assert "No module named 'of_a_test'" in run(PACKAGE, python).detail
    find_interpreter.cache_clear()
    monkeypatch.setenv("PYTHONPATH", f"{folder}/by pth")
    assert run(PACKAGE, python).outcome is Outcome.PASSED


def test_programs_find_the_packages_of_the_user_and_of_the_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(folder / "user"))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    package(folder / "user/lib" / version / "site-packages")
    assert run(PACKAGE, make(folder / "env", system_site_packages=True)).outcome is Outcome.PASSED
    assert "of_a_test" in run(PACKAGE, make(folder / "alone")).detail


def test_an_interpreter_in_a_home_shows_nothing_else_of_it(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "secret").write_text("kept")
    python = folder / "bin/python3"
    shutil.copy(Path(sys.executable).resolve(), python)
    look = f"import os\ndef f(x): return os.path.exists('{folder}/secret')"
    if subprocess.run([python, "-c", "import json"], capture_output=True).returncode:
        pytest.skip("this interpreter runs in its own place alone")
    assert [output.text for output in run(look, str(python)).outputs] == [b"false"]


def test_the_checkout_of_this_harness_is_not_in_sight() -> None:
    root = str(Path(__file__).parents[2])
    look = f"import os\ndef f(x): return os.path.exists('{root}/pyproject.toml')"
    assert [output.text for output in run(look).outputs] == [b"false"]


def test_what_a_program_sees_of_an_interpreter_is_read_only(folder: Path) -> None:
    python = make(folder / "env")
    write = f"def f(x): open('{packages_of(python)}/left.py', 'w')"
    assert "Read-only file system" in run(write, python).detail


def test_a_store_a_cache_or_a_data_set_in_sight_of_programs_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make(folder / "env")
    (packages_of(python) / "added.pth").write_text(f"{folder}/project\n")
    (folder / "project").mkdir()
    refuse_in_sight(python, [folder / "runs"])
    with pytest.raises(SandboxConfigError, match=f"{folder}/project/runs lies below"):
        refuse_in_sight(python, [folder / "project/runs"])
    with pytest.raises(SandboxConfigError, match="/usr/share"):
        refuse_in_sight(python, [Path("/usr/share/data.jsonl")])
    find_interpreter.cache_clear()
    config = SandboxConfig(workers=1, interpreter=python, golds=folder / "project/golds")
    with pytest.raises(SandboxConfigError, match="golds lies below"):
        run_jobs([Job(id="one", code=PREFIX, entry_point="f", inputs=[[1]])], config)


def test_the_command_refuses_it_before_it_scores(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Path(__file__).parents[2] / "benchmarks/attack/rows/cruxeval.jsonl"
    data, samples = shutil.copy(rows, folder), folder / "samples.jsonl"
    samples.write_text("")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *site.getsitepackages()]))
    assert evaluate(["--suite", "cruxeval", "--dataset", str(data), "--samples", str(samples)]) == 2
    assert f"{data} lies below {folder}" in capsys.readouterr().err
