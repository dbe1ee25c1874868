"""GGUF files as checkpoints: converted once, kept in the cache by the file's digest.

transformers reads GGUF's quantized weights into ordinary ones. What it reads is written as
`save_pretrained` writes it, so that everything that takes a model directory takes a GGUF file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.common.cache import cache_directory
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError, disk_full_message, is_disk_full, write_error
from benchmarks.common.remembered import remembered

SUFFIX = ".gguf"
MANIFEST = "gguf.json"
"""Of a converted checkpoint: which file it was made from, and how."""

GGUF_PACKAGE = "gguf==0.19.0"
_LARGE = 1_000_000_000  # parameters; from here on float32 would take more than 4 GB
_FORM = 1  # of converted checkpoints; counted up when conversion changes


def gguf_checkpoint(file: Path, notify: Callable[[str], None] = lambda text: None) -> Path:
    """Return the directory of the checkpoint that a GGUF file is converted to, made on first use.

    Weights are float32, and bfloat16 from a billion parameters on.

    Args:
        file: the GGUF file.
        notify: called with one line before a conversion, which takes a minute or more.

    Raises:
        ConfigError: it is not a GGUF file, is cut, or transformers cannot read its architecture;
            or the package gguf is missing.
        StoreError: the cache cannot be written.
    """
    _require_magic(file)
    directory = checkpoint_place(file.stem, file_digest(file))
    if not is_converted(directory):
        _require_package(file)
        with _alone(directory):
            if not is_converted(directory):
                _convert(file, directory, notify)
    return directory


def checkpoint_place(stem: str, digest: str) -> Path:
    """Return where the checkpoint of a file with this name and sha256 is, or will be.

    Raises:
        ConfigError: this user has no cache directory.
    """
    cache = cache_directory()
    if cache is None:
        raise ConfigError("this user has no cache directory: set DOMINO_CACHE to a folder")
    name = re.sub(r"[^\w.-]", "-", stem)
    return cache / "models" / f"{name}-{digest[:16]}-{_FORM}"


def is_converted(directory: Path) -> bool:
    """Whether a conversion into the directory has been completed."""
    return (directory / MANIFEST).is_file()


def file_digest(file: Path) -> str:
    """Return the sha256 of a GGUF file, remembered in the cache while the file is unchanged."""
    state = file.stat()

    def compute() -> str:
        with file.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    known = checkpoint_place("", "").parent / "gguf-digests.json"
    facts = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
    return remembered(known, str(file.resolve()), facts, compute)


def _require_magic(file: Path) -> None:
    try:
        with file.open("rb") as handle:
            magic = handle.read(4)
    except FileNotFoundError as error:
        raise ConfigError(f"model {str(file)!r}: no such file") from error
    except OSError as error:
        raise ConfigError(f"model {str(file)!r} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        raise ConfigError(
            f"model {str(file)!r} is not a GGUF file (it begins with {magic!r}): download it again"
        )


def _require_package(file: Path) -> None:
    if importlib.util.find_spec("gguf") is None:
        raise ConfigError(
            f"model {str(file)!r}: reading GGUF files needs a package: pip install {GGUF_PACKAGE}"
        )


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process at a time convert."""
    from filelock import FileLock

    lock = directory.with_name(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield
    except OSError as error:
        raise write_error(directory, error) from error


def _convert(file: Path, directory: Path, notify: Callable[[str], None]) -> None:
    """Write the checkpoint next to its place, then rename it: a kill leaves no half checkpoint.

    Raises:
        ConfigError: the file cannot be converted.
        StoreError: the disk is full.
    """
    from safetensors import SafetensorError

    facts = _read_facts(file)
    _require_architecture(file)
    notify(f"converting {file.name} into a checkpoint, once: {directory}")
    temporary = directory.with_name(f".{directory.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a conversion that was killed
    temporary.mkdir()
    try:
        _save(file, facts, temporary)
        (temporary / "README.md").write_text(_card(file, facts), encoding="utf-8")
        manifest = {"file": file.name, "sha256": file_digest(file), **facts}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        for path in temporary.iterdir():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.replace(directory)
    except (OSError, SafetensorError) as error:
        if is_disk_full(error):
            raise StoreError(disk_full_message(directory)) from error
        raise _unreadable(file, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read_facts(file: Path) -> dict[str, Any]:
    """Return what the file says of itself, and read where each of its tensors lies.

    Raises:
        ConfigError: it is cut or damaged, or is one of several parts.
    """
    from gguf import GGUFReader

    try:
        reader = GGUFReader(file)
        values = {
            name: reader.fields[name].contents()
            for name in (
                "general.architecture", "general.license", "tokenizer.ggml.add_bos_token",
                "split.count",
            )
            if name in reader.fields
        }  # fmt: skip
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except Exception as error:  # whatever a damaged file makes it raise
        raise _unreadable(file, error) from error
    if (values.get("split.count") or 1) > 1:
        raise ConfigError(
            f"model {str(file)!r} is one of {values['split.count']} parts: join them with "
            "llama-gguf-split --merge, and give the result"
        )
    return {
        "architecture": str(values.get("general.architecture", "")),
        "licence": str(values.get("general.license", "")),
        "begins_with_bos": bool(values.get("tokenizer.ggml.add_bos_token", False)),
        "parameters": parameters,
        "dtype": "float32" if parameters < _LARGE else "bfloat16",
    }


def _unreadable(file: Path, error: BaseException) -> ConfigError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return ConfigError(
        f"model {str(file)!r} cannot be read as GGUF ({reason}): it is cut or damaged; download "
        "it again"
    )


def _require_architecture(file: Path) -> None:
    """Refuse, before any weight is read, what transformers cannot make a causal model of."""
    from transformers import AutoConfig, AutoModelForCausalLM, __version__

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            config = AutoConfig.from_pretrained(str(file.parent), gguf_file=file.name)
        readable = type(config) in AutoModelForCausalLM._model_mapping
        reason = f"{config.model_type} is not a causal language model"
    except Exception as error:  # noqa: BLE001 - the boundary: whatever odd metadata make it raise
        readable, reason = False, str(error).strip().splitlines()[0][:200]
    if not readable:
        raise ConfigError(
            f"model {str(file)!r}: transformers {__version__} cannot read this architecture from "
            f"GGUF ({reason}): give the directory of the original checkpoint"
        )


def _save(file: Path, facts: dict[str, Any], directory: Path) -> None:
    """Read the file with transformers and write model and tokenizer.

    Raises:
        ConfigError: the file lacks weights of its architecture, or has no tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    given = {"gguf_file": file.name}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
            tokenizer: Any = AutoTokenizer.from_pretrained(str(file.parent), **given)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                str(file.parent), dtype=getattr(torch, facts["dtype"]), output_loading_info=True,
                **given,
            )  # fmt: skip
    except Exception as error:  # whatever a damaged file makes it raise
        raise _unreadable(file, error) from error
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):
        raise ConfigError(
            f"model {str(file)!r} lacks {len(missing)} weights of its architecture, the first is "
            f"{missing[0]}: give the directory of the original checkpoint"
        )
    del model.config.quantization_config  # the weights are ordinary ones now
    model.hf_quantizer = None
    model.config._name_or_path = ""
    if facts["begins_with_bos"] and hasattr(tokenizer, "add_bos_token"):
        tokenizer.add_bos_token = True
    with contextlib.redirect_stderr(io.StringIO()):
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)


def _card(file: Path, facts: dict[str, Any]) -> str:
    licence = f"license: {json.dumps(facts['licence'])}\n" if facts["licence"] else ""
    return (
        f"---\n{licence}---\n\nConverted by DOMINO from {file.name} "
        f"({facts['architecture']}), weights in {facts['dtype']}.\n"
    )
