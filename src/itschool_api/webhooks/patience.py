"""How long a delivery waits for its next try, and how long an endpoint may fail. Pure."""

import random
from datetime import timedelta
from typing import Final

# Together almost three days: a server may be down over a week-end.
WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000)
)
LONGEST: Final = timedelta(days=3)
"""After this long a delivery is not tried any more, however often it was."""
DISABLED_AFTER: Final = timedelta(days=5)
"""An endpoint at which nothing arrived for so long is not sent to any more."""
_SPREAD: Final = 0.1


def wait_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many tries; None: it was the last.

    A little less or more each time, so that what failed together does not return together.
    """
    if attempts > len(WAITS):
        return None
    spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
    return WAITS[attempts - 1] * spread
