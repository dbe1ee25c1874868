"""Ctrl-C: once finishes the current record, twice stops immediately."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_STDERR = 2
_ASKED = (
    b"\nCtrl-C: finishing the current record or training step; repeat the command to resume. "
    b"Press Ctrl-C again to stop immediately.\n"
)


class Interruption:
    """The first Ctrl-C is a request to stop; `check` stops where no work is lost.

    It is called after each record is written, before each stage, and while a stage waits for
    another process. Work without records, such as loading a model, is ended by the second Ctrl-C.
    """

    def __init__(self) -> None:
        """Nothing is requested yet."""
        self._asked = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle Ctrl-C in a block; only in the main thread, and if it is not ignored."""
        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def check(self) -> None:
        """Stop here if Ctrl-C was pressed.

        Raises:
            KeyboardInterrupt: it was pressed.
        """
        if self._asked:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(OSError):  # a stream may be in the middle of a write
            os.write(_STDERR, _ASKED)
