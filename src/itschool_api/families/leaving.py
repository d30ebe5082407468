"""Leaving the school, and coming back: what is a student's stays, what happens is no more theirs."""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import held
from itschool_api.families import models, service
from itschool_api.families.schemas import Student


async def set_last_day(
    session: AsyncSession, school_id: UUID, student_id: UUID, left_on: date | None
) -> Student:
    """Note a student's last day at the school, or that they stay.

    Raises `StudentNotFound`, `PersonErased`.
    """
    student = await held(session, models.Student, school_id, student_id)
    if student is None:
        raise service.StudentNotFound
    if student.erased_at is not None:
        raise service.PersonErased
    student.left_on = left_on
    await session.flush()
    return await service.student(session, school_id, student_id)
