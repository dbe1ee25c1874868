"""Run directories: stages named by their cache key, records appended one by one, the manifest last.

A stage's cache key is the hash of its name, its config, its inputs' keys and its code version. A
change of any of them gives another directory: nothing stale is reused, nothing finished is redone.
The directory of a stage is complete when it has `manifest.json`; until then its record files grow
by complete lines, and a killed process loses at most the line that it was writing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, TypeVar

from benchmarks.common.files import (
    StoreError,
    is_disk_full,
    sync_and_hash,
    trim_torn_line,
    whole_bytes,
    write_all,
    write_atomically,
    write_error,
)
from benchmarks.store.locking import WriteLock
from domino.records import SCHEMA_VERSION, Record, RecordError, result_fields
from domino.text import escaped, load_json

__all__ = ["Stage", "Store", "StoreError", "canonical_json"]

STORE_VERSION = 1
STAGES, MANIFEST = "stages", "manifest.json"
_RecordT = TypeVar("_RecordT", bound=Record)


def canonical_json(value: Any) -> str:
    """Return JSON that is equal for equal values: sorted keys, dataclasses and paths as plain data.

    Raises:
        StoreError: a value has no JSON form.
    """
    try:
        return escaped(json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain))
    except TypeError as error:
        raise StoreError(f"a stage's config must be plain data: {error}") from error


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no JSON form")


class Store:
    """All stages under one root directory; several processes may use one root at a time."""

    def __init__(self, root: Path, *, between: Callable[[], None] = lambda: None) -> None:
        """Use `root`, which is made when the first stage is written.

        Args:
            root: the directory.
            between: called where no work is lost by stopping: after each record, and while waiting.
        """
        self.root = root
        self.between = between

    def stage(
        self, name: str, *, config: Mapping[str, Any], inputs: Sequence[Stage], code: str
    ) -> Stage:
        """Return the stage of this cache key, whether it has been run or not."""
        plain_config = json.loads(canonical_json(result_fields(config)))
        addresses = [stage.address for stage in inputs]
        identity = [STORE_VERSION, SCHEMA_VERSION, name, plain_config, addresses, code]
        address = hashlib.sha256(canonical_json(identity).encode()).hexdigest()
        origin = {"config": plain_config, "inputs": addresses, "code": code}
        path = self.root / STAGES / f"{name}-{address[:16]}"
        return Stage(name=name, address=address, path=path, origin=origin, between=self.between)

    def stored(self, directory: str) -> Stage:
        """Return a finished stage by the name of its directory.

        Raises:
            StoreError: there is no such stage, it is not finished, or it is damaged.
        """
        path = self.root / STAGES / directory
        try:
            manifest = load_json((path / MANIFEST).read_text(encoding="utf-8"))
            origin = {name: manifest[name] for name in ("config", "inputs", "code")}
            stage = Stage(
                name=manifest["name"], address=manifest["address"], path=path, origin=origin
            )
        except OSError as error:
            raise StoreError(
                f"{path} is not a finished stage ({error.strerror}): repeat the command of the run"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{path / MANIFEST} is not a manifest ({error!r}): run again"
            ) from error
        if not stage.complete:
            raise StoreError(f"{path} is not finished: repeat the command of the run")
        return stage


class Stage:
    """One directory of the store. `append` writes records; `finish` makes it complete."""

    def __init__(
        self,
        *,
        name: str,
        address: str,
        path: Path,
        origin: Mapping[str, Any],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Describe a stage; nothing is read or written yet."""
        self.name = name
        self.address = address
        self.path = path
        self._origin = origin
        self._between = between
        self._lock = WriteLock(path)
        self._handles: dict[str, int] = {}

    @property
    def complete(self) -> bool:
        """Whether the manifest is there and every file it lists has its size.

        Raises:
            StoreError: the stage was finished and then damaged.
        """
        manifest = self._manifest()
        if manifest is None:
            return False
        for name, entry in manifest["files"].items():
            file = self.path / name
            size = file.stat().st_size if file.is_file() else None
            if size != entry["bytes"]:
                found = "is missing" if size is None else f"has {size} bytes"
                raise self._damaged(f"{name} {found}, its manifest says {entry['bytes']}")
        return True

    @property
    def summary(self) -> Mapping[str, Any]:
        """The summary given to `finish`.

        Raises:
            StoreError: the stage is not finished.
        """
        summary: Mapping[str, Any] = self._finished()["summary"]
        return summary

    @property
    def seconds(self) -> float:
        """Seconds of work that the finished stage took, interrupted attempts included."""
        return float(self._finished()["seconds"])

    @property
    def cpu_seconds(self) -> float | None:
        """Processor seconds of work; None for a stage of an older version.

        Processes that continue after the stage, such as an engine's, are not included.
        """
        seconds = self._finished().get("cpu_seconds")
        return None if seconds is None else float(seconds)

    @property
    def finished(self) -> str:
        """Time when the stage finished: UTC, ISO 8601, in seconds."""
        return str(self._finished()["finished"])

    @property
    def code(self) -> str:
        """The version of the code that made the stage."""
        return str(self._origin["code"])

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of the stage, as plain data."""
        config: Mapping[str, Any] = self._origin["config"]
        return config

    @property
    def digests(self) -> Mapping[str, str]:
        """The sha256 of every file of the finished stage, by its path inside the stage."""
        files = self._finished()["files"]
        return {name: entry["sha256"] for name, entry in files.items()}

    def read(self, file: str, record_class: type[_RecordT]) -> list[_RecordT]:
        """Return the records of a file in order; none if it does not exist yet.

        An incomplete last line of an unfinished file, left by a killed process, is ignored.

        Raises:
            StoreError: a line cannot be read.
        """
        path = self.path / file
        if not path.is_file():
            return []
        *lines, torn = path.read_bytes().split(b"\n")
        if torn and (self.path / MANIFEST).is_file():
            raise self._damaged(f"{file} ends in the middle of a line")
        return [self._parse(file, n, line, record_class) for n, line in enumerate(lines, 1)]

    def append(self, file: str, record: Record) -> None:
        """Add one record to a file: one line, written at once and not buffered.

        Raises:
            StoreError: the stage is finished, another process writes it, or the disk is full.
        """
        handle = self._handles.get(file)
        if handle is None:
            handle = self._open(file)
        try:
            write_all(handle, record.to_json().encode() + b"\n")
        except OSError as error:
            raise write_error(self.path / file, error) from error
        self._lock.tick()
        self._between()

    @contextlib.contextmanager
    def writing(self, on_wait: Callable[[str], None] = lambda text: None) -> Iterator[None]:
        """Lock the stage against other processes; waits while another one is writing it.

        Check `complete` again afterwards: the other process may have finished the stage.
        """
        if not self._lock.acquire(wait=False):
            on_wait(f"{self.name}: another process ({self._lock.holder}) is writing it; waiting")
            self._lock.acquire(wait=True, while_waiting=self._between)
        try:
            yield
        finally:
            self._close_files()
            self._lock.release()

    @contextlib.contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """Yield a new directory that becomes `name` when the block ends without an error.

        Remains of a killed process under the same name are replaced, never mixed in. The lengths
        of the stage's record files are stored with it, for `has`.
        """
        self._acquire()
        temporary, target = self.path / f".{name}.tmp", self.path / name
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            yield temporary
        except OSError as error:
            if is_disk_full(error):
                raise write_error(target, error) from error
            raise
        sizes = {path.name: whole_bytes(path) for path in self.path.glob("*.jsonl")}
        write_atomically(self._sizes(name), canonical_json(sizes))
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)

    def has(self, name: str) -> bool:
        """Whether `directory` made this one, and no earlier record has been lost since.

        Records are passed to the operating system but not synced to disk, which would be slow. A
        machine that crashes may lose records older than the directory, which is then made again.
        """
        if not (self.path / name).is_dir():
            return False
        try:
            sizes = load_json(self._sizes(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        return all(whole_bytes(self.path / file) >= size for file, size in sizes.items())

    def _sizes(self, name: str) -> Path:
        return self.path / f".{name}.sizes"

    def discard(self, name: str) -> None:
        """Remove a file or directory of an unfinished stage that has to be made again."""
        self._acquire()
        handle = self._handles.pop(name, None)
        if handle is not None:
            os.close(handle)
        shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / name).unlink(missing_ok=True)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the manifest: the stage is complete now and never written again.

        Raises:
            StoreError: the stage is finished already, another process writes it, or the disk
                is full.
        """
        self._acquire()
        self._close_files()
        for file in self.path.glob("*.jsonl"):
            trim_torn_line(file)
        manifest = {
            "name": self.name,
            "address": self.address,
            **self._origin,
            "files": self._describe_files(),
            "summary": json.loads(canonical_json(summary)),
            "seconds": round(self._lock.seconds, 3),
            "cpu_seconds": round(self._lock.cpu_seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        write_atomically(self.path / MANIFEST, escaped(text) + "\n")
        self._lock.forget_seconds()
        self._lock.release()

    def adopt(self, folder: Path, manifest: str) -> None:
        """Become a complete stage that was made elsewhere; unfinished work here is dropped.

        Args:
            folder: its files, in a hidden folder of this stage, from which they are moved.
            manifest: the text of its manifest, written last.

        Raises:
            StoreError: the stage is finished already, another process writes it, or the disk
                is full.
        """
        self._acquire()
        self._close_files()
        for path in [path for path in self.path.iterdir() if not path.name.startswith(".")]:
            self.discard(path.name)
        for path in folder.iterdir():
            path.replace(self.path / path.name)
        write_atomically(self.path / MANIFEST, manifest)
        self._lock.forget_seconds()
        self._lock.release()

    def _parse(self, file: str, number: int, line: bytes, record_class: type[_RecordT]) -> _RecordT:
        try:
            return record_class.from_json(line.decode("utf-8"))
        except (RecordError, UnicodeDecodeError) as error:
            raise self._damaged(f"{file} line {number}: {error}") from error

    def _manifest(self) -> dict[str, Any] | None:
        path = self.path / MANIFEST
        try:
            manifest: Any = load_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self._damaged(f"{MANIFEST} is not JSON ({error})") from error
        if not isinstance(manifest, dict) or manifest.get("address") != self.address:
            raise self._damaged(f"{MANIFEST} has another cache key than {self.address}")
        if not all(isinstance(manifest.get(name), dict) for name in ("files", "summary")):
            raise self._damaged(f"{MANIFEST} lacks its files or its summary")
        return dict(manifest)

    def _finished(self) -> dict[str, Any]:
        manifest = self._manifest()
        if manifest is None:
            raise StoreError(f"{self.path} is not finished: run its stage first")
        return manifest

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self.path} is damaged: {what}; remove this directory and run again")

    def _describe_files(self) -> dict[str, dict[str, Any]]:
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        relative = {path.relative_to(self.path): path for path in files}
        return {
            name.as_posix(): {"bytes": path.stat().st_size, "sha256": sync_and_hash(path)}
            for name, path in relative.items()
            if not any(part.startswith(".") for part in name.parts)
        }

    def _open(self, file: str) -> int:
        self._acquire()
        path = self.path / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            trim_torn_line(path)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise write_error(path, error) from error
        self._handles[file] = handle
        return handle

    def _close_files(self) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()

    def _acquire(self) -> None:
        if not self._lock.held and not self._lock.acquire(wait=False):
            raise StoreError(
                f"{self.path} is being written by another process ({self._lock.holder}): wait "
                "for it, or give this run another --output"
            )
        if (self.path / MANIFEST).exists():
            self._lock.release()
            raise StoreError(f"{self.path} is finished: a finished stage is never written again")
