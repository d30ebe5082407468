"""Rows of members and of offers of membership: SQL, and no decisions."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.caller import Role
from itschool_api.auth.models import Membership, MembershipOffer, SecondFactor, User
from itschool_api.database import Selection, alone
from itschool_api.families.repository import matches
from itschool_api.schools.models import School


class Members:
    """Users with roles at a school."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(
        self,
        *,
        search: str = "",
        role: Role | None = None,
        has_second_factor: bool | None = None,
    ) -> Selection:
        """Select members with their roles here, and whether they have a second factor."""
        roles = (
            select(func.array_agg(Membership.role))
            .where(Membership.user_id == User.id, Membership.school_id == self._school_id)
            .scalar_subquery()
        )
        second_factor = exists().where(
            SecondFactor.user_id == User.id, SecondFactor.confirmed_at.is_not(None)
        )
        members = select(Membership.user_id).where(Membership.school_id == self._school_id)
        if role is not None:
            members = members.where(Membership.role == role)
        query = select(
            User.id,
            User.user_name,
            User.first_name,
            User.last_name,
            User.email,
            User.language,
            User.disabled_at,
            User.last_login_at,
            roles.label("roles"),
            second_factor.label("has_second_factor"),
        ).where(User.id.in_(members))
        if has_second_factor is not None:
            query = query.where(second_factor if has_second_factor else ~second_factor)
        if search:
            query = query.where(
                or_(
                    matches(search, User.first_name, User.last_name, User.user_name),
                    User.email == search.lower(),
                )
            )
        return query

    async def lock_roles(self) -> None:
        """Let one transaction at a time take roles away at this school."""
        await alone(self._session, f"roles:{self._school_id}")

    async def roles_of(self, user_id: UUID) -> set[Role]:
        """Return what a user is at this school."""
        query = select(Membership.role).where(
            Membership.school_id == self._school_id, Membership.user_id == user_id
        )
        return {Role(role) for role in (await self._session.execute(query)).scalars()}

    async def has_other_admin(self, user_id: UUID) -> bool:
        """Tell whether somebody else is an admin here who can log in."""
        query = (
            select(Membership.user_id)
            .join(User, User.id == Membership.user_id)
            .where(
                Membership.school_id == self._school_id,
                Membership.role == Role.ADMIN,
                Membership.user_id != user_id,
                User.disabled_at.is_(None),
            )
            .limit(1)
        )
        return (await self._session.execute(query)).first() is not None

    async def take(self, user_id: UUID, roles: Collection[Role]) -> None:
        """Take roles from a user."""
        await self._session.execute(
            delete(Membership).where(
                Membership.school_id == self._school_id,
                Membership.user_id == user_id,
                Membership.role.in_(roles),
            )
        )


class Offers:
    """Schools' wishes to link users whom they know as guardians."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def of_guardian(self, school_id: UUID, guardian_id: UUID) -> Selection:
        """Select what was offered to a guardian."""
        return select(MembershipOffer).where(
            MembershipOffer.school_id == school_id, MembershipOffer.guardian_id == guardian_id
        )

    def to_user(self, user_id: UUID, offered_after: datetime) -> Selection:
        """Select the offers that a user has not answered, with their schools."""
        return (
            select(MembershipOffer, School.name)
            .join(School, School.id == MembershipOffer.school_id)
            .where(
                MembershipOffer.user_id == user_id,
                MembershipOffer.answered_at.is_(None),
                MembershipOffer.offered_at > offered_after,
            )
        )

    async def withdraw_to_guardian(self, school_id: UUID, guardian_id: UUID, now: datetime) -> None:
        """Take back what a guardian was offered and what waits for an answer."""
        await self._withdraw(
            MembershipOffer.school_id == school_id,
            MembershipOffer.guardian_id == guardian_id,
            now=now,
        )

    async def withdraw_to_user(self, user_id: UUID, now: datetime) -> None:
        """Take back what a user was offered, by whatever school, and has not answered."""
        await self._withdraw(MembershipOffer.user_id == user_id, now=now)

    async def _withdraw(self, *which: ColumnElement[bool], now: datetime) -> None:
        await self._session.execute(
            update(MembershipOffer)
            .where(*which, MembershipOffer.answered_at.is_(None))
            .values(answered_at=now)
        )
