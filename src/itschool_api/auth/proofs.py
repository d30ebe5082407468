"""What a person proves before something is opened or changed: their password, a code.

Both are held to limits. Codes have some of their own, for whoever knows the password and comes
from a thousand addresses could try a million codes.
"""

import math
from datetime import datetime
from enum import StrEnum
from typing import Final, NoReturn

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import credentials, limits, passwords, tokens, totp
from itschool_api.auth.caller import Caller
from itschool_api.auth.models import User
from itschool_api.auth.notices import Notice, notify
from itschool_api.auth.repository import RateCounters, SecondFactors, Users
from itschool_api.database import despite_refusal, released

# Three codes of a million are right at any time: 30 guesses a day find one in 30 years.
WRONG_CODES_PER_WINDOW = 5
WRONG_CODES_PER_DAY = 30

_log = structlog.get_logger(__name__)


class WrongPassword(errors.Forbidden):
    """The current password is not right."""


class SecondFactorRequired(errors.BadRequest):
    """A code of your second factor is needed too: send it as `otp`."""

    def __init__(self) -> None:
        super().__init__(error="invalid_grant", error_description=self.title())


class WrongCode(errors.BadRequest):
    """The code is not right, or it was used before."""

    def __init__(self) -> None:
        super().__init__(error="invalid_grant", error_description=self.title())


class TooManyCodes(errors.TooManyRequests):
    """Too many wrong codes: wait for `Retry-After`, or use a recovery code."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


REFUSALS_OF_CODES: Final = (SecondFactorRequired, WrongCode, TooManyCodes)


class Door(StrEnum):
    """Where a code is given: each door counts for itself, so that nobody shuts another's.

    Strangers who know the password keep the owner neither from their own address, nor from the way
    through the mailbox; whoever reads the mails does not keep them from logging in.
    """

    LOGIN = "code"
    HOME = "code-at-home"  # logging in from an address where they got in before
    SESSION = "code-in-session"
    MAILBOX = "code-by-mail"


async def prove_password(
    session: AsyncSession, caller: Caller, password: str, address: str
) -> User:
    """Return the caller's user, locked, whose password it is.

    Raises `WrongPassword`, `limits.TooManyAttempts`.
    """
    user = await session.get(User, caller.user_id) if caller.user_id else None
    if user is None:
        raise errors.Unauthenticated
    account, stored = user.user_name, user.password_hash
    # Who is logged in is at home: guesses of strangers elsewhere do not hold them up.
    within = caller.session_id
    await limits.refuse_guessing(session, account, address, spared=True, within=within)
    async with released(session, caller.school_id):
        right, _ = await passwords.in_thread(passwords.verified, password, stored)
    if not right:
        await limits.count_failure(session, account, address, spared=True, within=within)
        raise WrongPassword
    await limits.refuse_guessing(session, account, address, spared=True, within=within)
    user = await Users(session).locked(user.id)
    if user is None or user.password_hash != stored:
        raise errors.Unauthenticated  # it was changed meanwhile, and this session ended with it
    return user


async def prove_second_factor(
    session: AsyncSession, key: bytes, user: User, otp: str | None, address: str, door: Door
) -> None:
    """Let pass who has no second factor, or gives a code of it or a recovery code.

    The user's row is locked: one code at a time, and none while a factor is confirmed. Only after
    the first factor was proved, for the answer tells whether there is a second.

    Raises `SecondFactorRequired`, `WrongCode`, `TooManyCodes`, `limits.TooManyAttempts`.
    """
    factors = SecondFactors(session)
    factor = await factors.confirmed(user.id)
    if factor is None or factor.encrypted_secret is None:
        return
    if otp is None:
        raise SecondFactorRequired
    code = bare_code(otp)
    if not totp.is_code(code):
        # No limit is asked: 120 random bits are not guessed, and it is the way out of the limit.
        right = await _used_recovery_code(session, user, code)
    else:
        await refuse_guessing_codes(session, user, address, door)
        secret = totp.opened(key, factor.encrypted_secret)
        counter = totp.matched_counter(secret, code, clock.now(), factor.last_counter)
        right = counter is not None and await factors.accept(user.id, counter)
    if not right:
        await refuse_code(session, user, address, door)


def bare_code(typed: str) -> str:
    """Return a code without the blanks that apps show in its middle."""
    return "".join(typed.split())


async def refuse_guessing_codes(
    session: AsyncSession, user: User, address: str, door: Door
) -> None:
    """Raise `TooManyCodes` where too many were wrong already."""
    now = clock.now()
    windows = _windows(user, address, door, now)
    hits = await RateCounters(session).counts(windows)
    _refuse(windows, {key: count + 1 for key, count in hits.items()}, now)


async def refuse_code(session: AsyncSession, user: User, address: str, door: Door) -> NoReturn:
    """Count a wrong code and refuse it.

    Raises `WrongCode`; `TooManyCodes` or `limits.TooManyAttempts` where it was one too many.
    """
    now = clock.now()
    windows, account = _windows(user, address, door, now), user.user_name
    _log.warning("second_factor.failed", user=str(user.id), door=door.name.lower())
    async with despite_refusal(session):
        hits = await RateCounters(session).hit(windows)
    await limits.count_failure(session, account, address, spared=door is not Door.LOGIN)
    _refuse(windows, hits, now)
    raise WrongCode


def _windows(user: User, address: str, door: Door, now: datetime) -> dict[str, datetime]:
    """Return the counters of a user's wrong codes at a door, with the beginnings of their windows.

    A new password begins anew: who guessed after the old one must not keep out the new one.
    """
    parts = (door, str(user.id), user.password_hash or "", address if door is Door.HOME else "")
    return {
        limits.hashed_key("code", *parts): limits.window_at(now),
        limits.hashed_key("code-in-a-day", *parts): limits.window_at(now, limits.DAY),
    }


def _refuse(windows: dict[str, datetime], hits: dict[str, int], now: datetime) -> None:
    spans = (
        (limits.WINDOW, WRONG_CODES_PER_WINDOW),
        (limits.DAY, WRONG_CODES_PER_DAY),
    )
    ends = [
        begins_at + span
        for (key, begins_at), (span, most) in zip(windows.items(), spans, strict=True)
        if hits.get(key, 0) > most
    ]
    if ends:
        raise TooManyCodes(math.ceil((max(ends) - now).total_seconds()))


async def _used_recovery_code(session: AsyncSession, user: User, code: str) -> bool:
    stored = tokens.sha256(credentials.normalised_recovery_code(code))
    if not await SecondFactors(session).use_recovery_code(user.id, stored, clock.now()):
        return False
    _log.warning("recovery_code.used", user=str(user.id))
    schools = await Users(session).schools_of(user.id)
    if schools:
        await notify(session, Notice.RECOVERY_CODE_USED, schools[-1], user.id)
    return True
