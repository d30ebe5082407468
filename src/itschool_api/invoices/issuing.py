"""From a draft to an issued invoice: number, reference, due date, and the debt in the books."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.database import new_id
from itschool_api.families import service as families
from itschool_api.invoices import models
from itschool_api.invoices.repository import Invoices
from itschool_api.invoices.schemas import NewInvoice
from itschool_api.invoices.service import InvoiceNotFound
from itschool_api.invoices.state import shown_number
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.schools import service as schools
from itschool_api.webhooks import telling
from itschool_api.webhooks.payloads import EventType, InvoiceIssued


class InvoiceIsIssued(errors.Conflict):
    """The invoice is issued: it never changes any more."""


class DueBeforeIssue(errors.Unprocessable):
    """An invoice cannot be due before the day it is issued."""


async def draft_invoice(session: AsyncSession, school_id: UUID, form: NewInvoice) -> UUID:
    """Draft an invoice and return its id.

    Its lines are of the family's own students: their names show to the family, and what it pays
    too much goes to one of them.

    Raises `FamilyNotFound`, `StudentNotFound`, `PersonErased`, `StudentNotInFamily`,
    `SchoolYearNotFound`.
    """
    students = [line.student_id for line in form.lines]
    await families.family(session, school_id, form.family_id)
    await families.known_students(session, school_id, students)
    await families.refuse_erased(session, school_id, students=students, families=[form.family_id])
    await families.refuse_strangers(session, school_id, form.family_id, students)
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
    trail.about(session, invoice=invoice.id, family=form.family_id, student=students)
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
    days = dict.fromkeys((draft.id for draft in drafts), (issued_on, due_on))
    issued = await issue_drafts(session, school_id, drafts, days)
    return {invoice_id: reference for invoice_id, (_, reference) in issued.items()}


async def issue_drafts(
    session: AsyncSession,
    school_id: UUID,
    drafts: Sequence[models.Invoice],
    days: Mapping[UUID, tuple[date, date]],
    *,
    is_carried: bool = False,
    avoiding: Collection[str] = (),
) -> dict[UUID, tuple[UUID, Reference]]:
    """Issue locked drafts, each with its days of issue and due; return accounts and references.

    What is carried over was another system's revenue: its debt stands against `opening`. None of
    the references is one of `avoiding`.
    """
    rows = Invoices(session, school_id)
    opened = await ledger.open_with_references(
        session,
        school_id,
        "invoice",
        [(Cents(-draft.total_cents), Cents(0)) for draft in drafts],
        avoiding=avoiding,
    )
    numbers = await _numbers(rows, drafts)
    addressees = await _addressees(session, rows, drafts)
    locked = await ledger.lock(session, school_id, [account_id for account_id, _ in opened])
    await ledger.post(
        session,
        locked,
        [
            ledger.Posting(
                source_id=account_id,
                target_id=locked.chart.opening if is_carried else locked.chart.revenue,
                amount_cents=draft.total_cents,
                cause=f"invoice:{draft.id}",
                booked_on=days[draft.id][0],
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
                "issued_on": days[draft.id][0],
                "due_on": days[draft.id][1],
                "issued_to": addressees[draft.id],
            }
            for draft, (account_id, _) in zip(drafts, opened, strict=True)
        ]
    )
    if not is_carried:
        await _tell(session, school_id, drafts, numbers, days)
    return {draft.id: account for draft, account in zip(drafts, opened, strict=True)}


async def discard_draft(session: AsyncSession, school_id: UUID, invoice_id: UUID) -> None:
    """Throw a draft away; raises `InvoiceNotFound`, `InvoiceIsIssued`."""
    rows = Invoices(session, school_id)
    await _locked_drafts(rows, [invoice_id])
    await rows.discard(invoice_id)


async def _locked_drafts(rows: Invoices, invoice_ids: Collection[UUID]) -> Sequence[models.Invoice]:
    """Hold drafts; the database lets nobody lock, change or remove an issued invoice."""
    drafts = await rows.locked_drafts(invoice_ids)
    missing = set(invoice_ids) - {draft.id for draft in drafts}
    if missing:
        raise InvoiceIsIssued if await rows.exist(missing) else InvoiceNotFound
    return drafts


async def _tell(
    session: AsyncSession,
    school_id: UUID,
    issued: Sequence[models.Invoice],
    numbers: Mapping[UUID, int],
    days: Mapping[UUID, tuple[date, date]],
) -> None:
    """Tell the school's systems what was issued; one query where nobody listens."""
    listening = await telling.audience(session, school_id, EventType.INVOICE_ISSUED)
    if not listening:
        return
    first_years = {each.id: each.begins_on.year for each in await schools.years(session, school_id)}
    await telling.tell(
        session,
        listening,
        (
            InvoiceIssued(
                invoice_id=each.id,
                family_id=each.family_id,
                number=shown_number(
                    each.series, first_years[each.school_year_id], numbers[each.id]
                ),
                total_cents=each.total_cents,
                issued_on=days[each.id][0],
                due_on=days[each.id][1],
            )
            for each in issued
        ),
    )


async def _addressees(
    session: AsyncSession, rows: Invoices, drafts: Sequence[models.Invoice]
) -> dict[UUID, dict[str, Any]]:
    """Return what an invoice says of its family and students, as they are called now."""
    students: dict[UUID, dict[str, str]] = defaultdict(dict)
    for line in await rows.lines(draft.id for draft in drafts):
        students[line.invoice_id][str(line.student_id)] = line.student_name
    billed = {draft.family_id for draft in drafts}
    known = await families.known_families(session, drafts[0].school_id, billed) if drafts else {}
    return {
        draft.id: {
            "name": known[draft.family_id].name,
            "street": known[draft.family_id].street,
            "postal_code": known[draft.family_id].postal_code,
            "city": known[draft.family_id].city,
            "language": known[draft.family_id].language,
            "students": students[draft.id],
        }
        for draft in drafts
    }


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
