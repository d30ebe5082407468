"""The audit trail as an admin reads it: ids as stored, and the actors' names of today."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import pagination, trail
from itschool_api.audit.repository import selected
from itschool_api.audit.schemas import Actor, ActorKind, AuditEvent, AuditEventPage, AuditEventSort
from itschool_api.auth import service as auth
from itschool_api.pagination import Slice

_ORDERS: Final = pagination.orders({"at": (trail.AuditEvent.at, trail.AuditEvent.id)})


async def list_events(
    session: AsyncSession,
    school_id: UUID,
    wanted: Slice,
    *,
    sort: AuditEventSort,
    actor: str | None = None,
    action: str | None = None,
    subject_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AuditEventPage:
    """Return the school's events; `until` itself is not in it."""
    query = selected(
        school_id, actor=actor, action=action, subject_id=subject_id, since=since, until=until
    )
    rows, following = await pagination.rows(session, query, _ORDERS[sort], wanted)
    events = [row[0] for row in rows]
    actors = await _actors(session, school_id, events)
    return AuditEventPage(
        items=[
            AuditEvent(
                id=event.id,
                at=event.at,
                actor=actors[event.actor],
                action=event.action,
                subjects=event.subjects,
                details=event.details,
                request_id=event.request_id,
            )
            for event in events
        ],
        next=following,
    )


async def _actors(
    session: AsyncSession, school_id: UUID, events: Sequence[trail.AuditEvent]
) -> dict[str, Actor]:
    """Return the actors of events, named where they still have a name: two statements."""
    parts = {event.actor: event.actor.partition(":") for event in events}
    ids: dict[str, set[UUID]] = {kind: set() for kind in ActorKind}
    for kind, _, actor_id in parts.values():
        if actor_id:
            ids[kind].add(UUID(actor_id))
    names = await auth.names_of(session, ids[ActorKind.USER])
    names |= await auth.labels_of(session, school_id, ids[ActorKind.API_KEY])
    found = {}
    for text, (kind, _, actor_id) in parts.items():
        known = UUID(actor_id) if actor_id else None
        found[text] = Actor(
            kind=ActorKind(kind), id=known, name=names.get(known) if known else None
        )
    return found
