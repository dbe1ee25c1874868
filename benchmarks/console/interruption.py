"""Ctrl-C: once finishes the record in flight, twice stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_STDERR = 2
_ASKED = (
    b"\nCtrl-C: finishing the record in flight, or the training; the same command continues there. "
    b"Ctrl-C again stops at once.\n"
)


class Interruption:
    """The first Ctrl-C is a request, which `check` answers where stopping loses nothing.

    That is after each record that was written, before each stage, and while a stage waits for
    another process. What has no records (loading a model, say) is cut short by the second one.
    """

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self._asked = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C over for a block, where it is this thread's and is not ignored."""
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
        """Stop here where it was asked for.

        Raises:
            KeyboardInterrupt: it was.
        """
        if self._asked:
            raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(OSError):  # not by a stream: one may be in the middle of a write
            os.write(_STDERR, _ASKED)
