"""The README's file tree and the repository agree, line by line.

The rules: every tracked file has one indented line, a name and what it is. A folder's line stands
for its `__init__.py`; a folder line with nothing indented under it stands for all it holds, which
is allowed for folders without Python modules (prompts, checkpoints) and for folders of tests.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"<!-- tree -->\n```text\n(.*?)```\n<!-- /tree -->", re.DOTALL)
LINE = re.compile(r"(?P<indent>(?:  )*)(?P<name>[^\s/]+/?)(?:\s+(?P<what>\S.*))?")


def read_tree(readme: str) -> dict[str, str]:
    """Return what each path of the README's tree is said to be; folders end in a slash."""
    block = BLOCK.search(readme)
    assert block, "README.md has no <!-- tree --> block"
    tree: dict[str, str] = {}
    folders: list[str] = []
    for line in block.group(1).splitlines():
        match = LINE.fullmatch(line)
        assert match, f"README.md: not a line of the tree: {line!r}"
        depth = len(match["indent"]) // 2
        assert depth <= len(folders), f"README.md: indented under nothing: {line!r}"
        path = "".join(folders[:depth]) + match["name"]
        assert path not in tree, f"README.md: listed twice: {path}"
        tree[path] = match["what"] or ""
        folders[depth:] = [match["name"]] if path.endswith("/") else []
    return tree


def tracked_files() -> list[str]:
    """Return the paths that git tracks and that are on the disk."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the tracked files are unknown")
    git = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    )
    return [path for path in git.stdout.splitlines() if (ROOT / path).is_file()]


def disagreements(tree: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return one line for each edit that would make the tree agree with the files."""
    whole = {path for path in tree if path.endswith("/") and _is_childless(path, tree)}
    return [
        *(f"add:      {path}" for path in files if not _is_listed(path, tree, whole)),
        *(f"remove:   {path}" for path in tree if not _exists(path, files)),
        *(f"describe: {path}" for path, what in tree.items() if not what),
    ]


def _is_childless(folder: str, tree: Mapping[str, str]) -> bool:
    return not any(path != folder and path.startswith(folder) for path in tree)


def _is_listed(path: str, tree: Mapping[str, str], whole: set[str]) -> bool:
    pure = PurePosixPath(path)
    if pure.name == "__init__.py":
        return f"{pure.parent}/" in tree
    may_be_whole = pure.suffix != ".py" or pure.parts[0] == "tests"
    return path in tree or (may_be_whole and any(path.startswith(folder) for folder in whole))


def _exists(path: str, files: Sequence[str]) -> bool:
    if path.endswith("/"):
        return any(file.startswith(path) for file in files)
    return path in files


def test_the_tree_lists_every_tracked_file_and_nothing_else() -> None:
    wrong = disagreements(read_tree((ROOT / "README.md").read_text("utf-8")), tracked_files())
    assert not wrong, "README.md's file tree and the repository disagree:\n" + "\n".join(wrong)


def test_each_kind_of_disagreement_is_named() -> None:
    tree = read_tree(
        "<!-- tree -->\n```text\n"
        "Makefile      the commands\n"
        "gone.py       no longer there\n"
        "package/      some code\n"
        "  prompts/    data\n"
        "  module.py\n"
        "tests/        tests\n"
        "bare/         code that needs its own lines\n"
        "```\n<!-- /tree -->\n"
    )
    files = [
        "Makefile", "package/__init__.py", "package/module.py", "package/new.py",
        "package/prompts/a.txt", "tests/deep/test_a.py", "bare/hidden.py",
    ]  # fmt: skip
    assert disagreements(tree, files) == [
        "add:      package/new.py",
        "add:      bare/hidden.py",
        "remove:   gone.py",
        "describe: package/module.py",
    ]
