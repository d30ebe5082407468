"""Users, API keys, and what issues tokens; sessions and login tokens are modules beside this."""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from itschool_api import clock, errors, trail
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, passwords, tokens, user_names
from itschool_api.auth.caller import Role, Scope
from itschool_api.auth.models import (
    ApiKey,
    User,
)
from itschool_api.auth.repository import (
    ApiKeys,
    Users,
)
from itschool_api.database import new_id, refusing

_log = structlog.get_logger(__name__)


class ApiKeyNotFound(errors.NotFound):
    """There is no such API key."""


class ApiKeyEndsInThePast(errors.Unprocessable):
    """This API key would have ended before it began: `expires_at` lies in the past."""


class UserNameTaken(errors.Conflict):
    """This user name belongs to somebody else."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What issues tokens: keys and lives."""

    ring: tokens.KeyRing
    login_token_key: bytes
    refresh_token_key: bytes
    origin_key: bytes
    second_factor_key: bytes
    name: str
    """What authenticator apps call this installation."""
    access_life: timedelta
    session_life: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """Whom to make a user for."""

    first_name: str
    last_name: str
    email: str | None
    language: str


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
    person = NewPerson(first_name=first_name, last_name=last_name, email=email, language=language)
    if user_name is None:
        (user,) = await create_users(session, school_id, roles, [person])
    else:
        user = User(**_columns(new_id(), person, user_name.lower()))
        session.add(user)
        with refusing("uq_users_user_name", UserNameTaken()):
            await session.flush()
        await Users(session).join([user.id], school_id, roles)
    if password:
        user.password_hash = await passwords.in_thread(passwords.hashed, password)
        await session.flush()
    trail.about(session, user=user.id)
    return user


async def create_users(
    session: AsyncSession, school_id: UUID, roles: Sequence[Role], people: Sequence[NewPerson]
) -> list[User]:
    """Create people with the same roles at a school, however many by the same few statements.

    Who else makes people at this moment may choose one of their names: where the other was first,
    another is chosen.
    """
    users = Users(session)
    waiting = {new_id(): person for person in people}
    made: dict[UUID, User] = {}
    ids = [*waiting]
    while waiting:
        names = await free_user_names(
            session, [(person.first_name, person.last_name) for person in waiting.values()]
        )
        await users.add_unless_taken(
            [
                _columns(user_id, person, name)
                for (user_id, person), name in zip(waiting.items(), names, strict=True)
            ]
        )
        made |= {user.id: user for user in await users.of_ids(list(waiting))}
        waiting = {user_id: person for user_id, person in waiting.items() if user_id not in made}
    await users.join(ids, school_id, roles)
    trail.about(session, user=ids)
    return [made[user_id] for user_id in ids]


async def free_user_names(session: AsyncSession, people: Sequence[tuple[str, str]]) -> list[str]:
    """Return a readable user name for each pair of first and last name, free now and unequal.

    One query for all, and one more for those whose names were all taken. Nothing holds them free:
    the unique constraint is the judge.
    """
    users = Users(session)
    chosen: dict[int, str] = {}
    for attempt in itertools.count():
        wishes = {
            place: user_names.candidates(*names, attempt)
            for place, names in enumerate(people)
            if place not in chosen
        }
        if not wishes:
            break
        taken = await users.taken_names([name for names in wishes.values() for name in names])
        taken.update(chosen.values())
        for place, names in wishes.items():
            name = next((each for each in names if each not in taken), None)
            if name is not None:
                chosen[place] = name
                taken.add(name)
    return [chosen[place] for place in range(len(people))]


async def user(session: AsyncSession, user_id: UUID) -> User:
    """Return a user."""
    return await session.get_one(User, user_id)


async def locked_users(session: AsyncSession, user_ids: Sequence[UUID]) -> dict[UUID, User]:
    """Return users by their ids, disabled or not; until the end nobody gives them a membership."""
    return {user.id: user for user in await Users(session).locked_of_ids(user_ids)}


async def more_than(
    session: AsyncSession, user_ids: Sequence[UUID], school_id: UUID, role: Role
) -> set[UUID]:
    """Return those of the users who have another role, or one at another school.

    Their logins are not this school's to give away.
    """
    return await Users(session).with_other_memberships(user_ids, school_id, role)


async def give_addresses(session: AsyncSession, emails: Sequence[tuple[User, str]]) -> None:
    """Give users who have no e-mail address one."""
    await Users(session).give_addresses({user.id: email for user, email in emails})
    for user, email in emails:
        # It is written already, by one statement for all.
        set_committed_value(user, "email", email)


async def users_at(session: AsyncSession, email: str) -> Sequence[User]:
    """Return the enabled users of an e-mail address: couples may share one."""
    return await Users(session).by_email(email)


async def names_of(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return first and last names of users."""
    found = await Users(session).of_ids(list(user_ids))
    return {user.id: f"{user.first_name} {user.last_name}" for user in found}


async def labels_of(
    session: AsyncSession, school_id: UUID, key_ids: Collection[UUID]
) -> dict[UUID, str]:
    """Return what a school calls its API keys, the revoked ones too."""
    return await ApiKeys(session).labels(school_id, key_ids)


async def who_may(session: AsyncSession, school_id: UUID, scope: Scope) -> Sequence[User]:
    """Return a school's people whose role has a scope."""
    roles = [role for role, scopes in policy.POLICY.items() if scope in scopes]
    return await Users(session).with_roles(school_id, roles)


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
    """Make an API key; its text is returned this once and stored as a hash.

    Raises `ApiKeyEndsInThePast`.
    """
    text = credentials.new_api_key(school_id, new_id())
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise ApiKeyEndsInThePast
    key = ApiKey(
        school_id=school_id,
        id=text.key_id,
        label=label,
        secret_sha256=tokens.sha256(text.secret),
        scopes=sorted(frozenset(scopes) & policy.KEY_SCOPES),
        created_by=by,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    _log.info("api_key.made", key=str(key.id), scopes=key.scopes)
    trail.about(session, key=key.id)
    trail.note(session, scopes=key.scopes)
    return key, str(text)


async def revoke_api_key(session: AsyncSession, school_id: UUID, key_id: UUID) -> ApiKey:
    """End an API key; raises `ApiKeyNotFound`."""
    key = await ApiKeys(session).revoke(school_id, key_id, clock.now())
    if key is None:
        raise ApiKeyNotFound
    _log.info("api_key.revoked", key=str(key.id))
    return key


def _columns(user_id: UUID, person: NewPerson, user_name: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "user_name": user_name,
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "language": person.language,
        "created_at": clock.now(),
    }
