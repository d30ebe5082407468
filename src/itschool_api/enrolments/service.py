"""Joining the school."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families import service as families
from itschool_api.families.schemas import NewStudent, Student
from itschool_api.wallets import service as wallets


async def enrol_student(session: AsyncSession, school_id: UUID, form: NewStudent) -> Student:
    """Add a student and open their wallets, one for each compartment.

    Raises `StudentKeyTaken`, `ClassGroupNotFound`.
    """
    student = await families.add_student(session, school_id, form)
    await wallets.open_missing(session, school_id, [student.id])
    return student
