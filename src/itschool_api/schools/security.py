"""What a school asks of its staff before they get to its data: a second factor, or not."""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, trail
from itschool_api.auth import second_factor
from itschool_api.auth.caller import Caller
from itschool_api.schools.models import School
from itschool_api.schools.schemas import SchoolSecurity
from itschool_api.schools.service import SchoolNotFound

_log = structlog.get_logger(__name__)


class OwnSecondFactorMissing(errors.Conflict):
    """You would lock yourself out: set up your own second factor first."""


async def security(session: AsyncSession, school_id: UUID) -> SchoolSecurity:
    """Return what the school asks, and how many would have to do something for it."""
    school = await session.get_one(School, school_id)
    return SchoolSecurity(
        second_factor_required=school.second_factor_required,
        staff_without_second_factor=await second_factor.staff_lacking_one(session, school_id),
    )


async def require_second_factor(session: AsyncSession, caller: Caller, *, required: bool) -> None:
    """Ask a second factor of the school's staff, or ask it no more.

    Raises `OwnSecondFactorMissing`.
    """
    protected = caller.user_id and await second_factor.is_protected(session, caller.user_id)
    if required and not protected:
        raise OwnSecondFactorMissing
    await set_requirement(session, caller.school_id, required=required)


async def set_requirement(session: AsyncSession, school_id: UUID, *, required: bool) -> None:
    """Ask a second factor or not, whoever wants it; raises `SchoolNotFound`."""
    school = await session.get(School, school_id)
    if school is None:
        raise SchoolNotFound
    school.second_factor_required = required
    trail.note(session, second_factor_required=required)
    await session.flush()
    _log.info("second_factor.requirement", school=str(school_id), required=required)
