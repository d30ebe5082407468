"""From a file's bytes to rows of values, with findings on the way. Pure.

A cell that is wrong is told and then passed over, so that one pass tells everything that is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from itschool_api.roll import columns, csv_file, values, workbook
from itschool_api.roll.cells import BadCell, Cell, Read, Value
from itschool_api.roll.columns import MONEY, NEEDED, OF_INVOICES, Column, Heading, Kind
from itschool_api.roll.findings import Findings, told
from itschool_api.roll.tables import Table

_OF_ROLL: Final = frozenset({*columns.PEOPLE, *MONEY})


@dataclass(frozen=True, slots=True)
class Row:
    """A row: a column that the file does not have, or whose cell is wrong, has no value here."""

    number: int
    values: Mapping[Heading, Value]
    broken: frozenset[Column] = frozenset()
    """The columns whose cells are wrong, which was told already."""

    def get(self, column: Column) -> Value:
        """Return a value; None where there is none."""
        return self.values.get(Heading(column))

    def text(self, column: Column) -> str | None:
        """Return a text; None where there is none."""
        value = self.get(column)
        return None if value is None else str(value)


@dataclass(slots=True)
class Roll:
    """What a file says."""

    rows: list[Row] = field(default_factory=list)
    invoices: list[Row] = field(default_factory=list)
    headings: dict[Kind, frozenset[Heading]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    @property
    def carries_money(self) -> bool:
        """Tell whether the file brings references, balances or invoices along."""
        of_roll = self.headings.get(Kind.ROLL, frozenset())
        return Kind.OPEN_INVOICES in self.headings or any(each.column in MONEY for each in of_roll)

    def has(self, column: Column) -> bool:
        """Tell whether the roll has this column."""
        return Heading(column) in self.headings.get(Kind.ROLL, frozenset())


def read(data: bytes, *, is_workbook: bool) -> Roll:
    """Read a file; raises `tables.Unreadable`, `tables.TooMuch`."""
    if is_workbook:
        tables, hidden = workbook.read(data)
    else:
        tables, hidden = [csv_file.read(data)], []
    roll = Roll()
    for name in hidden:
        roll.findings.warning("hidden-sheet", "This sheet is hidden, and not read.", sheet=name)
    for table in tables:
        _read_table(roll, table)
    if not roll.headings and not roll.findings.has_errors:
        roll.findings.error(
            "no-roll",
            f"No sheet has a heading “{Column.STUDENT_KEY}” in its first row that is not empty.",
        )
    return roll


def _read_table(roll: Roll, table: Table) -> None:
    if not table.rows:
        return
    (number, heading), *rows = table.rows
    found = [columns.recognised(cell) if isinstance(cell, str) else None for cell in heading]
    kind = columns.kind_of(frozenset(each.column for each in found if each))
    if kind is None:
        if table.name is not None:
            roll.findings.warning(
                "unknown-sheet", "Its headings are those of no roll: not read.", sheet=table.name
            )
        return
    if kind in roll.headings:
        roll.findings.error(
            "second-sheet", f"Another sheet holds the {kind} already.", sheet=table.name
        )
        return
    used = _headings(roll, table, kind, number, heading, found)
    rows_of = roll.invoices if kind is Kind.OPEN_INVOICES else roll.rows
    reader = _Reader(roll.findings, kind)
    rows_of.extend(reader.row(number, row, used) for number, row in rows)
    if not rows:
        roll.findings.warning("empty-sheet", "There is no row below the heading.", kind=kind)


def _headings(
    roll: Roll,
    table: Table,
    kind: Kind,
    number: int,
    heading: Sequence[Cell],
    found: Sequence[Heading | None],
) -> list[Heading | None]:
    """Return the column of each place, and tell which headings are of no use."""
    findings = roll.findings
    if table.name is not None:
        findings.sheets[kind] = table.name
    wanted = OF_INVOICES if kind is Kind.OPEN_INVOICES else _OF_ROLL
    used: list[Heading | None] = []
    seen: dict[Heading, str] = {}
    for cell, each in zip(heading, found, strict=True):
        text = cell if isinstance(cell, str) else getattr(cell, "text", str(cell))
        known = each if each and each.column in wanted else None
        if known and kind is Kind.OPEN_INVOICES and known.compartment:
            known = None
        used.append(known)
        if known is None and text:
            meant = columns.nearest(text)
            hint = f" Is it meant to be “{meant}”?" if meant in wanted else ""
            message = f"This column is not known here, and not read.{hint}"
            findings.warning("unknown-column", message, kind=kind, row=number, heading=text)
        elif known in seen:
            message = told(
                "This column and “{other}” mean the same: {meaning}.",
                other=seen[known],
                meaning=str(known),
            )
            findings.error("duplicate-column", message, kind=kind, row=number, heading=text)
        elif known is not None:
            seen[known] = text
            findings.headings[kind, known] = text
    roll.headings[kind] = frozenset(seen)
    for missing in sorted(NEEDED[kind] - {each.column for each in seen}):
        message = told("There is no column “{missing}”.", missing=missing)
        findings.error("missing-column", message, kind=kind, row=number, heading=missing)
    return used


class _Reader:
    """Reads rows of one sheet, and doubts each column's numbers once."""

    def __init__(self, findings: Findings, kind: Kind) -> None:
        self._findings = findings
        self._kind = kind
        self._doubted: set[tuple[Heading, str]] = set()

    def row(self, number: int, row: Sequence[Cell], used: Sequence[Heading | None]) -> Row:
        """Return a row's values; what lies beyond the headings has none."""
        found: dict[Heading, Value] = {}
        broken = set()
        for place, heading in enumerate(used):
            if heading is None:
                continue
            cell = row[place] if place < len(row) else ""
            try:
                read = values.read(heading.column, cell)
            except BadCell as error:
                broken.add(heading.column)
                self._findings.error(
                    error.code, error.message, kind=self._kind, row=number, heading=heading
                )
                continue
            found[heading] = read.value
            self._doubt(number, heading, read)
        beyond = [cell for cell in row[len(used) :] if cell != ""]
        if beyond:
            self._findings.error(
                "too-many-cells",
                told(
                    "The row has more cells than there are headings, such as {read!q}.",
                    read=beyond[0],
                ),
                kind=self._kind,
                row=number,
            )
        return Row(number, found, frozenset(broken))

    def _doubt(self, number: int, heading: Heading, read: Read) -> None:
        # A column of keys says the same of each of them; one warning is enough.
        if read.doubt is None or (heading, read.doubt[1]) in self._doubted:
            return
        self._doubted.add((heading, read.doubt[1]))
        code, message = read.doubt
        self._findings.warning(code, message, kind=self._kind, row=number, heading=heading)
