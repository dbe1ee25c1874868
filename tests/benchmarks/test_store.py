import contextlib
import errno
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from benchmarks.common.files import is_disk_full, write_atomically
from benchmarks.store.store import Stage, Store, StoreError
from domino.records import Dropped

FILE = "dropped.jsonl"
ROOT = Path(__file__).resolve().parents[2]


def record(number: int) -> Dropped:
    return Dropped(id=str(number), stage="x", reason='é\nquote"', detail="d" * 20)


def make(root: Path, **changes: object) -> Stage:
    values: dict = {"config": {"a": 1}, "inputs": [], "code": "v1", **changes}
    return Store(root).stage("x", **values)


def run_python(code: str, root: Path) -> subprocess.Popen[str]:
    """Start a process that has `make`, `record`, `root`, and runs the code."""
    support = inspect.getsource(record) + inspect.getsource(make)
    lead = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from benchmarks.store.store import Stage, Store, StoreError\n"
        "from domino.records import Dropped\n"
        f"FILE = {FILE!r}\n"
        f"root = Path({str(root)!r})\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", lead + support + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    stage = make(tmp_path)
    with stage.writing():
        for number in range(5):
            stage.append(FILE, record(number))
            assert stage.read(FILE, Dropped) == [record(n) for n in range(number + 1)]
        stage.finish({"kept": 5})
    again = make(tmp_path)
    assert again.complete
    assert again.summary == {"kept": 5}
    assert again.read(FILE, Dropped) == [record(n) for n in range(5)]
    assert set(again.digests) == {FILE}


def test_nothing_there_is_an_unfinished_stage_without_records(tmp_path: Path) -> None:
    stage = make(tmp_path)
    assert not stage.complete
    assert stage.read(FILE, Dropped) == []
    assert not stage.path.exists()
    with pytest.raises(StoreError, match="not finished"):
        _ = stage.summary


@pytest.mark.parametrize(
    "changes",
    [{"config": {"a": 2}}, {"config": {"a": "1"}}, {"config": {"b": 1}}, {"code": "v2"}],
    ids=str,
)
def test_a_change_of_config_or_code_is_another_address(tmp_path: Path, changes: dict) -> None:
    assert make(tmp_path, **changes).path != make(tmp_path).path


def test_a_config_of_any_text_has_an_address_and_is_read_back(tmp_path: Path) -> None:
    config = {"path": "folder \udcff", "text": "half \ud83d \x00 \u2028"}
    stage = Store(tmp_path).stage("any", config=config, inputs=[], code="1")
    stage.finish({"said": "\udcff"})
    assert Store(tmp_path).stored(stage.path.name).config == config


def test_an_input_changes_the_address_of_all_that_follow(tmp_path: Path) -> None:
    first, other = make(tmp_path), make(tmp_path, config={"a": 2})
    after = [make(tmp_path, inputs=[stage], config={}) for stage in (first, other)]
    last = [make(tmp_path, inputs=[stage], config={}) for stage in after]
    assert len({stage.address for stage in [first, other, *after, *last]}) == 6
    assert (
        make(tmp_path, inputs=[first, other]).address
        != make(tmp_path, inputs=[other, first]).address
    )


def test_equal_configs_have_one_address_whatever_their_order_and_root(tmp_path: Path) -> None:
    one = make(tmp_path / "a", config={"a": (1, 2), "b": Path("x")})
    two = make(tmp_path / "b", config={"b": "x", "a": [1, 2]})
    assert one.address == two.address


def test_a_config_that_is_no_plain_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"plain data.*object"):
        make(tmp_path, config={"a": object()})


def test_a_torn_last_line_is_cut_off_and_written_again(tmp_path: Path) -> None:
    stage = make(tmp_path)
    with stage.writing():
        stage.append(FILE, record(0))
        stage.append(FILE, record(1))
    path = stage.path / FILE
    path.write_bytes(path.read_bytes()[:-7])
    again = make(tmp_path)
    assert again.read(FILE, Dropped) == [record(0)]
    with again.writing():
        again.append(FILE, record(1))
        again.append(FILE, record(2))
        again.finish({})
    assert make(tmp_path).read(FILE, Dropped) == [record(0), record(1), record(2)]


def test_a_torn_line_that_nobody_appends_to_is_gone_when_the_stage_is_finished(
    tmp_path: Path,
) -> None:
    stage = make(tmp_path)
    stage.append(FILE, record(0))
    stage.append("other.jsonl", record(0))
    path = stage.path / FILE
    path.write_bytes(path.read_bytes() + b'{"torn"')
    stage.finish({})
    assert make(tmp_path).read(FILE, Dropped) == [record(0)]


@pytest.mark.parametrize(
    "damage", [b"not json\n", b'{"v": 99}\n', b'{"v": 1, "id": "1"}\n', b"\xff\xfe\n"], ids=str
)
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, damage: bytes) -> None:
    stage = make(tmp_path)
    stage.append(FILE, record(0))
    path = stage.path / FILE
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(StoreError, match=r"line 2: .*remove this directory"):
        make(tmp_path).read(FILE, Dropped)


def test_a_finished_stage_is_never_written_again(tmp_path: Path) -> None:
    make(tmp_path).finish({})
    with pytest.raises(StoreError, match="never written again"):
        make(tmp_path).append(FILE, record(0))
    with pytest.raises(StoreError, match="never written again"):
        make(tmp_path).finish({})


def test_a_file_changed_after_the_end_is_found(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.append(FILE, record(0))
    stage.finish({})
    (stage.path / FILE).write_text("")
    with pytest.raises(StoreError, match=f"damaged: {FILE} has 0 bytes"):
        _ = make(tmp_path).complete
    (stage.path / FILE).unlink()
    with pytest.raises(StoreError, match=f"damaged: {FILE} is missing"):
        _ = make(tmp_path).complete


def test_a_damaged_manifest_is_found(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.finish({})
    (stage.path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match=r"manifest\.json is not JSON"):
        _ = make(tmp_path).complete


def test_a_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    stage = make(tmp_path)
    with pytest.raises(RuntimeError), stage.directory("model") as directory:
        (directory / "half").write_text("x")
        raise RuntimeError
    assert not (stage.path / "model").exists()
    with stage.directory("model") as directory:
        (directory / "whole").write_text("x")
    stage.finish({})
    assert [path.name for path in (stage.path / "model").iterdir()] == ["whole"]
    assert set(make(tmp_path).digests) == {"model/whole"}


@pytest.mark.parametrize("junk", [b"", b"\0" * 500, b'{"id": "1", "st'])
def test_a_directory_whose_records_were_lost_after_it_has_to_be_made_again(
    tmp_path: Path, junk: bytes
) -> None:
    stage = make(tmp_path)
    assert not stage.has("model")
    stage.append(FILE, record(0))
    stage.append(FILE, record(1))
    with stage.directory("model") as directory:
        (directory / "whole").write_text("x")
    assert stage.has("model")
    stage.append(FILE, record(2))
    path = stage.path / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])  # of the record after it
    assert stage.has("model")
    path.write_bytes(whole[: whole.index(b"\n") + 9] + junk)
    assert not make(tmp_path).has("model")


def test_discarding_removes_what_was_appended(tmp_path: Path) -> None:
    stage = make(tmp_path)
    stage.append(FILE, record(0))
    stage.discard(FILE)
    stage.discard("never there")
    stage.append(FILE, record(1))
    assert stage.read(FILE, Dropped) == [record(1)]


def test_a_kill_in_the_middle_loses_at_most_the_record_in_flight(tmp_path: Path) -> None:
    child = run_python(
        "stage = make(root)\n"
        "number = 0\n"
        "while True:\n"
        "    stage.append(FILE, record(number)); number += 1\n"
        "    if number == 50: print('going', flush=True)\n",
        tmp_path,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "going\n"
        child.send_signal(signal.SIGKILL)
    stage = make(tmp_path)
    assert not stage.complete
    found = stage.read(FILE, Dropped)
    assert len(found) >= 50
    assert found == [record(n) for n in range(len(found))]
    with stage.writing():  # the dead process's lock went with it
        stage.append(FILE, record(len(found)))
        stage.finish({"kept": len(found) + 1})
    assert make(tmp_path).read(FILE, Dropped) == [record(n) for n in range(len(found) + 1)]


def test_two_processes_do_not_write_one_stage(tmp_path: Path) -> None:
    child = run_python(
        "stage = make(root)\n"
        "with stage.writing():\n"
        "    stage.append(FILE, record(0))\n"
        "    print('held', flush=True)\n"
        "    time.sleep(1.5)\n"
        "    stage.finish({})\n",
        tmp_path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    stage = make(tmp_path)
    with pytest.raises(StoreError, match=f"another process .pid {child.pid}"):
        stage.append(FILE, record(1))
    waited: list[str] = []
    with stage.writing(on_wait=waited.append):
        assert stage.complete
    assert f"pid {child.pid}" in waited[0]
    child.communicate()
    assert child.returncode == 0
    assert stage.read(FILE, Dropped) == [record(0)]


WITHOUT_FLOCK = """
import errno, fcntl
def flock(*given):
    raise OSError(errno.ENOSYS, "no flock here")
fcntl.flock = flock
"""


def test_where_there_is_no_flock_a_dead_process_does_not_keep_a_stage(tmp_path: Path) -> None:
    code = (
        WITHOUT_FLOCK
        + "stage = make(root)\nwith stage.writing():\n    stage.append(FILE, record(0))\n"
    )
    child = run_python(f"{code}    print('held', flush=True); time.sleep(60)\n", tmp_path)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        refused = run_python(
            f"{WITHOUT_FLOCK}print(make(root)._lock.acquire(wait=False))", tmp_path
        ).communicate()[0]
        child.send_signal(signal.SIGKILL)
    assert refused == "False\n"
    after = run_python(f"{code}    stage.finish({{}}); print('whole')\n", tmp_path)
    assert after.communicate(timeout=60)[0] == "whole\n"


def test_seconds_add_up_over_interrupted_attempts(tmp_path: Path) -> None:
    began = time.monotonic()
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt), make(tmp_path).writing():
            time.sleep(0.15)
            end = time.process_time() + 0.05
            while time.process_time() < end:
                pass
            raise KeyboardInterrupt
    stage = make(tmp_path)
    with stage.writing():
        stage.finish({})
    assert 0.3 <= stage.seconds <= time.monotonic() - began
    assert stage.cpu_seconds is not None
    assert 0.08 <= stage.cpu_seconds < stage.seconds
    assert sorted(path.name for path in stage.path.iterdir()) == [".lock", "manifest.json"]


def test_a_full_disk_is_one_clear_message_and_finished_stages_stay(tmp_path: Path) -> None:
    make(tmp_path, config={"done": 1}).finish({"kept": 1})
    child = run_python(
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "stage = make(root)\n"
        "try:\n"
        "    for number in range(1000): stage.append(FILE, record(number))\n"
        "except StoreError as error:\n"
        "    print(error, flush=True)\n"
        "    try: stage.finish({'n': 'x' * 2000})\n"
        "    except StoreError as error: print(error, flush=True)\n",
        tmp_path,
    )
    messages = child.communicate()[0].splitlines()
    assert child.returncode == 0
    assert len(messages) == 2
    for message, file in zip(messages, (FILE, "manifest.json"), strict=True):
        assert message.startswith("no space left to write")
        assert file in message
        assert "repeat the command to resume" in message
    assert make(tmp_path, config={"done": 1}).summary == {"kept": 1}
    stage = make(tmp_path)
    found = stage.read(FILE, Dropped)
    assert not stage.complete
    assert found == [record(n) for n in range(len(found))]
    assert found
    stage.append(FILE, record(len(found)))
    assert len(make(tmp_path).read(FILE, Dropped)) == len(found) + 1


def test_a_full_device_is_recognised() -> None:
    with pytest.raises(OSError) as caught:
        Path("/dev/full").write_text("x")
    assert is_disk_full(caught.value)
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_full(wrapped)
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))


def test_an_atomic_write_leaves_the_old_text_where_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_atomically(path, "old")
    with pytest.raises(StoreError, match="cannot write"):
        write_atomically(tmp_path / "no folder" / "table.json", "new")
    seen = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text()[:3])

    reader = threading.Thread(target=read)
    reader.start()
    for text in ("new" * 10_000, "old" * 10_000) * 20:
        write_atomically(path, text)
    stop.set()
    reader.join()
    assert seen <= {"old", "new"}
    assert os.listdir(tmp_path) == ["table.json"]  # noqa: PTH208
