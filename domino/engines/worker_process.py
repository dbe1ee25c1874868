"""A process of its own behind an engine: started, spoken to, ended; its death is one clear error.

Messages are pickled plain values and go over a pipe that the child inherits. The child ends when
the pipe is closed, so that it always ends with this process.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from domino.engines.base import EngineError

_ENDING_S = 20.0
_ERROR_LINE = re.compile(r"\b[\w.]*(Error|Exception)\b: .*")


class WorkerProcess:
    """`python -m module DESCRIPTOR` in a session of its own, with a pipe to it.

    Args:
        module: reads messages from the pipe whose descriptor is its argument, and answers on it.
        name: of the engine, for error messages.
        environment: variables of the child; what the user has set stays.
        forced: variables of the child, whatever the user has set.
    """

    def __init__(
        self,
        module: str,
        *,
        name: str,
        environment: Mapping[str, str],
        forced: Mapping[str, str],
    ) -> None:
        self._name = name
        self.connection, theirs = Pipe()
        log, path = tempfile.mkstemp(prefix="domino-engine-", suffix=".log")
        self._log, self._died = Path(path), False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment, **os.environ, **forced},
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # an interrupt is this process's to handle
            )
        finally:
            theirs.close()
            os.close(log)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            EngineError: the child is dead.
        """
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._death() from error

    def receive(self, timeout_s: float | None = None) -> Any:
        """Return the child's next message.

        Raises:
            EngineError: the child died, or said nothing for `timeout_s`.
        """
        try:
            if timeout_s is not None and not self.connection.poll(timeout_s):
                self.close()
                raise EngineError(f"{self._name} said nothing for {timeout_s:g} s, and was ended")
            return self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error

    def close(self) -> None:
        """End the child and wait until it is gone; a child that does not end is killed."""
        self.connection.close()
        self._wait()
        if not self._died:
            self._log.unlink(missing_ok=True)

    def _wait(self) -> int:
        try:
            return self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def _death(self) -> EngineError:
        """Return how the child ended, with its last error; its log is kept."""
        self._died = True
        self.connection.close()
        code = self._wait()
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        return EngineError(
            f"the process of {self._name} ended ({how}{last_error(self._log)}): "
            f"all that it wrote is in {self._log}"
        )


def last_error(log: Path) -> str:
    """Return the last line of a log that names an error, after a comma; "" where none does."""
    lines = log.read_text("utf-8", "replace").splitlines()
    errors = [found.group() for line in lines if (found := _ERROR_LINE.search(line))]
    return f", {errors[-1].strip()}" if errors else ""
