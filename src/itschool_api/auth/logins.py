"""A person's login: its user name, its address, and its end.

A login is the person's, at all their schools at once. Whoever changes it for them locks it with
`of_school`, which refuses where another school would feel it.
"""

from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import limits
from itschool_api.auth.models import User
from itschool_api.auth.repository import LoginTokens, Users, UserSessions
from itschool_api.auth.service import UserNameTaken
from itschool_api.database import despite_refusal, refusing

_TAKEN_NAMES_PER_ASKER: Final = 20
_log = structlog.get_logger(__name__)


class MemberElsewhere(errors.Conflict):
    """This login is not your school's to change: the person belongs to another school too."""


class UserNotFound(errors.NotFound):
    """There is no such user."""


async def of_name(session: AsyncSession, user_name: str) -> User:
    """Return the login of a name, locked, disabled or not; raises `UserNotFound`."""
    user = await Users(session).locked_by_name(user_name.strip().lower())
    if user is None:
        raise UserNotFound
    return user


async def of_school(session: AsyncSession, user_id: UUID, school_id: UUID) -> User:
    """Return a login that is this school's alone, locked; raises `MemberElsewhere`."""
    users = Users(session)
    user = await users.locked_even_disabled(user_id)
    if any(school != school_id for school in await users.schools_of(user_id)):
        raise MemberElsewhere
    return user


async def rename(session: AsyncSession, user: User, user_name: str, *, by: str) -> None:
    """Give a user another name.

    Raises `UserNameTaken`, and `limits.TooOften` for whoever learns too many names so.
    """
    if user_name == user.user_name:
        return
    limit = {limits.hashed_key("taken-name", by): _TAKEN_NAMES_PER_ASKER}
    await limits.refuse_reached(session, limit)
    user.user_name = user_name
    try:
        with refusing("uq_users_user_name", UserNameTaken()):
            await session.flush()
    except UserNameTaken:
        async with despite_refusal(session):
            await limits.count(session, limit)
        raise


async def disable(session: AsyncSession, user: User) -> None:
    """Let nobody in by this login; what it opened before ends, and stays so."""
    if user.disabled_at is None:
        user.disabled_at = clock.now()
    await _end_everything(session, user.id)
    await session.flush()
    _log.info("login.disabled", user=str(user.id))


async def enable(session: AsyncSession, user: User) -> None:
    """Let a person in again, who then logs in anew."""
    user.disabled_at = None
    await session.flush()
    _log.info("login.enabled", user=str(user.id))


async def begin_anew(session: AsyncSession, user: User, email: str) -> None:
    """Let whoever reads an address start from an invitation, as nobody else can any more.

    Whoever was reached at a former address, or held a printed login token, may have set the
    password, so it ends with all that it opened. A second factor stays: a mailbox, old or new, is not to get past it.
    """
    user.email = email
    user.password_hash = None
    await _end_everything(session, user.id)
    await session.flush()
    _log.info("login.begun_anew", user=str(user.id))


async def widened(session: AsyncSession, user_id: UUID) -> None:
    """End the ways into a login that were handed out while it opened less.

    An office may print a parent's login token; it must not lead into an administrator's login, nor
    into another school's. Called after the membership was written: whoever prints locks the user.
    """
    await end_ways_in(session, user_id)


async def end_ways_in(session: AsyncSession, user_id: UUID) -> None:
    """End a user's login tokens, and the sessions of those who redeemed one and go on from there.

    Tokens first: who redeems one meanwhile is waited for, and their session is seen.
    """
    now = clock.now()
    await LoginTokens(session).end_all(user_id, now)
    await UserSessions(session).revoke_restricted(user_id, now)


async def leave(session: AsyncSession, user_id: UUID, school_id: UUID) -> None:
    """End a user's sessions at a school they belong to no more, and their last ways in."""
    await UserSessions(session).revoke_at(user_id, school_id, clock.now())
    if not await Users(session).schools_of(user_id):
        await end_ways_in(session, user_id)


async def _end_everything(session: AsyncSession, user_id: UUID) -> None:
    now = clock.now()
    await UserSessions(session).revoke_all(user_id, now)
    await LoginTokens(session).end_all(user_id, now)
