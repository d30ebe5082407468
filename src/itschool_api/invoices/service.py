"""Invoices: shown, counted, paid from a wallet; `issuing` and `printing` are beside this."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, pagination, trail
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Selection, new_id
from itschool_api.families import service as families
from itschool_api.invoices import models
from itschool_api.invoices.repository import ORDERS, Invoices
from itschool_api.invoices.schemas import (
    Invoice,
    InvoiceDetails,
    InvoiceFamily,
    InvoiceLine,
    InvoicePage,
    InvoiceSort,
    InvoiceSummary,
    WalletPayment,
)
from itschool_api.invoices.state import (
    InvoiceStatus,
    is_overdue,
    paid_by_line,
    shown_number,
    status,
)
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.pagination import Slice
from itschool_api.schools import service as schools
from itschool_api.wallets import lows
from itschool_api.wallets import service as wallets
from itschool_api.wallets.schemas import PaymentDetails


class InvoiceNotFound(errors.NotFound):
    """There is no such invoice, or it is not yours to see."""


class InvoiceIsDraft(errors.Conflict):
    """The invoice is a draft: it must be issued first."""


class NothingToPay(errors.Conflict):
    """Nothing remains to be paid of this invoice."""


@dataclass(frozen=True, slots=True)
class Debts:
    """What an import knows of invoices: who stands behind them, and what else is open."""

    billed: dict[UUID, tuple[UUID, UUID]]
    """Account of an invoice → its family and its first line's student."""
    open_of_family: dict[UUID, list[UUID]]
    """Family → accounts of its open invoices, the oldest due first."""


async def list_invoices(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    sort: InvoiceSort,
    statuses: Collection[InvoiceStatus] = (),
    overdue: bool = False,
    school_year_id: UUID | None = None,
    student_id: UUID | None = None,
    family_id: UUID | None = None,
) -> InvoicePage:
    """Return invoices: a parent's families', or the school's for its office."""
    today = await schools.today(session, caller.school_id)
    rows = Invoices(session, caller.school_id)
    query = rows.filtered(
        rows.selected(),
        among=_families_seen(caller),
        statuses=statuses,
        overdue_on=today if overdue else None,
        school_year_id=school_year_id,
        student_id=student_id,
        family_id=family_id,
    )
    found, following = await pagination.rows(session, query, ORDERS[sort], wanted)
    return InvoicePage(items=[Invoice(**_facts(row, today)) for row in found], next=following)


async def summarise(session: AsyncSession, caller: Caller) -> InvoiceSummary:
    """Count what there is to pay: one cheap statement."""
    row = await Invoices(session, caller.school_id).summary(
        _families_seen(caller), schools.today_there(caller.school_id)
    )
    return InvoiceSummary(
        count=row.count,
        remaining_cents=row.remaining_cents,
        next_due_on=row.next_due_on,
        overdue_count=row.overdue_count,
    )


async def read_invoice(session: AsyncSession, caller: Caller, invoice_id: UUID) -> InvoiceDetails:
    """Return an invoice with its lines; raises `InvoiceNotFound`."""
    row = await _row(session, caller, invoice_id)
    today = await schools.today(session, caller.school_id)
    facts = _facts(row, today)
    lines = await Invoices(session, caller.school_id).lines([invoice_id])
    amounts = [Cents(line.quantity * line.unit_cents) for line in lines]
    paid = paid_by_line(Cents(facts["paid_cents"]), amounts)
    return InvoiceDetails(
        **facts,
        lines=[
            InvoiceLine(
                position=line.position,
                student_id=line.student_id,
                student_name=line.student_name,
                label=line.label,
                quantity=line.quantity,
                unit_cents=line.unit_cents,
                amount_cents=amount,
                paid_cents=share,
                kind=line.kind,
            )
            for line, amount, share in zip(lines, amounts, paid, strict=True)
        ],
    )


async def payment_details(
    session: AsyncSession, caller: Caller, invoice_id: UUID
) -> PaymentDetails:
    """Return how to pay what remains of an invoice by transfer.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`, `NothingToPay`.
    """
    row = await _row(session, caller, invoice_id)
    if row.account_id is None:
        raise InvoiceIsDraft
    if row.balance_cents == 0:
        raise NothingToPay
    return await wallets.payment_details(
        session, caller.school_id, row.account_id, Cents(-row.balance_cents)
    )


async def pay_from_wallet(
    session: AsyncSession, caller: Caller, invoice_id: UUID, form: WalletPayment
) -> InvoiceDetails:
    """Pay an invoice, or a part of it, from a wallet; the caller must see both.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`, `WalletNotFound`, `NothingToPay`, and what
    `ledger.post` raises.
    """
    invoice = await _row(session, caller, invoice_id)
    wallet = await wallets.account_of(session, caller, form.wallet_id)
    if invoice.account_id is None:
        raise InvoiceIsDraft
    trail.about(session, wallet=form.wallet_id)
    locked = await ledger.lock(session, caller.school_id, [wallet, invoice.account_id])
    remaining = -locked.balances[invoice.account_id].balance_cents
    if remaining == 0:
        raise NothingToPay
    changed = await ledger.post(
        session,
        locked,
        [
            ledger.Posting(
                source_id=wallet,
                target_id=invoice.account_id,
                amount_cents=Cents(form.amount_cents or remaining),
                cause=f"wallet-payment:{new_id()}",
                booked_on=await schools.today(session, caller.school_id),
            )
        ],
    )
    await lows.tell(session, locked, changed)
    return await read_invoice(session, caller, invoice_id)


async def ids(
    session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return the invoice of each account that is one's."""
    return await Invoices(session, school_id).ids(account_ids)


async def account_of(session: AsyncSession, caller: Caller, invoice_id: UUID) -> UUID:
    """Return the ledger account of an issued invoice.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`.
    """
    account_id: UUID | None = (await _row(session, caller, invoice_id)).account_id
    if account_id is None:
        raise InvoiceIsDraft
    return account_id


async def issued_to(session: AsyncSession, caller: Caller, invoice_id: UUID) -> dict[str, Any]:
    """Return what an issued invoice says of its family; raises `InvoiceNotFound`, `InvoiceIsDraft`."""
    found: dict[str, Any] | None = (await _row(session, caller, invoice_id)).issued_to
    if found is None:
        raise InvoiceIsDraft
    return found


async def debts(session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]) -> Debts:
    """Return who stands behind invoices, and the open invoices of the same families."""
    rows = Invoices(session, school_id)
    billed = {
        row.account_id: (row.family_id, row.student_id) for row in await rows.billed(account_ids)
    }
    open_of_family: dict[UUID, list[UUID]] = defaultdict(list)
    for row in await rows.open_of({family_id for family_id, _ in billed.values()}):
        open_of_family[row.family_id].append(row.account_id)
    return Debts(billed, dict(open_of_family))


def _families_seen(caller: Caller) -> Selection | None:
    """Select the families whose invoices the caller sees; None: all."""
    if caller.sees_school(Scope.INVOICES_READ):
        return None
    return families.visible_families(caller)


async def _row(session: AsyncSession, caller: Caller, invoice_id: UUID) -> Any:
    rows = Invoices(session, caller.school_id)
    query = rows.filtered(rows.selected(), among=_families_seen(caller))
    row = (await session.execute(query.where(models.Invoice.id == invoice_id))).one_or_none()
    if row is None:
        raise InvoiceNotFound
    return row


def _facts(row: Any, today: date) -> dict[str, Any]:
    remaining = row.total_cents if row.balance_cents is None else -row.balance_cents
    return {
        "id": row.id,
        "number": None if row.number is None else shown_number(row.series, row.year, row.number),
        "label": row.label,
        "status": status(row.total_cents, row.balance_cents),
        "overdue": is_overdue(row.balance_cents, row.due_on, today),
        "family": InvoiceFamily(id=row.family_id, name=row.family_name),
        "school_year_id": row.school_year_id,
        "created_at": row.created_at,
        "issued_on": row.issued_on,
        "due_on": row.due_on,
        "total_cents": row.total_cents,
        "paid_cents": row.total_cents - remaining,
        "remaining_cents": remaining,
    }
