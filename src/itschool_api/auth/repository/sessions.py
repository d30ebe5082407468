"""Rows of sessions and their refresh tokens: SQL, and no decisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Text, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import Membership, RefreshToken, User, UserSession
from itschool_api.auth.repository.second_factors import is_protected, schools
from itschool_api.database import Selection, entered, school_setting


@dataclass(frozen=True, slots=True)
class LiveSession:
    """What the database knows of a session that is valid now."""

    restricted: bool
    roles: frozenset[str]
    lacks_factor: bool
    """Whether its school requires a second factor of staff, and its user has none."""


class UserSessions:
    """Logins and their refresh tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(
        self, session_id: UUID, user_id: UUID, school_id: UUID, now: datetime
    ) -> LiveSession | None:
        """Make the session's school the transaction's, and return the session if it is valid.

        One statement, the first of nearly every request: it reads global tables only.
        """
        row = (
            await self._session.execute(
                _entering(),
                {
                    "session_id": session_id,
                    "user_id": user_id,
                    "school_id": school_id,
                    "school": str(school_id),
                    "now": now,
                },
            )
        ).one_or_none()
        await entered(self._session, school_id)
        return LiveSession(row.restricted, frozenset(row.roles), row.lacks_factor) if row else None

    async def revoke_all(self, user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
        """End every session of a user, or every one but one; tell how many."""
        query = update(UserSession).where(
            UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
        )
        if but is not None:
            query = query.where(UserSession.id != but)
        ended = await self._session.execute(query.values(revoked_at=now).returning(UserSession.id))
        return len(ended.all())

    async def revoke_at(self, user_id: UUID, school_id: UUID, now: datetime) -> None:
        """End every session of a user at one school."""
        await self._session.execute(
            update(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.school_id == school_id,
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )

    async def last_school(self, user_id: UUID, schools: Sequence[UUID]) -> UUID | None:
        """Return at which of the schools a user was logged in last, as far as it is known."""
        query = (
            select(UserSession.school_id)
            .where(
                UserSession.user_id == user_id,
                UserSession.school_id == func.any(list(schools)),
                UserSession.restricted.is_(False),
            )
            .order_by(UserSession.last_used_at.desc())
            .limit(1)
        )
        found: UUID | None = (await self._session.execute(query)).scalar_one_or_none()
        return found

    async def revoke_restricted(self, user_id: UUID, now: datetime) -> None:
        """End the sessions of a user that login tokens opened."""
        await self._session.execute(
            update(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.restricted,
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )

    async def revoke(self, session_id: UUID, now: datetime, *, user_id: UUID | None = None) -> bool:
        """End one session, of that user if one is named; tell whether it was one to end."""
        query = update(UserSession).where(
            UserSession.id == session_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > now,
        )
        if user_id is not None:
            query = query.where(UserSession.user_id == user_id)
        ended = await self._session.execute(query.values(revoked_at=now).returning(UserSession.id))
        return ended.first() is not None

    async def use(self, session_id: UUID, school_id: UUID, now: datetime) -> bool:
        """Note that a session is refreshed, for that school; not where it has just ended."""
        query = (
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
            .values(last_used_at=now, school_id=school_id)
            .returning(UserSession.id)
        )
        return (await self._session.execute(query)).first() is not None

    async def by_refresh_token(
        self, token_sha256: bytes, now: datetime
    ) -> tuple[RefreshToken, UserSession] | None:
        """Return a refresh token, locked, and its session if that is valid."""
        query = (
            select(RefreshToken, UserSession)
            .join(UserSession, UserSession.id == RefreshToken.session_id)
            .join(User, User.id == UserSession.user_id)
            .where(
                RefreshToken.token_sha256 == token_sha256,
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > now,
                User.disabled_at.is_(None),
            )
            .with_for_update(of=RefreshToken)
        )
        row = (await self._session.execute(query)).one_or_none()
        return (row[0], row[1]) if row else None

    async def keep_refresh_token(
        self, token_sha256: bytes, session_id: UUID, now: datetime
    ) -> None:
        """Store a refresh token, unless it is there (two tabs, one successor)."""
        await self._session.execute(
            insert(RefreshToken)
            .values(token_sha256=token_sha256, session_id=session_id, created_at=now)
            .on_conflict_do_nothing()
        )


@cache
def _entering() -> Selection:
    """Return the statement of `UserSessions.enter`, made once."""
    roles = func.array_agg(Membership.role)
    lacks_factor = and_(schools.c.second_factor_required, ~is_protected(UserSession.user_id))
    return (
        select(
            UserSession.restricted,
            roles.label("roles"),
            lacks_factor.label("lacks_factor"),
            school_setting(bindparam("school", type_=Text)),
        )
        .join(User, User.id == UserSession.user_id)
        .join(schools, schools.c.id == UserSession.school_id)
        .join(
            Membership,
            (Membership.user_id == UserSession.user_id)
            & (Membership.school_id == UserSession.school_id),
        )
        .where(
            UserSession.id == bindparam("session_id"),
            UserSession.user_id == bindparam("user_id"),
            UserSession.school_id == bindparam("school_id"),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > bindparam("now"),
            User.disabled_at.is_(None),
        )
        .group_by(UserSession.id, schools.c.second_factor_required)
    )
