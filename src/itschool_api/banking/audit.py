"""Proof by recomputation: what the bank told is what the books hold."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import join_whole_tables

# What never posts says nothing of money that moved on the account. A separate application tells
# of a part of its movements, and its balances are any.
_STATEMENTS = text(
    """
    SELECT s.id, s.transactions, count(t.id) AS stored,
           s.closing_cents - s.opening_cents AS change,
           coalesce(sum(t.amount_cents)
                    FILTER (WHERE t.cause IS DISTINCT FROM 'separate_application'
                        AND t.cause IS DISTINCT FROM 'detail_of_another_file'), 0) AS made
    FROM bank_statements s
    LEFT JOIN bank_transactions t ON t.school_id = s.school_id AND t.statement_id = s.id
    WHERE s.school_id = :school
    GROUP BY s.school_id, s.id
    HAVING count(t.id) <> s.transactions
        OR s.separate_application = '00000'
           AND s.closing_cents - s.opening_cents <> coalesce(sum(t.amount_cents)
                    FILTER (WHERE t.cause IS DISTINCT FROM 'separate_application'
                        AND t.cause IS DISTINCT FROM 'detail_of_another_file'), 0)
    """
)
_BANKS = text(
    """
    SELECT b.iban, coalesce(s.change, 0) AS change, coalesce(m.moved, 0) AS moved
    FROM bank_accounts b
    LEFT JOIN (SELECT bank_account_id, sum(closing_cents - opening_cents) AS change
               FROM bank_statements WHERE school_id = :school AND reversed_at IS NULL
                    AND separate_application = '00000'
               GROUP BY bank_account_id) s ON s.bank_account_id = b.id
    LEFT JOIN (SELECT account_id, sum(cents) AS moved FROM (
                   SELECT source_id AS account_id, amount_cents AS cents
                   FROM transfers WHERE school_id = :school
                   UNION ALL
                   SELECT target_id, -amount_cents FROM transfers WHERE school_id = :school
               ) AS sides GROUP BY account_id) m ON m.account_id = b.account_id
    WHERE b.school_id = :school AND coalesce(s.change, 0) <> coalesce(m.moved, 0)
    """
)
_SETTLED = text(
    """
    SELECT t.id, t.state, t.amount_cents, coalesce(sum(m.amount_cents), 0) AS allocated
    FROM bank_transactions t
    LEFT JOIN allocations a ON a.school_id = t.school_id AND a.transaction_id = t.id
    LEFT JOIN transfers m ON m.school_id = a.school_id AND m.id = a.transfer_id
    WHERE t.school_id = :school
    GROUP BY t.school_id, t.id
    HAVING coalesce(sum(m.amount_cents), 0)
           <> CASE WHEN t.state = 'paid' THEN t.amount_cents ELSE 0 END
    """
)
# The causes of a movement's transfers name it, so that two that are wrong cannot make up for it.
# Added up, not joined: a plan made from old statistics would compare each with each.
_POSTED = text(
    """
    SELECT movement, sum(told) AS told, sum(posted) AS posted
    FROM (SELECT t.id::text AS movement, b.account_id, t.amount_cents AS told, 0 AS posted
          FROM bank_transactions t
          JOIN bank_statements s ON s.school_id = t.school_id AND s.id = t.statement_id
          JOIN bank_accounts b ON b.school_id = s.school_id AND b.id = s.bank_account_id
          WHERE t.school_id = :school AND coalesce(t.cause, '')
                NOT IN ('no_amount', 'separate_application', 'detail_of_another_file')
          UNION ALL
          SELECT split_part(m.cause, ':', 2), b.account_id, 0,
                 CASE b.account_id WHEN m.source_id THEN m.amount_cents ELSE -m.amount_cents END
          FROM transfers m
          JOIN bank_accounts b
            ON b.school_id = m.school_id AND b.account_id IN (m.source_id, m.target_id)
          WHERE m.school_id = :school AND m.cause LIKE 'bank-transaction:%'
         ) AS both_sides
    GROUP BY movement, account_id
    HAVING sum(told) <> sum(posted)
    """
)
# A wallet's reference pays that wallet; an invoice's pays it, another of the same family, or a
# wallet of its first line's student.
_MISLED = text(
    """
    SELECT DISTINCT t.id, t.reference
    FROM allocations a
    JOIN bank_transactions t ON t.school_id = a.school_id AND t.id = a.transaction_id
    JOIN transfers m ON m.school_id = a.school_id AND m.id = a.transfer_id
    JOIN payment_references r ON r.school_id = t.school_id AND r.reference = t.reference
    LEFT JOIN invoices i ON i.school_id = r.school_id AND i.account_id = r.account_id
    LEFT JOIN invoice_lines l
      ON l.school_id = i.school_id AND l.invoice_id = i.id AND l.position = 1
    LEFT JOIN invoices o ON o.school_id = m.school_id AND o.account_id = m.target_id
                        AND o.family_id = i.family_id
    LEFT JOIN wallets w ON w.school_id = m.school_id AND w.account_id = m.target_id
                       AND (w.account_id = r.account_id OR w.student_id = l.student_id)
    WHERE a.school_id = :school AND a.allocated_by = 'matching'
      AND o.id IS NULL AND w.id IS NULL
    """
)
_SUSPENSE = text(
    """
    SELECT coalesce((SELECT sum(amount_cents) FROM bank_transactions
                     WHERE school_id = :school AND state = 'suspense'), 0) AS waiting,
           coalesce(sum(CASE WHEN t.target_id = a.id THEN t.amount_cents
                             ELSE -t.amount_cents END), 0) AS held
    FROM accounts a
    LEFT JOIN transfers t ON t.school_id = :school AND a.id IN (t.source_id, t.target_id)
    WHERE a.school_id = :school AND a.kind = 'suspense'
    """
)


async def findings(session: AsyncSession, school_id: UUID) -> list[str]:
    """Return where the bank and the books of a school disagree; nothing is how it should be."""
    await join_whole_tables(session)
    here = {"school": school_id}
    found = [
        f"statement {row.id} has {row.stored} transactions of {row.made} cents; "
        f"it tells of {row.transactions} and {row.change}"
        for row in await session.execute(_STATEMENTS, here)
    ]
    found += [
        f"account {row.iban} changed by {row.change} cents at the bank and {row.moved} in the books"
        for row in await session.execute(_BANKS, here)
    ]
    found += [
        f"transaction {row.id} of {row.amount_cents} cents is {row.state}; "
        f"{row.allocated} are allocated"
        for row in await session.execute(_SETTLED, here)
    ]
    found += [
        f"transaction {row.movement} is of {row.told} cents; {row.posted} are posted"
        for row in await session.execute(_POSTED, here)
    ]
    found += [
        f"transaction {row.id} paid what its reference {row.reference} does not name"
        for row in await session.execute(_MISLED, here)
    ]
    row = (await session.execute(_SUSPENSE, here)).one()
    if row.waiting != row.held:
        found.append(f"{row.waiting} cents wait in suspense; the books hold {row.held}")
    return found
