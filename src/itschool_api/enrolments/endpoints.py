"""HTTP: joining the school."""

from http import HTTPStatus

from fastapi import APIRouter

from itschool_api import errors
from itschool_api.database import Transaction
from itschool_api.enrolments import service
from itschool_api.families.endpoints import PeopleWriter
from itschool_api.families.schemas import NewStudent, Student
from itschool_api.families.service import ClassGroupNotFound, StudentKeyTaken

router = APIRouter(prefix="/v1", tags=["people"])


@router.post(
    "/students",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(StudentKeyTaken, ClassGroupNotFound),
)
async def enrol_student(session: Transaction, caller: PeopleWriter, form: NewStudent) -> Student:
    """Enrol a student; their wallets are opened at once, each with a reference of its own."""
    return await service.enrol_student(session, caller.school_id, form)
