"""How many requests one caller may make in a minute, over all processes.

Counted in memory, so that no request waits for it; once a second each process adds its counts to
the database's, and learns the others': a caller gets at most a second's requests too many. Who is
not known counts by address. What can be guessed has limits of its own (`limits`).
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from itschool_api import clock, errors
from itschool_api.auth.limits import hashed_key, window_at
from itschool_api.auth.repository import RateCounters
from itschool_api.database import Sessions

WINDOW: Final = timedelta(minutes=1)
_TELL_EVERY: Final = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left in this window."""

    most: int
    left: int
    seconds: int
    """Until the window ends."""

    def headers(self) -> dict[str, str]:
        """Return it as headers (draft-ietf-httpapi-ratelimit-headers-10)."""
        window = int(WINDOW.total_seconds())
        return {
            "RateLimit-Policy": f'"requests";q={self.most};w={window}',
            "RateLimit": f'"requests";r={self.left};t={self.seconds}',
        }


class RateLimited(errors.TooManyRequests):
    """You make too many requests: wait for `Retry-After`, then go on."""

    def __init__(self, quota: Quota) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(quota.seconds), **quota.headers()}


@dataclass(slots=True)
class _Count:
    window: datetime
    untold: int = 0
    """What this process counted since it last told the database."""
    told: int = 0
    """What the database had then, of all processes."""


class Throttle:
    """The counts of one process."""

    def __init__(self, sessions: Sessions, most: int) -> None:
        self._sessions = sessions
        self._most = most
        self._counts: dict[str, _Count] = {}

    def spend(self, who: str) -> Quota:
        """Count a request of `who`; raises `RateLimited` beyond what they have."""
        now = clock.now()
        window = window_at(now, WINDOW)
        count = self._counts.get(who)
        if count is None or count.window != window:
            count = self._counts[who] = _Count(window)
        spent = count.untold + count.told
        seconds = math.ceil((window + WINDOW - now).total_seconds())
        if spent >= self._most:
            raise RateLimited(Quota(self._most, 0, seconds))
        count.untold += 1
        return Quota(self._most, self._most - spent - 1, seconds)

    async def keep_up(self) -> None:
        """Tell the database from time to time, until cancelled."""
        while True:
            await asyncio.sleep(_TELL_EVERY)
            try:
                await self.tell()
            except (SQLAlchemyError, OSError) as error:
                # This process goes on by its own counts; readiness tells what is wrong.
                _log.warning("throttle.not_told", error=type(error).__name__)

    async def tell(self) -> None:
        """Add what was counted here, and learn what was counted elsewhere."""
        window = window_at(clock.now(), WINDOW)
        for who in [who for who, count in self._counts.items() if count.window != window]:
            del self._counts[who]
        # Who waits for the next window need not be told again.
        untold = {
            hashed_key("requests", who): count
            for who, count in self._counts.items()
            if count.untold
        }
        for batch in _batches(untold):
            more = {key: count.untold for key, count in batch.items()}
            async with self._sessions.begin() as session:
                told = await RateCounters(session).add(more, window)
            for key, count in batch.items():
                count.untold -= more[key]
                count.told = told[key]


def _batches(counts: Mapping[str, _Count], size: int = 1000) -> Iterator[dict[str, _Count]]:
    items = list(counts.items())
    for start in range(0, len(items), size):
        yield dict(items[start : start + size])
