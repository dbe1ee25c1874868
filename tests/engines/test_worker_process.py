import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from domino.engines.base import EngineError
from domino.engines.worker_process import WorkerProcess


@pytest.fixture
def worker():
    started = WorkerProcess("tests.engines.talker", name="Talker", environment={}, forced={})
    yield started
    started.close()


def test_messages_come_back_as_they_went(worker):
    for message in ({"a": [1, 2.5, None]}, "text", 3):
        worker.send(("say", message))
        assert worker.receive() == message


def test_closing_ends_the_process(worker):
    worker.send(("say", 1))
    worker.receive()
    assert psutil.pid_exists(worker.pid)
    worker.close()
    assert not psutil.pid_exists(worker.pid)


def test_an_error_is_one_message_that_names_it_and_the_whole_log(worker):
    worker.send(("fail", "the GPU is full"))
    with pytest.raises(
        EngineError, match=r"of Talker ended \(exit code 1, RuntimeError: the GPU"
    ) as e:
        worker.receive()
    log = Path(re.search(r"is in (\S+)", str(e.value)).group(1))
    assert "on the way" in log.read_text() and "Traceback" in log.read_text()
    log.unlink()


def test_a_kill_is_one_message_that_names_the_signal(worker):
    worker.send(("sleep", 60))
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match=r"of Talker ended \(killed by SIGKILL\)") as e:
        worker.receive()
    Path(re.search(r"is in (\S+)", str(e.value)).group(1)).unlink()


def test_silence_ends_the_process(worker, monkeypatch):
    monkeypatch.setattr("domino.engines.worker_process._ENDING_S", 0.2)
    worker.send(("sleep", 60))
    with pytest.raises(EngineError, match=r"Talker said nothing for 0\.2 s, and was ended"):
        worker.receive(timeout_s=0.2)
    assert not psutil.pid_exists(worker.pid)


def test_a_process_is_given_its_environment_and_what_the_user_set_stays(monkeypatch):
    monkeypatch.setenv("TALKER_USER", "theirs")
    worker = WorkerProcess(
        "tests.engines.talker", name="Talker",
        environment={"TALKER_USER": "ours", "TALKER_DEFAULT": "ours"},
        forced={"TALKER_FORCED": "ours"},
    )  # fmt: skip
    for name, value in {"USER": "theirs", "DEFAULT": "ours", "FORCED": "ours"}.items():
        worker.send(("variable", f"TALKER_{name}"))
        assert worker.receive() == value
    worker.close()
