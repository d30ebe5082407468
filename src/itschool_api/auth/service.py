"""Users, API keys, and what issues tokens; sessions and login tokens are modules beside this."""

import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, passwords, tokens
from itschool_api.auth.caller import Role, Scope
from itschool_api.auth.models import (
    ApiKey,
    SigningKey,
    User,
)
from itschool_api.auth.repository import (
    ApiKeys,
    SigningKeys,
    Users,
)
from itschool_api.database import Sessions, new_id, refusing

_FIRST_KEY = 0x6B65_7972_696E_67  # any number that nothing else locks

_log = structlog.get_logger(__name__)


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


async def load_key_ring(sessions: Sessions, secret: str, issuer: str) -> tokens.KeyRing:
    """Return the living keys, making the first one if there is none."""
    async with sessions.begin() as session:
        # Processes that start together agree on one first key.
        await session.execute(select(func.pg_advisory_xact_lock(_FIRST_KEY)))
        keys = await SigningKeys(session).living()
        if not keys:
            kid, encrypted = tokens.new_signing_key(secret)
            now = clock.now()
            session.add(
                SigningKey(kid=kid, encrypted_key=encrypted, created_at=now, signs_from=now)
            )
    async with sessions.begin() as session:
        return tokens.KeyRing(secret, issuer, await SigningKeys(session).living())


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


async def users_at(session: AsyncSession, email: str) -> Sequence[User]:
    """Return the enabled users of an e-mail address: couples may share one."""
    return await Users(session).by_email(email)


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
