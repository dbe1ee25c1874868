"""The README's tree of folders and the repository agree.

Every folder that holds tracked files has one indented line, a name and what it is for. Folders
below `tests/` and `results/` are left out. What a file is for is said by its own docstring.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- tree -->\n```text\n(.*?)```\n<!-- /tree -->", re.DOTALL)
LINE = re.compile(r"(?P<indent>(?:  )*)(?P<name>[^\s/]+)/(?:\s+(?P<what>\S.*))?")
NOT_SHOWN_INSIDE = ("tests", "results")


def read_tree(readme: str) -> dict[str, str]:
    """Return what each folder of the README's tree is said to be for."""
    block = BLOCK.search(readme)
    assert block, "README.md has no <!-- tree --> block"
    tree: dict[str, str] = {}
    parents: list[str] = []
    for line in block.group(1).splitlines():
        match = LINE.fullmatch(line)
        assert match, f"README.md: not a line of the tree: {line!r}"
        depth = len(match["indent"]) // 2
        assert depth <= len(parents), f"README.md: indented below nothing: {line!r}"
        parents[depth:] = [match["name"]]
        folder = "/".join(parents)
        assert folder not in tree, f"README.md: listed twice: {folder}"
        tree[folder] = match["what"] or ""
    return tree


def tracked_files() -> list[str]:
    """Return the paths that git tracks and that are on the disk."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the tracked files are unknown")
    git = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    )
    return [path for path in git.stdout.splitlines() if (ROOT / path).is_file()]


def shown_folders(files: Iterable[str]) -> set[str]:
    """Return the folders that the tree has to show."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    return {
        folder
        for folder in folders
        if not any(folder.startswith(f"{name}/") for name in NOT_SHOWN_INSIDE)
    }


def disagreements(tree: Mapping[str, str], files: Iterable[str]) -> list[str]:
    """Return one line for each edit that would make the tree agree with the files."""
    folders = shown_folders(files)
    return [
        *(f"add:      {folder}/" for folder in sorted(folders - set(tree))),
        *(f"remove:   {folder}/" for folder in tree if folder not in folders),
        *(f"describe: {folder}/" for folder, what in tree.items() if not what),
    ]


def test_the_tree_lists_every_folder_and_nothing_else() -> None:
    wrong = disagreements(read_tree((ROOT / "README.md").read_text("utf-8")), tracked_files())
    assert not wrong, "README.md's tree and the repository disagree:\n" + "\n".join(wrong)


def test_each_kind_of_disagreement_is_named() -> None:
    tree = read_tree(
        "<!-- tree -->\n```text\n"
        "package/      some code\n"
        "  prompts/    data\n"
        "  silent/\n"
        "gone/         no longer there\n"
        "tests/        tests\n"
        "```\n<!-- /tree -->\n"
    )
    files = [
        "Makefile", "package/__init__.py", "package/silent/module.py", "package/prompts/a.txt",
        "package/new/inner/a.py", "tests/deep/test_a.py",
    ]  # fmt: skip
    assert disagreements(tree, files) == [
        "add:      package/new/",
        "add:      package/new/inner/",
        "remove:   gone/",
        "describe: package/silent/",
    ]
