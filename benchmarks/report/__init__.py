"""Tables, frames and pages out of stored records: `benchmarks.report.load(run)` gives frames."""

from __future__ import annotations

from benchmarks.report.frames import COLUMNS, Frames, load

__all__ = ["COLUMNS", "Frames", "load"]
