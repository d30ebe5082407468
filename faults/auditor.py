"""Everything that the bank told, derived again from the files that were kept, beside the books.

`itschool ledger verify` holds the books' tables against each other. This begins outside of them: it
reads the kept files and says what the tables must then hold. It shares with the program the reader
of CODA files, and nothing of matching, booking or SQL.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from itschool_api.banking import coda
from itschool_api.banking.coda import NO_SEPARATE_APPLICATION, Movement, Statement

_BBAN_LENGTH: Final = 12
_UNPOSTED: Final = frozenset({"no_amount", "separate_application", "detail_of_another_file"})
_FILES: Final = """
    SELECT i.id, f.storage_key, f.sha256, f.size_bytes
    FROM bank_imports i
    LEFT JOIN bank_files f ON f.school_id = i.school_id AND f.import_id = i.id
    WHERE i.school_id = $1 ORDER BY i.imported_at, i.id
"""
_STATEMENTS: Final = """
    SELECT s.id, s.import_id, s.key, b.iban, s.opening_cents, s.closing_cents, s.closing_on,
           s.transactions
    FROM bank_statements s
    JOIN bank_accounts b ON b.school_id = s.school_id AND b.id = s.bank_account_id
    WHERE s.school_id = $1 AND s.reversed_at IS NULL
"""
_MOVEMENTS: Final = """
    SELECT ordinal, amount_cents, transaction_code, counterparty_account, counterparty_name, raw,
           cause, state, id::text AS id
    FROM bank_transactions WHERE school_id = $1 AND statement_id = $2 ORDER BY ordinal
"""
# What the transfers of each movement moved on the bank's account.
_MOVED: Final = """
    SELECT split_part(x.cause, ':', 2) AS movement,
           sum(CASE WHEN b.account_id = x.source_id THEN x.amount_cents
                    ELSE -x.amount_cents END)::bigint AS cents
    FROM transfers x
    JOIN bank_accounts b
      ON b.school_id = x.school_id AND b.account_id IN (x.source_id, x.target_id)
    WHERE x.school_id = $1 AND x.cause LIKE 'bank-transaction:%' GROUP BY 1
"""


async def findings(owner: asyncpg.Connection, folder: Path, school_id: UUID) -> list[str]:
    """Return where the books are not what the files below `folder` make them."""
    stored = {(row["iban"], row["key"]): row for row in await owner.fetch(_STATEMENTS, school_id)}
    moved = {row["movement"]: row["cents"] for row in await owner.fetch(_MOVED, school_id)}
    found: list[str] = []
    for file in await owner.fetch(_FILES, school_id):
        data = _content(folder, file)
        if data is None:
            found.append(f"import {file['id']} has not the file that it was made from")
            continue
        for statement in coda.parse(data):
            row = _take(stored, statement, file["id"])
            if row is not None:
                found += _difference(statement, row)
                rows = await owner.fetch(_MOVEMENTS, school_id, row["id"])
                found += _differences(statement, rows, moved)
    found += [f"transfers of {movement} stand for nothing in a file" for movement in moved]
    found += [f"statement {key} of {iban} is in no file" for iban, key in stored]
    return found


def _content(folder: Path, file: Any) -> bytes | None:
    """Return a file's bytes, if they are those that were posted."""
    path = folder / file["storage_key"] if file["storage_key"] else None
    if path is None or not path.is_file():
        return None
    data = path.read_bytes()
    is_whole = len(data) == file["size_bytes"]
    return data if is_whole and hashlib.sha256(data).hexdigest() == file["sha256"] else None


def _take(stored: dict[tuple[str, str], Any], statement: Statement, import_id: UUID) -> Any:
    """Return the row of a statement that this import brought; a repeated one has none of its own.

    What is in a file and in no row is told by its balance: see `_difference`.
    """
    for (iban, key), row in stored.items():
        is_its_account = statement.account in {iban, iban[-_BBAN_LENGTH:]}
        if is_its_account and replace(statement, account=iban).key == key:
            return stored.pop((iban, key)) if row["import_id"] == import_id else None
    return None


def _difference(statement: Statement, row: Any) -> Iterator[str]:
    told = (
        statement.opening_milli // 10,
        statement.closing_milli // 10,
        statement.closing_on,
        sum(1 for _ in _booked(statement)),
    )
    kept = (row["opening_cents"], row["closing_cents"], row["closing_on"], row["transactions"])
    if told != kept:
        yield f"statement {row['key']} says {kept}; its file says {told}"


def _differences(statement: Statement, rows: list[Any], moved: dict[str, int]) -> Iterator[str]:
    told = list(_booked(statement))
    if len(told) != len(rows):
        yield f"statement {statement.key} has {len(rows)} movements; its file has {len(told)}"
        return
    for ordinal, (movement, row) in enumerate(zip(told, rows, strict=True), start=1):
        cents = movement.amount_milli // 10
        expected = (
            ordinal,
            cents,
            movement.transaction_code,
            movement.counterparty_account,
            movement.counterparty_name,
            "\n".join(movement.records),
        )
        if expected != tuple(row)[: len(expected)]:
            yield f"movement {ordinal} of {statement.key} is not what its file says"
        if (row["state"] == "paid") != (row["cause"] is None):
            yield f"movement {ordinal} of {statement.key} is {row['state']} with {row['cause']}"
        made = moved.pop(row["id"], 0)
        if made != (0 if row["cause"] in _UNPOSTED else cents):
            yield f"movement {ordinal} of {statement.key} moved {made} cents, not {cents}"


def _booked(statement: Statement) -> Iterator[Movement]:
    """Yield what is booked by itself: a total's parts where it has them, else the movement."""
    for movement in statement.movements:
        if movement.itemised and statement.separate_application == NO_SEPARATE_APPLICATION:
            yield from movement.details
        else:
            yield movement
