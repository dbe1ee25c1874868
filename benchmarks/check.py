"""`python -m benchmarks.check`: what is in your files, and all that is wrong with them.

Problems and examples (references, data sets) are told by their columns. No model is loaded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.words import counted
from benchmarks.evaluator.check import canonical_failures
from benchmarks.metrics.crossed import MIN_SEEDS, Design
from benchmarks.metrics.planned import ASSUMED, detectable_difference
from benchmarks.sandbox import SandboxConfig
from benchmarks.stages.decontaminate import DecontaminateConfig, by_words
from benchmarks.suites.base import SuiteError
from benchmarks.suites.examples import Examples, read_examples
from benchmarks.suites.own.file import OwnFile, OwnProblem, examine_table
from benchmarks.suites.own.kinds import may_be_problem
from benchmarks.suites.own.suite import FIELDS
from benchmarks.suites.tables import Table, is_hub_name, read_fields, read_hub, read_table
from domino.records import Problem, Provenance, Synthetic
from domino.text import sameness

PROGRAM = "python -m benchmarks.check"
_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found in one file.

    Attributes:
        file: its name.
        facts: what is in it, one line each.
        wrong: what a run would refuse, one line each.
        repeats: examples that repeat a problem of another file, one line each. Of a data set a run
            drops them; references have to be without.
    """

    file: str
    facts: tuple[str, ...]
    wrong: tuple[str, ...]
    repeats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """The files that were read, by what they hold."""

    problems: dict[str, OwnFile]
    examples: dict[str, Examples]
    wrong: dict[str, str]
    """Files that cannot be read at all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files, print what was found, and return 2 where anything is wrong."""
    return exit_code("benchmarks.check", lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    given = _parser().parse_args(arguments)
    found = findings(
        given.files,
        fields=read_fields(given.fields, FIELDS),
        split=given.split,
        seeds=given.seeds,
        sandbox=None if given.no_run else _sandbox(given),
    )
    if given.json is not None:
        text = json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False)
        given.json.write_text(f"{text}\n", encoding="utf-8")
    for one in found:
        sys.stdout.write("".join(f"{line}\n" for line in _lines(one)))
    return 2 if any(one.wrong for one in found) else 0


def _lines(found: Finding) -> list[str]:
    facts = [f"  {fact}" for fact in found.facts]
    count = f"  {counted(len(found.wrong), 'line')} wrong:" if found.wrong else "  nothing is wrong"
    said = [f"{found.file}:", *facts, count, *(f"    {line}" for line in found.wrong)]
    if found.repeats:
        count = counted(len(found.repeats), "example")
        said.append(
            f"  {count} repeating a problem: a run drops them from a data set; remove them from "
            "references:"
        )
    return [*said, *(f"    {line}" for line in found.repeats)]


def findings(
    files: Sequence[str],
    *,
    fields: Mapping[str, str],
    split: str,
    seeds: int,
    sandbox: SandboxConfig | None,
) -> list[Finding]:
    """Return what is in each file, and what is wrong with it.

    Args:
        files: paths, or names of data sets of a hub.
        fields: columns by our names.
        split: of the hub's data sets.
        seeds: of a comparison, for the smallest difference that it can show.
        sandbox: what runs the canonical solutions; None runs none.
    """
    read = _read_all(files, fields, split)
    protected = [row.problem for file in read.problems.values() for row in file.rows]
    found = []
    for file in files:
        if file in read.wrong:
            found.append(Finding(file=file, facts=(), wrong=(read.wrong[file],)))
        elif file in read.problems:
            found.append(_of_problems(file, read.problems[file], seeds, sandbox))
        else:
            found.append(_of_examples(file, read.examples[file], protected))
    return found


def _read_all(files: Sequence[str], fields: Mapping[str, str], split: str) -> _Read:
    read = _Read({}, {}, {})
    for file in dict.fromkeys(files):
        try:
            table = _table(file, fields, split)
            if any(may_be_problem(row.values) for row in table.rows) or not table.rows:
                read.problems[file] = examine_table(table)
            else:
                read.examples[file] = read_examples(table)
        except SuiteError as error:
            read.wrong[file] = str(error)
    return read


def _table(file: str, fields: Mapping[str, str], split: str) -> Table:
    if is_hub_name(file):
        return read_hub(file, split, fields)
    return read_table(Path(file), fields)


def _of_problems(file: str, own: OwnFile, seeds: int, sandbox: SandboxConfig | None) -> Finding:
    kinds = Counter(row.kind.name for row in own.rows)
    facts = [", ".join(f"{counted(n, 'problem')} ({kind})" for kind, n in kinds.items())]
    wrong = list(own.wrong)
    facts += _counts("split", [row.part for row in own.rows if row.part])
    facts += _counts("group", [row.group for row in own.rows if row.group])
    facts += _repeated_prompts(own.rows)
    if own.rows:
        solved, failed = _solutions(own, sandbox)
        facts += solved
        wrong += failed
        facts.append(_smallest_difference(own.rows, seeds))
    return Finding(file=file, facts=tuple(filter(None, facts)), wrong=tuple(wrong))


def _counts(what: str, values: Sequence[str]) -> list[str]:
    counts = Counter(values)
    shown = ", ".join(f"{name} {n}" for name, n in list(counts.items())[:_SHOWN])
    more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
    return [f"{what}: {shown}{more}"] if counts else []


def _repeated_prompts(rows: Sequence[OwnProblem]) -> list[str]:
    counts = Counter(sameness(row.problem.prompt) for row in rows)
    repeated = sum(n - 1 for n in counts.values())
    return [f"{counted(repeated, 'prompt')} the same as an earlier row's"] if repeated else []


def _solutions(own: OwnFile, sandbox: SandboxConfig | None) -> tuple[list[str], list[str]]:
    """Return what the canonical solutions show, and a line for each that does not pass."""
    problems = [row.problem for row in own.rows]
    with_solution = sum(bool(problem.canonical_solution) for problem in problems)
    fact = f"canonical solutions: {with_solution} of {len(problems)}"
    if sandbox is None:
        return [f"{fact}, not run"], []
    places = {row.problem.id: row.where for row in own.rows}
    failures = canonical_failures(problems, sandbox)
    lines = [
        f"{places[verdict.problem_id]}: the canonical solution of {verdict.problem_id!r} does not "
        f"pass ({verdict.plus if verdict.base == 'passed' else verdict.base}"
        f"{': ' if verdict.detail else ''}{' '.join(verdict.detail.split())}): correct it, or the "
        "tests"
        for verdict in failures
    ]
    unsolved = {v.problem_id for v in failures}
    passed = sum(p.id not in unsolved for p in problems if p.canonical_solution)
    return [f"{fact}, {passed} pass"], lines


def _smallest_difference(rows: Sequence[OwnProblem], seeds: int) -> str:
    """Say what a comparison on the test problems can show."""
    tested = [row for row in rows if row.part in (None, "test")]
    design = Design(seeds=seeds, problems=len(tested))
    found = detectable_difference(design)
    if found is None:
        return f"methods are compared from {MIN_SEEDS} seeds and 2 test problems on"
    return (
        f"smallest difference that {design} can show: {100 * found:.1f} points (80 % power, "
        f"{ASSUMED})"
    )


def _of_examples(file: str, found: Examples, protected: Sequence[Problem]) -> Finding:
    answered = sum(example.response is not None for example in found.found)
    facts = [
        f"{counted(len(found.found), 'example')} ({found.form}), {answered} with a response",
        *(
            f"{counted(n, 'row')} with {reason}: left out of a data set, refused in references"
            for reason, n in found.left_out.items()
        ),
    ]
    counts = Counter((sameness(e.instruction), e.response) for e in found.found)
    repeated = sum(n - 1 for n in counts.values())
    if repeated:
        facts.append(
            f"{counted(repeated, 'row')} the same as an earlier one: refused in references"
        )
    return Finding(
        file=file,
        facts=tuple(facts),
        wrong=found.wrong,
        repeats=tuple(_repeats(found, protected)),
    )


def _repeats(found: Examples, protected: Sequence[Problem]) -> list[str]:
    """Name the examples that repeat a problem, by the rules of the stage decontaminate."""
    texts = [(("problem", problem.id), problem.prompt) for problem in protected]
    solutions = [(("problem", p.id), p.canonical_solution) for p in protected]
    check = by_words(DecontaminateConfig(), texts, solutions) if texts else lambda record: None
    lines = []
    for where, example in zip(found.places, found.found, strict=True):
        refusal = check(
            Synthetic(
                id=example.id,
                instruction=example.instruction,
                response=example.response,
                provenance=Provenance(method="check", seed=0),
            )
        )
        if refusal:
            reason, detail = refusal
            lines.append(f"{where}: {reason} ({detail})")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument(
        "files", nargs="+", metavar="FILE",
        help="problems, references or data sets (.jsonl, .json, .csv, .tsv, .parquet), or the name "
        "of a hub's data set, OWNER/NAME[@REVISION]",
    )  # fmt: skip
    parser.add_argument(
        "--fields", default="", help="columns by our names: instruction=question,response=answer"
    )
    parser.add_argument("--split", default="train", help="of a hub's data set (default: train)")
    parser.add_argument(
        "--seeds", type=int, default=5, help="of the comparison that is planned (default: 5)"
    )
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    parser.add_argument("--workers", type=int, help="solutions at the same time (default: cores)")
    parser.add_argument("--no-run", action="store_true", help="run no canonical solution")
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="run solutions without bubblewrap where it is missing: they can then do what you can",
    )
    return parser


def _sandbox(given: argparse.Namespace) -> SandboxConfig:
    config = SandboxConfig(allow_unsandboxed=given.allow_unsandboxed)
    return config if given.workers is None else replace(config, workers=given.workers)


if __name__ == "__main__":
    sys.exit(main())
