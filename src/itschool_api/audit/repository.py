"""Rows of the audit trail: SQL, and no decisions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from itschool_api.database import Selection
from itschool_api.trail import AuditEvent


def selected(
    school_id: UUID,
    *,
    actor: str | None,
    action: str | None,
    subject_id: UUID | None,
    since: datetime | None,
    until: datetime | None,
) -> Selection:
    """Return the query for a school's events, narrowed where something is named."""
    query = select(AuditEvent).where(AuditEvent.school_id == school_id)
    if actor is not None:
        query = query.where(AuditEvent.actor == actor)
    if action is not None:
        query = query.where(AuditEvent.action == action)
    if subject_id is not None:
        query = query.where(AuditEvent.subject_ids.contains([subject_id]))
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    if until is not None:
        query = query.where(AuditEvent.at < until)
    return query
