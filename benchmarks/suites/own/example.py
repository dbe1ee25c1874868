"""`python -m benchmarks.suites.own.example DIR`: three small domains and a data set, as files.

A domain of SQL queries, one of numbers, one of functions with unittest, 72 problems each, and a
data set in Alpaca's form for the domain of numbers. Equal calls write equal files.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

COUNT = 72
EXAMPLES = 80
_NAMES = ("Ada", "Bo", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal", "Ina", "Jo", "Kit", "Lea")
_TOWNS = ("Bern", "Lyon", "Oslo", "Riga")
_THINGS = ("apples", "books", "cards", "coins", "lamps", "pens", "stones", "tickets")
_STEPS = (
    ("doubled", "value * 2", "twice the value"),
    ("squared", "value * value", "the value times itself"),
    ("negated", "-value", "the value with the other sign"),
    ("halved", "value // 2", "half of the value, rounded down"),
)

Row = dict[str, Any]


def sql_problems() -> Iterator[Row]:
    """Yield questions about a table of sales; the table is filled by the problem's own SQL."""
    draw = random.Random(1)
    for number in range(COUNT):
        rows = [(draw.choice(_NAMES), draw.choice(_TOWNS), draw.randint(1, 900)) for _ in range(12)]
        values = ", ".join(f"('{name}', '{town}', {sold})" for name, town, sold in rows)
        setup = (
            "CREATE TABLE sales (name TEXT, town TEXT, sold INTEGER);\n"
            f"INSERT INTO sales VALUES {values};"
        )
        group, asked, query = _question(number, draw.randint(5, 600), draw.choice(_TOWNS))
        database = sqlite3.connect(":memory:")
        database.executescript(setup)
        yield {
            "id": f"sql-{number}",
            "prompt": f"Write an SQLite query on sales(name, town, sold): {asked}.",
            "setup_sql": setup,
            "expected_rows": [list(row) for row in database.execute(query)],
            "canonical_solution": query,
            "group": group,
        }


def _question(number: int, least: int, town: str) -> tuple[str, str, str]:
    """Return a question's group, its words and its query."""
    if number % 3 == 0:
        return (
            "filter",
            f"above {least}, which names sold in {town}",
            f"SELECT name FROM sales WHERE sold > {least} AND town = '{town}'",
        )
    if number % 3 == 1:
        return (
            "sum",
            f"up to {least}, what each town but {town} sold in all",
            f"SELECT town, SUM(sold) FROM sales WHERE sold <= {least} AND town <> '{town}' "
            "GROUP BY town",
        )
    return (
        "order",
        f"below {least}, name and sold outside {town}, by sold from the largest, then by name",
        f"SELECT name, sold FROM sales WHERE sold < {least} AND town <> '{town}' "
        "ORDER BY sold DESC, name",
    )


def number_problems() -> Iterator[Row]:
    """Yield word problems whose answer is a number."""
    draw = random.Random(2)
    for number in range(COUNT):
        text, answer = _sum(draw)
        yield {
            "id": number,
            "prompt": text,
            "target": answer,
            "scorer": "number",
        }


def alpaca_rows() -> Iterator[Row]:
    """Yield examples of the domain of numbers, in Alpaca's form."""
    draw = random.Random(3)
    for _ in range(EXAMPLES):
        text, answer = _sum(draw)
        yield {"instruction": text, "input": "", "output": str(answer)}


def _sum(draw: random.Random) -> tuple[str, int]:
    """Return a word problem and its answer; its numbers tell it from the others."""
    name, thing = draw.choice(_NAMES), draw.choice(_THINGS)
    has, gets, lost = draw.randint(2000, 9999), draw.randint(100, 999), draw.randint(100, 999)
    if draw.random() < 0.5:
        return f"{name} has {has} {thing}, buys {gets}, loses {lost}. How many?", has + gets - lost
    return f"{name} shares {has} {thing}, {gets} and {lost} away. How many?", has - gets - lost


def unittest_problems() -> Iterator[Row]:
    """Yield functions on lists with a class of unittest for each."""
    draw = random.Random(4)
    for number in range(COUNT):
        word, expression, words = _STEPS[number % len(_STEPS)]
        least = draw.randint(-9, 9)
        name = f"{word}_above_{number}"
        values = [draw.randint(-20, 20) for _ in range(6)]
        code = (
            f"def {name}(values):\n"
            f"    return [{expression} for value in values if value > {least}]\n"
        )
        names: Row = {}
        exec(code, names)  # our own text, made above
        yield {
            "id": f"list-{number}",
            "prompt": f"Write the function {name}(values): a list with {words}, for each value "
            f"above {least}.",
            "entry_point": name,
            "test": (
                "import unittest\n\n\nclass Test(unittest.TestCase):\n"
                "    def test_values(self):\n"
                f"        self.assertEqual({name}({values}), {names[name](values)})\n\n"
                "    def test_empty(self):\n"
                f"        self.assertEqual({name}([]), [])\n"
            ),
            "canonical_solution": code,
            "group": word,
        }


def write(folder: Path) -> list[Path]:
    """Write all files into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "sql.jsonl": sql_problems(),
        "numbers.jsonl": number_problems(),
        "unittests.jsonl": unittest_problems(),
    }
    for name, rows in made.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    alpaca = json.dumps(list(alpaca_rows()), indent=1)
    (folder / "alpaca.json").write_text(f"{alpaca}\n", encoding="utf-8")
    return [folder / name for name in (*made, "alpaca.json")]


def main(arguments: Sequence[str]) -> int:
    """Write the files into the folder that is named, and say where they are."""
    if len(arguments) != 1:
        sys.stderr.write("benchmarks.suites.own.example: give the folder to write into\n")
        return 2
    for path in write(Path(arguments[0])):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
