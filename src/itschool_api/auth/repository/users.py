"""Rows of users and their memberships: SQL, and no decisions."""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import Membership, User


class Users:
    """Users and their memberships."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_name(self, user_name: str) -> User | None:
        """Return the enabled user of that name."""
        query = select(User).where(
            User.user_name == user_name.strip().lower(), User.disabled_at.is_(None)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def by_email(self, email: str) -> Sequence[User]:
        """Return the enabled users with that address: couples may share one."""
        query = (
            select(User).where(User.email == email, User.disabled_at.is_(None)).order_by(User.id)
        )
        return (await self._session.execute(query)).scalars().all()

    async def locked(self, user_id: UUID) -> User | None:
        """Return an enabled user, locked against concurrent changes."""
        query = (
            select(User)
            .where(User.id == user_id, User.disabled_at.is_(None))
            .with_for_update(key_share=True)
            # What was read before the lock may have changed.
            .execution_options(populate_existing=True)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def locked_of_ids(self, ids: Sequence[UUID]) -> Sequence[User]:
        """Return users by their ids, locked in that order, against new memberships too."""
        query = (
            select(User)
            .where(User.id == func.any(list(ids)))
            .order_by(User.id)
            # Not `key_share`: a membership that is being written refers to its user.
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return (await self._session.execute(query)).scalars().all()

    async def locked_even_disabled(self, user_id: UUID) -> User:
        """Return a user, locked; nobody can let them join a school meanwhile."""
        query = select(User).where(User.id == user_id).with_for_update()
        # What was read before it was locked may have changed.
        query = query.execution_options(populate_existing=True)
        return (await self._session.execute(query)).scalar_one()

    async def locked_by_name(self, user_name: str) -> User | None:
        """Return the user of a name, disabled or not, locked."""
        query = select(User).where(User.user_name == user_name).with_for_update()
        return (await self._session.execute(query)).scalar_one_or_none()

    async def with_roles(self, school_id: UUID, roles: Collection[str]) -> Sequence[User]:
        """Return the users who have one of these roles at a school."""
        those = select(Membership.user_id).where(
            Membership.school_id == school_id, Membership.role.in_(list(roles))
        )
        query = select(User).where(User.id.in_(those)).order_by(User.id)
        return (await self._session.execute(query)).scalars().all()

    async def schools_of(self, user_id: UUID) -> Sequence[UUID]:
        """Return the schools of a user, the newest school last."""
        query = (
            select(Membership.school_id)
            .where(Membership.user_id == user_id)
            .distinct()
            .order_by(Membership.school_id)
        )
        return (await self._session.execute(query)).scalars().all()

    async def of_ids(self, ids: Sequence[UUID]) -> Sequence[User]:
        """Return users by their ids."""
        query = select(User).where(User.id == func.any(list(ids)))
        return (await self._session.execute(query)).scalars().all()

    async def with_other_memberships(
        self, ids: Sequence[UUID], school_id: UUID, role: str
    ) -> set[UUID]:
        """Return those of `ids` who have a membership beside `role` at `school_id`."""
        query = select(Membership.user_id).where(
            Membership.user_id == func.any(list(ids)),
            or_(Membership.school_id != school_id, Membership.role != role),
        )
        return set((await self._session.execute(query)).scalars())

    async def give_addresses(self, emails: Mapping[UUID, str]) -> None:
        """Set the e-mail address of users who have none."""
        if not emails:
            return
        await self._session.execute(
            update(cast("Table", User.__table__))
            .where(User.id == bindparam("user"), User.email.is_(None))
            .values(email=bindparam("address")),
            [{"user": user_id, "address": email} for user_id, email in sorted(emails.items())],
        )

    async def taken_names(self, names: Sequence[str]) -> set[str]:
        """Return those of `names` that belong to somebody."""
        query = select(User.user_name).where(User.user_name == func.any(list(names)))
        return set((await self._session.execute(query)).scalars())

    async def add_unless_taken(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add users, and leave out those whose name somebody else has taken meanwhile."""
        await self._session.execute(
            insert(cast("Table", User.__table__)).on_conflict_do_nothing(
                index_elements=[User.user_name]
            ),
            # In one order everywhere, so that two transactions never wait for each other.
            sorted(rows, key=itemgetter("user_name")),
        )

    async def join(self, ids: Sequence[UUID], school_id: UUID, roles: Sequence[str]) -> None:
        """Give users roles at a school, where they do not have them yet."""
        rows = [
            {"user_id": user_id, "school_id": school_id, "role": role}
            for user_id in sorted(ids)
            for role in roles
        ]
        if rows:
            await self._session.execute(
                insert(cast("Table", Membership.__table__)).on_conflict_do_nothing(), rows
            )
