"""Whatever a server says is a completion, or one engine error in words after some retries."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domino.engines import openai_engine
from domino.engines.base import EngineError, Request
from domino.engines.openai_engine import OpenaiConfig, OpenaiEngine
from domino.records import Sampling

GREEDY = Sampling(temperature=0.0, max_new_tokens=8)
HELLO = [Request(prompt="Sort the", seed=0)]
KEY = "sk-a-key-that-nobody-may-see"
Answer = tuple[int, dict[str, str], bytes]


def said(value: object, **headers: str) -> Answer:
    return 200, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


def choice(**values: object) -> Answer:
    return said({"choices": [{"text": "fine", "finish_reason": "stop", **values}]})


GOOD = choice()


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


@pytest.fixture(scope="module")
def listening():
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def serving(listening):
    """Return what makes the server give these answers."""

    def serve(*answers: Answer) -> Server:
        listening.answers, listening.keys = deque(answers), []
        return listening

    return serve


@pytest.fixture(autouse=True)
def without_waits(monkeypatch):
    monkeypatch.setattr(openai_engine, "_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.0)


def connect(model, server):
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return OpenaiEngine(model, OpenaiConfig(base_url=url, retries=2, timeout_s=20))


@pytest.fixture(scope="module")
def engine(tiny_backbone, listening):
    return connect(tiny_backbone, listening)


def ask(engine):
    (made,) = engine.generate(HELLO, GREEDY)
    return made


JUNK: dict[str, Answer] = {
    "html": (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
    "html-as-json": (200, {"Content-Type": "application/json"}, b"<html>Welcome</html>"),
    "nothing": (200, {}, b""),
    "no-content": (204, {}, b""),
    "cut-off": (200, {"Content-Type": "application/json"}, GOOD[2][:-5]),
    "not-utf-8": (200, {"Content-Type": "application/json"}, b'{"choices": "\xff"}'),
    "brackets": (200, {"Content-Type": "application/json"}, b"[" * 100_000),
    "digits": (200, {}, b'{"choices": ' + b"9" * 5000 + b"}"),
    "null": said(None),
    "a-list": said([1]),
    "a-number": said(5),
    "error-object": said({"error": {"message": "overloaded", "code": 503}}),
    "error-text": said({"error": "overloaded"}),
    "error-and-choices": said({"error": {"message": "stopped"}, "choices": [{"text": "half"}]}),
    "no-choices": said({"id": "1"}),
    "choices-empty": said({"choices": []}),
    "choices-null": said({"choices": None}),
    "choices-an-object": said({"choices": {"text": "x"}}),
    "choice-null": said({"choices": [None]}),
    "choice-a-text": said({"choices": ["fine"]}),
    "chat": said({"choices": [{"message": {"role": "assistant", "content": "fine"}}]}),
    "text-null": choice(text=None),
    "text-a-number": choice(text=5),
    "text-a-list": choice(text=["fine"]),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_not_a_completion_is_asked_for_again(engine, serving, junk):
    server = serving(junk, junk, GOOD)
    assert ask(engine).text == "fine"
    assert len(server.keys) == 3


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_never_a_completion_is_one_error_in_words(engine, serving, junk):
    server = serving(junk)
    with pytest.raises(EngineError, match=r"answers without a completion.*including /v1") as e:
        ask(engine)
    assert len(server.keys) == 3
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 1000


ODD = {
    "usage-null": said({"choices": [{"text": "fine"}], "usage": None}),
    "usage-a-text": said({"choices": [{"text": "fine"}], "usage": "many"}),
    "usage-negative": said({"choices": [{"text": "fine"}], "usage": {"completion_tokens": -3}}),
    "usage-beyond-the-limit": said(
        {"choices": [{"text": "fine"}], "usage": {"completion_tokens": 10**40}}
    ),
    "logprobs-null": choice(logprobs=None),
    "reason-null": choice(finish_reason=None),
    "reason-a-list": choice(finish_reason=["length"]),
    "unknown-fields": choice(extra={"a": [1]}, index="0"),
    "as-text": (200, {"Content-Type": "text/plain"}, GOOD[2]),
    "with-a-mark": (200, {}, b"\xef\xbb\xbf" + GOOD[2]),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_text_is_a_completion_whatever_stands_around_it(engine, serving, odd):
    server = serving(odd)
    made = ask(engine)
    assert len(server.keys) == 1
    assert (made.text, made.truncated) == ("fine", False)
    assert 0 < made.tokens <= 8


def test_half_an_emoji_is_replaced_and_can_be_stored(engine, serving):
    serving(choice(text="a\ud83d b \ude00\x00"))
    made = ask(engine)
    assert made.text == "a\ufffd b \ufffd\x00"
    assert made.tokens > 0


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_is_refused_for_now_is_asked_again_after_the_wait_it_names(engine, serving, status):
    busy = (status, {"Retry-After": "0.01"}, b"<html>busy</html>")
    serving(busy, busy, GOOD)
    assert ask(engine).text == "fine"


def test_a_wait_of_a_day_is_not_waited_for(engine, serving):
    server = serving((429, {"Retry-After": "86400"}, b"{}"))
    with pytest.raises(EngineError, match=r"keeps failing .*asks to wait 86400 s"):
        ask(engine)
    assert len(server.keys) == 1


@pytest.mark.parametrize("status", [300, 302, 307, 400, 401, 403, 404, 418, 422])
def test_other_refusals_are_one_error_at_once(engine, serving, status):
    server = serving((status, {}, b"[" * 100_000))
    with pytest.raises(EngineError) as error:
        ask(engine)
    assert len(server.keys) == 1
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("location", ["/v1/completions", "http://[", "ftp://elsewhere/", "//"])
def test_a_redirect_that_leads_nowhere_is_one_error(engine, serving, location):
    serving((307, {"Location": location}, b""))
    with pytest.raises(EngineError, match="the server at"):
        ask(engine)


CUT = {
    "in-mid-body": (200, {"Content-Length": "1000"}, GOOD[2][:20]),
    "before-the-body": (200, {"Content-Length": "1000"}, b""),
    "not-gzip": (200, {"Content-Encoding": "gzip"}, GOOD[2]),
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_a_connection_that_breaks_is_tried_again_and_then_one_error(engine, serving, cut):
    serving(cut, cut, GOOD)
    assert ask(engine).text == "fine"
    serving(cut)
    with pytest.raises(EngineError, match=r"cannot be reached.*\(\w+Error"):
        ask(engine)


def test_a_key_is_sent_without_the_line_break_that_a_file_ends_with(
    tiny_backbone, serving, monkeypatch
):
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    server = serving(GOOD)
    ask(connect(tiny_backbone, server))
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("key", [f"{KEY}\n{KEY}", f"{KEY}\x00", f"“{KEY}”", f"{KEY}\udcff"])
def test_a_key_that_no_header_can_hold_is_named_and_not_shown(
    tiny_backbone, serving, monkeypatch, key
):
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": key})
    server = serving(GOOD)
    with pytest.raises(EngineError, match="the key in OPENAI_API_KEY has a line break") as e:
        ask(connect(tiny_backbone, server))
    assert KEY not in str(e.value)
    assert not server.keys


def test_a_server_that_repeats_the_key_does_not_show_it(engine, serving, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    serving(said({"error": f"bad Bearer {KEY}"}))
    with pytest.raises(EngineError, match=r"bad Bearer \*\*\*") as error:
        ask(engine)
    assert KEY not in repr(error.value)
