"""What all commands share: their parser, and how an error becomes one line and an exit code."""

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
"""What a shell says of a command that ended because its reader had: 128 and SIGPIPE's number."""


class Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as bad input."""
        raise ConfigError(f"{message}; see --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write help; argparse itself hides that it could not be written."""
        (file or sys.stderr).write(message)


def exit_code(program: str, work: Callable[[], int]) -> int:
    """Return the exit code of a command line's work; the one boundary where errors become a line.

    Warnings are one line each. Where the reader of the output has ended (`| head`), so does the
    command, in silence. Whatever is neither bad input nor a broken machine is a fault of ours and
    keeps its traceback.
    """

    def say(text: str, code: int) -> int:
        with contextlib.suppress(OSError):  # nobody may be listening
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
        return say("interrupted; type the same command again to continue", 130)
    except (BrokenPipeError, SystemExit) as error:  # the second is how rich ends
        if not _reader_has_ended(error):
            raise
        _discard_output()
        return CLOSED_PIPE
    except Exception as error:
        if is_disk_full(error):  # by whatever library was writing
            place = getattr(error, "filename", None) or "a file or standard output"
            return say(disk_full_message(place), 1)
        raise


class OutputError(RuntimeError):
    """Standard output cannot be written: why, and what to do."""


BROKEN_MACHINE = (StoreError, SandboxError, LaunchError, OutputError)


@contextlib.contextmanager
def _output() -> Iterator[None]:
    """Check standard output before work, and that it has taken everything when work ends."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for good
    if sys.stdout is None:  # its number would go to the next file that is opened
        raise OutputError("standard output is closed: give it a file, or /dev/null")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # its encoding may not have everything
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
                f"standard output cannot be written ({error.strerror}): give it another place"
            ) from error


def _reader_has_ended(error: BaseException) -> bool:
    """Whether an error came of output that is no longer read, and not of another pipe."""
    if isinstance(error, SystemExit):
        return isinstance(error.__context__, BrokenPipeError)
    poll = select.poll()
    for number in (1, 2):
        poll.register(number, 0)  # errors alone
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_output() -> None:
    """Let the interpreter write what is left to nowhere, or it would complain as it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _show_warning(message: Warning | str, *_: object) -> None:
    print(warning_line(message), file=sys.stderr)
