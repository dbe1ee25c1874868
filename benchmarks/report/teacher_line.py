"""What a table and a report say of a run's teacher: which model, its licence, and its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.config.portable import without_place
from benchmarks.methods import TEACHER_ROW, base_name

if TYPE_CHECKING:
    from benchmarks.report.method_rows import MethodRow

_ROWS = (TEACHER_ROW, "references-only")


def teacher_line(about: Mapping[str, Any], rows: Sequence[MethodRow]) -> str:
    """Return one sentence about the teacher; "" where a run has none."""
    teacher = about.get("teacher")
    if not teacher:
        return ""
    digest = f", digest {teacher['digest'][:12]}" if teacher["digest"] else ""
    read = sum(row.teacher_read for row in rows)
    wrote = sum(row.teacher_tokens for row in rows)
    return (
        f"Teacher: {without_place(teacher['model'])}{digest}, engine {teacher['engine']}, licence "
        f"{teacher['licence']}; it read {read:,} tokens and wrote {wrote:,}."
    )


def without_teacher_rows(about: Mapping[str, Any], rows: Sequence[MethodRow]) -> list[str]:
    """Return which rows are missing that show what the teacher gives without a synthesis method."""
    there = {base_name(row.method) for row in rows}
    missing = [name for name in _ROWS if name not in there]
    if not about.get("teacher") or not missing:
        return []
    return [
        f"Without {' and '.join(missing)} among --methods this table cannot separate synthesis "
        "from distillation of the teacher."
    ]
