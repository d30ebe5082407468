"""What tests of the ways in share."""

from datetime import timedelta

import pytest

from itschool_api import clock
from itschool_api.auth import limits

_LONGEST_TEST = timedelta(seconds=60)


@pytest.fixture
def within_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no window of the limits end in the middle of a test that counts what fails in it."""
    real = clock.now
    now = real()
    left = limits.window_at(now) + limits.WINDOW - now
    if left < _LONGEST_TEST:
        monkeypatch.setattr(clock, "now", lambda: real() + left)
