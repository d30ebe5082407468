"""Guardians: who they are, and what they see of which student."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, pagination, trail
from itschool_api.auth.caller import Caller
from itschool_api.database import held, new_id, refusing
from itschool_api.families import models
from itschool_api.families.models import Guardianship
from itschool_api.families.repository import GUARDIAN_ORDERS, People
from itschool_api.families.schemas import (
    Guardian,
    GuardianPage,
    GuardianshipChanges,
    GuardianshipPage,
    GuardianSort,
    LoggedIn,
    NewGuardian,
    NewGuardianship,
)
from itschool_api.families.schemas import Guardianship as GuardianshipDocument
from itschool_api.families.service import StudentNotInFamily, refuse_erased
from itschool_api.pagination import Order, Slice
from itschool_api.preconditions import Precondition
from itschool_api.schools import service as schools


class GuardianNotFound(errors.NotFound):
    """There is no such guardian."""


class GuardianshipNotFound(errors.NotFound):
    """There is no such guardianship."""


class GuardianshipExists(errors.Conflict):
    """This guardian has this guardianship already."""


async def add_guardian(
    session: AsyncSession, school_id: UUID, form: NewGuardian, *, user_id: UUID | None = None
) -> Guardian:
    """Add a guardian, who may be a user already."""
    guardian = models.Guardian(
        school_id=school_id, id=new_id(), user_id=user_id, **form.model_dump()
    )
    session.add(guardian)
    await session.flush()
    trail.about(session, guardian=guardian.id)
    return await read_guardian(session, school_id, guardian.id)


async def read_guardian(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> Guardian:
    """Return a guardian; raises `GuardianNotFound`."""
    query = People(session).guardians(school_id).where(models.Guardian.id == guardian_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise GuardianNotFound
    return _guardian(row)


async def list_guardians(
    session: AsyncSession,
    caller: Caller,
    *,
    search: str,
    class_group_id: UUID | None,
    logged_in: LoggedIn | None,
    sort: GuardianSort,
    wanted: Slice,
) -> GuardianPage:
    """Return guardians."""
    query = People(session).guardians(
        caller.school_id,
        search=search,
        class_group_id=class_group_id,
        has_logged_in=None if logged_in is None else logged_in is LoggedIn.EVER,
    )
    rows, following = await pagination.rows(session, query, GUARDIAN_ORDERS[sort], wanted)
    return GuardianPage(items=[_guardian(row) for row in rows], next=following)


async def add_guardianship(
    session: AsyncSession, school_id: UUID, form: NewGuardianship
) -> GuardianshipDocument:
    """Link a guardian to a student within a family.

    Raises `GuardianNotFound`, `PersonErased`, `StudentNotInFamily`, `GuardianshipExists`.
    """
    if await session.get(models.Guardian, (school_id, form.guardian_id)) is None:
        raise GuardianNotFound
    await _refuse_erased(session, school_id, form)
    if not await People(session).are_members(school_id, form.family_id, [form.student_id]):
        raise StudentNotInFamily
    today = await schools.today(session, school_id)
    link = Guardianship(
        school_id=school_id,
        id=new_id(),
        guardian_id=form.guardian_id,
        student_id=form.student_id,
        family_id=form.family_id,
        sees_money=form.sees_money,
        # One that is over already began, at the latest, on its last day.
        starts_on=form.starts_on or min(today, form.ends_on or today),
        ends_on=form.ends_on,
    )
    session.add(link)
    with refusing(
        "uq_guardianships_school_id_guardian_id_student_id_family_id", GuardianshipExists()
    ):
        await session.flush()
    _name(session, link)
    return GuardianshipDocument.model_validate(link)


async def read_guardianship(
    session: AsyncSession, school_id: UUID, guardianship_id: UUID
) -> GuardianshipDocument:
    """Return a guardianship; raises `GuardianshipNotFound`."""
    link = await session.get(Guardianship, (school_id, guardianship_id))
    if link is None:
        raise GuardianshipNotFound
    return GuardianshipDocument.model_validate(link)


async def change_guardianship(
    session: AsyncSession,
    school_id: UUID,
    guardianship_id: UUID,
    changes: GuardianshipChanges,
    precondition: Precondition,
) -> GuardianshipDocument:
    """Change what a guardian sees, from the next request on.

    Raises `GuardianshipNotFound`, `PersonErased`, and what the precondition raises.
    """
    whose = await read_guardianship(session, school_id, guardianship_id)
    # People first, as an erasure holds them.
    await _refuse_erased(session, school_id, whose)
    link = await held(session, Guardianship, school_id, guardianship_id)
    if link is None:
        raise GuardianshipNotFound
    precondition.hold(GuardianshipDocument.model_validate(link))
    given = changes.given()
    trail.note(session, changed=[name for name in given if getattr(link, name) != given[name]])
    if "sees_money" in given:
        trail.note(session, sees_money=given["sees_money"])
    for name, value in given.items():
        setattr(link, name, value)
    # An end before the beginning means that it never counts.
    if link.ends_on and link.ends_on < link.starts_on:
        link.starts_on = link.ends_on
    await session.flush()
    _name(session, link)
    return GuardianshipDocument.model_validate(link)


async def list_guardianships(
    session: AsyncSession,
    caller: Caller,
    guardian_id: UUID | None,
    student_id: UUID | None,
    wanted: Slice,
) -> GuardianshipPage:
    """Return guardianships in the order in which they were made."""
    query = People(session).guardianships(caller.school_id, guardian_id, student_id)
    rows, following = await pagination.rows(session, query, Order((Guardianship.id,)), wanted)
    return GuardianshipPage(
        items=[GuardianshipDocument.model_validate(row[0]) for row in rows], next=following
    )


async def _refuse_erased(
    session: AsyncSession, school_id: UUID, whose: NewGuardianship | GuardianshipDocument
) -> None:
    await refuse_erased(
        session,
        school_id,
        students=[whose.student_id],
        guardians=[whose.guardian_id],
        families=[whose.family_id],
    )


def _name(session: AsyncSession, link: Guardianship) -> None:
    """Name in the audit trail whom a guardianship concerns."""
    trail.about(
        session,
        guardianship=link.id,
        guardian=link.guardian_id,
        student=link.student_id,
        family=link.family_id,
    )


def _guardian(row: Any) -> Guardian:
    guardian: models.Guardian = row.Guardian
    return Guardian(
        id=guardian.id,
        first_name=guardian.first_name,
        last_name=guardian.last_name,
        email=guardian.email,
        phone=guardian.phone,
        language=guardian.language,
        can_log_in=guardian.user_id is not None,
        user_name=row.user_name,
        invited_at=guardian.invited_at,
        last_login_at=row.last_login_at,
        erased_at=guardian.erased_at,
    )
