"""Rows of mails: SQL, and no decisions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import User
from itschool_api.database import Selection
from itschool_api.mail.messages import Kind
from itschool_api.outbox.models import Mail


class Mails:
    """A school's mails."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        user_id: UUID | None = None,
        user_name: str | None = None,
    ) -> Selection:
        """Return the query for the mails that its office sees, narrowed where something is named."""
        query = select(Mail).where(Mail.school_id == self._school_id, Mail.kind != Kind.OFFER)
        if status is not None:
            query = query.where(Mail.status == status)
        if kind is not None:
            query = query.where(Mail.kind == kind)
        if user_id is not None:
            query = query.where(Mail.user_id == user_id)
        if user_name is not None:
            named = select(User.id).where(User.user_name == user_name)
            query = query.where(Mail.user_id == named.scalar_subquery())
        return query

    async def get(self, mail_id: UUID) -> Mail | None:
        """Return a mail."""
        return await self._session.get(Mail, (self._school_id, mail_id))

    async def locked(self, mail_id: UUID, *, skip_locked: bool = False) -> Mail | None:
        """Return a mail that nobody else changes meanwhile; None also where `skip_locked` did."""
        query = (
            select(Mail)
            .where(Mail.school_id == self._school_id, Mail.id == mail_id)
            .with_for_update(skip_locked=skip_locked)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def queued_before(self, instant: datetime) -> Sequence[UUID]:
        """Return the mails that wait since before `instant`."""
        query = select(Mail.id).where(
            Mail.school_id == self._school_id, Mail.status == "queued", Mail.queued_at < instant
        )
        return (await self._session.execute(query)).scalars().all()
