"""Which backbone a run means, and the digest of its files: addresses never hold its path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.common.fields import ConfigError
from benchmarks.common.remembered import remembered
from domino.text import load_json

HOUSESTYLE_MODEL = "housestyle"
"""The name of the backbone that this repository ships, for the tracks without dialects."""

SHIPPED_MODELS = (HOUSESTYLE_MODEL, "housestyle-weak", "housestyle-coherent")
"""The names of all that it ships; the other two are of the track dialects, by coherence."""


_SUFFIXES = (
    ".json", ".safetensors", ".bin", ".model", ".txt", ".jinja", ".py", ".tiktoken", ".spm", ".bpe",
    ".codes",
)  # fmt: skip
"""Of what transformers reads: weights, configs, tokenizers, templates."""

_DIGESTS = "model-digests.json"


def resolve_model(name: str) -> Path:
    """Return the directory of a model: the shipped one, a local one, or one from the hub's cache.

    Raises:
        ConfigError: it is not there, or is no model that transformers can load.
    """
    require_place(name)
    if name in SHIPPED_MODELS:
        from benchmarks.suites.housestyle.backbone import CHECKPOINTS

        directory = CHECKPOINTS[name]
    elif Path(name).expanduser().is_dir():
        directory = Path(name).expanduser().resolve()
    else:
        directory = _from_hub(name)
    _require_model(name, directory)
    return directory


def require_place(name: str) -> None:
    """Refuse what is neither a directory nor a hub's name, before anything is loaded or fetched.

    Raises:
        ConfigError: it is neither.
    """
    if not (name in SHIPPED_MODELS or Path(name).expanduser().is_dir() or _is_hub_name(name)):
        raise ConfigError(f"model {name!r}: no such directory")


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
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (OSError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"model {name!r}: no such directory, and not to be had from the hub ({reason})"
        ) from error


def _require_model(name: str, directory: Path) -> None:
    """Refuse a directory that transformers could not load, before anything is computed."""
    where = f"model {name!r}: {directory}"
    if not directory.is_dir():
        raise ConfigError(f"{where} is not there")
    try:
        config = load_json((directory / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{where} is no model directory: it has no config.json") from error
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
        raise ConfigError(f"{where} holds no weights (*.safetensors)")
    if not any(
        (directory / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")
    ):
        raise ConfigError(f"{where} holds no tokenizer (tokenizer.json)")
