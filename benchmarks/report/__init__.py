"""Tables, frames and pages from stored records: `benchmarks.report.load(run)` returns frames."""

from __future__ import annotations

from benchmarks.report.frames import COLUMNS, Frames, load

__all__ = ["COLUMNS", "Frames", "load"]
