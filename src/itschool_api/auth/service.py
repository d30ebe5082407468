"""The ways in: passwords, login tokens, sessions and their renewal, API keys."""

import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import anyio.to_thread
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, jobs
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, limits, passwords, tokens
from itschool_api.auth.caller import Caller, Reach, Role, Scope
from itschool_api.auth.models import (
    ApiKey,
    LoginToken,
    LoginTokenRequest,
    SigningKey,
    User,
    UserSession,
)
from itschool_api.auth.repository import (
    ApiKeys,
    LoginTokens,
    RateCounters,
    SigningKeys,
    Users,
    UserSessions,
)
from itschool_api.auth.schemas import TokenPair
from itschool_api.database import Sessions, despite_refusal, new_id, refusing

RESET_LIFE = timedelta(hours=1)
INVITATION_LIFE = timedelta(days=14)
_RESTRICTED_LIFE = timedelta(minutes=30)
# Two tabs may refresh with one token; later than this, a used token is a stolen one (RFC 9700).
_GRACE = timedelta(seconds=10)
_MAILS_PER_ADDRESS = 3
_FIRST_KEY = 0x6B65_7972_696E_67  # any number that nothing else locks
LOGIN_TOKEN_JOB = "login-token-mail"  # noqa: S105 - a job's name

_log = structlog.get_logger(__name__)


class InvalidGrant(errors.BadRequest):
    """The user name, password or refresh token is not right."""

    def __init__(self, description: str) -> None:
        super().__init__(description, error="invalid_grant", error_description=description)


class InvalidLoginToken(errors.BadRequest):
    """This login token is not valid: it was used, is too old, or a newer one was sent."""


class CommonPassword(errors.Unprocessable):
    """This password is among the commonest: choose another."""


class WrongPassword(errors.Forbidden):
    """The current password is not right."""


class ApiKeyNotFound(errors.NotFound):
    """There is no such API key."""


class UserNameTaken(errors.Conflict):
    """This user name belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What issues tokens: keys and lives."""

    ring: tokens.KeyRing
    login_token_key: bytes
    refresh_token_key: bytes
    access_life: timedelta
    session_life: timedelta


@dataclass(frozen=True, slots=True)
class Grantee:
    """A user's freshly made login token, in clear: for the mail, never for a log."""

    user: User
    token: str
    expires_at: datetime
    is_newest: bool
    """Whether no newer one was made meanwhile: an older one works no more."""


async def load_key_ring(sessions: Sessions, secret: str, issuer: str) -> tokens.KeyRing:
    """Return the living keys, making the first one if there is none."""
    async with sessions.begin() as session:
        # Processes that start together agree on one first key.
        await session.execute(select(func.pg_advisory_xact_lock(_FIRST_KEY)))
        keys = await SigningKeys(session).living()
        if not keys:
            kid, encrypted = tokens.new_signing_key(secret)
            session.add(SigningKey(kid=kid, encrypted_key=encrypted, created_at=clock.now()))
    async with sessions.begin() as session:
        return tokens.KeyRing(secret, issuer, await SigningKeys(session).living())


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
    return await _pair(session, authority, login, successor)


async def request_login_token(session: AsyncSession, email: str) -> None:
    """Ask for a login token by e-mail: the same work whether the address is known or not.

    At most three are sent to an address in a quarter of an hour.
    """
    now = clock.now()
    key = limits.hashed_key("login-token-mail", email)
    hits = await RateCounters(session).hit([key], limits.window_at(now))
    if hits[key] > _MAILS_PER_ADDRESS:
        return
    wish = LoginTokenRequest(id=new_id(), email=email, created_at=now)
    session.add(wish)
    await session.flush()
    await jobs.enqueue(session, LOGIN_TOKEN_JOB, {"request": wish.id})


async def grant_requested_tokens(
    session: AsyncSession, authority: Authority, request_id: UUID
) -> tuple[str, list[Grantee]] | None:
    """Make the login tokens that a request asked for: one for each user of the address.

    Called again, it gives the same tokens, so that a mail can be sent again.
    """
    wish = await session.get(LoginTokenRequest, request_id)
    if wish is None:
        return None
    users = await Users(session).by_email(wish.email)
    granted = [
        await grant_login_token(
            session,
            authority.login_token_key,
            user,
            uuid5(request_id, str(user.id)),
            wish.created_at,
            RESET_LIFE,
        )
        for user in users
    ]
    return wish.email, [grantee for grantee in granted if grantee.is_newest]


async def grant_login_token(
    session: AsyncSession,
    key: bytes,
    user: User,
    token_id: UUID,
    created_at: datetime,
    life: timedelta,
) -> Grantee:
    """Make the user's one valid login token; it follows from its id."""
    token = credentials.login_token(key, token_id)
    row = LoginToken(
        id=token_id,
        user_id=user.id,
        token_sha256=tokens.sha256(token),
        created_at=created_at,
        expires_at=created_at + life,
    )
    await Users(session).locked(user.id)  # of two grants at once, one is the newest
    is_newest = await LoginTokens(session).replace(row)
    return Grantee(user, token, row.expires_at, is_newest)


async def redeem_login_token(
    session: AsyncSession, authority: Authority, typed: str, address: str
) -> TokenPair:
    """Open a session that may only set the password.

    Raises `InvalidLoginToken`, `limits.TooManyAttempts`.
    """
    token = credentials.normalised_login_token(typed)
    await limits.refuse_guessing(session, token, address)
    now = clock.now()
    user_id = await LoginTokens(session).redeem(tokens.sha256(token), now)
    schools = await Users(session).schools_of(user_id) if user_id else []
    if user_id is None or not schools:
        await limits.count_failure(session, token, address)
        raise InvalidLoginToken
    login = UserSession(
        id=new_id(),
        user_id=user_id,
        school_id=schools[-1],
        restricted=True,
        created_at=now,
        expires_at=now + _RESTRICTED_LIFE,
    )
    session.add(login)
    await session.flush()
    return await _pair(session, authority, login, None)


async def set_password(
    session: AsyncSession,
    authority: Authority,
    caller: Caller,
    *,
    new: str,
    current: str | None,
    address: str,
) -> TokenPair:
    """Set the caller's password, end all their sessions, and open a new one.

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
    user.password_hash = await anyio.to_thread.run_sync(passwords.hashed, new)
    await UserSessions(session).revoke_all(user.id, clock.now())
    _log.info("password.changed", user=str(user.id))
    return await _open(session, authority, user.id, caller.school_id)


async def log_out(session: AsyncSession, caller: Caller) -> None:
    """End the caller's session."""
    if caller.session_id:
        await UserSessions(session).revoke(caller.session_id, clock.now())


async def create_user(
    session: AsyncSession,
    school_id: UUID,
    roles: Sequence[Role],
    *,
    first_name: str,
    last_name: str,
    email: str | None,
    language: str,
    user_name: str | None = None,
    password: str | None = None,
) -> User:
    """Create a person with roles at a school; without a user name a readable one is made.

    Raises `UserNameTaken`.
    """
    users = Users(session)
    if user_name is None:
        user_name = await _free_user_name(users, first_name, last_name)
    user = User(
        id=new_id(),
        user_name=user_name.lower(),
        email=email,
        first_name=first_name,
        last_name=last_name,
        language=language,
        password_hash=await anyio.to_thread.run_sync(passwords.hashed, password)
        if password
        else None,
        created_at=clock.now(),
    )
    session.add(user)
    with refusing("uq_users_user_name", UserNameTaken()):
        await session.flush()
    for role in roles:
        await users.join(user.id, school_id, role)
    return user


async def user(session: AsyncSession, user_id: UUID) -> User:
    """Return a user."""
    return await session.get_one(User, user_id)


async def schools_of(session: AsyncSession, user_id: UUID) -> Sequence[UUID]:
    """Return the schools of a user, the newest last."""
    return await Users(session).schools_of(user_id)


async def create_api_key(
    session: AsyncSession,
    school_id: UUID,
    *,
    label: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None,
    by: str,
) -> tuple[ApiKey, str]:
    """Make an API key; its text is returned this once and stored as a hash."""
    text = credentials.new_api_key(school_id, new_id())
    key = ApiKey(
        school_id=school_id,
        id=text.key_id,
        label=label,
        secret_sha256=tokens.sha256(text.secret),
        scopes=sorted(frozenset(scopes) & policy.KEY_SCOPES),
        created_by=by,
        created_at=clock.now(),
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return key, str(text)


async def revoke_api_key(session: AsyncSession, school_id: UUID, key_id: UUID) -> ApiKey:
    """End an API key; raises `ApiKeyNotFound`."""
    key = await ApiKeys(session).revoke(school_id, key_id, clock.now())
    if key is None:
        raise ApiKeyNotFound
    return key


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
        created_at=now,
        expires_at=now + authority.session_life,
    )
    session.add(login)
    await session.flush()
    refresh_token = credentials.new_refresh_token()
    await UserSessions(session).keep_refresh_token(tokens.sha256(refresh_token), login.id, now)
    return await _pair(session, authority, login, refresh_token)


async def _pair(
    session: AsyncSession, authority: Authority, login: UserSession, refresh_token: str | None
) -> TokenPair:
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


async def _free_user_name(users: Users, first_name: str, last_name: str) -> str:
    """Return `an.peeters`, or `an.peeters` and a small number where that is taken."""
    stem = ".".join(filter(None, (_ascii(first_name), _ascii(last_name)))) or "user"
    taken = await users.names_like(stem)
    if stem not in taken:
        return stem
    # Random, so that two people made at once are unlikely to meet; the constraint is the judge.
    while True:
        name = f"{stem}{secrets.randbelow(10_000)}"
        if name not in taken:
            return name


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(character for character in plain if character.isalnum())[:30]
