"""HTTP: joining the school, and leaving it."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter

from itschool_api import errors
from itschool_api.database import Transaction
from itschool_api.enrolments import service
from itschool_api.families.endpoints import PeopleWriter
from itschool_api.families.schemas import Departure, NewStudent, Student
from itschool_api.families.service import (
    ClassGroupNotFound,
    PersonErased,
    StudentKeyTaken,
    StudentNotFound,
)

router = APIRouter(prefix="/v1", tags=["people"])


@router.post(
    "/students",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(StudentKeyTaken, ClassGroupNotFound),
)
async def enrol_student(session: Transaction, caller: PeopleWriter, form: NewStudent) -> Student:
    """Enrol a student; their wallets are opened at once, each with a reference of its own."""
    return await service.enrol_student(session, caller.school_id, form)


@router.put(
    "/students/{student_id}/departure", responses=errors.responses(StudentNotFound, PersonErased)
)
async def record_departure(
    session: Transaction, caller: PeopleWriter, student_id: UUID, form: Departure
) -> Student:
    """Note that a student leaves the school, and their last day.

    From the day after, lists and class groups no more show them, and their parents get no events.
    Wallets, references and invoices stay as they are, for parents too: what is paid in still
    arrives, what is owed can be paid, and what is left can be refunded.
    """
    return await service.record_departure(session, caller.school_id, student_id, form)


@router.delete(
    "/students/{student_id}/departure", responses=errors.responses(StudentNotFound, PersonErased)
)
async def undo_departure(session: Transaction, caller: PeopleWriter, student_id: UUID) -> Student:
    """Take a departure back: it was a mistake, or the student returns."""
    return await service.undo_departure(session, caller.school_id, student_id)
