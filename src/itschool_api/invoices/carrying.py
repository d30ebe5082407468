"""Open invoices of the system that a school used before: what remains of them is owed here.

They keep paying by their old reference; beside it each has one of ours, as every invoice.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock
from itschool_api.database import new_id
from itschool_api.invoices.issuing import issue_drafts
from itschool_api.invoices.repository import Invoices
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.references import Reference

CARRIED_SERIES: Final = "OLD"
"""Their own series: the school's own invoices begin at number 1."""


@dataclass(frozen=True, slots=True)
class Carried:
    """An open invoice as the former system knew it."""

    family_id: UUID
    school_year_id: UUID
    label: str
    issued_on: date
    due_on: date
    reference: Reference
    lines: Sequence[tuple[UUID, str, Cents]]
    """Student, label, what remains."""


async def carry_over(
    session: AsyncSession,
    school_id: UUID,
    invoices: Sequence[Carried],
    *,
    avoiding: Collection[str] = (),
) -> None:
    """Issue what is carried over, and let each old reference pay it.

    Raises `ledger.ReferenceTaken`.
    """
    if not invoices:
        return
    rows = Invoices(session, school_id)
    carried = {new_id(): invoice for invoice in invoices}
    now = clock.now()
    await rows.add_drafts(
        [
            {
                "school_id": school_id,
                "id": invoice_id,
                "family_id": each.family_id,
                "account_id": None,
                "school_year_id": each.school_year_id,
                "series": CARRIED_SERIES,
                "number": None,
                "label": each.label,
                "total_cents": sum(cents for _, _, cents in each.lines),
                "created_at": now,
                "issued_on": None,
                "due_on": None,
            }
            for invoice_id, each in carried.items()
        ],
        [
            {
                "school_id": school_id,
                "id": new_id(),
                "invoice_id": invoice_id,
                "position": position,
                "student_id": student_id,
                "label": label,
                "quantity": 1,
                "unit_cents": cents,
                "kind": "service",
            }
            for invoice_id, each in carried.items()
            for position, (student_id, label, cents) in enumerate(each.lines, start=1)
        ],
    )
    issued = await issue_drafts(
        session,
        school_id,
        await rows.locked_drafts(carried),
        {invoice_id: (each.issued_on, each.due_on) for invoice_id, each in carried.items()},
        is_carried=True,
        avoiding=avoiding,
    )
    await ledger.add_references(
        session,
        school_id,
        [(issued[invoice_id][0], each.reference) for invoice_id, each in carried.items()],
    )


async def totals(
    session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]
) -> dict[UUID, tuple[UUID, Cents]]:
    """Return family and total of the issued invoices behind accounts."""
    return {
        row.account_id: (row.family_id, row.total_cents)
        for row in await Invoices(session, school_id).totals(account_ids)
    }
