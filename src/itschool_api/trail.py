"""The audit trail: who did what to whom, in the transaction in which they did it.

Each request that changes something leaves one event, named after its operation, without anybody
asking for it: `authenticate` opens the entry, the request's transaction writes it before its
commit. An event holds ids and no words, so it can be kept when people are erased.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api import clock
from itschool_api.database import Base, TenantOwned, before_commit, new_id, school_key

_ENTRY: Final = "trail"
# Ids for filtering; whoever does something to thousands at once (a roll) names the act alone.
_MOST_SUBJECTS: Final = 100


class AuditEvent(TenantOwned, Base):
    """One act, by one actor, upon some things."""

    __tablename__ = "audit_events"
    __table_args__ = (
        school_key(),
        Index(None, "subject_ids", postgresql_using="gin"),
        Index(None, "school_id", "actor", "id"),
    )

    at: Mapped[datetime]
    actor: Mapped[str]
    """`user:<id>`, `api-key:<id>`, or `operator`."""
    action: Mapped[str]
    """The operation's id in the contract, or the operator's command."""
    request_id: Mapped[str | None]
    subjects: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    """Ids by the kind of thing, such as `student`."""
    subject_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


@dataclass(slots=True)
class _Entry:
    """What the present transaction will leave."""

    school_id: UUID
    actor: str
    action: str
    request_id: str | None
    subjects: dict[str, list[UUID]] = field(default_factory=dict)


def begin(
    session: AsyncSession,
    school_id: UUID,
    *,
    actor: str,
    action: str,
    request_id: str | None = None,
    subjects: Mapping[str, UUID] | None = None,
) -> None:
    """Let this transaction leave an event, unless it is refused or `forget` is called."""
    entry = _Entry(school_id, actor, action, request_id)
    session.info[_ENTRY] = entry
    about(session, **(subjects or {}))
    before_commit(session, _write)


def about(session: AsyncSession, **ids: UUID) -> None:
    """Name more that the act is upon, such as what it made: `about(session, student=id)`."""
    entry: _Entry | None = session.info.get(_ENTRY)
    if entry is None:
        return
    for kind, subject_id in ids.items():
        known = entry.subjects.setdefault(kind, [])
        if subject_id not in known and len(known) < _MOST_SUBJECTS:
            known.append(subject_id)


def forget(session: AsyncSession) -> None:
    """Leave no event: nothing was done (a preview, an answer that was given before)."""
    session.info.pop(_ENTRY, None)


async def _write(session: AsyncSession) -> None:
    entry: _Entry | None = session.info.pop(_ENTRY, None)
    if entry is None:
        return
    session.add(
        AuditEvent(
            school_id=entry.school_id,
            id=new_id(),
            at=clock.now(),
            actor=entry.actor,
            action=entry.action,
            request_id=entry.request_id,
            subjects={kind: [str(each) for each in ids] for kind, ids in entry.subjects.items()},
            subject_ids=sorted({each for ids in entry.subjects.values() for each in ids}),
        )
    )
    await session.flush()
