"""HTTP: who am I, and the school's years."""

from typing import Annotated

from fastapi import APIRouter, Security

from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.schools import service
from itschool_api.schools.schemas import Me, SchoolYear, SchoolYearList

router = APIRouter(prefix="/v1", tags=["school"])

ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
SchoolReader = Annotated[Caller, Security(authenticate, scopes=[Scope.SCHOOL_READ])]


@router.get("/me")
async def read_me(session: Transaction, caller: ProfileReader) -> Me:
    """Read who you are, what your token may do, and which schools you belong to."""
    return await service.me(session, caller)


@router.get("/school-years")
async def list_school_years(session: Transaction, caller: SchoolReader) -> SchoolYearList:
    """List the school's years, newest first."""
    years = await service.years(session, caller.school_id)
    return SchoolYearList(items=[SchoolYear.model_validate(year) for year in years])
