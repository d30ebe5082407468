"""HTTP: who am I, and the school's years."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Security

from itschool_api import errors, trail
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.schools import service
from itschool_api.schools.schemas import Me, NewSchoolYear, SchoolYear, SchoolYearList

router = APIRouter(prefix="/v1", tags=["school"])

ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
SchoolReader = Annotated[Caller, Security(authenticate, scopes=[Scope.SCHOOL_READ])]
SchoolWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.SCHOOL_WRITE])]


@router.get("/me")
async def read_me(session: Transaction, caller: ProfileReader) -> Me:
    """Read who you are, what your token may do, and which schools you belong to."""
    return await service.me(session, caller)


@router.get("/school-years")
async def list_school_years(session: Transaction, caller: SchoolReader) -> SchoolYearList:
    """List the school's years, newest first."""
    years = await service.years(session, caller.school_id)
    return SchoolYearList(items=[SchoolYear.model_validate(year) for year in years])


@router.post(
    "/school-years",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.SchoolYearExists),
)
async def create_school_year(
    session: Transaction, caller: SchoolWriter, form: NewSchoolYear
) -> SchoolYear:
    """Add a school year, August to July: by default the one after the present year.

    Its class groups come with `POST /v1/promotions`, or one by one.
    """
    year = await service.add_year(session, caller.school_id, form.first_year)
    trail.about(session, school_year=year.id)
    return SchoolYear.model_validate(year)
