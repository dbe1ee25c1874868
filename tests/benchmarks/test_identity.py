import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from benchmarks.engines import ENGINES
from benchmarks.store import identity
from benchmarks.store.identity import code_version, digest
from domino.records import Problem


def test_a_digest_tells_types_and_values_apart() -> None:
    values = [
        1, 1.0, True, "1", None, b"1", [1], (1,), {1}, {1: 1}, {"1": 1}, [], (), {}, [[], []],
        [[[]]], ["a,b"], ["a", "b"], float("nan"), 1j,
    ]  # fmt: skip
    assert len({digest(value) for value in values}) == len(values)


def test_a_digest_does_not_depend_on_the_order_of_sets_and_mappings() -> None:
    assert digest({"a": 1, "b": {3, 1, 2}}) == digest({"b": {2, 3, 1}, "a": 1})


def test_a_digest_sees_every_field_of_a_record() -> None:
    problem = Problem(
        id="p", prompt="q", entry_point="f", canonical_solution="s", base_inputs=[[{1, 2}]],
        plus_inputs=[],
    )  # fmt: skip
    import dataclasses

    changed = dataclasses.replace(problem, base_inputs=[[{1, 3}]])
    assert digest(problem) != digest(changed)
    assert digest(problem) == digest(dataclasses.replace(problem))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project in place of this one: benchmarks.stage imports domino.part lazily."""
    files = {
        "benchmarks/__init__.py": "",
        "benchmarks/methods.py": "NAMES = {}\n",
        "benchmarks/stage.py": """
            from typing import TYPE_CHECKING
            import json
            import benchmarks.methods
            if TYPE_CHECKING:
                from domino.hint import Hint
            def run(kind):
                from domino import part
                return ("ask", f"ask_{kind}")
            """,
        "benchmarks/prompts/ask_twice.txt": "Ask twice.\n",
        "benchmarks/prompts/ask.txt": "Ask.\n",
        "benchmarks/prompts/of_another_method.txt": "Tell.\n",
        "domino/__init__.py": "",
        "domino/part.py": "from domino.deep import x\n",
        "domino/deep.py": "x = 1\n",
        "domino/hint.py": "class Hint: ...\n",
        "domino/other.py": "y = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.setattr(identity, "ROOT", tmp_path)
    return tmp_path


def version() -> str:
    identity._source.cache_clear()
    identity._file.cache_clear()
    try:
        return code_version("benchmarks.stage")
    finally:
        identity._source.cache_clear()
        identity._file.cache_clear()


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("domino/deep.py", "x = 2\n", True),
        ("domino/part.py", "from domino.deep import x as y\n", True),
        ("benchmarks/prompts/ask.txt", "Ask again.\n", True),
        ("benchmarks/prompts/ask_twice.txt", "Ask three times.\n", True),
        ("benchmarks/prompts/of_another_method.txt", "Tell more.\n", False),
        ("domino/deep.py", "# a comment\nx  =  1\n", False),
        ("domino/other.py", "y = 2\n", False),
        ("domino/hint.py", "class Hint: a: int\n", False),
        ("benchmarks/methods.py", "NAMES = {1: 2}\n", False),
    ],
)
def test_code_changes_where_something_that_is_reached_changes(
    project: Path, name: str, text: str, changes: bool
) -> None:
    before = version()
    (project / name).write_text(text)
    assert (version() != before) is changes


@pytest.mark.parametrize("package", ["baselines", "benchmarks"])
def test_every_prompt_is_part_of_the_code_of_a_module_that_names_it(package: str) -> None:
    folder = identity.ROOT / package
    modules = [f"{package}.{path.stem}" for path in folder.glob("*.py") if path.stem[0] != "_"]
    named = {prompt for module in modules for prompt in identity._prompts(module)}
    assert named == set((folder / "prompts").glob("*.txt"))
    assert not identity._prompts("baselines.no_data")


def test_code_does_not_depend_on_where_the_project_lies(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(project, elsewhere)
    monkeypatch.setattr(identity, "ROOT", elsewhere)
    assert version() == before


def test_the_versions_of_the_libraries_are_part_of_the_code(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = version()
    monkeypatch.setattr(identity, "_versions", lambda: {"torch": "0.0"})
    assert version() != before


def test_a_stage_of_ours_has_a_version_without_importing_anything_heavy() -> None:
    assert len(code_version("benchmarks.stages.synthesize", "domino.method")) == 64
    assert "benchmarks.nowhere" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=r"benchmarks\.nowhere"):
        code_version("benchmarks.nowhere")


def test_a_plug_ins_own_package_is_part_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "plugged"
    package.mkdir()
    for name, text in {
        "__init__.py": "",
        "method.py": "import json\nfrom .helper import x\nfrom domino.records import Reference\n",
        "helper.py": "from . import deep\n",
        "deep.py": "y = 1\n",
        "other.py": "z = 1\n",
    }.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    def plugged() -> str:
        for cache in (identity._source, identity._file):
            cache.cache_clear()
        return code_version("plugged.method")

    first = plugged()
    (package / "other.py").write_text("z = 2\n")
    assert plugged() == first
    (package / "deep.py").write_text("y = 2\n")
    assert plugged() != first


@pytest.mark.parametrize(
    "modules",
    [("benchmarks.stages.finetune",), *(kind.modules for kind in ENGINES.values())],
    ids=["finetune", *ENGINES],
)
def test_the_date_of_chat_templates_is_part_of_every_cache_key(modules: tuple[str, ...]) -> None:
    assert "domino.engines.chat" in identity._closure(modules)
