"""A user's own sessions: seen, named, ended; nobody sees or ends another's."""

from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth.caller import Caller
from itschool_api.auth.models import UserSession
from itschool_api.auth.repository import UserSessions
from itschool_api.database import Selection

_log = structlog.get_logger(__name__)


class SessionNotFound(errors.NotFound):
    """You have no such session, or it has ended."""


def own(caller: Caller) -> Selection:
    """Return the query of the caller's sessions that are valid now, at all their schools."""
    return select(UserSession).where(
        UserSession.user_id == caller.user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > clock.now(),
    )


async def name(
    session: AsyncSession, caller: Caller, session_id: UUID, label: str | None
) -> UserSession:
    """Give one of the caller's sessions a name; raises `SessionNotFound`."""
    query = own(caller).where(UserSession.id == session_id).with_for_update(key_share=True)
    found: UserSession | None = (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise SessionNotFound
    found.label = label
    return found


async def end(session: AsyncSession, caller: Caller, session_id: UUID) -> None:
    """End one of the caller's sessions; raises `SessionNotFound`."""
    ended = caller.user_id and await UserSessions(session).revoke(
        session_id, clock.now(), user_id=caller.user_id
    )
    if not ended:
        raise SessionNotFound
    _log.info("session.revoked", session=str(session_id))


async def end_others(session: AsyncSession, caller: Caller, *, including_this: bool) -> None:
    """End all of the caller's sessions but the present one, or that one too."""
    if caller.user_id is None:
        raise errors.Unauthenticated
    spared = None if including_this else caller.session_id
    count = await UserSessions(session).revoke_all(caller.user_id, clock.now(), but=spared)
    _log.info("session.revoked", count=count, including_this=including_this)
