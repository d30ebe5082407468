"""What the office corrects: names, birth dates, addresses, how a guardian is reached.

What stands here is the school's own; a guardian's login is the person's, and no change of these
touches it. An invoice that is issued keeps whom it was issued to.
"""

from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, trail
from itschool_api.contract import Changes
from itschool_api.database import refusing
from itschool_api.families import guardians, models, service
from itschool_api.families.schemas import (
    Family,
    FamilyChanges,
    Guardian,
    GuardianChanges,
    Student,
    StudentChanges,
)
from itschool_api.preconditions import Precondition

_Row = TypeVar("_Row", models.Student, models.Guardian, models.Family)


async def change_student(
    session: AsyncSession,
    school_id: UUID,
    student_id: UUID,
    changes: StudentChanges,
    precondition: Precondition,
) -> Student:
    """Correct a student's names and birth date.

    Raises `StudentNotFound`, `StudentKeyTaken`, `PersonErased`, and what the precondition raises.
    """
    row = await _locked(session, models.Student, school_id, student_id, service.StudentNotFound())
    precondition.hold(await service.student(session, school_id, student_id))
    await _change(session, row, changes)
    return await service.student(session, school_id, student_id)


async def change_guardian(
    session: AsyncSession,
    school_id: UUID,
    guardian_id: UUID,
    changes: GuardianChanges,
    precondition: Precondition,
) -> Guardian:
    """Correct how the school reaches a guardian.

    Raises `GuardianNotFound`, `PersonErased`, and what the precondition raises.
    """
    row = await _locked(
        session, models.Guardian, school_id, guardian_id, guardians.GuardianNotFound()
    )
    precondition.hold(await guardians.read_guardian(session, school_id, guardian_id))
    await _change(session, row, changes)
    return await guardians.read_guardian(session, school_id, guardian_id)


async def change_family(
    session: AsyncSession,
    school_id: UUID,
    family_id: UUID,
    changes: FamilyChanges,
    precondition: Precondition,
) -> Family:
    """Correct a family's name and address.

    Raises `FamilyNotFound`, `PersonErased`, and what the precondition raises.
    """
    row = await _locked(session, models.Family, school_id, family_id, service.FamilyNotFound())
    precondition.hold(await service.read_family(session, school_id, family_id))
    await _change(session, row, changes)
    return await service.read_family(session, school_id, family_id)


async def _locked(
    session: AsyncSession,
    model: type[_Row],
    school_id: UUID,
    row_id: UUID,
    missing: errors.NotFound,
) -> _Row:
    row = await session.get(model, (school_id, row_id), with_for_update=True)
    if row is None:
        raise missing
    return row


async def _change(
    session: AsyncSession, row: models.Student | models.Guardian | models.Family, changes: Changes
) -> None:
    if row.erased_at is not None:
        raise service.PersonErased
    given = changes.given()
    trail.note(session, changed=[name for name in given if getattr(row, name) != given[name]])
    for name, value in given.items():
        setattr(row, name, value)
    with refusing("uq_students_school_id_external_key", service.StudentKeyTaken()):
        await session.flush()
