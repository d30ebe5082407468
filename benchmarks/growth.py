"""What 5,000 schools would store and write: `python -m benchmarks.growth` fills docs/scaling.md.

Bytes of a row are measured on the demonstration's schools, indexes included; how many rows there
are is reckoned from the assumptions below, which anybody may replace by better ones.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks.place import Place, place, told
from itschool_api import distribution, schema
from itschool_api.demo import filling
from itschool_api.storage import Storage

_PAGE: Final = Path(__file__).parents[1] / "docs" / "scaling.md"
_BEGIN: Final = "<!-- figures -->\n"
_END: Final = "<!-- end of figures -->"

SCHOOLS: Final = 5_000
STUDENTS: Final = 2_000_000
YEARS: Final = 10
"""Longer than the books must be kept: seven years (Code de droit économique, art. III.88)."""
SCHOOL_DAYS: Final = 180


@dataclass(frozen=True, slots=True)
class Assumption:
    """How many rows a table holds for each student, and how many of them are new each year."""

    standing: float
    yearly: float
    why: str

    def rows(self) -> float:
        """Return the rows of a student in the whole time."""
        return self.standing + self.yearly * YEARS


_INVOICES: Final = 7.0  # of a family with 1.5 children, ten a year and child
_TOP_UPS: Final = 8.0
_MOVEMENTS: Final = _INVOICES + _TOP_UPS + 3  # and what is not parents' money
_MEALS: Final = SCHOOL_DAYS * 0.4

ASSUMPTIONS: Final[Mapping[str, Assumption]] = {
    "students": Assumption(1, 0.12, "one in eight is new each year"),
    "enrolments": Assumption(0, 1, "one a year"),
    "families": Assumption(0.7, 0.08, "1.5 children a family"),
    "family_students": Assumption(1.15, 0.14, "15 % of parents live apart"),
    "guardians": Assumption(1.3, 0.15, "two parents for 1.5 children"),
    "guardianships": Assumption(2, 0.24, "two parents"),
    "accounts": Assumption(2, _INVOICES + 0.24, "two wallets, and every invoice"),
    "wallets": Assumption(2, 0.24, "two compartments"),
    "payment_references": Assumption(2, _INVOICES + 0.24, "of each of these accounts"),
    "invoices": Assumption(0, _INVOICES, "ten a year and family"),
    "invoice_lines": Assumption(0, _INVOICES * 3, "three lines"),
    "bank_transactions": Assumption(0, _MOVEMENTS, "each invoice once, eight top-ups, others"),
    "allocations": Assumption(0, _INVOICES + _TOP_UPS, "what is the parents'"),
    "transfers": Assumption(
        0, _INVOICES + _MOVEMENTS + _MEALS, "issued, paid, and a meal on four days in ten"
    ),
    "audit_events": Assumption(0, 20, "whatever people change"),
    "mails": Assumption(12, 0, "kept for months only"),
    "idempotency_keys": Assumption(0.1, 0, "kept for a day"),
}


async def _widths(here: Place) -> dict[str, float]:
    """Return the bytes of a row of each table, with its entries in the indexes."""
    owner: asyncpg.Connection = await here.connect()
    widths = {}
    for table in ASSUMPTIONS:
        # 24 bytes of a row's head, 4 of its pointer; pages are nine tenths full. An entry of an
        # index has 8 + 4, and its pages are filled to two thirds under random inserts.
        row = await owner.fetchval(
            f"SELECT (coalesce(avg(pg_column_size(t.*)), 100) + 4) / 0.9 FROM {table} t"  # noqa: S608
        )
        entries = await owner.fetchval(
            """
            SELECT coalesce(sum((SELECT sum(CASE WHEN a.attlen > 0 THEN a.attlen ELSE 16 END)
                FROM pg_attribute a WHERE a.attrelid = x.indexrelid) + 12), 0) / 0.67
            FROM pg_index x WHERE x.indrelid = $1::text::regclass
            """,
            table,
        )
        widths[table] = float(row) + float(entries)
    await owner.close()
    return widths


def _table(widths: Mapping[str, float]) -> str:
    lines = [
        "| table | rows a student and year | rows after ten years | bytes a row | together |",
        "|---|---:|---:|---:|---:|",
    ]
    whole = 0.0
    for table, each in ASSUMPTIONS.items():
        rows = each.rows() * STUDENTS
        size = rows * widths[table]
        whole += size
        lines.append(
            f"| `{table}` ({each.why}) | {each.yearly:g} | {rows / 1e6:,.0f} million "
            f"| {widths[table]:.0f} | {size / 1e9:,.0f} GB |"
        )
    rows = sum(each.rows() for each in ASSUMPTIONS.values()) * STUDENTS
    lines.append(f"| all | | {rows / 1e9:,.1f} billion | | {whole / 1e12:,.1f} TB |")
    shards = distribution.SHARDS
    share = (
        f"A school of {STUDENTS // SCHOOLS} students has {whole / SCHOOLS / 1e6:,.0f} MB after ten "
        f"years. {shards} shards hold {SCHOOLS / shards:.0f} schools and "
        f"{whole / shards / 1e9:,.0f} GB each."
    )
    return "\n".join([*lines, "", share, "", _first_of_month()])


def _first_of_month() -> str:
    """Reckon the busiest hours: the invoices of a month and the bank's files after a weekend."""
    invoices = _INVOICES / 10 * STUDENTS
    movements = _MOVEMENTS / 250 * STUDENTS * 6
    written = invoices * 6 + movements * 3
    hours = 4
    return "\n".join(
        [
            "| the 1st of a month, 6 to 10 o'clock | |",
            "|---|---:|",
            f"| invoices issued | {invoices:,.0f} |",
            f"| bank files, one a school | {SCHOOLS:,} |",
            f"| movements in them (three days', and twice as many as on others) | {movements:,.0f} |",
            f"| rows written (six an invoice, three a movement) | {written:,.0f} |",
            f"| rows a second, evenly over the four hours | {written / hours / 3600:,.0f} |",
            f"| movements a second | {movements / hours / 3600:,.0f} |",
        ]
    )


async def _measured(here: Place) -> dict[str, float]:
    async with here.sessions() as sessions:
        await filling.fill(sessions, Storage(here.folder / "files"), told)
    return await _widths(here)


def main() -> None:
    """Measure, reckon, and put the tables between their marks."""
    unknown = ASSUMPTIONS.keys() - {table.name for table in schema.metadata.sorted_tables}
    if unknown:
        sys.exit(f"there are no such tables: {', '.join(sorted(unknown))}")
    with place() as here:
        widths = asyncio.run(_measured(here))
    head, rest = _PAGE.read_text().split(_BEGIN)
    _PAGE.write_text(f"{head}{_BEGIN}{_table(widths)}\n{_END}{rest.split(_END)[1]}")
    told(f"written: {_PAGE.name}")


if __name__ == "__main__":
    main()
