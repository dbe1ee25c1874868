"""Writing files so that a full disk or a kill never leaves a half-written one behind."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
from pathlib import Path
from urllib.parse import unquote

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_WITHOUT_ERRNO = ("No space left on device", "File too large")
"""What native writers say, whose errors have no errno."""


class StoreError(RuntimeError):
    """The store cannot be read or written: which file, what is wrong, what to do."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that no more can be written."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        if any(text in str(error) for text in _WITHOUT_ERRNO):
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full_message(path: Path | str) -> str:
    """The one line that a user reads when the disk is full."""
    return (
        f"no space left to write {path}: all finished stages are kept; "
        "free some space and repeat the command to resume"
    )


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace a file's content atomically: readers see the old one or the new one, never a part.

    Args:
        path: the file.
        content: all of it.
        durable: wait until the disk has it, so that a power failure cannot leave a damaged file.

    Raises:
        StoreError: the disk is full; the old content stays.
    """
    writer = f"{platform.node()}.{os.getpid()}"  # machines that share a disk may share numbers
    temporary = path.with_name(f".{path.name}.{writer}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> StoreError:
    """Return an error that explains why a file cannot be written."""
    if is_disk_full(error):
        return StoreError(disk_full_message(path))
    return StoreError(f"cannot write {path}: {error.strerror or error}; check its permissions")


def write_all(handle: int, data: bytes) -> None:
    """Write every byte to a file descriptor: one `write` may take only a part."""
    while data:
        data = data[os.write(handle, data) :]


def sqlite_url(path: Path) -> str:
    """Return a database file's URL, in which % and ? of the path (feature%2Fx) are quoted."""
    return f"sqlite:///{path}".replace("%", "%25").replace("?", "%3F")


def sqlite_file(url: str) -> Path | None:
    """Return the database file that a URL means; None where it is another kind of URL."""
    scheme, found, path = url.partition(":///")
    is_file = found and scheme.partition("+")[0] == "sqlite"
    return Path(unquote(path.partition("?")[0])) if is_file else None


def whole_bytes(path: Path) -> int:
    """Return the number of bytes in complete lines of a file; 0 if there is no file."""
    return path.read_bytes().rfind(b"\n") + 1 if path.is_file() else 0


def trim_torn_line(path: Path) -> None:
    """Cut off a last line that was never finished."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return
        file.seek(-1, os.SEEK_END)
        if file.read() == b"\n":
            return
    os.truncate(path, whole_bytes(path))


def sync_and_hash(path: Path) -> str:
    """Force a file to the disk and return its sha256."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
        return hashlib.file_digest(handle, "sha256").hexdigest()
