"""Limits on guessing: counted in the database, so that they hold over several processes.

Only failures count, and only within a window, so that nobody can lock a person out for good.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from itschool_api import clock, errors
from itschool_api.auth.repository import RateCounters
from itschool_api.database import Sessions

WINDOW = timedelta(minutes=15)
FAILURES_PER_ACCOUNT_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 300


class TooManyAttempts(errors.TooManyRequests):
    """Too many failed attempts: wait a quarter of an hour, then try again."""

    headers = {"Retry-After": str(int(WINDOW.total_seconds()))}  # noqa: RUF012 - never changed


def window_at(now: datetime) -> datetime:
    """Return the beginning of the window that `now` falls into."""
    seconds = int(WINDOW.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def hashed_key(kind: str, *parts: str) -> str:
    """Return a counter's key that tells nothing about whom it counts."""
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{kind}:{digest}"


async def refuse_guessing(sessions: Sessions, account: str, address: str) -> None:
    """Raise `TooManyAttempts` where too much has failed already."""
    window = window_at(clock.now())
    async with sessions.begin() as session:
        counters = RateCounters(session)
        of_both = await counters.count([hashed_key("login", account, address)], window)
        of_address = await counters.count([hashed_key("login-from", address)], window)
    if of_both >= FAILURES_PER_ACCOUNT_AND_ADDRESS or of_address >= FAILURES_PER_ADDRESS:
        raise TooManyAttempts


async def count_failure(sessions: Sessions, account: str, address: str) -> None:
    """Count a failed attempt in a transaction of its own: the refusal rolls back the other."""
    keys = [hashed_key("login", account, address), hashed_key("login-from", address)]
    async with sessions.begin() as session:
        await RateCounters(session).hit(keys, window_at(clock.now()))
