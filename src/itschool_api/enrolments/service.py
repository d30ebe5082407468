"""Joining the school, leaving it, and coming back."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families import leaving
from itschool_api.families import service as families
from itschool_api.families.schemas import Departure, NewStudent, Student
from itschool_api.ledger import service as ledger
from itschool_api.schools import service as schools
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
    # Their wallets need the books in the end; an import holds these before it adds students, and two
    # who go different ways would wait for each other.
    await ledger.lock_books(session, school_id)
    students = [await families.add_student(session, school_id, form) for form in forms]
    await wallets.open_missing(session, school_id, [student.id for student in students])
    return students


async def record_departure(
    session: AsyncSession, school_id: UUID, student_id: UUID, form: Departure
) -> Student:
    """Note a student's last day at the school, by default today.

    Raises `StudentNotFound`, `PersonErased`.
    """
    left_on = form.left_on or await schools.today(session, school_id)
    return await leaving.set_last_day(session, school_id, student_id, left_on)


async def undo_departure(session: AsyncSession, school_id: UUID, student_id: UUID) -> Student:
    """Let a student be at the school again; raises `StudentNotFound`, `PersonErased`."""
    student = await leaving.set_last_day(session, school_id, student_id, None)
    # A compartment may have been added meanwhile.
    await wallets.open_missing(session, school_id, [student_id])
    return student
