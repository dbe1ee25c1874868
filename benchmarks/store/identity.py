"""The parts of a cache key: digests of source code, of data and of installed libraries.

A stage's code is its module and every module of this repository that it imports, directly or not,
with their prompts, and the versions of the libraries that compute. A plug-in's package counts as
well. Comments and layout do not count. Modules that only map names or store files are left out:
adding a method must not invalidate finished stages.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from domino.records import changes_result

ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("domino", "baselines", "benchmarks", "studies")
_LIBRARIES = (
    "torch", "transformers", "tokenizers", "jinja2", "peft", "trl", "accelerate", "numpy",
)  # fmt: skip
_NO_CODE = frozenset(
    {
        "benchmarks.methods",
        "benchmarks.engines",
        "benchmarks.suites.registry",
        "benchmarks.store.store",
        "benchmarks.common.files",
        "benchmarks.store.locking",
    }
)


def digest(value: Any) -> str:
    """Return the sha256 of a value built of dataclasses, containers and scalars.

    Fields that do not change a result are left out. Unlike JSON it distinguishes tuples from lists,
    and 1 from 1.0 and True, and supports sets and bytes.
    """
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: Any) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            item.name: getattr(value, item.name)
            for item in dataclasses.fields(value)
            if changes_result(item)
        }
        return type(value).__name__ + _canonical(fields)
    if isinstance(value, Mapping):
        items = sorted((_canonical(key), _canonical(item)) for key, item in value.items())
        return "{" + ",".join(f"{key}:{item}" for key, item in items) + "}"
    if isinstance(value, Set):
        return "set(" + ",".join(sorted(map(_canonical, value))) + ")"
    if isinstance(value, list | tuple):
        return type(value).__name__ + "(" + ",".join(map(_canonical, value)) + ")"
    return f"{type(value).__name__}:{value!r}"


def code_version(*modules: str) -> str:
    """Return a digest of what the modules compute with."""
    reached = _closure(modules)
    files = {path for module in reached for path in _prompts(module)}
    prompts = {path.name: path.read_text(encoding="utf-8") for path in files}
    return digest([{name: _source(name).digest for name in reached}, prompts, _versions()])


@functools.cache
def _versions() -> Mapping[str, str]:
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def _closure(modules: tuple[str, ...]) -> set[str]:
    reached: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        if module not in reached and module not in _NO_CODE:
            reached.add(module)
            pending += _source(module).imports
    return reached


def _prompts(module: str) -> list[Path]:
    """Return the files of the folder `prompts` next to a module: ours if the module names them.

    Our modules name a prompt by a text, or by the beginning of a formatted one ("evol_").
    """
    path = _file(module)
    files = sorted((path.parent / "prompts").glob("*.txt")) if path else []
    if module.split(".")[0] not in _PACKAGES:
        return files
    texts = _source(module).texts
    starts = tuple(text for text in texts if text.endswith("_"))
    return [file for file in files if file.stem in texts or file.stem.startswith(starts)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    digest: str
    imports: tuple[str, ...]
    texts: frozenset[str]


@functools.cache
def _source(module: str) -> _Source:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"no source file of module {module!r} below {ROOT}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    packages = {*_PACKAGES, module.partition(".")[0]}
    named = {name for name in _imports(tree, package) if name.partition(".")[0] in packages}
    imports = tuple(sorted(name for name in named if _file(name)))
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return _Source(
        digest=hashlib.sha256(ast.dump(tree).encode()).hexdigest(),
        imports=imports,
        texts=frozenset(text for text in constants if isinstance(text, str)),
    )


@functools.cache
def _file(module: str) -> Path | None:
    """Return the source file of a module of ours, or of one that is given by the caller."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    if module.split(".")[0] in _PACKAGES:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # a name inside a module, not a module
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the names that code of a package imports at run time, wherever it does."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue  # for type checkers alone
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            dots = "." * child.level
            base = importlib.util.resolve_name(dots + (child.module or ""), package or None)
            yield from (base, *(f"{base}.{alias.name}" for alias in child.names))
        yield from _imports(child, package)
