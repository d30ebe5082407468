"""The roll as it stands: everybody who is at the school, in the form that it is imported in."""

from typing import Any
from uuid import UUID

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families.population import Population
from itschool_api.roll import writing
from itschool_api.schools import service as schools


async def export_roll(
    session: AsyncSession, school_id: UUID, year_id: UUID | None, *, is_workbook: bool
) -> bytes:
    """Write who is at the school, with the classes of a year; whoever has no key shows our id.

    Raises `SchoolYearNotFound`, `NoSchoolYear`.
    """
    year = await schools.year(session, school_id, year_id)
    today = await schools.today(session, school_id)
    found = (await session.execute(Population(session, school_id).roll(year.id, today))).all()
    write = writing.as_workbook if is_workbook else writing.as_csv
    return await anyio.to_thread.run_sync(write, [_row(each) for each in found])


def _row(found: Any) -> writing.Row:
    student, class_group, share_bp, family, link, guardian = found
    return (
        student.external_key or str(student.id),
        student.first_name,
        student.last_name,
        student.birth_date,
        class_group,
        *_guardian(guardian),
        link and link.sees_money,
        *_family(family),
        share_bp,
    )


def _guardian(guardian: Any) -> writing.Row:
    if guardian is None:
        return (None,) * 6
    return (
        guardian.external_key or str(guardian.id),
        guardian.first_name,
        guardian.last_name,
        guardian.email,
        guardian.phone,
        guardian.language,
    )


def _family(family: Any) -> writing.Row:
    if family is None:
        return (None,) * 6
    return (
        family.external_key or str(family.id),
        family.name,
        family.language,
        family.street,
        family.postal_code,
        family.city,
    )
