"""What launcher local is asked for: how many processes share a run on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.fields import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalConfig:
    """The processes of launcher local.

    Attributes:
        processes: rows that may go through their stages at the same time, each in a process with
            its share of the cores, whether or not there are so many; 1 does one stage after the
            other in the run's own process; null is one for each core on a machine without a GPU,
            as far as memory allows.
    """

    processes: int | None = 1

    def __post_init__(self) -> None:
        """Refuse what is no count."""
        if self.processes is not None and self.processes < 1:
            raise ConfigError(f"processes is {self.processes}: give at least 1, or null")
