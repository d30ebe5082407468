"""Joining the school."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families import service as families
from itschool_api.families.schemas import NewStudent, Student
from itschool_api.wallets import service as wallets


async def enrol_student(session: AsyncSession, school_id: UUID, form: NewStudent) -> Student:
    """Add a student and open their wallets, one for each compartment.

    Raises `StudentKeyTaken`, `ClassGroupNotFound`.
    """
    (student,) = await enrol_students(session, school_id, [form])
    return student


async def enrol_students(
    session: AsyncSession, school_id: UUID, forms: Iterable[NewStudent]
) -> list[Student]:
    """Add students and open all their wallets at once; raises what `enrol_student` raises."""
    students = [await families.add_student(session, school_id, form) for form in forms]
    await wallets.open_missing(session, school_id, [student.id for student in students])
    return students
