"""Proof by recomputation: an invoice's lines, its total, its account and its number agree."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import join_whole_tables

_INVOICES = text(
    """
    SELECT i.id, i.total_cents, coalesce(l.cents, 0) AS cents, a.floor_cents, a.ceiling_cents,
           a.balance_cents, t.amount_cents AS issued_cents
    FROM invoices i
    LEFT JOIN (SELECT invoice_id, sum(quantity * unit_cents) AS cents FROM invoice_lines
               WHERE school_id = :school GROUP BY invoice_id) l ON l.invoice_id = i.id
    LEFT JOIN accounts a ON a.school_id = :school AND a.id = i.account_id
    LEFT JOIN transfers t ON t.school_id = :school AND t.cause = 'invoice:' || i.id
    WHERE i.school_id = :school AND (
        i.total_cents <> coalesce(l.cents, 0)
        OR i.account_id IS NOT NULL AND (
            a.floor_cents IS DISTINCT FROM -i.total_cents OR a.ceiling_cents IS DISTINCT FROM 0
            OR coalesce(t.amount_cents, 0) <> i.total_cents
            OR t.source_id <> i.account_id
        )
        OR i.account_id IS NULL AND t.id IS NOT NULL
    )
    """
)
_GAPS = text(
    """
    SELECT s.series, s.next_number, count(i.id) AS numbered, max(i.number) AS highest
    FROM invoice_series s
    LEFT JOIN invoices i ON i.school_id = s.school_id AND i.school_year_id = s.school_year_id
                        AND i.series = s.series AND i.number IS NOT NULL
    WHERE s.school_id = :school
    GROUP BY s.school_id, s.id
    HAVING count(i.id) <> s.next_number - 1 OR coalesce(max(i.number), 0) <> s.next_number - 1
    """
)


async def findings(session: AsyncSession, school_id: UUID) -> list[str]:
    """Return what is wrong with a school's invoices; nothing is how it should be."""
    await join_whole_tables(session)
    here = {"school": school_id}
    found = [
        f"invoice {row.id} totals {row.total_cents} cents; its lines make {row.cents}, "
        f"its account owes at most {row.floor_cents}, it was issued for {row.issued_cents}"
        for row in await session.execute(_INVOICES, here)
    ]
    found += [
        f"series {row.series} has {row.numbered} invoices up to number {row.highest}; "
        f"the next is {row.next_number}"
        for row in await session.execute(_GAPS, here)
    ]
    return found
