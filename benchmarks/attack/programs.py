"""The attack programs, and how each becomes a candidate for a problem of any suite."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.evaluator.gold import canonical_code, defines
from benchmarks.suites.base import SuiteError
from domino.records import Problem

# `#: problem NAME`, `#: samples N`, `#: config SETTING=VALUE ...`, `#: noise`: see Attack.
_HEADER = re.compile(r"^#: (\w+) ?(.*)$", re.MULTILINE)
KINDS = ("cheating", "escaping", "exhausting")
ATTACKS = Path(__file__).parents[2] / "tests" / "attacks"
_NUMBERS = (1, 2, 3)
_FUNCTION = """def {name}(*arguments):
    return _answer(lambda: _solution()[{name!r}](*arguments))
"""
_METHOD = """class Solution:
    def {name}(self, *arguments):
        return _answer(lambda: _solution()["Solution"]().{name}(*arguments))
"""
_SCRIPT = """_found = _answer(_solution)
if type(_found) is not dict:  # else the solution has printed
    print(_found)
"""
_CALLS = {"": _FUNCTION, "unittests": _FUNCTION, "method": _METHOD, "script": _SCRIPT}
"""How a suite's runner gets to the answer."""

_WHOLE = ("method", "script")
"""Runners whose solutions do not continue a prompt."""


class AttackError(SuiteError):
    """The attacks cannot be run: says what is missing, and what to give."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """One hostile program.

    Attributes:
        kind: one of KINDS.
        name: its file's.
        description: the first line of its docstring.
        code: its text; `@NAME@` marks in it are filled in by a Scene.
        problem: a name of `tasks.OWN_PROBLEMS`, under whose rules alone it makes sense; empty: of
            any suite.
        samples: how many of it are checked, one after the other.
        noise: whether the host starts a program now and then meanwhile, as machines do.
        settings: of the sandbox, where they are not the given ones.
    """

    kind: str
    name: str
    description: str
    code: str
    problem: str = ""
    samples: int = 1
    noise: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def load_attacks(folder: Path = ATTACKS, names: Sequence[str] = ()) -> list[Attack]:
    """Return the attacks of a folder by kind and name, or those that are named.

    Raises:
        AttackError: the folder does not exist or has no programs, or a name is unknown.
    """
    files = [path for kind in KINDS for path in sorted((folder / kind).glob("*.py"))]
    if not files:
        raise AttackError(
            f"no attack programs in {folder}: they are part of the repository and not of an "
            "installed package; run this in a checkout, or give their folder with --programs"
        )
    known = {path.stem: path for path in files}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AttackError(f"no attack is named {unknown[0]!r}: known are {', '.join(known)}")
    return [_load(known[name]) for name in names or known]


def _load(path: Path) -> Attack:
    code = path.read_text(encoding="utf-8")
    description = ast.get_docstring(ast.parse(code)) or ""
    header = dict(_HEADER.findall(code))
    settings = (pair.partition("=") for pair in header.get("config", "").split())
    return Attack(
        kind=path.parent.name,
        name=path.stem,
        description=description.partition("\n")[0],
        code=code,
        problem=header.get("problem", ""),
        samples=int(header.get("samples", 1)),
        noise="noise" in header,
        settings={name: json.loads(value) for name, _, value in settings},
    )


def right_program(problem: Problem) -> str:
    """Return what passes: a solution, or the answer itself where that is asked for."""
    if problem.meta.get("runner") in _WHOLE:
        return problem.canonical_solution
    return problem.meta.get("answer") or canonical_code(problem)


def wrong_program(problem: Problem) -> str:
    """Return what runs to its end and does not pass."""
    runner = problem.meta.get("runner", "")
    if runner == "literal":
        return "None"
    call = _CALLS[runner].format(name=problem.entry_point)
    return f"def _answer(right):\n    return None\n\n\n{call}"


def candidate(attack: Attack, code: str, problem: Problem) -> str:
    """Return a program for a problem that attacks, and solves it only if the attack succeeded.

    `code` is the attack's, with its marks filled in. What it does to its machine it does in the
    first call; what it does to the evaluator, in every call. Where a literal is asked for, or where
    it defines the entry point of a problem of its own, the attack's text is the answer.
    """
    runner = problem.meta.get("runner", "")
    if runner == "literal" or (attack.problem and defines(code, problem.entry_point)):
        return code
    return f"""{code}

_attack, _answers, _right = solve, [], {right_program(problem)!r}


def _solution():
    names = {{}}
    exec(_right, names)
    return names


def _answer(right):
    if not _answers or {attack.kind == "cheating"}:
        _answers[:] = [_attack({list(_NUMBERS)})]
    answer = _answers[0]
    return right() if type(answer) is int and answer == {sum(_NUMBERS)} else answer


{_CALLS[runner].format(name=problem.entry_point)}
"""
