"""Making an export's file: what is known of a person, gathered and packed by the worker.

While it is made the export's row is locked, so that an erasure waits for it and then takes the
file away.
"""

import hashlib
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, logs
from itschool_api.auth import caller as policy
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Sessions, held, school_transaction
from itschool_api.invoices import printing
from itschool_api.invoices.models import Invoice, InvoiceLine
from itschool_api.outbox import service as outbox
from itschool_api.privacy import archive, traces
from itschool_api.privacy.circle import Circle, SubjectKind, around
from itschool_api.privacy.models import Export
from itschool_api.privacy.schemas import ExportStatus
from itschool_api.privacy.words import words
from itschool_api.schools import service as schools
from itschool_api.schools.service import NoBankAccount
from itschool_api.storage import Storage

_UNMADE: Final = (ExportStatus.QUEUED, ExportStatus.FAILED)
_log = structlog.get_logger(__name__)


class ExportFailed(Exception):
    """An export could not be made; its words name nobody, for the job queue keeps them."""


async def make(
    sessions: Sessions, storage: Storage, life: timedelta, school_id: UUID, export_id: UUID
) -> None:
    """Make an export's file and tell who asked; what cannot be made shows as failed.

    Raises `ExportFailed`.
    """
    try:
        async with school_transaction(sessions, school_id) as session:
            export = await _locked(session, school_id, export_id)
            if export is not None:
                await _make(session, storage, life, export)
    except Exception as error:  # noqa: BLE001 - whatever it was, it shows as failed
        # Without its words: they may name people, and a log keeps them.
        _log.error(
            "export.failed",
            export=str(export_id),
            error=type(error).__name__,
            traceback=logs.places(error),
        )
        async with school_transaction(sessions, school_id) as session:
            export = await _locked(session, school_id, export_id)
            if export is not None:
                await storage.remove(export.file_key or "")
                export.status = ExportStatus.FAILED
        raise ExportFailed(type(error).__name__) from None


async def _make(session: AsyncSession, storage: Storage, life: timedelta, export: Export) -> None:
    circle = await around(
        session, export.school_id, SubjectKind(export.subject_kind), export.subject_id
    )
    if circle is None or export.file_key is None:
        raise LookupError("there is nobody to export")
    files = await _papers(session, circle)
    document = await _document(session, circle, files)
    content = await anyio.to_thread.run_sync(archive.packed, document, files)
    await storage.keep(export.school_id, export.file_key.partition("/")[2], content)
    export.status = ExportStatus.READY
    export.ready_at = clock.now()
    export.expires_at = export.ready_at + life
    export.size_bytes = len(content)
    export.sha256 = hashlib.sha256(content).digest()
    await session.flush()
    asked = await auth.user(session, export.requested_by)
    await outbox.send(
        session, export.school_id, outbox.Kind.EXPORT_READY, asked, about_id=export.id
    )
    _log.info("export.made", export=str(export.id), bytes=len(content))


async def _locked(session: AsyncSession, school_id: UUID, export_id: UUID) -> Export | None:
    """Hold an export that is still to be made."""
    export = await held(session, Export, school_id, export_id)
    return export if export is not None and export.status in _UNMADE else None


async def _document(
    session: AsyncSession, circle: Circle, files: Collection[str]
) -> dict[str, Any]:
    school, profile = await schools.profile(session, circle.school_id)
    data = {}
    for model in traces.ROWS:
        found = await session.execute(traces.selection(model, circle))
        if rows := [dict(row) for row in found.mappings()]:
            data[model.__tablename__] = archive.section(model.__tablename__, rows, circle)
    return {
        "about": {
            "kind": circle.kind.value,
            "id": circle.subject_id,
            "first_name": circle.names[0],
            "last_name": circle.names[1],
        },
        "held_by": {
            "school": school.name,
            "street": profile.street,
            "postal_code": profile.postal_code,
            "city": profile.city,
            "email": profile.email,
            "phone": profile.phone,
        },
        "made_at": clock.now(),
        "language": circle.language,
        "explanations": words(circle.language).explanations,
        "data": data,
        "files": sorted(files),
    }


async def _papers(session: AsyncSession, circle: Circle) -> dict[str, bytes]:
    """Return the person's invoices on paper.

    A child's are those that are for no other child, without the address: it may be that of the
    parent whom the reader must not find.
    """
    foreign = select(InvoiceLine.id).where(
        InvoiceLine.school_id == Invoice.school_id,
        InvoiceLine.invoice_id == Invoice.id,
        InvoiceLine.student_id != circle.subject_id,
    )
    query = select(Invoice.id).where(
        Invoice.school_id == circle.school_id,
        Invoice.id == func.any(list(circle.invoices)),
        Invoice.number.is_not(None),
    )
    if circle.of_student:
        query = query.where(~foreign.exists())
    office = Caller(
        circle.school_id,
        "export",
        None,
        None,
        frozenset(),
        policy.reach_of_key(frozenset({Scope.INVOICES_READ})),
    )
    papers = {}
    for invoice_id in (await session.execute(query.order_by(Invoice.id))).scalars().all():
        try:
            name, content = await printing.pdf(
                session, office, invoice_id, with_address=not circle.of_student
            )
        except NoBankAccount:
            # A school without an account to pay into prints none; the lines are in the document.
            return {}
        papers[f"invoices/{name}"] = content
    return papers
