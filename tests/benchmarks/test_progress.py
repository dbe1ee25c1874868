import io
import re
import time

import pytest

from benchmarks.console import display as progress
from benchmarks.console.display import Display, LiveBars, PlainLines, ProgressEvent, make_display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(display: Display, pause_s: float = 0.0) -> None:
    with display:
        display.stage("no-data seed 0", 1, 8)
        display.start("synthesize", 10)
        display.advance(4)
        display.note("loss 1.5")
        display.note("loss 1.234")
        time.sleep(pause_s)
        display.advance()
        display.stage("no-data seed 0", 2, 8)
        display.reused("respond")
        time.sleep(pause_s)
        display.line("a line that stays [bold]")
        display.start("evaluate", None)
        display.advance()


def test_plain_lines_say_what_begins_ends_and_is_reused() -> None:
    stream = io.StringIO()
    drive(Display(PlainLines(stream)))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "[1/8] no-data seed 0 synthesize: started, 10"
    assert re.fullmatch(
        r"\[1/8\] no-data seed 0 synthesize: done in [0-9.]+ s; loss 1\.234", lines[1]
    )
    assert lines[2] == "[2/8] no-data seed 0 respond: reused"
    assert lines[3] == "a line that stays [bold]"
    assert lines[4] == "[2/8] no-data seed 0 evaluate: started"
    assert lines[5].startswith("[2/8] no-data seed 0 evaluate: done in ")
    assert len(lines) == 6


def test_notes_of_a_fit_are_plain_lines_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    display = Display(PlainLines(stream))
    display.stage("row", 1, 1)
    display.start("synthesize", 100)
    display.note("fit step 1, objective 3.2")
    now += 11.0
    display.note("fit step 9, objective 2.9")
    assert stream.getvalue().splitlines()[1:] == [
        "[1/1] row synthesize: 0/100; fit step 9, objective 2.9"
    ]


def test_a_stage_that_reports_nothing_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SILENT_AT_MOST_S", 0.02)
    stream = io.StringIO()
    with Display(PlainLines(stream)) as display:
        display.stage("row", 1, 1)
        display.start("synthesize", 100)
        for _ in range(1000):
            if stream.getvalue().count("row synthesize: 0/100") > 1:
                return
            time.sleep(0.01)
    raise AssertionError(stream.getvalue())


def test_plain_lines_give_rate_and_time_left_from_the_first_item_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work before the first item, such as a fit, does not count in the rate of items."""
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    display = Display(PlainLines(stream))
    display.stage("row", 1, 1)
    display.start("synthesize", 100)
    now = 1000.0
    display.advance(1)
    assert stream.getvalue().splitlines()[-1] == "[1/1] row synthesize: 1/100"
    now = 1020.0
    display.advance(40)
    assert stream.getvalue().splitlines()[-1] == "[1/1] row synthesize: 41/100, 2.0/s, 30 s left"


def test_what_runs_in_parallel_is_shown_with_the_current_stage_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    stream = io.StringIO()
    with Display(PlainLines(stream)) as display:
        display.stage("no-data seed 0", 1, 2)
        display.start("synthesize", 10)
        display.parallel("in parallel: domino seed 0")
        display.advance()
    _, under_way, done = stream.getvalue().splitlines()
    assert under_way.endswith(" | in parallel: domino seed 0")
    assert "done in" in done
    assert "parallel" not in done


def test_what_another_process_began_goes_on_at_its_own_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([100.0, 120.0, 120.0, 120.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    display = Display(PlainLines(stream))
    display.stage("row", 1, 1)
    display.resume("fit", 100, 30, 20.0)
    display.advance(10)
    assert stream.getvalue() == "[1/1] row fit: 40/100, 1.0/s, 60 s left\n"
    terminal = Terminal()
    monkeypatch.undo()
    with Display(LiveBars(terminal)) as live:
        live.resume("fit", 100, 30, 20.0)
        time.sleep(0.3)  # drawn ten times a second
    assert "30/100" in terminal.getvalue()


def test_plain_lines_are_few_however_many_items_there_are() -> None:
    stream = io.StringIO()
    display = Display(PlainLines(stream))
    display.start("fit", 5000)
    for _ in range(5000):
        display.advance()
    assert len(stream.getvalue().splitlines()) == 1


def test_a_stage_that_fails_is_not_said_to_be_done() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Display(PlainLines(stream)) as display:
        display.start("fit", 10)
        raise RuntimeError
    assert "done" not in stream.getvalue()


def test_the_live_display_shows_both_bars_and_leaves_the_terminal_clean() -> None:
    stream = Terminal()
    drive(Display(LiveBars(stream)), pause_s=0.3)  # drawn ten times a second
    text = stream.getvalue()
    for part in ("all stages", "synthesize", "4/10", "it/s", "respond: reused", "[bold]"):
        assert part in text, part
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back


def test_the_display_is_live_on_a_terminal_only() -> None:
    def text(stream: io.StringIO, *, plain: bool) -> str:
        with make_display(plain=plain, stream=stream) as display:
            display.stage("row", 1, 1)
            display.start("fit", 3)
        return stream.getvalue()

    cursor_is_hidden = "\x1b[?25l"
    assert cursor_is_hidden in text(Terminal(), plain=False)
    assert text(Terminal(), plain=True).startswith("[1/1] row fit: started, 3")
    assert text(io.StringIO(), plain=False).startswith("[1/1] row fit: started, 3")


def test_every_listener_gets_every_event_and_a_display_without_any_is_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first: list[ProgressEvent] = []
    second: list[ProgressEvent] = []
    display = Display(first.append)
    display.add(second.append)
    drive(display)
    assert first == second
    assert [event.kind for event in first][:4] == ["stage", "start", "advance", "note"]
    assert (first[2].row, first[2].label, first[2].done, first[2].total) == (
        "no-data seed 0", "synthesize", 4, 10,
    )  # fmt: skip
    drive(make_display(plain=True, quiet=True))
    assert capsys.readouterr() == ("", "")


def test_counting_draws_no_more_often_than_a_person_can_see(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[None] = []
    monkeypatch.setattr("rich.live.Live.refresh", lambda live: drawn.append(None))
    with Display(LiveBars(Terminal())) as display:
        display.start("fit", 20_000)
        for _ in range(20_000):
            display.advance()
    assert len(drawn) < 1_000
