"""A small Hugging Face hub on this machine: the parts of its protocol that loading files needs.

`huggingface_hub`, `datasets` and transformers talk to it as to the real one, by HF_ENDPOINT.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Files = Mapping[str, bytes]


@dataclass
class Hub:
    """What is served, and what was asked for.

    Attributes:
        models: files by path, of each model's name.
        datasets: the same of data sets.
        url: where it is.
        downloads: paths of files that were sent, "owner/name/path".
    """

    models: Mapping[str, Files]
    datasets: Mapping[str, Files]
    url: str = ""
    downloads: list[str] = field(default_factory=list)

    def environment(self, cache: Path) -> dict[str, str]:
        """Return what a process needs to use this hub, and nothing of the user's own cache."""
        return {"HF_ENDPOINT": self.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(cache)}


@contextmanager
def serving(models: Mapping[str, Files], datasets: Mapping[str, Files]) -> Iterator[Hub]:
    """Serve models and data sets on loopback."""
    hub = Hub(models, datasets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def files_of(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory as a repository's."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes = b"") -> None:
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[0] == "api" and len(parts) > 1 and parts[1] in ("models", "datasets"):
            repository = getattr(self.hub, parts[1]).get("/".join(parts[2:4]))
            self._api("/".join(parts[2:4]), repository, parts[4:], body)
        elif "resolve" in parts:
            kind = "datasets" if parts[0] == "datasets" else "models"
            at = parts.index("resolve")
            name = "/".join(parts[at - 2 : at])
            files = getattr(self.hub, kind).get(name, {})
            self._file(name, "/".join(parts[at + 2 :]), files)
        else:
            self._send(404, b"")

    def _api(self, name: str, files: Files | None, rest: list[str], body: bytes) -> None:
        if files is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif not rest or rest[0] == "revision":
            siblings = [{"rfilename": path} for path in files]
            about = {"id": name, "sha": COMMIT, "private": False, "tags": [], "downloads": 0}
            self._json({**about, "siblings": siblings})
        elif rest[0] == "tree":
            below = "/".join(rest[2:])
            found = [_entry(path, data) for path, data in files.items() if path.startswith(below)]
            self._json(found)
        elif rest[0] == "paths-info":
            asked = _paths(self.headers.get("Content-Type", ""), body)
            self._json([_entry(path, files[path]) for path in asked if path in files])
        else:
            self._send(404, b"{}")

    def _file(self, name: str, path: str, files: Files) -> None:
        if path not in files:
            code = "EntryNotFound" if files else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code, "X-Repo-Commit": COMMIT})
            return
        if self.command == "GET":
            self.hub.downloads.append(f"{name}/{path}")
        headers = {"ETag": f'"{_digest(files[path])}"', "X-Repo-Commit": COMMIT}
        self._send(200, files[path], headers)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _paths(content_type: str, body: bytes) -> list[str]:
    if "json" in content_type:
        return list(json.loads(body)["paths"])
    return [value for key, value in parse_qsl(body.decode()) if key == "paths"]


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": path, "size": len(data), "oid": _digest(data)}


def _digest(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
