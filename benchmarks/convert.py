"""`python -m benchmarks.convert MODEL`: the directory of a model, converted from GGUF if need be.

Other tools take what it prints: `evalplus.codegen --model "$(python -m benchmarks.convert FILE)"`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.cli.exit_codes import Parser, exit_code
from benchmarks.common.process import prepare_process
from benchmarks.models import model_licence, resolve_model

PROGRAM = "python -m benchmarks.convert"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the directory and return the exit code: 2 for bad input."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_code(PROGRAM, lambda: _convert(given))


def _convert(arguments: Sequence[str]) -> int:
    parser = Parser(
        prog=PROGRAM,
        description="Print the directory of a model; a GGUF file is converted into one, once.",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="FILE.gguf, smollm2-135m, a directory or a hub name"
    )
    name = parser.parse_args(arguments).model
    directory = resolve_model(name, notify=lambda text: print(text, file=sys.stderr))
    print(f"licence: {model_licence(directory)}", file=sys.stderr)
    print(directory)
    return 0


if __name__ == "__main__":
    prepare_process()
    sys.exit(main())
