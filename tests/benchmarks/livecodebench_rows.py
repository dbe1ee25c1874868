"""Rows in LiveCodeBench's schema made here, and solutions of the eight published ones."""

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

PUBLISHED = "livecodebench/release_v6_easy8_with_hidden_tests.json"
SOLUTIONS = {
    "abc398_a": """
n = int(input())
middle = "=" if n % 2 else "=="
side = "-" * ((n - len(middle)) // 2)
print(side + middle + side)
""",
    "abc389_b": """
x, n = int(input()), 1
while factorial(n) < x:
    n += 1
print(n)
""",
    "abc391_a": """
print(input().translate(str.maketrans("NSEW", "SNWE")))
""",
    "abc400_a": """
a = int(input())
print(-1 if 400 % a else 400 // a)
""",
    "abc392_a": """
import sys
a, b, c = sorted(map(int, sys.stdin.buffer.read().split()))
if a * b == c:
    print("Yes")
    exit()
print("No")
""",
    "abc387_a": """
def main():
    print((int(a) + int(b)) ** 2)

if __name__ == "__main__":
    a, b = open(0).read().split()
    main()
""",
    "abc400_b": """
n, m = map(int, input().split())
total = 0
def add(power):
    global total
    total += n ** power
for power in range(m + 1):
    add(power)
print(total if total <= 10 ** 9 else "inf")
""",
    "abc393_a": """
import os
words = os.read(0, 100).decode().split()
os.write(1, str(1 + 2 * (words[0] == "fine") + (words[1] == "fine")).encode())
""",
}


def encoded(tests: Any) -> str:
    """The tests as LiveCodeBench writes hidden ones."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def case(given: str, wanted: str, kind: str = "stdin") -> dict[str, str]:
    return {"input": given, "output": wanted, "testtype": kind}


def script_row(number: int, **changes: Any) -> dict[str, Any]:
    """A problem on standard input: add `number`."""
    return {
        "question_id": f"script_{number}",
        "question_title": f"Add {number}",
        "question_content": f"Read a number, print it plus {number}.",
        "difficulty": "easy",
        "starter_code": "",
        "public_test_cases": json.dumps([case("1", str(1 + number))]),
        **changes,
    }


def method_row(number: int, **changes: Any) -> dict[str, Any]:
    """A problem with a method: both numbers and `number`, in a list."""
    tests = [case("1\n[2]", f"[1, 2, {number}]", "functional")]
    return {
        **script_row(number),
        "question_id": f"method_{number}",
        "starter_code": "class Solution:\n    def join(self, a: int, b: List[int]) -> List[int]:\n",
        "public_test_cases": json.dumps(tests),
        **changes,
    }


def dated(row: dict[str, Any], day: str, tests: Any = ()) -> dict[str, Any]:
    """The same row in the original schema."""
    return {
        **row,
        "platform": "atcoder",
        "contest_id": "c",
        "contest_date": f"{day}T00:00:00",
        "private_test_cases": encoded(list(tests)),
        "metadata": "{}",
    }


def write_rows(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
