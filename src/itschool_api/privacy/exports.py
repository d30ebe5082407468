"""Exports: asked for, fetched, and gone after some days (GDPR art. 15 and 20).

The file's key is drawn when the export is asked for, at random, and is told to nobody. The file is
made in `making`.
"""

import secrets
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, jobs, pagination, trail
from itschool_api.auth.caller import Caller
from itschool_api.database import new_id
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.families.service import StudentNotFound
from itschool_api.pagination import Order, Slice
from itschool_api.privacy import models
from itschool_api.privacy.circle import SubjectKind, around
from itschool_api.privacy.schemas import Export, ExportPage, ExportStatus, NewExport
from itschool_api.storage import Storage, key_of

EXPORT_JOB: Final = "export"
FOLDER: Final = "exports"


class ExportNotFound(errors.NotFound):
    """There is no such export."""


class ExportNotReady(errors.Conflict):
    """The export is not ready: wait for the e-mail, or look at its status."""


class ExportExpired(errors.NotFound):
    """The export's file is not kept any more: ask for a new one."""


async def request(session: AsyncSession, caller: Caller, form: NewExport) -> Export:
    """Ask for an export, unless the same is being made already.

    Raises `StudentNotFound`, `GuardianNotFound`.
    """
    kind, subject_id = subject(form.student_id, form.guardian_id)
    if await around(session, caller.school_id, kind, subject_id) is None:
        raise not_found(kind)
    if caller.user_id is None:
        raise errors.Forbidden
    running = select(models.Export).where(
        models.Export.school_id == caller.school_id,
        models.Export.subject_id == subject_id,
        models.Export.status == ExportStatus.QUEUED,
    )
    export: models.Export | None = (await session.execute(running.limit(1))).scalar_one_or_none()
    if export is None:
        export = models.Export(
            school_id=caller.school_id,
            id=new_id(),
            subject_kind=kind,
            subject_id=subject_id,
            requested_by=caller.user_id,
            status=ExportStatus.QUEUED,
            requested_at=clock.now(),
            file_key=key_of(caller.school_id, f"{FOLDER}/{secrets.token_urlsafe(32)}.zip"),
        )
        session.add(export)
        await session.flush()
        payload = {"school": caller.school_id, "export": export.id}
        await jobs.enqueue(session, EXPORT_JOB, payload)
    trail.about(session, export=export.id)
    trail.about(session, **{kind.value: subject_id})
    return _document(export)


async def list_exports(session: AsyncSession, caller: Caller, wanted: Slice) -> ExportPage:
    """Return the school's exports, newest first."""
    query = select(models.Export).where(models.Export.school_id == caller.school_id)
    order = Order((models.Export.id,), descending=True)
    rows, following = await pagination.rows(session, query, order, wanted)
    return ExportPage(items=[_document(row[0]) for row in rows], next=following)


async def read(session: AsyncSession, caller: Caller, export_id: UUID) -> Export:
    """Return an export; raises `ExportNotFound`."""
    return _document(await _export(session, caller.school_id, export_id))


async def file(
    session: AsyncSession, storage: Storage, caller: Caller, export_id: UUID
) -> tuple[str, bytes]:
    """Return an export's file with a name that tells nobody whose it is.

    Raises `ExportNotFound`, `ExportNotReady`, `ExportExpired`.
    """
    export = await _export(session, caller.school_id, export_id)
    if export.status in {ExportStatus.QUEUED, ExportStatus.FAILED}:
        raise ExportNotReady
    if export.file_key is None or export.expires_at is None or export.expires_at <= clock.now():
        raise ExportExpired
    try:
        content = await storage.read(export.file_key)
    except FileNotFoundError as error:
        raise ExportExpired from error
    trail.about(session, **{export.subject_kind: export.subject_id})
    return f"export-{export.requested_at:%Y-%m-%d}-{export.id.hex[-8:]}.zip", content


async def remove_file(storage: Storage, export: models.Export) -> None:
    """Let an export's file be gone: the file first, for a row without one does no harm."""
    if export.file_key is not None:
        await storage.remove(export.file_key)
    was_made = export.status == ExportStatus.READY
    export.status = ExportStatus.EXPIRED if was_made else ExportStatus.FAILED
    export.file_key = export.size_bytes = export.sha256 = None


def subject(student_id: UUID | None, guardian_id: UUID | None) -> tuple[SubjectKind, UUID]:
    """Return who is meant, of two ids of which one is there."""
    if student_id is not None:
        return SubjectKind.STUDENT, student_id
    if guardian_id is None:
        raise LookupError("a subject is a student or a guardian")
    return SubjectKind.GUARDIAN, guardian_id


def not_found(kind: SubjectKind) -> errors.NotFound:
    """Return the refusal for who is not there."""
    return StudentNotFound() if kind is SubjectKind.STUDENT else GuardianNotFound()


async def _export(session: AsyncSession, school_id: UUID, export_id: UUID) -> models.Export:
    export = await session.get(models.Export, (school_id, export_id))
    if export is None:
        raise ExportNotFound
    return export


def _document(export: models.Export) -> Export:
    of_student = export.subject_kind == SubjectKind.STUDENT
    return Export(
        id=export.id,
        student_id=export.subject_id if of_student else None,
        guardian_id=None if of_student else export.subject_id,
        status=ExportStatus(export.status),
        requested_by=export.requested_by,
        requested_at=export.requested_at,
        ready_at=export.ready_at,
        expires_at=export.expires_at,
        size_bytes=export.size_bytes,
        sha256=export.sha256.hex() if export.sha256 else None,
    )
