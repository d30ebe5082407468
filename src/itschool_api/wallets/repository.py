"""Rows of wallets: SQL, and no decisions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import Selection, insert_many, new_id
from itschool_api.families.models import Student
from itschool_api.families.repository import matches, present
from itschool_api.ledger.models import Account, PaymentReference
from itschool_api.pagination import Listing, Order, listing, orders
from itschool_api.schools.models import BankAccount, Compartment
from itschool_api.wallets.models import Wallet

ORDERS: Final[Mapping[str, Order]] = orders(
    {
        "student": (Student.last_name, Student.first_name, Compartment.position, Wallet.id),
        "balance_cents": (Account.balance_cents, Wallet.id),
    }
)
BY_STUDENT: Final = ORDERS["student"]


class Wallets:
    """Wallets with their students, compartments and balances."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    @staticmethod
    @cache
    def listing(sort: str) -> Listing:
        """Return the list of all wallets of the school `school_id`; made once for each `sort`."""
        school_id: Any = bindparam("school_id", type_=Uuid)
        return listing(Wallets.of_school(school_id), ORDERS[sort])

    @staticmethod
    def of_school(school_id: Any) -> Selection:
        """Select a school's wallets: hot, so columns and not objects."""
        imported_until = (
            select(BankAccount.imported_until)
            .where(BankAccount.school_id == school_id, BankAccount.is_default)
            .scalar_subquery()
        )
        return (
            select(
                Wallet.id,
                Wallet.account_id,
                Wallet.student_id,
                Student.first_name,
                Student.last_name,
                Wallet.compartment_id,
                Compartment.name.label("compartment_name"),
                Account.balance_cents,
                Account.floor_cents,
                Account.closed_at,
                imported_until.label("imported_until"),
            )
            .join(
                Student,
                (Student.school_id == Wallet.school_id) & (Student.id == Wallet.student_id),
            )
            .join(
                Compartment,
                (Compartment.school_id == Wallet.school_id)
                & (Compartment.id == Wallet.compartment_id),
            )
            .join(
                Account,
                (Account.school_id == Wallet.school_id) & (Account.id == Wallet.account_id),
            )
            .where(Wallet.school_id == school_id)
        )

    def selected(
        self,
        *,
        among: Selection | None = None,
        student_id: UUID | None = None,
        search: str = "",
        in_use_on: ColumnElement[date] | None = None,
    ) -> Selection:
        """Select wallets.

        With `in_use_on`, those of students who are there that day, and those that hold money.
        """
        query = self.of_school(self._school_id)
        if among is not None:
            query = query.where(Wallet.student_id.in_(among))
        if student_id is not None:
            query = query.where(Wallet.student_id == student_id)
        if search:
            query = query.where(matches(search, Student.first_name, Student.last_name))
        if in_use_on is not None:
            query = query.where(or_(present(in_use_on), Account.balance_cents != 0))
        return query

    async def reference(self, account_id: UUID) -> str:
        """Return the reference that is shown for an account: the first that it had."""
        query = (
            select(PaymentReference.reference)
            .where(
                PaymentReference.school_id == self._school_id,
                PaymentReference.account_id == account_id,
            )
            .order_by(PaymentReference.created_at, PaymentReference.reference)
            .limit(1)
        )
        return (await self._session.execute(query)).scalar_one()

    async def references(self) -> Sequence[Any]:
        """Return all references with their student and compartment, the newest first."""
        query = (
            select(Wallet.student_id, Wallet.compartment_id, PaymentReference.reference)
            .join(
                PaymentReference,
                (PaymentReference.school_id == Wallet.school_id)
                & (PaymentReference.account_id == Wallet.account_id),
            )
            .where(Wallet.school_id == self._school_id)
            .order_by(PaymentReference.created_at.desc(), PaymentReference.reference.desc())
        )
        return (await self._session.execute(query)).all()

    async def of(self, student_ids: Iterable[UUID]) -> Sequence[Wallet]:
        """Return students' wallets."""
        query = select(Wallet).where(
            Wallet.school_id == self._school_id, Wallet.student_id == func.any(list(student_ids))
        )
        return (await self._session.execute(query)).scalars().all()

    async def add(self, wallets: Iterable[tuple[UUID, UUID, UUID]]) -> None:
        """Insert wallets of a student, a compartment and an account each, in one batch."""
        await insert_many(
            self._session,
            Wallet,
            [
                {
                    "school_id": self._school_id,
                    "id": new_id(),
                    "student_id": student_id,
                    "compartment_id": compartment_id,
                    "account_id": account_id,
                }
                for student_id, compartment_id, account_id in wallets
            ],
        )

    async def missing(self, student_ids: Sequence[UUID] | None) -> Sequence[Any]:
        """Return the pairs of active student and compartment that have no wallet."""
        query = (
            select(
                Student.id.label("student_id"),
                Compartment.id.label("compartment_id"),
                Compartment.floor_cents,
            )
            .join(Compartment, Compartment.school_id == Student.school_id)
            .outerjoin(
                Wallet,
                (Wallet.school_id == Student.school_id)
                & (Wallet.student_id == Student.id)
                & (Wallet.compartment_id == Compartment.id),
            )
            .where(
                Student.school_id == self._school_id,
                Student.left_on.is_(None),
                Wallet.id.is_(None),
            )
            .order_by(Student.id, Compartment.position)
        )
        if student_ids is not None:
            query = query.where(Student.id == func.any(list(student_ids)))
        return (await self._session.execute(query)).all()

    async def ids(self, account_ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """Return the wallet of each account that is one's."""
        query = select(Wallet.account_id, Wallet.id).where(
            Wallet.school_id == self._school_id,
            Wallet.account_id == func.any(list(account_ids)),
        )
        return {row.account_id: row.id for row in await self._session.execute(query)}

    async def with_thresholds(self, account_ids: Iterable[UUID]) -> Sequence[Any]:
        """Return the wallets of accounts whose compartment says from where on they are low."""
        query = (
            select(
                Wallet.id,
                Wallet.account_id,
                Wallet.student_id,
                Wallet.compartment_id,
                Compartment.low_cents,
            )
            .join(
                Compartment,
                (Compartment.school_id == Wallet.school_id)
                & (Compartment.id == Wallet.compartment_id),
            )
            .where(
                Wallet.school_id == self._school_id,
                Wallet.account_id == func.any(list(account_ids)),
                Compartment.low_cents.is_not(None),
            )
        )
        return (await self._session.execute(query)).all()

    async def general_accounts(self, student_ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """Return the account of each student's general wallet."""
        query = (
            select(Wallet.student_id, Wallet.account_id)
            .join(
                Compartment,
                (Compartment.school_id == Wallet.school_id)
                & (Compartment.id == Wallet.compartment_id),
            )
            .where(
                Wallet.school_id == self._school_id,
                Wallet.student_id == func.any(list(student_ids)),
                Compartment.is_general,
            )
        )
        return {row.student_id: row.account_id for row in await self._session.execute(query)}
