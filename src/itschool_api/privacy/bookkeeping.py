"""The end of what the law keeps: names leave invoices and what the bank told, cents stay.

The program's own role may change neither (by privilege and by policy), so this is the operator's
command, as the tables' owner. Books and lists add up as before: no row goes but that of a file.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import trail
from itschool_api.storage import Storage

LAW: Final = (
    "Accounts must be kept: seven years (Code de droit économique, art. III.86 and III.88), and "
    "ten for taxes since 2023 (CIR 92, art. 315, and Code de la TVA, art. 60, as changed by the "
    "law of 20 November 2022), from 1 January of the year that follows."
)
FEWEST_YEARS: Final = 7
_BATCH: Final = 1000
_NOTHING: Final = "—"

# What is still owed or waits is no matter of the past, however old.
_INVOICES: Final = text(
    """
    SELECT i.id FROM invoices i
    JOIN accounts a ON a.school_id = i.school_id AND a.id = i.account_id
    WHERE i.school_id = :school AND i.issued_on <= :day AND a.balance_cents = 0
      AND i.issued_to <> '{}'
    LIMIT :batch
    """
)
_CLEAR_INVOICES: Final = text(
    "UPDATE invoices SET issued_to = '{}', label = :nothing"
    " WHERE school_id = :school AND id = ANY(:ids)"
)
_CLEAR_LINES: Final = text(
    "UPDATE invoice_lines SET label = :nothing WHERE school_id = :school AND invoice_id = ANY(:ids)"
)
_CLEAR_PAYMENTS: Final = text(
    """
    UPDATE bank_transactions
    SET communication = '', counterparty_name = '', counterparty_account = '', raw = '',
        reference = NULL
    WHERE school_id = :school AND id IN (
        SELECT id FROM bank_transactions
        WHERE school_id = :school AND booked_on <= :day AND state <> 'suspense'
          AND (communication, counterparty_name, counterparty_account, raw) <> ('', '', '', '')
        LIMIT :batch)
    """
)
# A file goes with the last of its payments, unless another import has the same.
_FILES: Final = text(
    """
    SELECT f.id, f.storage_key, f.sha256 FROM bank_files f
    WHERE f.school_id = :school AND NOT EXISTS (
        SELECT FROM bank_statements s
        LEFT JOIN bank_transactions t ON t.school_id = s.school_id AND t.statement_id = s.id
        WHERE s.school_id = f.school_id AND s.import_id = f.import_id
          AND (s.closing_on > :day OR t.booked_on > :day OR t.state = 'suspense'))
    """
)
_SHARED: Final = text(
    "SELECT EXISTS (SELECT FROM bank_files"
    " WHERE school_id = :school AND storage_key = :key AND id <> :id)"
)
_FORGET_FILE: Final = text("DELETE FROM bank_files WHERE school_id = :school AND id = :id")


@dataclass(slots=True)
class Ended:
    """What a school's accounts were cleared of."""

    invoices: int = 0
    payments: int = 0
    files: int = 0


def kept_until(day: date, years: int) -> date:
    """Return the last day on which a document of `day` is kept."""
    return date(day.year + years, 12, 31)


def last_day(today: date, years: int) -> date:
    """Return the last day whose documents are not kept any more."""
    return date(today.year - years - 1, 12, 31)


async def end_retention(
    session: AsyncSession, storage: Storage, school_id: UUID, day: date
) -> Ended:
    """Clear what a school's accounts up to `day` say of people, as the tables' owner."""
    here: dict[str, Any] = {"school": school_id, "day": day, "batch": _BATCH}
    ended = Ended()
    while ids := list((await session.execute(_INVOICES, here)).scalars()):
        cleared = {"school": school_id, "ids": ids, "nothing": _NOTHING}
        await session.execute(_CLEAR_INVOICES, cleared)
        await session.execute(_CLEAR_LINES, cleared)
        ended.invoices += len(ids)
    while count := (await session.execute(_CLEAR_PAYMENTS, here)).rowcount:  # type: ignore[attr-defined]
        ended.payments += count
    for file in (await session.execute(_FILES, here)).all():
        named = {"school": school_id, "key": file.storage_key, "id": file.id}
        if not (await session.execute(_SHARED, named)).scalar_one():
            await storage.remove(file.storage_key)
        await session.execute(_FORGET_FILE, named)
        ended.files += 1
    if not (ended.invoices or ended.payments or ended.files):
        trail.forget(session)
    return ended
