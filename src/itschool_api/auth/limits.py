"""Limits on guessing: counted in the database, so that they hold over several processes.

Only failures count, and only within a window, so that nobody can lock a person out for good.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth.repository import RateCounters
from itschool_api.database import despite_refusal

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


def origin(host: str) -> str:
    """Return what counts as one address: of IPv6 the network, for a subscriber has 2^64."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))


async def refuse_guessing(session: AsyncSession, account: str, address: str) -> None:
    """Raise `TooManyAttempts` where too much has failed already.

    Ask before looking at what was given, and again before granting anything: guesses that come
    at once were all let in before the first of them had failed.
    """
    keys = _keys(account, address)
    hits = await RateCounters(session).counts(list(keys), window_at(clock.now()))
    if any(hits.get(key, 0) >= limit for key, limit in keys.items()):
        raise TooManyAttempts


async def count_failure(session: AsyncSession, account: str, address: str) -> None:
    """Count a failed attempt, in place of all that its transaction did.

    Raises `TooManyAttempts` where it was one too many, whose answer must tell nothing.
    """
    keys = _keys(account, address)
    async with despite_refusal(session):
        hits = await RateCounters(session).hit(list(keys), window_at(clock.now()))
    if any(hits[key] > limit for key, limit in keys.items()):
        raise TooManyAttempts


def _keys(account: str, address: str) -> Mapping[str, int]:
    return {
        hashed_key("login", account, address): FAILURES_PER_ACCOUNT_AND_ADDRESS,
        hashed_key("login-from", address): FAILURES_PER_ADDRESS,
    }
