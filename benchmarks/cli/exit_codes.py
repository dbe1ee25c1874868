"""What all commands share: their parser, and how an error becomes one line and an exit code."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError, disk_full_message, is_disk_full
from benchmarks.common.words import warning_line
from benchmarks.evaluator.verdicts import CheckingError
from benchmarks.launch.errors import LaunchError
from benchmarks.methods import MethodError
from benchmarks.sandbox import NoSandboxError, SandboxConfigError, SandboxError
from benchmarks.stages.errors import StageError
from benchmarks.suites.base import SuiteError
from domino.engines.base import EngineError
from domino.synthesizer import SynthesisError

BAD_INPUT = (
    ConfigError, StageError, SuiteError, MethodError, SynthesisError, EngineError,
    SandboxConfigError, NoSandboxError,
    CheckingError,
)  # fmt: skip


BROKEN_MACHINE = (StoreError, SandboxError, LaunchError)


class Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as bad input."""
        raise ConfigError(f"{message}; see --help")


def exit_code(program: str, work: Callable[[], int]) -> int:
    """Return the exit code of a command line's work; the one boundary where errors become a line.

    Warnings are one line each. Whatever is neither bad input nor a broken machine is a fault of
    ours and keeps its traceback.
    """

    def say(text: str, code: int) -> int:
        print(f"{program}: {' '.join(text.split())}", file=sys.stderr)
        return code

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            return work()
    except BAD_INPUT as error:
        return say(str(error), 2)
    except BROKEN_MACHINE as error:
        return say(str(error), 1)
    except KeyboardInterrupt:
        return say("interrupted; type the same command again to continue", 130)
    except Exception as error:
        if is_disk_full(error):  # by whatever library was writing
            return say(disk_full_message(getattr(error, "filename", None) or "a file"), 1)
        raise


def _show_warning(message: Warning | str, *_: object) -> None:
    print(warning_line(message), file=sys.stderr)
