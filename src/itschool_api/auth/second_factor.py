"""The second factor: set up, confirmed by a first code, replaced, removed.

A secret counts once a code of it was given; until then the one before it, if any, stays in force.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, proofs, schemas, tokens, totp
from itschool_api.auth.caller import Caller
from itschool_api.auth.models import User
from itschool_api.auth.notices import Notice, notify
from itschool_api.auth.proofs import Door
from itschool_api.auth.repository import SecondFactors, Users, UserSessions
from itschool_api.auth.service import Authority

PENDING_LIFE = timedelta(hours=1)
_RECOVERY_CODES = 10

_log = structlog.get_logger(__name__)


class NoSecondFactor(errors.Conflict):
    """You have no second factor."""


class NothingToConfirm(errors.Conflict):
    """No second factor waits for its first code: it was given, or too long ago. Begin anew."""


class SecondFactorKept(errors.Conflict):
    """A school of yours requires a second factor: replace it by another, or leave it."""


async def state(session: AsyncSession, caller: Caller) -> schemas.SecondFactor:
    """Return what there is of the caller's second factor."""
    user_id = _user_id(caller)
    rows = SecondFactors(session)
    factor = await rows.of(user_id)
    confirmed_at = factor.confirmed_at if factor else None
    waits = factor is not None and factor.pending_secret is not None
    return schemas.SecondFactor(
        state="confirmed" if confirmed_at else "pending" if waits else "none",
        confirmed_at=confirmed_at,
        recovery_codes_left=await rows.recovery_codes_left(user_id),
        required=await rows.is_required(user_id, policy.STAFF),
    )


async def begin(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    password: str,
    otp: str | None,
    address: str,
) -> schemas.NewSecondFactor:
    """Make a secret that waits for its first code; a factor in force must be proved too.

    Raises what `proofs.prove_password` and `proofs.prove_second_factor` raise.
    """
    user = await _proved(session, authority, caller, password, otp, address)
    secret, now = totp.new_secret(), clock.now()
    sealed = totp.sealed(authority.second_factor_key, secret)
    await SecondFactors(session).offer(user.id, sealed, now)
    address_of_app = totp.uri(secret, issuer=authority.name, account=user.user_name)
    return schemas.NewSecondFactor(
        secret=totp.as_text(secret),
        uri=address_of_app,
        qr_code=totp.qr_code(address_of_app),
        expires_at=now + PENDING_LIFE,
    )


async def confirm(
    session: AsyncSession, authority: Authority, caller: Caller, *, otp: str, address: str
) -> list[str]:
    """Let the secret that waits count, end the user's other sessions, return recovery codes.

    Raises `NothingToConfirm`, `proofs.WrongCode`, `proofs.TooManyCodes`.
    """
    user = await Users(session).locked(_user_id(caller))
    if user is None:
        raise errors.Unauthenticated
    rows, now = SecondFactors(session), clock.now()
    factor = await rows.of(user.id)
    if factor is None or factor.pending_secret is None or factor.created_at < now - PENDING_LIFE:
        raise NothingToConfirm
    await proofs.refuse_guessing_codes(session, user, address, Door.SESSION)
    secret = totp.opened(authority.second_factor_key, factor.pending_secret)
    counter = totp.matched_counter(secret, proofs.bare_code(otp), now, None)
    if counter is None:
        await proofs.refuse_code(session, user, address, Door.SESSION)
    await rows.confirm(user.id, counter, now)
    await UserSessions(session).revoke_all(user.id, now, but=caller.session_id)
    _log.info("second_factor.enrolled", user=str(user.id))
    await notify(session, Notice.SECOND_FACTOR_CHANGED, caller.school_id, user.id)
    return await _new_recovery_codes(session, user.id)


async def renew_recovery_codes(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    password: str,
    otp: str,
    address: str,
) -> list[str]:
    """Make recovery codes in place of the former ones.

    Raises `NoSecondFactor`, and what the proofs raise.
    """
    user = await _proved(session, authority, caller, password, otp, address)
    if not await is_protected(session, user.id):
        raise NoSecondFactor
    _log.info("recovery_codes.renewed", user=str(user.id))
    await notify(session, Notice.SECOND_FACTOR_CHANGED, caller.school_id, user.id)
    return await _new_recovery_codes(session, user.id)


async def remove(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    password: str,
    otp: str,
    address: str,
) -> None:
    """Let the password be enough again.

    Raises `NoSecondFactor`, `SecondFactorKept`, and what the proofs raise.
    """
    user = await _proved(session, authority, caller, password, otp, address)
    if not await is_protected(session, user.id):
        raise NoSecondFactor
    rows = SecondFactors(session)
    if await rows.is_required(user.id, policy.STAFF):
        raise SecondFactorKept
    await rows.remove(user.id)
    _log.info("second_factor.removed", user=str(user.id))
    await notify(session, Notice.SECOND_FACTOR_CHANGED, caller.school_id, user.id)


async def reset(session: AsyncSession, user: User) -> None:
    """Remove a user's second factor for them, and end their sessions; the user is locked.

    For the operator, who has made sure by other means that it is they who ask. Raises
    `NoSecondFactor`.
    """
    if not await SecondFactors(session).remove(user.id):
        raise NoSecondFactor("They have no second factor.")
    await UserSessions(session).revoke_all(user.id, clock.now())
    _log.warning("second_factor.reset", user=str(user.id))
    schools = await Users(session).schools_of(user.id)
    if schools:
        await notify(session, Notice.SECOND_FACTOR_CHANGED, schools[-1], user.id)


async def is_protected(session: AsyncSession, user_id: UUID) -> bool:
    """Tell whether a user has a second factor in force."""
    return await SecondFactors(session).confirmed(user_id) is not None


async def staff_lacking_one(session: AsyncSession, school_id: UUID) -> int:
    """Count the school's staff who have no second factor in force."""
    return await SecondFactors(session).lacking(school_id, policy.STAFF)


async def _proved(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    password: str,
    otp: str | None,
    address: str,
) -> User:
    user = await proofs.prove_password(session, caller, password, address)
    key = authority.second_factor_key
    await proofs.prove_second_factor(session, key, user, otp, address, Door.SESSION)
    return user


async def _new_recovery_codes(session: AsyncSession, user_id: UUID) -> list[str]:
    codes = [credentials.new_recovery_code() for _ in range(_RECOVERY_CODES)]
    hashes = [tokens.sha256(code) for code in codes]
    await SecondFactors(session).replace_recovery_codes(user_id, hashes)
    return codes


def _user_id(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise errors.Forbidden
    return caller.user_id
