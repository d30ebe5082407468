"""What the office corrects: names, birth dates, addresses, how a guardian is reached.

What stands here is the school's own; a guardian's login is the person's, and no change of these
touches it. An invoice that is issued keeps whom it was issued to.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, trail
from itschool_api.contract import Changes, Document
from itschool_api.database import held, refusing
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
_Document = TypeVar("_Document", bound=Document)


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
    return await _change(
        session,
        models.Student,
        (school_id, student_id),
        changes,
        precondition,
        missing=service.StudentNotFound(),
        read=service.student,
    )


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
    return await _change(
        session,
        models.Guardian,
        (school_id, guardian_id),
        changes,
        precondition,
        missing=guardians.GuardianNotFound(),
        read=guardians.read_guardian,
    )


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
    return await _change(
        session,
        models.Family,
        (school_id, family_id),
        changes,
        precondition,
        missing=service.FamilyNotFound(),
        read=service.read_family,
    )


async def _change(
    session: AsyncSession,
    model: type[_Row],
    key: tuple[UUID, UUID],
    changes: Changes,
    precondition: Precondition,
    *,
    missing: errors.NotFound,
    read: Callable[[AsyncSession, UUID, UUID], Awaitable[_Document]],
) -> _Document:
    """Change a row from the state that `read` shows, which it holds to the precondition."""
    row = await held(session, model, *key)
    if row is None:
        raise missing
    precondition.hold(await read(session, *key))
    if row.erased_at is not None:
        raise service.PersonErased
    given = changes.given()
    trail.note(session, changed=[name for name in given if getattr(row, name) != given[name]])
    for name, value in given.items():
        setattr(row, name, value)
    with refusing("uq_students_school_id_external_key", service.StudentKeyTaken()):
        await session.flush()
    return await read(session, *key)
