import os
import signal
from collections.abc import Iterator

import pytest

from benchmarks.console.interruption import Interruption


@pytest.fixture(autouse=True)
def at_a_terminal() -> Iterator[None]:
    """Ctrl-C as a terminal has it: a shell without job control starts us with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_ctrl_c_waits_for_a_place_where_nothing_is_lost(
    capfd: pytest.CaptureFixture[str],
) -> None:
    interruption = Interruption()
    with interruption.listening():
        interruption.check()
        press()
        in_flight = "written"
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert in_flight == "written"
    said = capfd.readouterr().err
    assert "finishing the current record" in said
    assert "Press Ctrl-C again to stop immediately" in said


def test_the_second_ctrl_c_stops_at_once() -> None:
    interruption = Interruption()
    with interruption.listening():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_ctrl_c_is_as_it_was_afterwards_and_where_it_was_ignored() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption().listening():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interruption = Interruption()
        with interruption.listening():
            press()
            interruption.check()
    finally:
        signal.signal(signal.SIGINT, before)
