"""What a method says of its own work while it draws: candidates it refused, why it stopped."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.stages.curves import Log

REFUSED = "rejected/"
"""Metrics of this prefix count candidates that a method refused itself, by reason."""

_OURS = ("domino", "baselines")


class Account:
    """Listens to the metrics and warnings of one method.

    Attributes:
        refused: candidates that the method refused itself, by reason.
        warning: the last warning of the method's package, "" where there was none.
    """

    def __init__(self, module: str, log: Log) -> None:
        """Listen to the package of `module`, and pass its metrics on to `log`."""
        self._packages = (*_OURS, module.partition(".")[0])
        self._log = log
        self._refused: Counter[str] = Counter()
        self.warning = ""

    @property
    def refused(self) -> dict[str, int]:
        """Counts by reason, the largest first."""
        return {reason: count for reason, count in self._refused.most_common() if count}

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Take one point of the method's own metrics."""
        for name, value in metrics.items():
            if name.startswith(REFUSED):
                self._refused[name.removeprefix(REFUSED).replace("_", " ")] += int(value)
        self._log(metrics, step)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the warnings that are logged inside the block."""
        handler = _Listener(self)
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)

    def hear(self, record: logging.LogRecord) -> None:
        """Keep a warning where the method's package logged it."""
        if record.name.partition(".")[0] in self._packages:
            self.warning = " ".join(record.getMessage().split())


class _Listener(logging.Handler):
    def __init__(self, account: Account) -> None:
        super().__init__(logging.WARNING)
        self._account = account

    def emit(self, record: logging.LogRecord) -> None:
        self._account.hear(record)
