"""What programs need of this machine for a Python to run them, path by path."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.sandbox.jobs import SandboxConfigError

SYSTEM = (
    *("/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"),
    *("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/share"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/lib64", "/usr/local/share"),
)
"""Paths of the system that programs see; /usr itself may hold a checkout, as /usr/src/app does."""

SANDBOX_ROOT = "/sandbox"
_OF_A_PREFIX = ("lib", "lib64", "share", "pyvenv.cfg")
_ROOT = Path(__file__).parents[2]
_QUESTION = (
    "import json, sys, sysconfig; assert sys.version_info >= (3, 11); print(json.dumps({"
    "'prefixes': [sys.prefix, sys.base_prefix], 'path': sys.path, "
    "'standard': [sysconfig.get_path(n) for n in ('stdlib', 'platstdlib')]}))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and what of this machine it reads.

    Attributes:
        executable: its path.
        links: the links from there to the file that is run, each with where it leads.
        places: files and folders that programs see, read-only.
        packages: its `sys.path` without the standard library: site, user site, what `.pth` files
            and PYTHONPATH name. The folder of this harness is not among them.
    """

    executable: str
    links: tuple[tuple[str, str], ...]
    places: tuple[str, ...]
    packages: tuple[str, ...]

    def inside(self, path: str) -> str:
        """Return where one of its paths lies in the sandbox.

        It keeps its name, unless it lies below /tmp: programs have a /tmp of their own, which would
        hide it.
        """
        if not Path(path).is_relative_to("/tmp"):
            return path
        return str(Path(SANDBOX_ROOT, "outside", Path(path).relative_to("/tmp")))


@functools.lru_cache
def find_interpreter(executable: str | None) -> Interpreter:
    """Return an interpreter's paths; of the one that runs this where it is None.

    Raises:
        SandboxConfigError: it does not start, or is older than 3.11.
    """
    executable = executable or sys.executable
    answer = _ask(executable)
    packages = tuple(_packages(answer["path"], answer["standard"]))
    links = tuple(_links(executable))
    real = links[-1][1] if links else str(_path_of(executable))
    prefixes = [Path(prefix) for given in answer["prefixes"] for prefix in (given, _real(given))]
    own = [str(prefix / name) for prefix in dict.fromkeys(prefixes) for name in _OF_A_PREFIX]
    places = [*filter(os.path.exists, own), *packages, real]
    return Interpreter(str(_path_of(executable)), links, tuple(_outermost(places)), packages)


def _ask(executable: str) -> dict[str, Any]:
    try:
        # Not -I: PYTHONPATH and the user's site are its own as well.
        command = [executable, "-P", "-c", _QUESTION]
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60
        )
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise SandboxConfigError(
            f"interpreter is {executable!r}, which does not start as Python 3.11 or later "
            f"({error}): give the path of one"
        ) from error
    return found


def _packages(path: Sequence[str], standard: Sequence[str]) -> Iterator[str]:
    for folder in dict.fromkeys(map(os.path.abspath, filter(None, path))):
        library = any(folder in (place, f"{place}/lib-dynload") for place in standard)
        if Path(folder).exists() and not library and not _is_this_checkout(Path(folder)):
            yield folder


def _is_this_checkout(folder: Path) -> bool:
    """Whether it is the harness's own folder; installed, that is where all packages lie."""
    return folder.resolve() == _ROOT and (folder / "pyproject.toml").exists()


def _links(executable: str) -> Iterator[tuple[str, str]]:
    path = _path_of(executable)
    while path.is_symlink():
        target = _path_of(str(path.parent / path.readlink()))
        yield str(path), str(target)
        path = target


def _path_of(path: str) -> Path:
    """Return a path whose folder is real, so that it leads through no folder that is not there."""
    return Path(path).absolute().parent.resolve() / Path(path).name


def _real(path: str) -> str:
    return str(Path(path).resolve())


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    """Return the paths that lie in no other of them, nor in what programs see of the system."""
    kept: list[str] = [*SYSTEM]
    for path in sorted(dict.fromkeys(paths), key=len):
        if not any(Path(path).is_relative_to(place) for place in kept):
            kept.append(path)
            yield path


def refuse_in_sight(executable: str | None, paths: Iterable[Path]) -> None:
    """Refuse that programs see what they may not know: stores, caches, data sets.

    Raises:
        SandboxConfigError: one of the paths lies below one that programs see.
    """
    seen = [*SYSTEM, *find_interpreter(executable).places]
    for path in paths:
        for place in seen:
            if path.resolve().is_relative_to(Path(place).resolve()):
                raise SandboxConfigError(
                    f"{path} lies below {place}, which untrusted programs can read: move it, or "
                    "give another interpreter"
                )
