"""A teacher behind a server, through whole runs and the command line."""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config.run_config import RunConfig, evaluate_config, respond_config
from benchmarks.console.display import Display, PlainLines
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.pipeline.teacher_checks import meet_teacher
from benchmarks.run import execute
from benchmarks.stages import evaluate, filter_instructions, filter_responses, finetune, respond
from benchmarks.stages.filter_config import FilterConfig
from benchmarks.store.store import Store
from benchmarks.teacher import TeacherConfig
from domino.engines.base import Request
from domino.engines.scripted import ScriptedEngine
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.engines.completions_server import Asked, serving
from tests.stages import small

QUESTION = "Reply with the word yes."
ELSEWHERE = "https://teacher.invalid/v1"


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


def knows(request: Request) -> str:
    """Right answers to every instruction, and a yes to the first question."""
    return "yes" if QUESTION in str(request.prompt) else tiny_run.answer_rightly(request)


@pytest.fixture
def server() -> Iterator[tuple[str, Asked]]:
    with serving(ScriptedEngine(knows), None, "tiny") as (url, asked):
        yield url, asked


def teacher(url: str, **changes: object) -> TeacherConfig:
    values = {"model": "tiny", "engine": "chat", "base_url": url, "concurrency": 1, "retries": 0,
              "licence": "MIT", **changes}  # fmt: skip
    return TeacherConfig(**values)  # type: ignore[arg-type]


def config(model: Path, output: Path, url: str, **changes: object) -> RunConfig:
    values = {"responder": "teacher", "teacher": teacher(url), "tracking_uri": NO_MLFLOW, **changes}
    return tiny_run.config(model, output, **values)


def contents(asked: Asked) -> list[str]:
    return [body["messages"][-1]["content"] for body in asked.bodies]


def run(given: RunConfig) -> Any:
    return execute(given, plain=True, make_engine=tiny_run.make_engine)


def test_a_run_with_a_teacher(
    tiny_backbone: Path, tmp_path: Path, server: tuple[str, Asked], capsys: Any
) -> None:
    methods = ("no-data", "repeating", "counting", "teacher")
    given = config(tiny_backbone, tmp_path / "runs", server[0], methods=methods)
    report = run(given)
    rows = {row.method: row for row in report.rows}
    assert not report.failed
    assert (rows["teacher"].scores[0].value, rows["no-data"].scores[0].value) == (1.0, 0.0)
    assert rows["teacher"].drawn == rows["teacher"].kept == 0
    assert rows["counting"].kept == 5
    asked = Counter(contents(server[1]))
    drawn = [small.instruction(100 + n) for n in range(10)]
    known = [small.instruction(n) for n in (1, 2, 3, 21, 22, 23, 24)]
    assert asked == Counter([QUESTION, *drawn, *known])
    said = capsys.readouterr().out
    wrote = sum(row.teacher_tokens for row in report.rows)
    read = sum(row.teacher_read for row in report.rows)
    assert rows["counting"].tokens == rows["counting"].teacher_tokens + 10 * 7  # those of the draws
    assert wrote > rows["counting"].teacher_tokens > 0
    assert (
        f"Teacher: tiny, engine chat, licence MIT; it read {read:,} tokens and wrote {wrote:,}."
        in said
    )
    assert "Without references-only among --methods this table cannot separate synthesis" in said
    assert report.to_dict()["about"]["teacher"]["model"] == "tiny"


def test_what_is_answered_is_not_asked_again_after_an_error_and_needs_no_server_at_the_end(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    with serving(ScriptedEngine(knows), None, "tiny") as (url, asked):
        given = config(tiny_backbone, tmp_path / "runs", url, methods=("counting",))
        asked.refusals = deque([None] * 7 + [401] * 9)  # after the question and six answers
        assert run(given).failed
        first = contents(asked)
        del asked.bodies[:]
        asked.refusals.clear()
        report = run(given)
        second = contents(asked)
    assert not report.failed
    drawn = [small.instruction(100 + n) for n in range(10)]
    assert sorted(first[1:7] + second[1:11]) == sorted(drawn)
    again = run(given)
    assert again.reused == again.stages


def test_the_teacher_is_part_of_the_keys_of_what_asks_it_and_of_no_other(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    tuned = Store(tmp_path).stage("finetune", config={}, inputs=[], code="")
    with tuned.writing():
        tuned.finish({"adapter": False})
    judging = FilterConfig(judge="teacher", judge_responses=True)

    def keys(given: RunConfig) -> dict[str, str]:
        pipeline = open_pipeline(
            given, display=Display(), steps=0, make_engine=tiny_run.make_engine
        )
        row = pipeline.for_row("counting", 0)
        calls: dict[str, tuple[Any, ...]] = {
            "respond": (respond, respond_config(given, "counting")),
            "judged": (filter_responses, judging),
            "filtered": (filter_responses, given.filter),
            "instructions": (filter_instructions, judging),
            "tuned": (finetune, given.finetune),
            "evaluated": (evaluate, evaluate_config(given, "counting"), tuned),
            "solved": (evaluate, evaluate_config(given, "teacher"), tuned),
        }
        return {name: row.call(*call).stage.address for name, call in calls.items()}

    one = config(tiny_backbone, tmp_path / "runs", "http://127.0.0.1:8000/v1")
    first = keys(one)
    assert len(set(first.values())) == len(first)
    of_others = {"filtered", "instructions", "tuned", "evaluated"}
    for changes in ({"model": "other"}, {"base_url": "http://localhost:9/v1"}):
        second = keys(replace(one, teacher=replace(one.teacher, **changes)))
        assert {name for name in first if first[name] == second[name]} == of_others
    for changes in ({"concurrency": 3, "retries": 2, "licence": "x"},
                    {"base_url": "http://127.0.0.1:8000/v1/"}):  # fmt: skip
        assert keys(replace(one, teacher=replace(one.teacher, **changes))) == first
    local = TeacherConfig(model=str(tiny_backbone))
    assert keys(replace(one, teacher=local))["respond"] != first["respond"]


def test_a_teacher_that_is_the_backbone_is_allowed_and_said(
    tiny_backbone: Path, tmp_path: Path, capsys: Any
) -> None:
    local = TeacherConfig(model=str(tiny_backbone))
    given = config(tiny_backbone, tmp_path / "runs", ELSEWHERE, teacher=local)
    with Display(PlainLines(sys.stdout)) as display:
        pipeline = open_pipeline(given, display=display, steps=0, make_engine=tiny_run.make_engine)
        meet_teacher(pipeline)
    said = capsys.readouterr().out
    assert f"the teacher is the backbone itself ({tiny_backbone})" in said
    assert "will be sent" not in said


@pytest.mark.parametrize(
    ("url", "is_elsewhere"),
    [
        ("http://127.0.0.1:8000/v1", False), ("http://localhost:8000/v1", False),
        ("http://[::1]:8000/v1", False), ("http://127.8.9.1/v1", False),
        ("http://192.168.1.4:8000/v1", True), ("http://0.0.0.0:8000/v1", True),
        ("https://api.example.org/v1", True), ("http://localhost.example.org/v1", True),
        ("http://127.0.0.1.example.org/v1", True),
    ],
)  # fmt: skip
def test_only_a_loopback_address_is_this_machine(url: str, is_elsewhere: bool) -> None:
    assert teacher(url).is_elsewhere is is_elsewhere


def refused(capsys: Any, output: Path, model: Path, *options: str) -> list[str]:
    """Run the command line; return its lines, having seen exit code 2 and that nothing ran."""
    arguments = ["--output", str(output), "--model", str(model), "--tracking_uri", NO_MLFLOW]
    assert tiny_run.main([*arguments, "--plain", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert not (output / "stages").exists()
    lines: list[str] = err.splitlines()
    return lines


CHAT = ("--responder", "teacher", "--teacher.model", "tiny", "--teacher.engine", "chat")
BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "no-model": (("--responder", "teacher"), "responder is teacher, and teacher.model is empty"),
    "no-responder": (("--teacher.model", "x"), "options of teacher with responder 'plain': add"),
    "row-alone": (("--methods", "teacher"), "row teacher with responder 'plain': add --responder"),
    "judge-alone": (
        ("--filter.judge", "teacher", "--filter.judge_responses", "true"),
        "filter.judge teacher with responder 'plain': add --responder teacher",
    ),
    "judge-of-nothing": ((*CHAT, "--filter.judge", "teacher"), "it is asked for no grade"),
    "engine": (("--teacher.engine", "chta"), "unknown 'chta' (did you mean 'chat'?)"),
    "backbone-of-chat": (("--engine", "chat"), "engine: unknown 'chat'"),
    "address-of-none": (("--teacher.base_url", ELSEWHERE), "which asks no server: give --teacher"),
    "tokenizer-of-none": ((*CHAT, "--teacher.tokenizer", "x"), "tokenizer is of engine openai"),
    "password": (("--teacher.base_url", "http://me:secret@host/v1"), "teacher.base_url contains a"),
    "processes": ((*CHAT, "--local.processes", "2"), "leave local.processes at 1"),
    "nowhere": (
        ("--responder", "teacher", "--teacher.model", "/no/such"),
        "teacher: model '/no/such': no such directory",
    ),
    "unreachable": (
        (*CHAT, "--teacher.base_url", "http://127.0.0.1:9/v1"),
        "127.0.0.1:9/v1 cannot be reached: start it, or correct teacher.base_url",
    ),
    "no-consent": (
        (*CHAT, "--teacher.base_url", ELSEWHERE, "--methods", "counting,repeating,teacher"),
        f"{ELSEWHERE} is not this machine, and this run would send there up to 10 drawn "
        "instructions (copies of references too), the instructions of 4 references, 3 test "
        "problems: add --teacher.consent true to allow it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_any_work(
    capsys: Any, tmp_path: Path, tiny_backbone: Path, options: tuple[str, ...], message: str
) -> None:
    (line,) = refused(capsys, tmp_path / "runs", tiny_backbone, *options)
    assert message in line
    assert "secret" not in line


def test_with_consent_one_line_says_what_is_sent_where_before_the_first_request(
    capsys: Any, tmp_path: Path, tiny_backbone: Path
) -> None:
    options = (*CHAT, "--teacher.base_url", ELSEWHERE, "--teacher.consent", "true")
    said, line = refused(capsys, tmp_path / "runs", tiny_backbone, *options)
    assert f"teacher tiny at {ELSEWHERE} will be sent: up to 10 drawn instructions" in said
    assert "cannot be reached" in line


Answers = Callable[[Request], str]


@pytest.mark.parametrize(
    ("name", "script", "message"),
    [
        ("tiny", lambda request: "", "teacher 'tiny' answers nothing: asked for a word, it sends"),
        ("other", knows, "has no model 'tiny', or no /chat/completions: give teacher.model"),
    ],
)
def test_a_teacher_that_answers_nothing_or_is_not_there_is_refused_before_any_work(
    capsys: Any, tmp_path: Path, tiny_backbone: Path, name: str, script: Answers, message: str
) -> None:
    with serving(ScriptedEngine(script), None, name) as (url, _):
        options = (*CHAT, "--teacher.base_url", url)
        (line,) = refused(capsys, tmp_path / "runs", tiny_backbone, *options)
    assert message in line
