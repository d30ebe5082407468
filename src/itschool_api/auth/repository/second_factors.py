"""Rows of second factors, and who has to have one: SQL, and no decisions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, Uuid, column, delete, exists, func, select, table, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from itschool_api.auth.models import Membership, RecoveryCode, SecondFactor, User

# Of a package above: of schools, only this is asked here, with each request.
schools = table("schools", column("id", Uuid), column("second_factor_required", Boolean))


class SecondFactors:
    """Second factors, and the recovery codes that stand in for them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, user_id: UUID) -> SecondFactor | None:
        """Return a user's factor, confirmed or not, as the database has it now."""
        query = select(SecondFactor).where(SecondFactor.user_id == user_id)
        fresh = query.execution_options(populate_existing=True)
        return (await self._session.execute(fresh)).scalar_one_or_none()

    async def confirmed(self, user_id: UUID) -> SecondFactor | None:
        """Return a user's factor if it is confirmed."""
        factor = await self.of(user_id)
        return factor if factor is not None and factor.confirmed_at is not None else None

    async def offer(self, user_id: UUID, pending_secret: bytes, now: datetime) -> None:
        """Store a secret that waits for its first code, in place of one that waited before."""
        await self._session.execute(
            insert(SecondFactor)
            .values(user_id=user_id, pending_secret=pending_secret, created_at=now)
            .on_conflict_do_update(
                index_elements=[SecondFactor.user_id],
                set_={"pending_secret": pending_secret, "created_at": now},
            )
        )

    async def confirm(self, user_id: UUID, counter: int, now: datetime) -> None:
        """Let the secret that waited be the one that counts."""
        await self._session.execute(
            update(SecondFactor)
            .where(SecondFactor.user_id == user_id)
            .values(
                encrypted_secret=SecondFactor.pending_secret,
                pending_secret=None,
                confirmed_at=now,
                last_counter=counter,
            )
        )

    async def accept(self, user_id: UUID, counter: int) -> bool:
        """Use up a step of time and all before it; of concurrent calls one succeeds."""
        query = (
            update(SecondFactor)
            .where(
                SecondFactor.user_id == user_id,
                func.coalesce(SecondFactor.last_counter, -1) < counter,
            )
            .values(last_counter=counter)
            .returning(SecondFactor.user_id)
        )
        return (await self._session.execute(query)).first() is not None

    async def remove(self, user_id: UUID) -> bool:
        """Forget a user's factor and recovery codes, and tell whether there was a factor."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        query = delete(SecondFactor).where(SecondFactor.user_id == user_id)
        gone = await self._session.execute(query.returning(SecondFactor.user_id))
        return gone.first() is not None

    async def replace_recovery_codes(self, user_id: UUID, hashes: Sequence[bytes]) -> None:
        """Store recovery codes in place of the former ones."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        await self._session.execute(
            insert(RecoveryCode).values(
                [{"user_id": user_id, "code_sha256": each} for each in hashes]
            )
        )

    async def use_recovery_code(self, user_id: UUID, code_sha256: bytes, now: datetime) -> bool:
        """Use up a recovery code; of concurrent calls one succeeds."""
        query = (
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.code_sha256 == code_sha256,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(RecoveryCode.user_id)
        )
        return (await self._session.execute(query)).first() is not None

    async def recovery_codes_left(self, user_id: UUID) -> int:
        """Count the recovery codes that were not used."""
        query = select(func.count()).where(
            RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
        )
        return (await self._session.execute(query)).scalar_one()

    async def is_required(self, user_id: UUID, roles: Iterable[str]) -> bool:
        """Tell whether a school where the user has one of `roles` requires a factor of them."""
        query = (
            select(Membership.school_id)
            .join(schools, schools.c.id == Membership.school_id)
            .where(
                Membership.user_id == user_id,
                Membership.role.in_(list(roles)),
                schools.c.second_factor_required,
            )
        )
        return (await self._session.execute(query.limit(1))).first() is not None

    async def lacking(self, school_id: UUID, roles: Iterable[str]) -> int:
        """Count the enabled users with one of `roles` at a school who have no factor."""
        query = (
            select(func.count(Membership.user_id.distinct()))
            .join(User, User.id == Membership.user_id)
            .where(
                Membership.school_id == school_id,
                Membership.role.in_(list(roles)),
                User.disabled_at.is_(None),
                ~is_protected(Membership.user_id),
            )
        )
        return (await self._session.execute(query)).scalar_one()


def is_protected(user_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Return the condition that a user has a second factor."""
    return exists().where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
