"""A table of words, which HTML, Markdown and LaTeX show alike."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "–"
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "×": r"$\times$",
        NONE: "--",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DisplayTable:
    """A table of words.

    Attributes:
        name: of its files.
        title: what it shows.
        columns: the first is the rows' name, the others are set to the right.
        rows: as many cells as there are columns.
        note: what has to be known to read it; "" where nothing has.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def to_markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        lines = [
            self.columns,
            ("---", *("---:" for _ in self.columns[1:])),
            *self.rows,
        ]
        body = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
        return f"**{self.title}**\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")

    def to_latex(self) -> str:
        """Return the table as LaTeX that needs the package booktabs."""
        import pandas as pd

        frame = pd.DataFrame(list(self.rows), columns=list(self.columns)).map(_latex)
        frame.columns = [_latex(column) for column in self.columns]
        text: str = frame.to_latex(
            index=False,
            caption=_latex(self.title),
            label=f"tab:{self.name}",
            column_format="l" + "r" * (len(self.columns) - 1),
        )
        return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _latex(text: str) -> str:
    """Return text in which LaTeX's own characters stand for themselves."""
    return text.translate(_LATEX)
