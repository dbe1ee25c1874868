"""Apart from the other tests of speed, so that the fresh processes here import little."""

import os
import signal

from benchmarks.speed.peak import extra_bytes, in_fresh_process


def _rise(mebibytes):
    return extra_bytes(lambda: b"x" * (mebibytes * 2**20), "cpu")


def test_peak_memory_is_what_a_way_takes_at_most():
    taken = in_fresh_process(_rise, 100)
    assert 99 * 2**20 < taken < 110 * 2**20


def _killed(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_way_that_is_killed_has_no_peak():
    assert in_fresh_process(_killed, 0) is None
