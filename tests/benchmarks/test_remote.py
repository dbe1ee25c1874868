"""The guarantees of a shared store: complete stages or none, and runs that never depend on it."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig
from benchmarks.report.terminal import Report
from benchmarks.run import execute, main
from benchmarks.store.remote import RemoteStore
from benchmarks.store.store import Stage, Store
from domino.records import Dropped
from tests.benchmarks import tiny_run
from tests.benchmarks.test_run import comparable

FILE = "dropped.jsonl"
ROOT = Path(__file__).resolve().parents[2]


def records(text: str, count: int = 3) -> list[Dropped]:
    return [Dropped(id=str(n), stage="x", reason="long", detail=text) for n in range(count)]


def stage_of(root: Path) -> Stage:
    return Store(root).stage("x", config={"a": 1}, inputs=[], code="v1")


def make(root: Path, text: str = "one") -> Stage:
    """A finished stage whose key does not depend on its texts, as on a GPU."""
    stage = stage_of(root)
    with stage.writing():
        for record in records(text):
            stage.append(FILE, record)
        with stage.directory("adapter") as folder:
            (folder / "weights").write_bytes(text.encode() * 100)
        stage.finish({"kept": 3})
    return stage


def shared(url: str, said: list[str] | None = None) -> RemoteStore:
    warn = said.append if said is not None else pytest.fail
    return RemoteStore(url, warn=warn, first_wait_s=0.001)


def fetch(url: str, root: Path, said: list[str] | None = None) -> Stage | None:
    """What another machine gets: the stage, or None where it has to be made."""
    stage = stage_of(root)
    with stage.writing():
        found = shared(url, said).download(stage)
    assert found == stage.complete
    assert not list(stage.path.glob(".fetched*"))
    return stage if found else None


def content(stage: Stage) -> dict[str, bytes]:
    files = [path for path in stage.path.rglob("*") if path.is_file()]
    return {
        path.relative_to(stage.path).as_posix(): path.read_bytes()
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(stage.path).parts)
    }


@pytest.fixture
def url() -> Iterator[str]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield "memory://bucket/place"
    MemoryFileSystem.store.clear()


def stored(kind: str) -> list[str]:
    return sorted(path for path in MemoryFileSystem.store if f"/{kind}/" in path)


def test_another_machine_gets_the_same_bytes(url: str, tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    shared(url).upload(one)
    two = fetch(url, tmp_path / "two")
    assert two is not None
    assert content(two) == content(one)
    assert two.read(FILE, Dropped) == records("one")
    assert two.seconds == one.seconds
    assert make_again_is_refused(two)


def make_again_is_refused(stage: Stage) -> bool:
    with pytest.raises(Exception, match="never written again"):
        stage.append(FILE, records("x")[0])
    return True


def test_what_is_not_there_is_not_found(url: str, tmp_path: Path) -> None:
    assert fetch(url, tmp_path) is None


def test_what_was_begun_here_gives_way_to_the_whole_stage(url: str, tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    shared(url).upload(one)
    begun = stage_of(tmp_path / "two")
    with begun.writing():
        begun.append(FILE, records("another machine")[0])
        begun.append("other.jsonl", records("another machine")[0])
    two = fetch(url, tmp_path / "two")
    assert two is not None
    assert content(two) == content(one)


def test_a_stage_that_is_there_is_not_sent_again(url: str, tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    shared(url).upload(one)
    before = {path: file.modified for path, file in MemoryFileSystem.store.items()}
    again = shared(url)
    again.upload(one)
    assert {path: file.modified for path, file in MemoryFileSystem.store.items()} == before
    assert again.retry_uploads().endswith("0 stages downloaded, 0 uploaded")


def cut_manifest() -> None:
    file = MemoryFileSystem.store[stored("stages")[0]]
    file.truncate(len(file.getvalue()) // 2)


def change_file() -> None:
    file = MemoryFileSystem.store[stored("files")[0]]
    file.seek(0)
    file.write(b"?")


def cut_file() -> None:
    MemoryFileSystem.store[stored("files")[0]].truncate(3)


def lose_file() -> None:
    del MemoryFileSystem.store[stored("files")[0]]


def change_manifest(change: Callable[[dict[str, Any]], None]) -> None:
    file = MemoryFileSystem.store[stored("stages")[0]]
    manifest = json.loads(file.getvalue())
    change(manifest)
    file.seek(0)
    file.truncate()
    file.write(json.dumps(manifest).encode())


def another_address() -> None:
    change_manifest(lambda manifest: manifest.update(address="0" * 64))


def lead_outside() -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"]["../../escaped"] = next(iter(manifest["files"].values()))

    change_manifest(change)


@pytest.mark.parametrize(
    "damage", [cut_manifest, change_file, cut_file, lose_file, another_address, lead_outside]
)
def test_a_damaged_stage_is_not_used_and_is_replaced_when_it_is_made_again(
    damage: Callable[[], None], url: str, tmp_path: Path
) -> None:
    shared(url).upload(make(tmp_path / "one"))
    damage()
    said: list[str] = []
    store = shared(url, said)
    begun = stage_of(tmp_path / "two")
    with begun.writing():
        begun.append(FILE, records("begun")[0])
        assert not store.download(begun)
    assert "is damaged" in said[0]
    assert begun.read(FILE, Dropped) == records("begun")[:1], "nothing of it came here"
    assert not (tmp_path / "escaped").exists()
    made = make(tmp_path / "three", "two")
    store.upload(made)
    assert fetch(url, tmp_path / "four") is not None


def test_files_without_their_manifest_are_no_stage(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, said = make(tmp_path / "one"), []
    store = shared(url, said)
    write = MemoryFileSystem.pipe_file

    def die(self: MemoryFileSystem, path: str, value: bytes, **named: Any) -> None:
        raise ConnectionError("the machine went down")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "pipe_file", die)
        store.upload(one)
    assert MemoryFileSystem.pipe_file is write
    assert len(stored("files")) == 2
    assert stored("stages") == []
    assert fetch(url, tmp_path / "two") is None


def test_of_two_writers_the_last_manifest_is_whole_however_they_mix(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make(tmp_path / "one", "one"), make(tmp_path / "two", "two")
    first, second = shared(url), shared(url)
    write = MemoryFileSystem.pipe_file

    def between(self: MemoryFileSystem, path: str, value: bytes, **named: Any) -> None:
        """The second writer writes all of it after the first one's files, before its manifest."""
        monkeypatch.setattr(MemoryFileSystem, "pipe_file", write)
        second.upload(two)
        write(self, path, value, **named)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", between)
    first.upload(one)
    third = fetch(url, tmp_path / "three")
    assert third is not None
    assert content(third) == content(one)
    shared_again = shared(url)
    shared_again._there.clear()  # as one that looked before the first had ended
    shared_again.upload(two)
    fourth = fetch(url, tmp_path / "four")
    assert fourth is not None
    assert content(fourth) == content(two)


class Failing:
    """A method of a file system that fails a number of times."""

    def __init__(self, name: str, times: float, error: Exception) -> None:
        self.name, self.left, self.error = name, times, error
        self.works = getattr(MemoryFileSystem, name)
        self.calls = 0

    def __get__(self, filesystem: Any, owner: type) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.calls += 1
            if self.left > 0:
                self.left -= 1
                raise self.error
            return self.works(filesystem, *given, **named)

        return call


def test_a_failure_that_passes_is_tried_again_in_silence(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shared(url)
    failing = Failing("put_file", 3, TimeoutError("slow"))
    monkeypatch.setattr(MemoryFileSystem, "put_file", failing)
    store.upload(make(tmp_path / "one"))
    assert failing.calls == 3 + 2
    assert fetch(url, tmp_path / "two") is not None


@pytest.mark.parametrize("name", ["put_file", "cat_file"])
def test_a_store_that_stays_away_costs_one_warning_and_no_stage(
    name: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    store = shared(url, said)
    failing = Failing(name, float("inf"), ConnectionError("host\n is gone"))
    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, name, failing)
        stage = stage_of(tmp_path / "one")
        with stage.writing():
            assert not store.download(stage)
        one = make(tmp_path / "one")
        store.upload(one)
        other = Store(tmp_path / "one").stage("y", config={}, inputs=[], code="v1")
        other.finish({})
        store.upload(other)
        assert failing.calls == 4, "bounded, and not for every stage anew"
        if name == "put_file":
            assert "2 failed: repeat the command" in store.retry_uploads()
    assert said == [
        f"warning: store {url} failed (host is gone); the run continues, and all its results are "
        "in the run directory"
    ]
    assert one.complete
    assert store.retry_uploads().endswith("0 stages downloaded, 2 uploaded"), "it is back"
    assert fetch(url, tmp_path / "two") is not None


def test_the_next_invocation_puts_there_what_is_missing(url: str, tmp_path: Path) -> None:
    one = make(tmp_path / "one")  # while the store was away
    shared(url).upload(one)
    assert fetch(url, tmp_path / "two") is not None


def test_a_missing_file_is_not_asked_for_again_and_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shared(url)
    failing = Failing("cat_file", 0, OSError())
    monkeypatch.setattr(MemoryFileSystem, "cat_file", failing)
    stage = stage_of(tmp_path)
    with stage.writing():
        assert not store.download(stage)
    assert failing.calls == 1


def test_a_place_of_another_format_is_refused(url: str) -> None:
    shared(url)
    MemoryFileSystem().pipe_file("/bucket/place/domino-store.json", b'{"format": 2}')
    with pytest.raises(ConfigError, match=r"another format.*give an empty folder"):
        shared(url)


def test_a_local_directory_is_a_store_too(tmp_path: Path) -> None:
    url = (tmp_path / "share" / "place").as_uri()
    shared(url).upload(make(tmp_path / "one"))
    assert fetch(url, tmp_path / "two") is not None
    assert len(list((tmp_path / "share" / "place" / "stages").glob("x-*.json"))) == 1


def test_a_local_directory_of_any_name_is_a_store(tmp_path: Path) -> None:
    folder = tmp_path / "feature%2Fx a?b#c" / "é::[1]*"
    shared(str(folder)).upload(make(tmp_path / "one"))
    assert fetch(str(folder), tmp_path / "two") is not None
    assert len(list((folder / "stages").iterdir())) == 1


@pytest.fixture
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


def refuse(model: str, adapter: Path | None) -> Any:
    raise AssertionError("an engine was made")


SECRET = "a-key-that-nobody-may-read"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a real server, found and entered by the environment."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    S3FileSystem(skip_instance_cache=True).mkdir("bucket")
    yield "s3://bucket/place"
    server.stop()


@pytest.mark.slow
def test_a_bucket_is_a_store_and_a_missing_one_is_not_made(s3: str, tmp_path: Path) -> None:
    shared(s3).upload(make(tmp_path / "one"))
    two = fetch(s3, tmp_path / "two")
    assert two is not None
    assert content(two) == content(stage_of(tmp_path / "one"))
    with pytest.raises(ConfigError, match=r"bucket does not exist.*directory that exists"):
        shared("s3://buckte/place")


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("kind", ["file", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_second_machine_reuses_every_stage_and_shows_the_same_table(
    kind: str,
    whole: tuple[RunConfig, Report],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    config, report = whole
    url = request.getfixturevalue("s3") if kind == "s3" else (tmp_path / "share").as_uri()

    def again(output: Path) -> Report:
        values = {"seeds": config.seeds, "tracking_uri": config.tracking_uri, "store": url}
        changed = tiny_run.config(Path(config.model), output, **values)
        return execute(changed, plain=True, make_engine=refuse)

    first = again(config.output)
    line = re.escape(f"Store: {url}: 0 stages downloaded, ") + r"(\d+) uploaded"
    found = re.search(line, capsys.readouterr().out)
    assert found is not None
    stages = int(found[1])
    assert 0 < stages <= first.stages
    second = again(tmp_path / "second")
    assert f"Store: {url}: {stages} stages downloaded, 0 uploaded" in capsys.readouterr().out
    assert comparable(second) == comparable(first) == comparable(report)
    assert second.name == report.name, "where it is kept is not what it is"
    assert second.reused == second.stages
    kept = [path.read_bytes() for path in (tmp_path / "second").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in text for text in kept)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://bucket", "Protocol not known: nosuch; give a URL that fsspec supports"),
        (
            f"s3://somebody:{SECRET}@bucket/place",
            "store contains a password: give a URL without",
        ),
        (f"simplecache::sftp://me:{SECRET}@host/x", "store contains a password"),
        ("", "store is empty"),
        (str(ROOT / "README.md" / "x"), "cannot be used"),
    ],
    ids=["protocol", "password", "chained", "empty", "no directory"],
)
def test_a_store_that_cannot_be_used_is_one_line_before_any_work(
    url: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path / "runs"), "--store", url]) == 2
    _, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert message in line
    assert SECRET not in line
    assert not (tmp_path / "runs" / "stages").exists()


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    assert main(["--output", str(tmp_path / "runs"), "--store", "s3://bucket/place"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "store s3://bucket/place cannot be used (Could not connect" in line
    assert SECRET not in line
