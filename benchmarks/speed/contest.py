"""How long contest samples take to judge: 100 programs over LiveCodeBench's problems.

Stored problems come without solutions, so each program here has its problem's answers in it, looked
up by the input, and does around them what contest programs do: it reads in one of four ways, then
sorts and counts. `python -m benchmarks.speed.contest FILE...` prints the seconds of each round; run
it in two checkouts in turn to compare them.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.evaluator.check import check_programs
from benchmarks.evaluator.stated import StatedProblem
from benchmarks.sandbox import SandboxConfig
from benchmarks.suites.livecodebench.generation import read_questions
from benchmarks.suites.registry import SuiteOptions
from domino.records import Program

_MOST_CHARACTERS = 100_000
_READINGS = (
    "import sys\ntext = sys.stdin.read()",
    "text = open(0).read()",
    "import sys\ntext = ''.join(sys.stdin)",
    "import sys\ntext = sys.stdin.buffer.read().decode()",
)
_SCRIPT = """{reading}
from collections import Counter, defaultdict

def work(words):
    counts, places = Counter(words), defaultdict(list)
    for place, word in enumerate(sorted(words)):
        places[word].append(place)
    return max(counts.values(), default=0) + len(places)

work(text.split())
print({answers!r}[text])
"""
_METHOD = """class Solution:
    def {name}(self, *arguments: List[int]):
        seen = Counter(json.dumps(arguments))
        return {answers!r}[json.dumps(arguments)]
"""


def contest_programs(files: Sequence[Path], count: int) -> list[tuple[StatedProblem, str]]:
    """Return problems with a right program each, scripts and methods as they come."""
    found = itertools.chain.from_iterable(map(_read, files))
    return list(itertools.islice(found, count))


def _read(file: Path) -> Iterator[tuple[StatedProblem, str]]:
    for number, problem in enumerate(read_questions(SuiteOptions(dataset=file)).problems):
        pairs = list(zip(problem.base_inputs, problem.base_outputs, strict=True))
        if len(str(pairs)) > _MOST_CHARACTERS:
            continue
        if problem.meta["runner"] == "script":
            answers = {text: output for [text], output in pairs}
            reading = _READINGS[number % len(_READINGS)]
            yield problem, _SCRIPT.format(reading=reading, answers=answers)
        else:
            answers = {json.dumps(arguments): output for arguments, output in pairs}
            yield problem, _METHOD.format(name=problem.entry_point, answers=answers)


def seconds_to_judge(pairs: Sequence[tuple[StatedProblem, str]], config: SandboxConfig) -> float:
    """Return the wall time of judging every program once.

    Raises:
        RuntimeError: one does not pass.
    """
    programs = [Program(id=p.id, problem_id=p.id, code=code) for p, code in pairs]
    began = time.monotonic()
    verdicts = check_programs([problem for problem, _ in pairs], programs, config)
    seconds = time.monotonic() - began
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        raise RuntimeError(f"{len(failed)} right programs fail, the first: {failed[0]}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the seconds of every round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.contest", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="LiveCodeBench's files of problems")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args(arguments)
    pairs = contest_programs(given.files, given.programs)
    config = dataclasses.replace(SandboxConfig(golds=None), workers=given.workers)
    seconds = [seconds_to_judge(pairs, config) for _ in range(given.rounds)]
    tests = sum(len(problem.base_inputs) for problem, _ in pairs)
    kinds = sum(problem.meta["runner"] == "script" for problem, _ in pairs)
    print(
        f"{len(pairs)} programs ({kinds} scripts), {tests} tests, {given.workers} workers: "
        f"median {statistics.median(seconds):.2f} s of {[round(s, 2) for s in seconds]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
