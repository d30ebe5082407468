"""Limits on guessing: counted in the database, so that they hold over several processes.

Only failures count, and only within a window, so that nobody can lock a person out for good. The
limits of an account over all addresses hold up many hands that guess together; an address from
which its user got in before is spared them, so that strangers keep nobody out of their own home.
"""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth.repository import RateCounters
from itschool_api.database import despite_refusal

WINDOW = timedelta(minutes=15)
DAY = timedelta(days=1)
FAILURES_PER_ACCOUNT_AND_ADDRESS = 10
FAILURES_PER_ADDRESS = 300
FAILURES_PER_ACCOUNT = 50
FAILURES_PER_ACCOUNT_AND_DAY = 200
FAILURES_PER_SESSION = 10
FAILURES_PER_SESSION_AND_DAY = 50
MAILS_PER_ADDRESS = 3

_log = structlog.get_logger(__name__)


class TooManyAttempts(errors.TooManyRequests):
    """Too many failed attempts: wait for `Retry-After`, or ask for a login token by e-mail."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


class TooOften(errors.TooManyRequests):
    """This was asked for too often: wait for `Retry-After`, then try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


@dataclass(frozen=True, slots=True)
class _Limit:
    """How often something may fail in a window."""

    key: str
    window: timedelta
    most: int
    spares: bool = False
    """Whether it spares an address that the account's user got in from before."""


def window_at(now: datetime, window: timedelta = WINDOW) -> datetime:
    """Return the beginning of the window that `now` falls into."""
    seconds = int(window.total_seconds())
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


async def refuse_guessing(
    session: AsyncSession,
    account: str | None,
    address: str,
    *,
    spared: bool = False,
    within: UUID | None = None,
) -> None:
    """Raise `TooManyAttempts` where too much has failed already.

    Ask before looking at what was given, and again before granting anything: guesses that come
    at once were all let in before the first of them had failed. Without an `account` (a login
    token is guessed, not somebody's password) the address alone counts; `spared` are users at an
    address of theirs. `within` is the session of who is logged in already: a thief may carry it from
    address to address.
    """
    now = clock.now()
    limits = _limits(account, address, within)
    hits = await RateCounters(session).counts(_windows(limits, now))
    reached = [limit for limit in limits if hits.get(limit.key, 0) >= limit.most]
    _refuse(reached, account, now, spared=spared)


async def count_failure(
    session: AsyncSession,
    account: str | None,
    address: str,
    *,
    spared: bool = False,
    within: UUID | None = None,
) -> None:
    """Count a failed attempt, in place of all that its transaction did.

    Raises `TooManyAttempts` where it was one too many, whose answer must tell nothing.
    """
    now = clock.now()
    limits = _limits(account, address, within)
    async with despite_refusal(session):
        hits = await RateCounters(session).hit(_windows(limits, now))
    exceeded = [limit for limit in limits if hits[limit.key] > limit.most]
    _refuse(exceeded, account, now, spared=spared)


async def count(session: AsyncSession, most: Mapping[str, int]) -> None:
    """Count one for each key in this quarter of an hour; raises `TooOften` beyond its most.

    A refusal takes back its own count, and keeps those of all that were granted.
    """
    now = clock.now()
    hits = await RateCounters(session).hit(dict.fromkeys(most, window_at(now)))
    _refuse_often({key for key in most if hits[key] > most[key]}, now)


async def count_mail(session: AsyncSession, address: str) -> None:
    """Count a mail that somebody asks for; raises `TooOften` beyond three to an address.

    They count with the login tokens that anybody may ask for: a mailbox feels no difference.
    """
    await count(session, {hashed_key("login-token-mail", address): MAILS_PER_ADDRESS})


async def refuse_reached(session: AsyncSession, most: Mapping[str, int]) -> None:
    """Raise `TooOften` where a key was counted its most already in this quarter of an hour."""
    now = clock.now()
    hits = await RateCounters(session).counts(dict.fromkeys(most, window_at(now)))
    _refuse_often({key for key in most if hits.get(key, 0) >= most[key]}, now)


def _refuse_often(keys: Collection[str], now: datetime) -> None:
    if keys:
        _log.warning("limited", limits=sorted(key.partition(":")[0] for key in keys))
        raise TooOften(math.ceil((window_at(now) + WINDOW - now).total_seconds()))


def _limits(account: str | None, address: str, within: UUID | None) -> list[_Limit]:
    limits = [_Limit(hashed_key("login-from", address), WINDOW, FAILURES_PER_ADDRESS)]
    if within is not None:
        limits += [
            _Limit(hashed_key("in-session", str(within)), WINDOW, FAILURES_PER_SESSION),
            _Limit(
                hashed_key("in-session-in-a-day", str(within)), DAY, FAILURES_PER_SESSION_AND_DAY
            ),
        ]
    if account is not None:
        limits += [
            _Limit(hashed_key("login", account, address), WINDOW, FAILURES_PER_ACCOUNT_AND_ADDRESS),
            _Limit(hashed_key("login-of", account), WINDOW, FAILURES_PER_ACCOUNT, spares=True),
            _Limit(
                hashed_key("login-of-in-a-day", account),
                DAY,
                FAILURES_PER_ACCOUNT_AND_DAY,
                spares=True,
            ),
        ]
    return limits


def _windows(limits: list[_Limit], now: datetime) -> dict[str, datetime]:
    return {limit.key: window_at(now, limit.window) for limit in limits}


def _refuse(found: list[_Limit], account: str | None, now: datetime, *, spared: bool) -> None:
    found = [limit for limit in found if not (spared and limit.spares)]
    if not found:
        return
    ends = max(window_at(now, limit.window) + limit.window for limit in found)
    _log.warning(
        "login.limited",
        account=account and hashed_key("login", account),
        limits=sorted(limit.key.partition(":")[0] for limit in found),
    )
    raise TooManyAttempts(math.ceil((ends - now).total_seconds()))
