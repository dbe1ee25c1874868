"""Small pieces of text that several commands print."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console


def warning_line(message: Warning | str) -> str:
    """Return a warning as one line of text."""
    return f"warning: {' '.join(str(message).split())}"


def counted(count: int, what: str) -> str:
    """Return a number with what it counts, as English has it: "1 row", "2 rows"."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def counting(total: int, what: str) -> Callable[[object], None]:
    """Return what counts results on one line of a terminal's standard error, as they come."""
    done = 0

    def advance(result: object) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            sys.stderr.write(f"\r{done}/{total} {what}{end}")

    return advance


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Print a text: wrapped between words on a terminal, one line where a program may read it."""
    whole = not console.is_terminal
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=whole)
