"""Invoices: drafted, issued, shown, paid from a wallet."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast
from uuid import UUID

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Selection, new_id
from itschool_api.families import service as families
from itschool_api.invoices import document, models
from itschool_api.invoices.repository import Invoices
from itschool_api.invoices.schemas import (
    Invoice,
    InvoiceDetails,
    InvoiceFamily,
    InvoiceLine,
    InvoicePage,
    InvoiceSummary,
    NewInvoice,
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
from itschool_api.pagination import Order, Slice
from itschool_api.references import Reference
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets
from itschool_api.wallets.schemas import PaymentDetails


class InvoiceNotFound(errors.NotFound):
    """There is no such invoice, or it is not yours to see."""


class InvoiceIsDraft(errors.Conflict):
    """The invoice is a draft: it must be issued first."""


class InvoiceIsIssued(errors.Conflict):
    """The invoice is issued: it never changes any more."""


class NothingToPay(errors.Conflict):
    """Nothing remains to be paid of this invoice."""


class DueBeforeIssue(errors.Unprocessable):
    """An invoice cannot be due before the day it is issued."""


@dataclass(frozen=True, slots=True)
class Debts:
    """What an import knows of invoices: who stands behind them, and what else is open."""

    billed: dict[UUID, tuple[UUID, UUID]]
    """Account of an invoice → its family and its first line's student."""
    open_of_family: dict[UUID, list[UUID]]
    """Family → accounts of its open invoices, the oldest due first."""


async def draft_invoice(session: AsyncSession, school_id: UUID, form: NewInvoice) -> UUID:
    """Draft an invoice and return its id.

    Raises `FamilyNotFound`, `StudentNotFound`, `SchoolYearNotFound`.
    """
    await families.family(session, school_id, form.family_id)
    await families.known_students(session, school_id, [line.student_id for line in form.lines])
    year = await schools.year(session, school_id, form.school_year_id)
    invoice = models.Invoice(
        school_id=school_id,
        id=new_id(),
        family_id=form.family_id,
        school_year_id=year.id,
        series=form.series,
        label=form.label,
        total_cents=Cents(sum(line.quantity * line.unit_cents for line in form.lines)),
        created_at=clock.now(),
    )
    session.add(invoice)
    await session.flush()
    session.add_all(
        models.InvoiceLine(
            school_id=school_id,
            id=new_id(),
            invoice_id=invoice.id,
            position=position,
            student_id=line.student_id,
            label=line.label,
            quantity=line.quantity,
            unit_cents=Cents(line.unit_cents),
            kind=line.kind,
        )
        for position, line in enumerate(form.lines, start=1)
    )
    await session.flush()
    return invoice.id


async def issue_invoices(
    session: AsyncSession,
    school_id: UUID,
    invoice_ids: Collection[UUID],
    *,
    due_on: date | None = None,
    issued_on: date | None = None,
) -> dict[UUID, Reference]:
    """Issue drafts, all or none: number, reference, due date, and the debt in the books.

    `issued_on` is today unless a past is brought along. Returns the reference of each.

    Raises `InvoiceNotFound`, `InvoiceIsIssued`, `DueBeforeIssue`.
    """
    rows = Invoices(session, school_id)
    drafts = await _locked_drafts(rows, invoice_ids)
    issued_on = issued_on or await schools.today(session, school_id)
    _, profile = await schools.profile(session, school_id)
    due_on = due_on or issued_on + timedelta(days=profile.payment_term_days)
    if due_on < issued_on:
        raise DueBeforeIssue
    opened = await ledger.open_with_references(
        session,
        school_id,
        "invoice",
        [(Cents(-draft.total_cents), Cents(0)) for draft in drafts],
    )
    numbers = await _numbers(rows, drafts)
    locked = await ledger.lock(session, school_id, [account_id for account_id, _ in opened])
    await ledger.post(
        session,
        locked,
        [
            ledger.Posting(
                source_id=account_id,
                target_id=locked.chart.revenue,
                amount_cents=draft.total_cents,
                cause=f"invoice:{draft.id}",
                booked_on=issued_on,
            )
            for draft, (account_id, _) in zip(drafts, opened, strict=True)
            if draft.total_cents
        ],
    )
    await rows.store_issued(
        [
            {
                "school_id": school_id,
                "id": draft.id,
                "account_id": account_id,
                "number": numbers[draft.id],
                "issued_on": issued_on,
                "due_on": due_on,
            }
            for draft, (account_id, _) in zip(drafts, opened, strict=True)
        ]
    )
    return {draft.id: reference for draft, (_, reference) in zip(drafts, opened, strict=True)}


async def discard_draft(session: AsyncSession, school_id: UUID, invoice_id: UUID) -> None:
    """Throw a draft away; raises `InvoiceNotFound`, `InvoiceIsIssued`."""
    rows = Invoices(session, school_id)
    await _locked_drafts(rows, [invoice_id])
    await rows.discard(invoice_id)


async def list_invoices(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    statuses: Collection[InvoiceStatus] = (),
    overdue: bool = False,
    school_year_id: UUID | None = None,
    student_id: UUID | None = None,
    family_id: UUID | None = None,
) -> InvoicePage:
    """Return invoices, newest first: a parent's families', or the school's for its office."""
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
    order = Order((models.Invoice.id,), descending=True)
    found, following = await pagination.rows(session, query, order, wanted)
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
                student_name=f"{line.first_name} {line.last_name}",
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
    locked = await ledger.lock(session, caller.school_id, [wallet, invoice.account_id])
    remaining = -locked.balances[invoice.account_id].balance_cents
    if remaining == 0:
        raise NothingToPay
    await ledger.post(
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
    return await read_invoice(session, caller, invoice_id)


async def pdf(session: AsyncSession, caller: Caller, invoice_id: UUID) -> tuple[str, bytes]:
    """Return an issued invoice as a file name and a PDF, in the family's language.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`.
    """
    invoice = await read_invoice(session, caller, invoice_id)
    row = await _row(session, caller, invoice_id)
    if row.account_id is None or invoice.number is None:
        raise InvoiceIsDraft
    school, profile = await schools.profile(session, caller.school_id)
    family = await families.family(session, caller.school_id, invoice.family.id)
    pay = await wallets.payment_details(
        session,
        caller.school_id,
        row.account_id,
        Cents(invoice.remaining_cents) if invoice.remaining_cents else None,
    )
    place = " ".join(filter(None, (family.postal_code, family.city)))
    facts = document.InvoiceDocument(
        language=cast("document.Language", family.language),
        school=document.Letterhead(
            name=school.name,
            street=profile.street,
            postal_code=profile.postal_code,
            city=profile.city,
            enterprise_number=profile.enterprise_number,
            email=profile.email,
            phone=profile.phone,
        ),
        addressee=tuple(filter(None, (family.name, family.street, place))),
        number=invoice.number,
        label=invoice.label,
        issued_on=cast("date", invoice.issued_on),
        due_on=cast("date", invoice.due_on),
        lines=tuple(
            document.DocumentLine(
                student=line.student_name,
                label=line.label,
                quantity=line.quantity,
                unit_cents=Cents(line.unit_cents),
                amount_cents=Cents(line.amount_cents),
                kind=line.kind,
            )
            for line in invoice.lines
        ),
        total_cents=Cents(invoice.total_cents),
        paid_cents=Cents(invoice.paid_cents),
        remaining_cents=Cents(invoice.remaining_cents),
        payment=document.Payment(
            beneficiary=pay.beneficiary,
            iban=pay.iban,
            bic=pay.bic or "",
            reference=Reference(pay.reference),
            epc_payload=pay.epc_payload,
        ),
    )
    return f"{invoice.number}.pdf", await anyio.to_thread.run_sync(document.render, facts)


async def account_of(session: AsyncSession, caller: Caller, invoice_id: UUID) -> UUID:
    """Return the ledger account of an issued invoice.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`.
    """
    account_id: UUID | None = (await _row(session, caller, invoice_id)).account_id
    if account_id is None:
        raise InvoiceIsDraft
    return account_id


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


async def _locked_drafts(rows: Invoices, invoice_ids: Collection[UUID]) -> Sequence[models.Invoice]:
    """Hold drafts; the database lets nobody lock, change or remove an issued invoice."""
    drafts = await rows.locked_drafts(invoice_ids)
    missing = set(invoice_ids) - {draft.id for draft in drafts}
    if missing:
        raise InvoiceIsIssued if await rows.exist(missing) else InvoiceNotFound
    return drafts


async def _numbers(rows: Invoices, drafts: Sequence[models.Invoice]) -> dict[UUID, int]:
    series: dict[tuple[UUID, str], list[UUID]] = defaultdict(list)
    for draft in drafts:
        series[draft.school_year_id, draft.series].append(draft.id)
    numbers = {}
    # In one order everywhere, so that two runs never wait for each other.
    for (year_id, name), ids in sorted(series.items()):
        first = await rows.take_numbers(year_id, name, len(ids))
        numbers.update({invoice_id: first + place for place, invoice_id in enumerate(ids)})
    return numbers


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
