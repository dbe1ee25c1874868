"""Whether this machine lets its user make the namespaces of a sandbox, and which setting would.

`make benchmark` runs this file before it installs anything, so it has the standard library alone:
`python benchmarks/sandbox/namespaces.py`, followed by the options of the run.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Mounts, host name, IPC, user, processes, network; each by its CLONE_NEW... flag.
_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_SETTINGS = {
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "user/max_user_namespaces": ("0", "15000"),
}
"""Settings that forbid user namespaces: the value that does, and one that allows them."""

_ALLOW = "--allow-unsandboxed"
_CONTAINER = (
    "in a container: docker run --security-opt seccomp=unconfined --security-opt "
    "apparmor=unconfined --security-opt systempaths=unconfined, or --privileged"
)


def refusal() -> str | None:
    """Try to make a sandbox's namespaces in a child; return what fails there, None if nothing."""
    if sys.platform != "linux":
        return f"{sys.platform} has no namespaces"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _make_namespaces()
        except OSError as error:
            os.write(writer, f"{error.filename or error.strerror}: {error.strerror}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123 - a descriptor
        words = file.read().decode()
    os.waitpid(child, 0)
    return words or None


def _make_namespaces() -> None:
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_NAMESPACES), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount /")
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    # A /proc of one's own: containers whose /proc is masked refuse this alone.
    _check(libc.mount(b"proc", b"/proc", b"proc", 0, None), "mount /proc")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def remedy() -> str:
    """Return which setting of this machine allows namespaces."""
    return "; ".join([*_wrong_settings(), _CONTAINER])


def _wrong_settings() -> Iterator[str]:
    for name, (forbids, allows) in _SETTINGS.items():
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() == forbids:
            yield f"sysctl -w {name.replace('/', '.')}={allows}"


def main() -> int:
    """Return 2 and say why where programs could not be sandboxed and must be."""
    if _ALLOW in sys.argv:
        return 0
    found = refusal()
    if found is None:
        return 0
    print(  # noqa: T201 - the command's output
        f"untrusted programs cannot be sandboxed here, without namespaces ({found})\n"
        f"to allow it: {remedy()}\n"
        f'or give {_ALLOW} (make benchmark ARGS="{_ALLOW}") if model-written programs may read '
        "and write what you can",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
