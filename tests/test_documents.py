"""The documents agree with the repository: tree of folders, links, commands, the README's length.

In the README's tree every folder with tracked files has one line, a name and its purpose. Folders
below `tests/` and `results/` are left out. The purpose of a file is in its own docstring.
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


PACKAGES = ("domino", "baselines", "benchmarks", "studies", "tests")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), ROOT / "results" / "README.md"]
    + [path for package in PACKAGES for path in (ROOT / package).rglob("*.md")]
)
PRESENT = [path for path in DOCUMENTS if path.name not in ("LOG.md", "CHANGELOG.md")]
"""Documents whose commands are those of today."""
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)")
COMMAND = re.compile(r"python -m (benchmarks|studies)\.([a-z_.]+)((?:[^\n#\\]|\\\n)*)")


def document_name(path: Path) -> str:
    """Return a document's path in the repository: the name of a test case."""
    return str(path.relative_to(ROOT))


def headings(text: str) -> set[str]:
    """Return the anchors that GitHub makes of a document's headings."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(text: str, folder: Path) -> list[str]:
    """Return the relative links of a document that lead nowhere."""
    broken = []
    for name, anchor in LINK.findall(FENCE.sub("", text)):
        target = folder / name if name else None
        if target is not None and not target.exists():
            broken.append(name)
        elif anchor and anchor not in headings(target.read_text("utf-8") if target else text):
            broken.append(f"{name}#{anchor}")
    return broken


def test_the_readme_has_at_most_250_lines_and_14_kb() -> None:
    text = (ROOT / "README.md").read_bytes()
    assert text.count(b"\n") <= 250
    assert len(text) <= 14_000


@pytest.mark.parametrize("path", DOCUMENTS, ids=document_name)
def test_every_link_of_a_document_leads_to_a_file_and_a_heading(path: Path) -> None:
    assert not broken_links(path.read_text("utf-8"), path.parent)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A Title, here\n```\n# none\n```\n")
    text = "[a](there.md) [b](there.md#a-title-here) [c](gone.md) [d](there.md#none) [e](#none)\n"
    assert broken_links(text, tmp_path) == ["gone.md", "there.md#none", "#none"]


@pytest.mark.parametrize("path", PRESENT, ids=document_name)
def test_every_command_of_a_document_names_a_module_and_a_target_that_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    for package, module, _ in COMMAND.findall(text):
        place = ROOT / package / module.strip(".").replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"[`\n]make ([a-z][a-z0-9-]*)", text)) <= targets


@pytest.mark.parametrize("path", PRESENT, ids=document_name)
def test_every_option_of_a_run_that_a_document_shows_is_one(path: Path) -> None:
    from benchmarks.cli.options import make_parser
    from benchmarks.common.fields import leaves
    from benchmarks.config.presets import DEFAULT, load_preset

    parser = make_parser(list(leaves(load_preset(DEFAULT))))
    known = {option for action in parser._actions for option in action.option_strings}
    free = ("--method_options.", "--template_options.")
    for package, module, rest in COMMAND.findall(path.read_text("utf-8")):
        if (package, module) == ("benchmarks", "run"):
            given = {word.strip("`;,)").partition("=")[0] for word in rest.split("`")[0].split()}
            options = {w for w in given if w.startswith("--") and not w.startswith(free)}
            assert options <= known, path
