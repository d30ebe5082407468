"""Sessions: opened by a password, renewed by a refresh token, ended at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, limits, origins, passwords, tokens
from itschool_api.auth.caller import Caller, Reach, Role, Scope
from itschool_api.auth.models import User, UserSession
from itschool_api.auth.notices import Notice, notify
from itschool_api.auth.proofs import Door, WrongPassword, prove_second_factor
from itschool_api.auth.repository import LiveSession, LoginTokens, Users, UserSessions
from itschool_api.auth.schemas import TokenPair
from itschool_api.auth.service import Authority
from itschool_api.database import despite_refusal, new_id, released

_log = structlog.get_logger(__name__)
# Two tabs may refresh with one token; later than this, a used token is a stolen one (RFC 9700).
_GRACE = timedelta(seconds=10)


class InvalidGrant(errors.BadRequest):
    """The user name, password or refresh token is not right."""

    def __init__(self, description: str) -> None:
        super().__init__(description, error="invalid_grant", error_description=description)


class CommonPassword(errors.Unprocessable):
    """This password is too easy to guess, common or made of your own name: choose another."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wished of a new session."""

    school_id: UUID | None = None
    label: str | None = None
    in_cookie: bool | None = None
    """Whether a cookie shall carry its refresh token; None: as the present session's."""
    device: str | None = None
    """What it is called where nobody says so."""


@dataclass(frozen=True, slots=True)
class Issued:
    """The tokens of a session, and how its refresh token travels."""

    pair: TokenPair
    in_cookie: bool
    expires_at: datetime


async def log_in(
    session: AsyncSession,
    authority: Authority,
    *,
    user_name: str,
    password: str,
    otp: str | None,
    address: str,
    wish: Wish,
) -> Issued:
    """Open a session by password; unknown users take as long as known ones.

    Raises `InvalidGrant`, `limits.TooManyAttempts`, and what `proofs.prove_second_factor` raises.
    """
    account = user_name.strip().lower()
    user = await Users(session).by_name(account)
    user_id, stored = (user.id, user.password_hash) if user else (None, None)
    spared = await origins.is_known(session, authority.origin_key, user_id, address)
    await limits.refuse_guessing(session, account, address, spared=spared)
    if len(password) > passwords.LONGEST:
        password = ""
    async with released(session, None):
        right, renewed = await passwords.in_thread(passwords.verified, password, stored)
    if user_id is None or not right:
        _log.warning("login.failed", account=limits.hashed_key("login", account))
        await limits.count_failure(session, account, address, spared=spared)
        raise InvalidGrant("The user name or the password is not right.")
    await limits.refuse_guessing(session, account, address, spared=spared)
    # A password that was changed while it was verified opens nothing any more.
    user = await Users(session).locked(user_id)
    if user is None or user.password_hash != stored:
        raise InvalidGrant("The user name or the password is not right.")
    door = Door.HOME if spared else Door.LOGIN
    await prove_second_factor(session, authority.second_factor_key, user, otp, address, door)
    if renewed is not None:
        user.password_hash = renewed
    return await _open(session, authority, user, address, wish)


async def refresh(
    session: AsyncSession,
    authority: Authority,
    *,
    token: str,
    in_cookie: bool,
    school_id: UUID | None,
) -> Issued:
    """Renew a session; a refresh token that comes back late ends it (RFC 9700, 4.14.2).

    Raises `InvalidGrant`.
    """
    now = clock.now()
    rows = UserSessions(session)
    found = await rows.by_refresh_token(tokens.sha256(token), now)
    if found is None or found[1].in_cookie != in_cookie:
        raise InvalidGrant("The refresh token is not valid.")
    presented, login = found
    if presented.used_at is not None and presented.used_at < now - _GRACE:
        session_id = login.id
        async with despite_refusal(session):
            await rows.revoke(session_id, now)
        _log.warning("refresh.reused", session=str(session_id))
        raise InvalidGrant("The refresh token was used before; the session has ended.")
    if school_id is None:
        school_id = login.school_id
    elif school_id not in await Users(session).schools_of(login.user_id):
        raise InvalidGrant("You do not belong to that school.")
    if not await rows.use(login.id, school_id, now):
        raise InvalidGrant("The session has ended.")
    if presented.used_at is None:
        presented.used_at = now
    successor = credentials.refresh_successor(authority.refresh_token_key, token)
    await session.flush()
    await rows.keep_refresh_token(tokens.sha256(successor), login.id, now)
    pair = await token_pair(session, authority, login, successor)
    return Issued(pair, login.in_cookie, login.expires_at)


async def set_password(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    new: str,
    current: str | None,
    otp: str | None,
    address: str,
    wish: Wish,
) -> Issued:
    """Set the caller's password, end all their sessions and login tokens, and open a session.

    Raises `CommonPassword`, `WrongPassword`, `limits.TooManyAttempts`, and what
    `proofs.prove_second_factor` raises.
    """
    user = await session.get(User, caller.user_id) if caller.user_id else None
    present = await session.get(UserSession, caller.session_id) if caller.session_id else None
    if user is None or present is None:
        raise errors.Unauthenticated
    account, stored = user.user_name, user.password_hash
    known = Scope.PROFILE_READ in caller.reach
    if known:
        # Who is logged in is at home: guesses of strangers elsewhere do not hold them up.
        await limits.refuse_guessing(session, account, address, spared=True, within=present.id)
    names = (account, user.first_name, user.last_name, user.email or "")
    acceptable = not passwords.is_common(new) and not passwords.is_guessable(new, names)
    async with released(session, caller.school_id):
        right = True
        if known:
            right, _ = await passwords.in_thread(passwords.verified, current or "", stored)
        if right and acceptable:
            hashed = await passwords.in_thread(passwords.hashed, new)
    if not right:
        _log.warning("password.refused", user=str(caller.user_id))
        await limits.count_failure(session, account, address, spared=True, within=present.id)
        raise WrongPassword
    if known:
        await limits.refuse_guessing(session, account, address, spared=True, within=present.id)
    if not acceptable:
        raise CommonPassword
    user = await Users(session).locked(user.id)
    if user is None or user.password_hash != stored:
        raise errors.Unauthenticated  # it was changed meanwhile, and this session ended with it
    # A login token proves the mailbox, which is no second factor.
    door = Door.SESSION if known else Door.MAILBOX
    await prove_second_factor(session, authority.second_factor_key, user, otp, address, door)
    user.password_hash = hashed
    if stored is not None:
        await notify(session, Notice.PASSWORD_CHANGED, caller.school_id, user.id)
    now = clock.now()
    await UserSessions(session).revoke_all(user.id, now)
    await LoginTokens(session).end_all(user.id, now)
    _log.info("password.changed", user=str(user.id))
    return await _open(
        session,
        authority,
        user,
        address,
        Wish(
            school_id=caller.school_id,
            label=wish.label or present.label,
            device=wish.device,
            in_cookie=present.in_cookie if wish.in_cookie is None else wish.in_cookie,
        ),
    )


async def log_out(session: AsyncSession, caller: Caller) -> bool:
    """End the caller's session; tell whether a cookie carried its refresh token."""
    login = await session.get(UserSession, caller.session_id) if caller.session_id else None
    if login is None:
        return False
    await UserSessions(session).revoke(login.id, clock.now())
    _log.info("session.revoked", session=str(login.id))
    return login.in_cookie


async def _open(
    session: AsyncSession, authority: Authority, user: User, address: str, wish: Wish
) -> Issued:
    """Open a session for a user who proved to be one; their row is locked."""
    schools = await Users(session).schools_of(user.id)
    school_id = wish.school_id
    if school_id is None and schools:
        last_used = await UserSessions(session).last_school(user.id, schools)
        school_id = last_used or schools[-1]
    if school_id not in schools or school_id is None:
        raise InvalidGrant("You do not belong to that school.")
    now = clock.now()
    login = UserSession(
        id=new_id(),
        user_id=user.id,
        school_id=school_id,
        restricted=False,
        in_cookie=bool(wish.in_cookie),
        label=wish.label or wish.device,
        last_used_at=now,
        created_at=now,
        expires_at=now + authority.session_life,
    )
    session.add(login)
    user.last_login_at = now
    await session.flush()
    await origins.remember(session, authority.origin_key, user.id, address)
    refresh_token = credentials.new_refresh_token()
    await UserSessions(session).keep_refresh_token(tokens.sha256(refresh_token), login.id, now)
    _log.info("login.succeeded", user=str(user.id), session=str(login.id))
    pair = await token_pair(session, authority, login, refresh_token)
    return Issued(pair, login.in_cookie, login.expires_at)


async def token_pair(
    session: AsyncSession, authority: Authority, login: UserSession, refresh_token: str | None
) -> TokenPair:
    """Return the tokens of a session, with what its user reaches now."""
    now = clock.now()
    reach: dict[Scope, Reach] = policy.reach_of_new_user()
    if not login.restricted:
        live = await UserSessions(session).enter(login.id, login.user_id, login.school_id, now)
        reach = _reach(live) if live else {}
    claims = tokens.Claims(login.user_id, login.id, login.school_id)
    return TokenPair(
        access_token=authority.ring.sign(claims, now, authority.access_life),
        expires_in=int(authority.access_life.total_seconds()),
        refresh_token=refresh_token,
        scope=" ".join(sorted(reach)),
        school_id=login.school_id,
    )


def _reach(live: LiveSession) -> dict[Scope, Reach]:
    roles = frozenset(Role(role) for role in live.roles)
    unprotected = policy.is_unprotected(roles, lacks_factor=live.lacks_factor)
    return policy.reach_of(roles, unprotected=unprotected)
