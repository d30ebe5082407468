"""Rows of schools: SQL, and no decisions."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import Membership
from itschool_api.schools.models import (
    BankAccount,
    Compartment,
    School,
    SchoolProfile,
    SchoolYear,
)


class Schools:
    """Schools and what describes them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of_user(self, user_id: UUID) -> Sequence[tuple[School, str]]:
        """Return each school of a user with each role there."""
        query = (
            select(School, Membership.role)
            .join(Membership, Membership.school_id == School.id)
            .where(Membership.user_id == user_id)
            .order_by(School.name, School.id, Membership.role)
        )
        return [(row[0], row[1]) for row in await self._session.execute(query)]

    async def with_profile(self, school_id: UUID) -> tuple[School, SchoolProfile]:
        """Return a school and its profile."""
        query = (
            select(School, SchoolProfile)
            .join(SchoolProfile, SchoolProfile.school_id == School.id)
            .where(School.id == school_id)
        )
        row = (await self._session.execute(query)).one()
        return row[0], row[1]

    async def time_zone(self, school_id: UUID) -> str:
        """Return the school's time zone."""
        query = select(School.time_zone).where(School.id == school_id)
        return (await self._session.execute(query)).scalar_one()

    async def all(self) -> Sequence[School]:
        """Return every school: for the operator only."""
        return (await self._session.execute(select(School).order_by(School.name))).scalars().all()

    async def years(self, school_id: UUID) -> Sequence[SchoolYear]:
        """Return the school's years, newest first."""
        query = (
            select(SchoolYear)
            .where(SchoolYear.school_id == school_id)
            .order_by(SchoolYear.begins_on.desc())
        )
        return (await self._session.execute(query)).scalars().all()

    async def year(self, school_id: UUID, year_id: UUID) -> SchoolYear | None:
        """Return one school year."""
        return await self._session.get(SchoolYear, (school_id, year_id))

    async def year_of(self, school_id: UUID, day: date) -> SchoolYear | None:
        """Return the school year that `day` falls into, else the newest that began before."""
        query = (
            select(SchoolYear)
            .where(SchoolYear.school_id == school_id, SchoolYear.begins_on <= day)
            .order_by(SchoolYear.begins_on.desc())
            .limit(1)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def compartments(self, school_id: UUID) -> Sequence[Compartment]:
        """Return the compartments in their order."""
        query = (
            select(Compartment)
            .where(Compartment.school_id == school_id)
            .order_by(Compartment.position, Compartment.id)
        )
        return (await self._session.execute(query)).scalars().all()

    async def bank_accounts(self, school_id: UUID) -> Sequence[BankAccount]:
        """Return the bank accounts, the one that parents pay into first."""
        query = (
            select(BankAccount)
            .where(BankAccount.school_id == school_id)
            .order_by(BankAccount.is_default.desc(), BankAccount.id)
        )
        return (await self._session.execute(query)).scalars().all()
