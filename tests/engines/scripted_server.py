"""A server that sends what a test has written beforehand, whatever it is asked."""

import json
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-a-key-that-nobody-may-see"
Answer = tuple[int, dict[str, str], bytes]


def said(value: object, **headers: str) -> Answer:
    return 200, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


class Server(ThreadingHTTPServer):
    """Gives each of `answers` once, and the last of them from then on."""

    daemon_threads = True
    block_on_close = False
    answers: deque[Answer]
    keys: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        answers = self.server.answers
        self.server.keys.append(self.headers["Authorization"] or "")
        status, headers, body = answers.popleft() if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
