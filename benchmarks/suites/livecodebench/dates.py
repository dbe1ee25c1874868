"""Contest dates, as LiveCodeBench's rows and the option `cutoff` have them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from benchmarks.suites.base import SuiteError


def contest_date(where: str, value: Any) -> date | None:
    """Return the day of a row's `contest_date`, None where the row has none.

    Raises:
        SuiteError: it is not a date.
    """
    if value is None or isinstance(value, datetime):
        return value and value.date()
    try:
        return datetime.fromisoformat(value).date()
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{where}: contest_date is {value!r}: not a date ({error})") from error


def parse_cutoff(text: str | None) -> date | None:
    """Return the date of the option `cutoff`.

    Raises:
        SuiteError: it is none.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise SuiteError(f"cutoff is {text!r}: give a date like 2024-08-01") from error
