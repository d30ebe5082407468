"""The audit trail: who did what to whom, in the transaction in which they did it.

Each request that changes something leaves one event, named after its operation, without anybody
asking for it: `authenticate` opens the entry with the ids of the path, the request's transaction
writes it before its commit. An event holds ids, counts and words of our own, never one that somebody
wrote, so it can be kept when people are erased. What is left to others:

- a service names what it makes, and what else it is upon: `trail.about(session, student=id)`; of
  many at once `trail.about(session, student=ids)`. Without an entry (a test, the demonstration) it
  does nothing;
- where the operation alone does not tell what became different, a service notes it: which switch,
  which fields, how many: `trail.note(session, second_factor_required=True)`;
- whoever finds that there was nothing to do calls `trail.forget(session)`: a preview, an answer
  that was given before;
- a GET leaves no event. An endpoint that hands out a person's data as a file (an export, a roll, a
  letter with a way in) opens the entry itself, unless a HEAD asks, and is named like the operation::

      if heads.hands_out(request):
          trail.begin(session, caller.school_id, actor=caller.name, action="download_export",
                      subjects={"export": export_id})

- what is done outside of a request, by a command or a job, is done in `trail.acting(…)`.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from structlog.contextvars import get_contextvars

from itschool_api import clock
from itschool_api.database import (
    Base,
    Sessions,
    TenantOwned,
    before_commit,
    new_id,
    school_key,
    school_transaction,
)

OPERATOR: Final = "operator"
WORKER: Final = "worker"
# What is done outside of a request: the operator's commands and the worker's jobs.
UNASKED: Final = frozenset(
    {
        "add_bank_account",
        "add_compartment",
        "add_year",
        "create_api_key",
        "create_school",
        "create_user",
        "disable_user",
        "disable_webhook_endpoint",
        "enable_user",
        "end_retention",
        "erase_leaver",
        "reset_second_factor",
        "send_login_token",
        "set_school_security",
    }
)
# What changes nothing, and leaves an event all the same: it hands out people's data.
DOWNLOADS: Final = frozenset({"export_roll", "read_export_file"})
_ENTRY: Final = "trail"
# Ids for filtering; whoever does something to thousands at once (a roll) names the act alone.
_MOST_SUBJECTS: Final = 100


class AuditEvent(TenantOwned, Base):
    """One act, by one actor, upon some things."""

    __tablename__ = "audit_events"
    __table_args__ = (
        school_key(),
        Index(None, "subject_ids", postgresql_using="gin"),
        Index(None, "school_id", "at", "id"),
        Index(None, "school_id", "actor", "at", "id"),
    )

    at: Mapped[datetime]
    actor: Mapped[str]
    """`user:<id>`, `api-key:<id>`, `operator` or `worker`."""
    action: Mapped[str]
    """The operation's id in the contract, the operator's command, or the worker's job."""
    request_id: Mapped[str | None]
    subjects: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    """Ids by the kind of thing, such as `student`."""
    subject_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What became different: switches, names of fields, counts; nothing that somebody wrote."""


Detail = bool | int | list[str]


@dataclass(slots=True)
class _Entry:
    """What the present transaction will leave."""

    school_id: UUID
    actor: str
    action: str
    request_id: str | None
    subjects: dict[str, list[UUID]] = field(default_factory=dict)
    details: dict[str, Detail] = field(default_factory=dict)


def begin(
    session: AsyncSession,
    school_id: UUID,
    *,
    actor: str,
    action: str,
    subjects: Mapping[str, UUID] | None = None,
) -> None:
    """Let this transaction leave an event, unless it is refused or `forget` is called.

    Raises `LookupError` where a command or a job has no name that the trail is filtered by.
    """
    if actor in {OPERATOR, WORKER} and action not in UNASKED:
        raise LookupError(action)
    entry = _Entry(school_id, actor, action, get_contextvars().get("request_id"))
    session.info[_ENTRY] = entry
    about(session, **(subjects or {}))
    before_commit(session, leave)


@asynccontextmanager
async def acting(
    sessions: Sessions, school_id: UUID, *, actor: str, action: str
) -> AsyncIterator[AsyncSession]:
    """Open a transaction within a school, outside of any request, that leaves an event."""
    async with school_transaction(sessions, school_id) as session:
        begin(session, school_id, actor=actor, action=action)
        yield session


def about(session: AsyncSession, /, **ids: UUID | Collection[UUID]) -> None:
    """Name more that the act is upon, such as what it made: `about(session, student=id)`."""
    entry: _Entry | None = session.info.get(_ENTRY)
    if entry is None:
        return
    for kind, named in ids.items():
        for subject_id in (named,) if isinstance(named, UUID) else named:
            known = entry.subjects.setdefault(kind, [])
            if subject_id not in known and len(known) < _MOST_SUBJECTS:
                known.append(subject_id)


def note(session: AsyncSession, /, **details: Detail) -> None:
    """Note what becomes different, in numbers, switches and words of our own."""
    entry: _Entry | None = session.info.get(_ENTRY)
    if entry is not None:
        entry.details |= details


def elsewhere(session: AsyncSession, school_id: UUID) -> None:
    """Leave the event with another school, which the transaction has entered for good."""
    entry: _Entry | None = session.info.get(_ENTRY)
    if entry is not None:
        entry.school_id = school_id


def forget(session: AsyncSession) -> None:
    """Leave no event: nothing was done (a preview, an answer that was given before)."""
    session.info.pop(_ENTRY, None)


async def leave(session: AsyncSession) -> None:
    """Write the event now: for a transaction that goes through several schools."""
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
            details=entry.details,
        )
    )
    await session.flush()
