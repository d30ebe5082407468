"""Proof by recomputation: what the books store is what their transfers make."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import join_whole_tables

# Every account's entries with the running sum that its transfers make.
_ENTRIES = """
    WITH entries AS (
        SELECT source_id AS account_id, source_entry AS entry, -amount_cents AS change,
               source_balance_cents AS after
        FROM transfers WHERE school_id = :school
        UNION ALL
        SELECT target_id, target_entry, amount_cents, target_balance_cents
        FROM transfers WHERE school_id = :school
    )
"""
_BALANCES = text(
    _ENTRIES  # noqa: S608 - constants only
    + """
    SELECT a.id, a.kind, a.balance_cents, a.entries,
           coalesce(sum(e.change), 0)::bigint AS made, count(e.entry) AS counted
    FROM accounts a LEFT JOIN entries e ON e.account_id = a.id
    WHERE a.school_id = :school AND a.kind IN ('wallet', 'invoice')
    GROUP BY a.school_id, a.id
    HAVING a.balance_cents <> coalesce(sum(e.change), 0) OR a.entries <> count(e.entry)
    """
)
_HISTORY = text(
    _ENTRIES  # noqa: S608 - constants only
    + """
    SELECT account_id, entry, after, made, place FROM (
        SELECT e.account_id, e.entry, e.after,
               sum(e.change) OVER history AS made, row_number() OVER history AS place
        FROM entries e JOIN accounts a ON a.school_id = :school AND a.id = e.account_id
        WHERE a.kind IN ('wallet', 'invoice')
        WINDOW history AS (PARTITION BY e.account_id ORDER BY e.entry)
    ) AS histories
    WHERE entry IS NULL OR entry <> place OR after <> made
    """
)
_LIMITS = text(
    """
    SELECT id, balance_cents FROM accounts
    WHERE school_id = :school AND (balance_cents < floor_cents OR balance_cents > ceiling_cents)
    """
)
_SUM = text(
    _ENTRIES  # noqa: S608 - constants only
    + """
    SELECT (SELECT coalesce(sum(balance_cents), 0) FROM accounts WHERE school_id = :school)
         + coalesce(sum(e.change), 0)
    FROM entries e JOIN accounts a ON a.school_id = :school AND a.id = e.account_id
    WHERE a.kind NOT IN ('wallet', 'invoice')
    """
)
_REVERSALS = text(
    """
    SELECT r.id FROM transfers r JOIN transfers t
      ON t.school_id = r.school_id AND t.id = r.reverses_id
    WHERE r.school_id = :school AND (r.source_id, r.target_id, r.amount_cents)
          IS DISTINCT FROM (t.target_id, t.source_id, t.amount_cents)
    """
)


async def findings(session: AsyncSession, school_id: UUID) -> list[str]:
    """Return what is wrong with a school's books; nothing is how it should be."""
    await join_whole_tables(session)
    here = {"school": school_id}
    found = [
        f"{row.kind} account {row.id} says {row.balance_cents} cents after {row.entries} entries; "
        f"its transfers make {row.made} after {row.counted}"
        for row in await session.execute(_BALANCES, here)
    ]
    found += [
        f"entry {row.entry} of account {row.account_id} says {row.after} cents; "
        f"its transfers make {row.made}, and it is number {row.place}"
        for row in await session.execute(_HISTORY, here)
    ]
    found += [
        f"account {row.id} is beyond its limits at {row.balance_cents} cents"
        for row in await session.execute(_LIMITS, here)
    ]
    found += [
        f"transfer {row.id} is not the opposite of the one that it reverses"
        for row in await session.execute(_REVERSALS, here)
    ]
    if total := (await session.execute(_SUM, here)).scalar_one() or 0:
        found.append(f"all accounts together make {total} cents, not 0")
    return found
