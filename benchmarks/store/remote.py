"""A store that machines share, at any URL that fsspec knows: s3://, gs://, file://, sftp://, ...

The run directory remains the working copy, with records, locks and unfinished stages. Finished
stages are uploaded, and stages that are not finished here are looked up in the shared store:

    URL/domino-store.json          the format of all below
    URL/files/SHA256               content of a file, named by its digest
    URL/stages/NAME-KEY.json       a stage's manifest, uploaded after all its files

A manifest names files by digest, so two writers of one stage never mix: each wrote the files that
its own manifest names, so that the last manifest is complete too. A stage without a manifest,
with an incomplete manifest, or with a file of another digest is not used; it is computed again and
replaced. Nothing is ever removed from a shared store.

fsspec finds credentials in the environment by its own rules; they are not handled here.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import is_disk_full, sync_and_hash, write_error
from benchmarks.store.store import MANIFEST, Stage
from domino.text import load_json

FORMAT = {"format": 1}
_ATTEMPTS = 4
_ATTEMPTS_AT_START = 2  # a user waits, and packages such as s3fs retry themselves
_LONGEST_WAIT_S = 8.0
_FINAL = (
    FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, TypeError,
    ValueError,
)  # fmt: skip
_MANIFEST_KEYS = {"name", "address", "config", "inputs", "code", "files", "summary", "seconds",
                  "finished"}  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


class NoRemoteStore:
    """No shared store: stages are only in the run directory."""

    def download(self, stage: Stage) -> bool:
        """Download a complete stage from the shared store, if it is there.

        Args:
            stage: an unfinished one that this process is `writing`; complete if True is returned.
        """
        return False

    def upload(self, stage: Stage) -> None:
        """Upload a finished stage to the shared store, unless it is there already."""

    def retry_uploads(self) -> str:
        """Try failed uploads again; return a line on the state of the store."""
        return ""


class RemoteStore(NoRemoteStore):
    """A shared store. If it fails, the run continues without it."""

    def __init__(self, url: str, *, warn: Callable[[str], None], first_wait_s: float = 0.5) -> None:
        """Check whether the store can be used, and list its stages.

        Args:
            url: of a bucket or directory, or of a path in one.
            warn: shows one line.
            first_wait_s: delay before a failed request is repeated; doubled each time.

        Raises:
            ConfigError: it cannot be used.
        """
        self.url = url
        self._warn, self._first_wait_s = warn, first_wait_s
        self._attempts = _ATTEMPTS_AT_START
        self._works = True
        self._missing: list[Stage] = []
        self._taken = self._given = 0
        self._fs, self._root = _open(url)
        try:
            self._check_format()
            self._there = self._stages()
        except ConfigError:
            raise
        except Exception as error:  # the boundary: whatever the file system's library raises
            raise ConfigError(
                f"store {url} cannot be used ({_reason(error)}): give a bucket or directory that "
                "exists, with credentials in the environment, or remove --store"
            ) from error
        self._attempts = _ATTEMPTS

    def download(self, stage: Stage) -> bool:
        """Download a complete stage from the shared store, if it is there and undamaged."""
        if not self._works:
            return False
        folder = stage.path / ".fetched"
        try:
            fetched = self._download_to(stage, folder)
        except Exception as error:  # the boundary, as above
            if is_disk_full(error):
                raise write_error(stage.path, OSError(28, str(error))) from error
            self._give_up(error)
            return False
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._taken += fetched
        return fetched

    def upload(self, stage: Stage) -> None:
        """Put a finished stage into the shared store, where it is not there already."""
        if stage.path.name in self._there:
            return
        if self._works:
            try:
                self._push(stage)
            except Exception as error:  # noqa: BLE001 - the boundary, as above
                self._give_up(error)
            else:
                return
        self._missing.append(stage)

    def retry_uploads(self) -> str:
        """Try once more what failed; return the line that says what became of the store."""
        pending, self._missing = self._missing, []
        for number, stage in enumerate(pending):
            try:
                self._push(stage)
            except Exception:  # noqa: BLE001 - the boundary, as above; said before
                self._missing = pending[number:]
                break
        counts = f"{self._taken} stages downloaded, {self._given} uploaded"
        if not self._missing:
            return f"Store: {self.url}: {counts}"
        return (
            f"Store: {self.url}: {counts}, {len(self._missing)} failed: repeat the command to "
            "upload them"
        )

    def _give_up(self, error: Exception) -> None:
        self._works = False
        self._warn(
            f"warning: store {self.url} failed ({_reason(error)}); the run continues, and all its "
            "results are in the run directory"
        )

    def _check_format(self) -> None:
        """Mark a new store, and refuse one of another format."""
        marker = self._path("domino-store.json")
        text = self._read(marker)
        if text is None:
            if "file" in self._fs.protocol:  # buckets are never created: the name may be mistyped
                self._fs.makedirs(self._root, exist_ok=True)
            self._retried(self._fs.pipe_file, marker, json.dumps(FORMAT).encode())
            for folder in ("files", "stages"):
                self._retried(self._fs.makedirs, self._path(folder), exist_ok=True)
        elif _json(text) != FORMAT:
            raise ConfigError(
                f"store {self.url} has another format ({text[:80]!r}, not {FORMAT}): give an empty "
                "folder"
            )

    def _stages(self) -> set[str]:
        """Return the directory names of the stages that have a manifest in the store."""
        self._fs.invalidate_cache()
        try:
            paths: list[str] = self._retried(self._fs.ls, self._path("stages"), detail=False)
        except FileNotFoundError:  # object stores have no empty directories
            return set()
        return {PurePosixPath(path).stem for path in paths}

    def _download_to(self, stage: Stage, folder: Path) -> bool:
        text = self._read(self._path("stages", f"{stage.path.name}.json"))
        if text is None:
            return False
        why = self._download(stage, text, folder)
        if why:
            self._there.discard(stage.path.name)
            self._warn(f"store {self.url}: {stage.path.name} is damaged ({why}); computed again")
            return False
        stage.adopt(folder, text.decode())
        self._there.add(stage.path.name)
        return True

    def _download(self, stage: Stage, text: bytes, folder: Path) -> str:
        """Download a stage's files into a folder; return what is wrong with them, or ""."""
        files = _files(_json(text), stage)
        if files is None:
            return "no manifest of this stage"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, digest in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._retried(self._fs.get_file, self._path("files", digest), str(target))
            except FileNotFoundError:
                return f"{name} is missing"
            if sync_and_hash(target) != digest:
                return f"{name} has another digest"
        return ""

    def _push(self, stage: Stage) -> None:
        """Upload the files first, then the manifest, whose presence means that all are there."""
        for name, digest in stage.digests.items():
            source = str(stage.path / name)
            self._retried(self._fs.put_file, source, self._path("files", digest))
        manifest = self._path("stages", f"{stage.path.name}.json")
        self._retried(self._fs.pipe_file, manifest, (stage.path / MANIFEST).read_bytes())
        self._there.add(stage.path.name)
        self._given += 1

    def _read(self, path: str) -> bytes | None:
        """Return the content of a small file; None if it does not exist."""
        with contextlib.suppress(FileNotFoundError):
            content: bytes = self._retried(self._fs.cat_file, path)
            return content
        return None

    def _path(self, *parts: str) -> str:
        return "/".join([self._root, *parts])

    def _retried(self, call: Callable[..., _T], *given: Any, **named: Any) -> _T:
        """Call, and repeat after a delay if the error may be temporary."""
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

        retrying = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=self._first_wait_s, max=_LONGEST_WAIT_S),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        return retrying(call, *given, **named)


def open_shared(url: str | None, *, warn: Callable[[str], None]) -> NoRemoteStore:
    """Return the shared store of a URL; without a URL, an empty one.

    Raises:
        ConfigError: it cannot be used.
    """
    return NoRemoteStore() if url is None else RemoteStore(url, warn=warn)


def _open(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    if "://" not in url:  # a path; its characters have no special meaning
        return LocalFileSystem(), str(Path(url).absolute())
    try:
        filesystem, path = url_to_fs(url, skip_instance_cache=True)
    except (ImportError, ValueError, OSError) as error:
        raise ConfigError(
            f"store {url}: {_reason(error)}; give a URL that fsspec supports, such as "
            "s3://bucket/folder, and install the package of its protocol (s3fs for s3)"
        ) from error
    return filesystem, str(path).rstrip("/")


def _may_pass(error: BaseException) -> bool:
    return (
        isinstance(error, Exception) and not isinstance(error, _FINAL) and not is_disk_full(error)
    )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _json(text: bytes) -> Any:
    """Return the value of JSON text; None if it is invalid, for example incomplete."""
    try:
        return load_json(text)
    except ValueError:
        return None


def _files(manifest: Any, stage: Stage) -> Mapping[str, str] | None:
    """Return the digest of each file of a manifest; None if it is not of this stage."""
    if not isinstance(manifest, dict) or not manifest.keys() >= _MANIFEST_KEYS:
        return None
    if manifest["address"] != stage.address:
        return None
    try:
        files = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
    except (AttributeError, KeyError, TypeError):
        return None
    safe = all(_inside(name) and _SHA256.fullmatch(digest) for name, digest in files.items())
    return files if safe else None


def _inside(name: str) -> bool:
    """Whether a path stays inside the stage; the manifest may have been written by others."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return bool(path.parts) and not path.is_absolute() and not hidden and name != MANIFEST
