"""Documents, code and templates do not use the phrases of this list; CONTRIBUTING.md says why."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (".py", ".md", ".html", ".txt", ".toml", ".yaml", ".yml", ".jinja")
HISTORY = ("LOG.md", "CHANGELOG.md")
"""Entries of the past are not rewritten."""

BANNED = {
    r"\b(?:told|tells?|telling)\b[^.\n]{0,40}\bapart\b": "significant, distinguishes, separates",
    r"would be found in \d+ %": "minimum detectable difference",
    r"\blate beside\b|\bbeside (?:others|it|them)\b": "with other programs, next to",
    r"\bis that of one process\b": "identical to a single-process run",
    r"\b[Kk]ept as (?!it\b)": "saved as",
    r"\bto be had\b": "available, could not be downloaded",
    r"(?<!here )\b(?:is|are|was|were) no (?!longer|more\b|better|one\b)": "is not a",
    r"\bholds? no\b": "does not contain",
    r"\bthat may stay\b": "per training pair",
    r"\baddress(?:es)? depends?\b|\bstages?'s? address": "cache key",
    r"\boutlives?\b": "checkpoint directory for resuming",
    r"\bgoes? on from\b": "resumes from",
    r"\brests on\b": "assumes, is based on",
    r"\blast sign\b": "last update",
    r"\bno measure\b": "not comparable",
    r"\b(?:came|comes|come) to (?:an? value|nothing|under|in\b)": "has the value",
    r"\bwhat (?:\w+ ){1,4}(?:came|comes) to\b": "the result of",
    r"\bwhole stage|\bstage (?:is|was) whole\b|\balways whole\b|\btaken? for whole\b": "complete",
    r"\bunder way\b": "running",
    r"\bthe record in flight\b": "the current record",
    r"\b(?:GivesWay|bury_dead|Unshared|Telling|Made|Told|Together)\b(?= ?\(|:)": "a plain noun",
}
"""Phrase, as a regular expression, and what to write instead."""


def tracked_texts() -> list[Path]:
    """Return the files with prose: tracked, not generated, not history, not input data."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the tracked files are unknown")
    git = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    )
    paths = [ROOT / line for line in git.stdout.splitlines() if line.endswith(TEXT)]
    generated = [path for path in (ROOT / "results").rglob("*") if path.parent != ROOT / "results"]
    return [
        path for path in paths
        if path.is_file() and path not in set(generated) | {Path(__file__).resolve()}
        and path.name not in HISTORY and "prompts" not in path.parts
    ]  # fmt: skip


def banned_phrases(text: str) -> list[str]:
    """Return a line for each use of a banned phrase, with what to write instead."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1}: {found[0]!r}: write {better}"
        for phrase, better in BANNED.items()
        for found in re.finditer(phrase, text)
    ]


def test_no_text_uses_a_banned_phrase() -> None:
    found = [
        f"{path.relative_to(ROOT)} {line}"
        for path in tracked_texts()
        for line in banned_phrases(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n".join(found)


def test_a_banned_phrase_is_found_with_its_line_and_its_replacement() -> None:
    text = "No two methods are told apart.\nThere is no network.\nA list is no set.\n"
    first, second = banned_phrases(text)
    assert first == "line 1: 'told apart': write significant, distinguishes, separates"
    assert second == "line 3: 'is no ': write is not a"
