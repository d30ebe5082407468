"""Sessions: opened by a password, renewed by a refresh token, ended at once."""

from datetime import timedelta
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, limits, passwords, tokens
from itschool_api.auth.caller import Caller, Reach, Role, Scope
from itschool_api.auth.models import UserSession
from itschool_api.auth.notices import Notice, notify
from itschool_api.auth.repository import LoginTokens, Users, UserSessions
from itschool_api.auth.schemas import TokenPair
from itschool_api.auth.service import Authority
from itschool_api.database import despite_refusal, new_id

_log = structlog.get_logger(__name__)
# Two tabs may refresh with one token; later than this, a used token is a stolen one (RFC 9700).
_GRACE = timedelta(seconds=10)


class InvalidGrant(errors.BadRequest):
    """The user name, password or refresh token is not right."""

    def __init__(self, description: str) -> None:
        super().__init__(description, error="invalid_grant", error_description=description)


class CommonPassword(errors.Unprocessable):
    """This password is among the commonest: choose another."""


class WrongPassword(errors.Forbidden):
    """The current password is not right."""


async def log_in(
    session: AsyncSession,
    authority: Authority,
    *,
    user_name: str,
    password: str,
    address: str,
    school_id: UUID | None,
) -> TokenPair:
    """Open a session by password; unknown users take as long as known ones.

    Raises `InvalidGrant`, `limits.TooManyAttempts`.
    """
    account = user_name.strip().lower()
    await limits.refuse_guessing(session, account, address)
    user = await Users(session).by_name(account)
    if len(password) > passwords.LONGEST:
        password = ""
    right, renewed = await anyio.to_thread.run_sync(
        passwords.verified, password, user.password_hash if user else None
    )
    if user is None or not right:
        _log.warning("login.failed", account=limits.hashed_key("login", account))
        await limits.count_failure(session, account, address)
        raise InvalidGrant("The user name or the password is not right.")
    await limits.refuse_guessing(session, account, address)
    if renewed is not None:
        user.password_hash = renewed
    return await _open(session, authority, user.id, school_id)


async def refresh(
    session: AsyncSession,
    authority: Authority,
    *,
    token: str,
    school_id: UUID | None,
) -> TokenPair:
    """Renew a session; a refresh token that comes back late ends it (RFC 9700, 4.14.2).

    Raises `InvalidGrant`.
    """
    now = clock.now()
    rows = UserSessions(session)
    found = await rows.by_refresh_token(tokens.sha256(token), now)
    if found is None:
        raise InvalidGrant("The refresh token is not valid.")
    presented, login = found
    if presented.used_at is not None and presented.used_at < now - _GRACE:
        session_id = login.id
        async with despite_refusal(session):
            await rows.revoke(session_id, now)
        _log.warning("refresh.reused", session=str(session_id))
        raise InvalidGrant("The refresh token was used before; the session has ended.")
    if school_id is not None and school_id != login.school_id:
        if school_id not in await Users(session).schools_of(login.user_id):
            raise InvalidGrant("You do not belong to that school.")
        login.school_id = school_id
    if presented.used_at is None:
        presented.used_at = now
    successor = credentials.refresh_successor(authority.refresh_token_key, token)
    await session.flush()
    await rows.keep_refresh_token(tokens.sha256(successor), login.id, now)
    return await token_pair(session, authority, login, successor)


async def set_password(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    new: str,
    current: str | None,
    address: str,
) -> TokenPair:
    """Set the caller's password, end all their sessions and login tokens, and open a session.

    Raises `CommonPassword`, `WrongPassword`, `limits.TooManyAttempts`.
    """
    user = await Users(session).locked(caller.user_id) if caller.user_id else None
    if user is None:
        raise errors.Unauthenticated
    if Scope.PROFILE_READ in caller.reach:
        account = user.user_name
        await limits.refuse_guessing(session, account, address)
        right, _ = await anyio.to_thread.run_sync(
            passwords.verified, current or "", user.password_hash
        )
        if not right:
            await limits.count_failure(session, account, address)
            raise WrongPassword
    if passwords.is_common(new) or new.lower() == user.user_name:
        raise CommonPassword
    if user.password_hash is not None:
        await notify(session, Notice.PASSWORD_CHANGED, caller.school_id, user.id)
    user.password_hash = await anyio.to_thread.run_sync(passwords.hashed, new)
    now = clock.now()
    await UserSessions(session).revoke_all(user.id, now)
    await LoginTokens(session).end_all(user.id, now)
    _log.info("password.changed", user=str(user.id))
    return await _open(session, authority, user.id, caller.school_id)


async def log_out(session: AsyncSession, caller: Caller) -> None:
    """End the caller's session."""
    if caller.session_id:
        await UserSessions(session).revoke(caller.session_id, clock.now())


async def _open(
    session: AsyncSession, authority: Authority, user_id: UUID, school_id: UUID | None
) -> TokenPair:
    schools = await Users(session).schools_of(user_id)
    if school_id is None and schools:
        school_id = schools[-1]
    if school_id not in schools or school_id is None:
        raise InvalidGrant("You do not belong to that school.")
    now = clock.now()
    login = UserSession(
        id=new_id(),
        user_id=user_id,
        school_id=school_id,
        restricted=False,
        in_cookie=False,
        last_used_at=now,
        created_at=now,
        expires_at=now + authority.session_life,
    )
    session.add(login)
    await session.flush()
    refresh_token = credentials.new_refresh_token()
    await UserSessions(session).keep_refresh_token(tokens.sha256(refresh_token), login.id, now)
    return await token_pair(session, authority, login, refresh_token)


async def token_pair(
    session: AsyncSession, authority: Authority, login: UserSession, refresh_token: str | None
) -> TokenPair:
    """Return the tokens of a session, with what its user reaches now."""
    now = clock.now()
    reach: dict[Scope, Reach] = policy.reach_of_new_user()
    if not login.restricted:
        live = await UserSessions(session).enter(login.id, login.user_id, login.school_id, now)
        reach = policy.reach_of(frozenset(Role(role) for role in live.roles)) if live else {}
    claims = tokens.Claims(login.user_id, login.id, login.school_id)
    return TokenPair(
        access_token=authority.ring.sign(claims, now, authority.access_life),
        expires_in=int(authority.access_life.total_seconds()),
        refresh_token=refresh_token,
        scope=" ".join(sorted(reach)),
        school_id=login.school_id,
    )
