"""Rows of a user's file of problems, six of each kind, with solutions that pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def function(n: int) -> Row:
    return {
        "id": n,
        "prompt": f"Write the function add_{n}(a, b).",
        "entry_point": f"add_{n}",
        "cases": [
            {"args": [1, 2], "expected": [3 + n, {"1": 0.5}]},
            {"args": [0, 0], "expected": [n, {"1": 0.5}]},
        ],
        "canonical_solution": f"def add_{n}(a, b):\n    return (a + b + {n}, {{1: 0.50000001}})\n",
    }


def evalplus(n: int) -> Row:
    return {
        "task_id": f"Mine/{n}",
        "prompt": f'def triple_{n}(x):\n    """Return x times 3, then {n}."""\n',
        "entry_point": f"triple_{n}",
        "canonical_solution": f"    return x * 3 + {n}\n",
        "base_input": [[1]],
        "plus_input": [[-2]],
        "contract": "",
    }


def script(n: int) -> Row:
    return {
        "id": f"s{n}",
        "prompt": f"Read two numbers and print their sum plus {n}.",
        "cases": [
            {"stdin": "1 2\n", "stdout": f"{3 + n}\n"},
            {"stdin": "4 5\n", "stdout": str(9 + n)},
        ],
        "canonical_solution": f"a, b = map(int, input().split())\nprint(a + b + {n})\n",
    }


TESTS = {
    "unittest": (
        "import unittest\nclass First(unittest.TestCase):\n"
        "    def setUp(self):\n        self.x = 2\n"
        "    def test_two(self):\n        self.assertEqual(double(self.x), 4)\n"
        "class Second(First):\n    def test_none(self):\n"
        "        with self.assertRaises(TypeError):\n            double(None)\n"
        "if __name__ == '__main__':\n    unittest.main()\n"
    ),
    "check": (
        "METADATA = {}\ndef check(candidate):\n    assert candidate(2) == 4\ncheck(double)\n"
    ),
    "asserts": "assert double(2) == 4\nassert double('a\\n') == 'a\\na\\n'\n",
    "functions": "import math\ndef test_two():\n    assert math.isclose(double(2), 4)\n",
    "steps": "values = [1]\nvalues.append(double(1))\nassert values == [1, 2]\n",
}


def tests(n: int) -> Row:
    text = list(TESTS.values())[n % len(TESTS)]
    return {
        "id": f"t{n}",
        "prompt": f"Write the function double(x). Number {n}.",
        "test": text,
        "canonical_solution": "def double(x):\n    return x * 2 if isinstance(x, str) else 2 * x\n",
    }


def sql(n: int) -> Row:
    people = [("c", 9), ("b", 5), ("a", 1)]
    return {
        "id": f"q{n}",
        "prompt": f"Which names of people are older than {n}?",
        "setup_sql": "CREATE TABLE p (name TEXT, age INT);\n"
        "INSERT INTO p VALUES ('a', 1), ('b', 5), ('c', 9);",
        "expected_rows": [[name] for name, age in people if age > n],
        "canonical_solution": f"SELECT name FROM p WHERE age > {n}",
    }


def target(n: int) -> Row:
    return {
        "id": n,
        "prompt": f"What is {n} plus {n}?",
        "target": 2 * n,
        "scorer": "number",
        "canonical_solution": f"{n} plus {n} is {2 * n}.",
    }


KINDS: dict[str, Callable[[int], Row]] = {
    "function": function, "evalplus": evalplus, "script": script, "tests": tests, "sql": sql,
    "target": target,
}  # fmt: skip


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def file_of(folder: Path, kind: str, count: int = 6, **more: Any) -> Path:
    """Write a file of one kind; `more` is added to every row."""
    return write(folder / f"{kind}.jsonl", *({**KINDS[kind](n), **more} for n in range(count)))
