"""HTTP: who am I, the school's years, and what it asks of its staff."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Security

from itschool_api import errors, preconditions, trail
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.preconditions import MadeFrom
from itschool_api.schools import schemas, security, service
from itschool_api.schools.schemas import Me, NewSchoolYear, SchoolYear, SchoolYearList

router = APIRouter(prefix="/v1", tags=["school"])

ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
SchoolReader = Annotated[Caller, Security(authenticate, scopes=[Scope.SCHOOL_READ])]
SchoolWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.SCHOOL_WRITE])]
MembersReader = Annotated[Caller, Security(authenticate, scopes=[Scope.MEMBERS_READ])]
MembersWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.MEMBERS_WRITE])]


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


@router.get("/compartments")
async def list_compartments(session: Transaction, caller: SchoolReader) -> schemas.CompartmentList:
    """List the purposes of the money in wallets; the operator adds one."""
    found = await service.compartments(session, caller.school_id)
    return schemas.CompartmentList(
        items=[schemas.Compartment.model_validate(each) for each in found]
    )


@router.get(
    "/compartments/{compartment_id}", responses=errors.responses(service.CompartmentNotFound)
)
async def read_compartment(
    session: Transaction, caller: SchoolReader, compartment_id: UUID
) -> schemas.Compartment:
    """Read a purpose of the money in wallets."""
    found = await service.compartment(session, caller.school_id, compartment_id)
    return schemas.Compartment.model_validate(found)


@router.patch(
    "/compartments/{compartment_id}",
    responses=errors.responses(service.CompartmentNotFound, *preconditions.REFUSALS),
)
async def change_compartment(
    session: Transaction,
    caller: SchoolWriter,
    compartment_id: UUID,
    changes: schemas.CompartmentChanges,
    made_from: MadeFrom,
) -> schemas.Compartment:
    """Say from where on the wallets of a compartment are low.

    A wallet that falls below it is told to the school's systems as `wallet.low`, once until it is
    above again. Changing it tells nothing by itself.
    """
    return await service.change_compartment(
        session, caller.school_id, compartment_id, changes, made_from
    )


@router.get("/school/security")
async def read_school_security(
    session: Transaction, caller: MembersReader
) -> schemas.SchoolSecurity:
    """Read whether the school asks a second factor of its staff, and how many have none."""
    return await security.security(session, caller.school_id)


@router.put("/school/security", responses=errors.responses(security.OwnSecondFactorMissing))
async def set_school_security(
    session: Transaction, caller: MembersWriter, form: schemas.SchoolSecurityChanges
) -> schemas.SchoolSecurity:
    """Ask a second factor of the school's staff, or ask it no more.

    It counts from their next request: whoever has none reaches their own profile, their password
    and `/v1/me/second-factor` only, and is told `second-factor-enrolment-required`. Parents are
    not asked, nor are API keys. Set up your own first.
    """
    await security.require_second_factor(session, caller, required=form.second_factor_required)
    return await security.security(session, caller.school_id)
