"""Shared by all commands: the argument parser, and how errors become one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

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


CLOSED_PIPE = 141
"""Exit code of a command whose output is no longer read, as shells set it: 128 + SIGPIPE."""


class Parser(argparse.ArgumentParser):
    """Raises an error instead of printing the usage and exiting."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a ConfigError."""
        raise ConfigError(f"{message}; see --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write help; argparse's own method hides write errors."""
        (file or sys.stderr).write(message)


def exit_code(program: str, work: Callable[[], int]) -> int:
    """Run a command and return its exit code; the only place where errors become one line.

    Warnings are one line each. If the output is no longer read (`| head`), the command ends
    silently. An error that is neither bad input nor a broken machine is a bug: its traceback is
    shown.
    """

    def say(text: str, code: int) -> int:
        with contextlib.suppress(OSError):  # standard error may be closed
            print(f"{program}: {' '.join(text.split())}", file=sys.stderr)
        return code

    try:
        with warnings.catch_warnings(), _output():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            return work()
    except BAD_INPUT as error:
        return say(str(error), 2)
    except BROKEN_MACHINE as error:
        return say(str(error), 1)
    except KeyboardInterrupt:
        return say("interrupted; repeat the command to resume", 130)
    except (BrokenPipeError, SystemExit) as error:  # rich raises SystemExit
        if not _reader_has_ended(error):
            raise
        _discard_output()
        return CLOSED_PIPE
    except Exception as error:
        if is_disk_full(error):  # raised by any library
            place = getattr(error, "filename", None) or "a file or standard output"
            return say(disk_full_message(place), 1)
        raise


class OutputError(RuntimeError):
    """Standard output cannot be written: the reason and the remedy."""


BROKEN_MACHINE = (StoreError, SandboxError, LaunchError, OutputError)


@contextlib.contextmanager
def _output() -> Iterator[None]:
    """Check standard output before the command, and that everything was written after it."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for good
    if sys.stdout is None:  # the next opened file would get its descriptor
        raise OutputError("standard output is closed: give it a file, or /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # some encodings lack characters
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _discard_output()
            raise OutputError(
                f"standard output cannot be written ({error.strerror}): redirect it elsewhere"
            ) from error


def _reader_has_ended(error: BaseException) -> bool:
    """Whether the cause of an error is that standard output is no longer read."""
    if isinstance(error, SystemExit):
        return isinstance(error.__context__, BrokenPipeError)
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)  # reports errors only
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_output() -> None:
    """Redirect remaining output to /dev/null: the interpreter reports write errors at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _show_warning(message: Warning | str, *_: object) -> None:
    print(warning_line(message), file=sys.stderr)
