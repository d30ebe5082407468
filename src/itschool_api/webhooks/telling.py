"""Telling what happened, in the transaction in which it happens.

Whoever lets something happen asks first who wants to hear of it: one query, and where nobody does,
that is all it costs, however much happens::

    audience = await webhooks.audience(session, school_id, EventType.PAYMENT_MATCHED)
    if audience:
        await webhooks.tell(session, audience, (PaymentMatched(…) for each in payments))

An event, a delivery for each endpoint that wants it, and a job for each endpoint are written in a
batch each. A job carries the ids of school and endpoint, and sends whatever is due there.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, jobs
from itschool_api.database import insert_rows, new_id
from itschool_api.webhooks import payloads
from itschool_api.webhooks.models import WebhookDelivery, WebhookEvent
from itschool_api.webhooks.payloads import EventType, Payload
from itschool_api.webhooks.repository import Endpoints

WEBHOOK_JOB: Final = "webhooks"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who wants to hear of what; false where nobody does."""

    school_id: UUID
    subscribers: Sequence[tuple[UUID, frozenset[str]]]
    """Endpoint and the types that it is told."""

    def __bool__(self) -> bool:
        return bool(self.subscribers)


async def audience(session: AsyncSession, school_id: UUID, *types: EventType) -> Audience:
    """Return the endpoints that want to hear of something of these types."""
    found = await Endpoints(session, school_id).subscribed(types)
    return Audience(school_id, [(row.id, frozenset(row.event_types)) for row in found])


async def tell(session: AsyncSession, listening: Audience, happened: Iterable[Payload]) -> None:
    """Write down what happened for those who listen, and ask for its delivery."""
    events: list[tuple[UUID, str, str]] = []
    deliveries: list[tuple[UUID, UUID, UUID]] = []
    now = clock.now()
    for payload in happened:
        wanting = [who for who, types in listening.subscribers if payload.type in types]
        if wanting:
            event_id = new_id()
            events.append((event_id, str(payload.type), payloads.message(payload, now)))
            deliveries += [(new_id(), who, event_id) for who in wanting]
    await _write(session, listening.school_id, now, events, deliveries)


async def tell_one(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID, payload: Payload
) -> UUID:
    """Tell one endpoint, whatever it listens to; return the delivery's id."""
    now, event_id, delivery_id = clock.now(), new_id(), new_id()
    event = (event_id, str(payload.type), payloads.message(payload, now))
    await _write(session, school_id, now, [event], [(delivery_id, endpoint_id, event_id)])
    return delivery_id


async def enqueue(session: AsyncSession, school_id: UUID, endpoint_ids: Collection[UUID]) -> None:
    """Ask for a job for each endpoint."""
    if endpoint_ids:
        payload = ({"school": school_id, "endpoint": each} for each in endpoint_ids)
        await jobs.enqueue(session, WEBHOOK_JOB, *payload)


async def _write(
    session: AsyncSession,
    school_id: UUID,
    now: datetime,
    events: Sequence[tuple[UUID, str, str]],
    deliveries: Sequence[tuple[UUID, UUID, UUID]],
) -> None:
    await insert_rows(
        session,
        WebhookEvent,
        ("id", "type", "body"),
        events,
        school_id=school_id,
        occurred_at=now,
    )
    await insert_rows(
        session,
        WebhookDelivery,
        ("id", "endpoint_id", "event_id"),
        deliveries,
        school_id=school_id,
        status="pending",
        attempts=0,
        created_at=now,
        queued_at=now,
        next_attempt_at=now,
    )
    await enqueue(session, school_id, {endpoint_id for _, endpoint_id, _ in deliveries})
