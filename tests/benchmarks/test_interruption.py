import os
import signal

import pytest

from benchmarks.interruption import Interruption


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
    assert "finishing the record in flight" in said
    assert "Ctrl-C again stops at once" in said


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
