"""`python -m benchmarks.reproduction`: official results, made again here.

Without `--model` published generations are scored anew, verdict by verdict. With it, a model's
greedy completions are compared with those of the benchmark's own tool, token by token, in slices:
`--model smollm2-135m --suite humaneval+ --id_range 0:20`. Each check and each slice leaves one JSON
file, and the table is made of all that lie in the output folder. What differs without a reason
makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import write_atomically
from benchmarks.reproduction import completions, published
from benchmarks.sandbox import SandboxConfig

PROGRAM = "python -m benchmarks.reproduction"
DEFAULT_OUTPUT = Path("results/reproduction")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks or the slice, write their files and the table, and return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_code(PROGRAM, lambda: _run(_parser().parse_args(given)))


def _run(options: argparse.Namespace) -> int:
    config = SandboxConfig(workers=options.workers)
    if options.model is None:
        if options.suite or options.id_range:
            raise ConfigError("suite and id_range compare a model's completions: give --model too")
        return _check_published(options, config)
    if not options.suite or not options.id_range:
        raise ConfigError("model is given without suite and id_range: give --id_range 0:20")
    found = completions.compare(
        completions.Slice(
            model=options.model,
            suite=options.suite,
            ids=_id_range(options.id_range),
            engine=options.engine,
            max_new_tokens=options.max_new_tokens,
        ),
        options.data,
        config,
    )
    folder = options.output / "completions"
    _write(folder / f"{found['name']}.json", found)
    slices = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
    ]
    _show(folder / "table.md", completions.table(slices))
    return 1 if completions.unexplained(found) else 0


def _check_published(options: argparse.Namespace, config: SandboxConfig) -> int:
    wrong = 0
    for name in options.only or published.CHECKS:
        result = published.run_check(name, options.data, config)
        wrong += len(published.unexplained(result))
        _write(options.output / f"{name}.json", result)
    paths = [options.output / f"{name}.json" for name in published.CHECKS]
    results = _read(path for path in paths if path.is_file())
    _show(options.output / "table.md", published.table(results))
    return 1 if wrong else 0


def _read(paths: Iterable[Path]) -> list[Any]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _write(path: Path, result: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def _show(path: Path, table: str) -> None:
    write_atomically(path, table)
    sys.stdout.write(table)


def _id_range(text: str) -> tuple[int, int]:
    """Return the numbers of the tasks, from the first to the one behind the last.

    Raises:
        ConfigError: it is not two numbers that rise.
    """
    first, _, behind = text.partition(":")
    if not (first.isdecimal() and behind.isdecimal() and int(first) < int(behind)):
        raise ConfigError(f"id_range is {text!r}: give two rising numbers, such as 0:20")
    return int(first), int(behind)


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument(
        "--only", choices=list(published.CHECKS), action="append", help="these checks alone"
    )
    parser.add_argument("--model", help="whose greedy completions are compared; see benchmarks.run")
    parser.add_argument("--suite", choices=list(completions.DATASETS))
    parser.add_argument("--id_range", metavar="A:B", help="numbers of the tasks, B left out")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument(
        "--max_new_tokens", type=int, help="of a completion, in both; by default the tool's own"
    )
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--workers", type=int, default=2, help="programs at the same time")
    return parser


if __name__ == "__main__":
    sys.exit(main())
