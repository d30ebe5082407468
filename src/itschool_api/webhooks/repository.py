"""Rows of webhooks: SQL, and no decisions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import Selection, alone, held
from itschool_api.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent


class Endpoints:
    """A school's endpoints."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(self) -> Selection:
        """Return the query for all of them."""
        return select(WebhookEndpoint).where(WebhookEndpoint.school_id == self._school_id)

    async def lock_count(self) -> None:
        """Let one transaction at a time add endpoints at this school."""
        await alone(self._session, f"webhook-endpoints:{self._school_id}")

    async def count(self) -> int:
        """Return how many there are."""
        query = select(func.count()).select_from(self.selected().subquery())
        return (await self._session.execute(query)).scalar_one()

    async def get(self, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Return an endpoint."""
        return await self._session.get(WebhookEndpoint, (self._school_id, endpoint_id))

    async def locked(self, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Return an endpoint that nobody else changes, and that nothing is told meanwhile."""
        return await held(self._session, WebhookEndpoint, self._school_id, endpoint_id)

    async def taken(self, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Return an endpoint that nobody else changes meanwhile; it can still be told things."""
        lock = {"key_share": True}
        return await held(self._session, WebhookEndpoint, self._school_id, endpoint_id, lock)

    async def kept(self, endpoint_id: UUID) -> WebhookEndpoint | None:
        """Return an endpoint that nobody disables or removes meanwhile."""
        lock = {"read": True, "key_share": True}
        return await held(self._session, WebhookEndpoint, self._school_id, endpoint_id, lock)

    async def subscribed(self, types: Collection[str]) -> Sequence[Any]:
        """Return the enabled endpoints that one of these types is told to.

        They are held: else one that is removed meanwhile would take what happened along.
        """
        query = (
            select(WebhookEndpoint.id, WebhookEndpoint.event_types)
            .where(
                WebhookEndpoint.school_id == self._school_id,
                WebhookEndpoint.enabled,
                WebhookEndpoint.event_types.overlap(literal(list(types), ARRAY(Text))),
            )
            .order_by(WebhookEndpoint.id)
            .with_for_update(read=True, key_share=True)
        )
        return (await self._session.execute(query)).all()

    async def remove(self, endpoint_id: UUID) -> None:
        """Delete an endpoint, which is locked, and its deliveries."""
        for model, column in (
            (WebhookDelivery, WebhookDelivery.endpoint_id),
            (WebhookEndpoint, WebhookEndpoint.id),
        ):
            await self._session.execute(
                delete(model)
                .where(model.school_id == self._school_id, column == endpoint_id)
                .execution_options(synchronize_session=False)
            )


class Deliveries:
    """A school's deliveries, each with its event."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(self) -> Selection:
        """Return the query for deliveries with the type of their event."""
        return (
            select(WebhookDelivery, WebhookEvent.type)
            .join(
                WebhookEvent,
                (WebhookEvent.school_id == WebhookDelivery.school_id)
                & (WebhookEvent.id == WebhookDelivery.event_id),
            )
            .where(WebhookDelivery.school_id == self._school_id)
        )

    async def body(self, event_id: UUID) -> str:
        """Return the bytes of an event, as text."""
        query = select(WebhookEvent.body).where(
            WebhookEvent.school_id == self._school_id, WebhookEvent.id == event_id
        )
        return (await self._session.execute(query)).scalar_one()

    async def get(self, delivery_id: UUID) -> WebhookDelivery | None:
        """Return a delivery."""
        return await self._session.get(WebhookDelivery, (self._school_id, delivery_id))

    async def locked(self, delivery_id: UUID) -> WebhookDelivery | None:
        """Return a delivery that nobody else changes meanwhile; hold its endpoint first."""
        return await held(self._session, WebhookDelivery, self._school_id, delivery_id)

    async def are_sent(self, endpoint_id: UUID, job_id: int, now: datetime) -> bool:
        """Tell whether another job sends to an endpoint now."""
        query = select(
            exists().where(
                WebhookDelivery.school_id == self._school_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.status == "pending",
                WebhookDelivery.next_attempt_at > now,
                WebhookDelivery.claimed_by != job_id,
            )
        )
        return (await self._session.execute(query)).scalar_one()

    async def claim(
        self, endpoint_id: UUID, job_id: int, now: datetime, until: datetime, count: int
    ) -> Sequence[Any]:
        """Take deliveries that are due, for nobody else before `until`, the longest due first.

        What this job took before is its own still: it was interrupted.
        """
        due = (
            select(
                WebhookDelivery.id,
                WebhookDelivery.attempts,
                WebhookEvent.id.label("event_id"),
                WebhookEvent.body,
            )
            .join(
                WebhookEvent,
                (WebhookEvent.school_id == WebhookDelivery.school_id)
                & (WebhookEvent.id == WebhookDelivery.event_id),
            )
            .where(
                WebhookDelivery.school_id == self._school_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.status == "pending",
                or_(WebhookDelivery.next_attempt_at <= now, WebhookDelivery.claimed_by == job_id),
            )
            .order_by(WebhookDelivery.next_attempt_at, WebhookDelivery.id)
            .limit(count)
            .with_for_update(of=WebhookDelivery, skip_locked=True)
        )
        rows = (await self._session.execute(due)).all()
        if rows:
            await self._change(
                WebhookDelivery.id == func.any([row.id for row in rows]),
                next_attempt_at=until,
                claimed_by=job_id,
            )
        return rows

    async def give_up(
        self, endpoint_id: UUID, reason: str, *conditions: ColumnElement[bool]
    ) -> int:
        """Let deliveries that wait for an endpoint fail; return how many."""
        return await self._change(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "pending",
            *conditions,
            status="failed",
            next_attempt_at=None,
            claimed_by=None,
            reason=reason,
        )

    async def postpone(self, endpoint_id: UUID, until: datetime) -> None:
        """Let what is due for an endpoint wait."""
        await self._change(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "pending",
            WebhookDelivery.next_attempt_at < until,
            WebhookDelivery.claimed_by.is_(None),
            next_attempt_at=until,
        )

    async def requeue(
        self, endpoint_id: UUID, now: datetime, *conditions: ColumnElement[bool]
    ) -> int:
        """Let deliveries of an endpoint that meet the conditions wait for a try; return how many."""
        return await self._change(
            WebhookDelivery.endpoint_id == endpoint_id,
            *conditions,
            status="pending",
            attempts=0,
            queued_at=now,
            next_attempt_at=now,
            claimed_by=None,
            reason=None,
        )

    async def next_due(self, endpoint_id: UUID, job_id: int) -> datetime | None:
        """Return when the first delivery is due that no other job has."""
        query = select(func.min(WebhookDelivery.next_attempt_at)).where(
            WebhookDelivery.school_id == self._school_id,
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.status == "pending",
            or_(WebhookDelivery.claimed_by.is_(None), WebhookDelivery.claimed_by == job_id),
        )
        return (await self._session.execute(query)).scalar_one()

    async def overdue(self, before: datetime) -> Sequence[UUID]:
        """Return the endpoints for which something is due since before an instant."""
        query = (
            select(WebhookDelivery.endpoint_id)
            .distinct()
            .where(
                WebhookDelivery.school_id == self._school_id,
                WebhookDelivery.status == "pending",
                WebhookDelivery.next_attempt_at < before,
            )
        )
        return (await self._session.execute(query)).scalars().all()

    async def _change(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        changed = await self._session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.school_id == self._school_id, *conditions)
            .values(values)
            .execution_options(synchronize_session=False)
        )
        return int(changed.rowcount)  # type: ignore[attr-defined]
