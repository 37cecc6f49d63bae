"""In CI nothing may be left out unseen: a skipped test fails the run there."""

import faulthandler
import os
import signal
import sys

import pytest

TIME_LIMIT_S = 300


@pytest.fixture
def time_limit():
    """Let a test fail that waits for other processes for ever, and say where each thread stands."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number, frame):
        faulthandler.dump_traceback(sys.__stderr__)
        pytest.fail(f"not ended after {TIME_LIMIT_S} s; where each thread stood is on standard error")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(TIME_LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if os.environ.get("CI") and skipped and exitstatus == 0:
        session.exitstatus = 1
