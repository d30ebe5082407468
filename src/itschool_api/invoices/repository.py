"""Rows of invoices: SQL, and no decisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    cast,
    delete,
    extract,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import pagination
from itschool_api.database import Selection, insert_many, new_id
from itschool_api.families.models import Family, Student
from itschool_api.invoices.models import Invoice, InvoiceLine, InvoiceSeries
from itschool_api.invoices.state import InvoiceStatus
from itschool_api.ledger.models import Account
from itschool_api.schools.models import SchoolYear

_STATUS: dict[InvoiceStatus, ColumnElement[bool]] = {
    InvoiceStatus.DRAFT: Invoice.account_id.is_(None),
    InvoiceStatus.ISSUED: (Account.balance_cents < 0)
    & (Account.balance_cents == -Invoice.total_cents),
    InvoiceStatus.PARTIALLY_PAID: (Account.balance_cents < 0)
    & (Account.balance_cents != -Invoice.total_cents),
    InvoiceStatus.PAID: Account.balance_cents == 0,
}
# A draft has no number and no days: it comes after all that have.
_NO_DAY: Final = date.max
ORDERS: Final[Mapping[str, pagination.Order]] = pagination.orders(
    {
        "id": (Invoice.id,),
        "number": (
            Invoice.number.is_(None),
            Invoice.series,
            SchoolYear.begins_on,
            func.coalesce(Invoice.number, 0),
            Invoice.id,
        ),
        "issued_on": (func.coalesce(Invoice.issued_on, _NO_DAY), Invoice.id),
        "due_on": (func.coalesce(Invoice.due_on, _NO_DAY), Invoice.id),
        "total_cents": (Invoice.total_cents, Invoice.id),
        "remaining_cents": (
            func.coalesce(-Account.balance_cents, Invoice.total_cents),
            Invoice.id,
        ),
    }
)


class Invoices:
    """Invoices with their families, years and balances."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    def selected(self) -> Selection:
        """Select the school's invoices: columns, not objects."""
        return self._joined(
            select(
                Invoice.id,
                Invoice.account_id,
                Invoice.family_id,
                func.coalesce(Invoice.issued_to["name"].astext, Family.name).label("family_name"),
                Invoice.issued_to,
                Invoice.series,
                Invoice.number,
                Invoice.label,
                Invoice.school_year_id,
                cast(extract("year", SchoolYear.begins_on), Integer).label("year"),
                Invoice.created_at,
                Invoice.issued_on,
                Invoice.due_on,
                Invoice.total_cents,
                Account.balance_cents,
            )
        )

    def _joined(self, query: Selection) -> Selection:
        return (
            query.select_from(Invoice)
            .join(
                Family, (Family.school_id == Invoice.school_id) & (Family.id == Invoice.family_id)
            )
            .join(
                SchoolYear,
                (SchoolYear.school_id == Invoice.school_id)
                & (SchoolYear.id == Invoice.school_year_id),
            )
            .outerjoin(
                Account,
                (Account.school_id == Invoice.school_id) & (Account.id == Invoice.account_id),
            )
            .where(Invoice.school_id == self._school_id)
        )

    def filtered(
        self,
        query: Selection,
        *,
        among: Selection | None = None,
        statuses: Collection[InvoiceStatus] = (),
        overdue_on: date | None = None,
        school_year_id: UUID | None = None,
        student_id: UUID | None = None,
        family_id: UUID | None = None,
    ) -> Selection:
        """Keep some of the invoices of `query`; who sees families sees no drafts."""
        if among is not None:
            query = query.where(Invoice.family_id.in_(among), Invoice.account_id.is_not(None))
        if statuses:
            query = query.where(or_(*(_STATUS[status] for status in statuses)))
        if overdue_on is not None:
            query = query.where(Account.balance_cents < 0, Invoice.due_on < overdue_on)
        if school_year_id is not None:
            query = query.where(Invoice.school_year_id == school_year_id)
        if family_id is not None:
            query = query.where(Invoice.family_id == family_id)
        if student_id is not None:
            query = query.where(
                select(InvoiceLine.id)
                .where(
                    InvoiceLine.school_id == Invoice.school_id,
                    InvoiceLine.invoice_id == Invoice.id,
                    InvoiceLine.student_id == student_id,
                )
                .exists()
            )
        return query

    async def summary(self, among: Selection | None, today: date | ColumnElement[date]) -> Any:
        """Count and sum what is to be paid, in one statement."""
        query = self._joined(
            select(
                func.count().label("count"),
                func.coalesce(-func.sum(Account.balance_cents), 0).label("remaining_cents"),
                func.min(Invoice.due_on).label("next_due_on"),
                func.count().filter(Invoice.due_on < today).label("overdue_count"),
            )
        ).where(Account.balance_cents < 0)
        return (await self._session.execute(self.filtered(query, among=among))).one()

    async def lines(self, invoice_ids: Iterable[UUID]) -> Sequence[Any]:
        """Return lines with their students' names (as issued), in their order."""
        query = (
            select(
                InvoiceLine.invoice_id,
                InvoiceLine.position,
                InvoiceLine.student_id,
                func.coalesce(
                    Invoice.issued_to["students"][cast(InvoiceLine.student_id, Text)].astext,
                    func.concat(Student.first_name, " ", Student.last_name),
                ).label("student_name"),
                InvoiceLine.label,
                InvoiceLine.quantity,
                InvoiceLine.unit_cents,
                InvoiceLine.kind,
            )
            .join(
                Invoice,
                (Invoice.school_id == InvoiceLine.school_id)
                & (Invoice.id == InvoiceLine.invoice_id),
            )
            .join(
                Student,
                (Student.school_id == InvoiceLine.school_id)
                & (Student.id == InvoiceLine.student_id),
            )
            .where(
                InvoiceLine.school_id == self._school_id,
                InvoiceLine.invoice_id == func.any(list(invoice_ids)),
            )
            .order_by(InvoiceLine.invoice_id, InvoiceLine.position)
        )
        return (await self._session.execute(query)).all()

    async def totals(self, account_ids: Iterable[UUID]) -> Sequence[Any]:
        """Return family and total of the invoices behind accounts."""
        query = select(Invoice.account_id, Invoice.family_id, Invoice.total_cents).where(
            Invoice.school_id == self._school_id,
            Invoice.account_id == func.any(list(account_ids)),
        )
        return (await self._session.execute(query)).all()

    async def add_drafts(
        self, invoices: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]
    ) -> None:
        """Insert drafts with their lines, in two batches."""
        await insert_many(self._session, Invoice, invoices)
        await insert_many(self._session, InvoiceLine, lines)

    async def exist(self, invoice_ids: Collection[UUID]) -> bool:
        """Tell whether all of these are invoices of the school, drafts or not."""
        query = select(func.count()).where(
            Invoice.school_id == self._school_id, Invoice.id == func.any(list(invoice_ids))
        )
        return (await self._session.execute(query)).scalar_one() == len(invoice_ids)

    async def locked_drafts(self, invoice_ids: Iterable[UUID]) -> Sequence[Invoice]:
        """Return drafts, locked, in the order in which they were made."""
        query = (
            select(Invoice)
            .where(
                Invoice.school_id == self._school_id,
                Invoice.id == func.any(list(invoice_ids)),
                Invoice.number.is_(None),
            )
            .order_by(Invoice.id)
            .with_for_update()
        )
        return (await self._session.execute(query)).scalars().all()

    async def take_numbers(self, school_year_id: UUID, series: str, count: int) -> int:
        """Take `count` numbers of a series and return the first; held until the end."""
        query = (
            insert(InvoiceSeries)
            .values(
                school_id=self._school_id,
                id=new_id(),
                school_year_id=school_year_id,
                series=series,
                next_number=1 + count,
            )
            .on_conflict_do_update(
                index_elements=["school_id", "school_year_id", "series"],
                set_={"next_number": InvoiceSeries.next_number + count},
            )
            .returning(InvoiceSeries.next_number)
        )
        return (await self._session.execute(query)).scalar_one() - count

    async def store_issued(self, rows: Sequence[dict[str, Any]]) -> None:
        """Give drafts their number, account, days and addressee."""
        await self._session.execute(update(Invoice), rows)

    async def discard(self, invoice_id: UUID) -> None:
        """Delete a draft, and with it its lines."""
        await self._session.execute(
            delete(Invoice).where(Invoice.school_id == self._school_id, Invoice.id == invoice_id)
        )

    async def ids(self, account_ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """Return the invoice of each account that is one's."""
        query = select(Invoice.account_id, Invoice.id).where(
            Invoice.school_id == self._school_id,
            Invoice.account_id == func.any(list(account_ids)),
        )
        return {row.account_id: row.id for row in await self._session.execute(query)}

    async def billed(self, account_ids: Iterable[UUID]) -> Sequence[Any]:
        """Return the family and the first line's student behind each invoice's account."""
        query = (
            select(Invoice.account_id, Invoice.family_id, InvoiceLine.student_id)
            .join(
                InvoiceLine,
                (InvoiceLine.school_id == Invoice.school_id)
                & (InvoiceLine.invoice_id == Invoice.id)
                & (InvoiceLine.position == 1),
            )
            .where(
                Invoice.school_id == self._school_id,
                Invoice.account_id == func.any(list(account_ids)),
            )
        )
        return (await self._session.execute(query)).all()

    async def open_of(self, family_ids: Iterable[UUID]) -> Sequence[Any]:
        """Return the accounts of families' open invoices, the oldest due first."""
        query = (
            select(Invoice.family_id, Invoice.account_id)
            .join(
                Account,
                (Account.school_id == Invoice.school_id) & (Account.id == Invoice.account_id),
            )
            .where(
                Invoice.school_id == self._school_id,
                Invoice.family_id == func.any(list(family_ids)),
                Account.balance_cents < 0,
                Account.closed_at.is_(None),
            )
            .order_by(Invoice.family_id, Invoice.due_on, Invoice.id)
        )
        return (await self._session.execute(query)).all()
