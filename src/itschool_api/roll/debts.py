"""What a file carries over that is owed: open invoices of another system. Pure.

An invoice is known by its reference: one that is there already is left alone, and whatever differs
from it is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from itschool_api.contract import BIGGEST_AMOUNT_CENTS
from itschool_api.money import Cents, euros
from itschool_api.roll.carrying import Claims, taken
from itschool_api.roll.columns import NEEDED, Column, Heading, Kind
from itschool_api.roll.findings import shown, told
from itschool_api.roll.reading import Roll, Row
from itschool_api.roll.register import erased
from itschool_api.roll.state import Family, Known, NewInvoice, Plan, Student

_MOST_LINES: Final = 500
_LONGEST_LABEL: Final = 120


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of open invoices that holds what it needs."""

    row: int
    reference: str
    label: str
    head: tuple[UUID, str | None, date, date]
    """Family, former number, and days: the same on each row of an invoice."""
    line: tuple[UUID, str, Cents]


@dataclass(slots=True)
class _Draft:
    """An open invoice: the rows of one reference."""

    first: _Line
    lines: list[tuple[UUID, str, Cents]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def carry(roll: Roll, known: Known, plan: Plan, claims: Claims) -> None:
    """Decide what a file's open invoices become; `plan` has its people."""
    _Carrier(roll, known, plan, claims).invoices()


class _Carrier:
    def __init__(self, roll: Roll, known: Known, plan: Plan, claims: Claims) -> None:
        self._roll = roll
        self._known = known
        self._money = known.money
        self._plan = plan
        self._claims = claims
        self._findings = roll.findings
        self._members = set(known.memberships) | {
            (each["student_id"], each["family_id"]) for each in plan.memberships.new
        }
        everybody: list[Student | Family] = [*known.students, *known.families]
        self._erased = {each.id for each in everybody if each.is_erased}
        self._ids = {
            Column.STUDENT_KEY: _keys(known.students) | plan.student_ids,
            Column.FAMILY_KEY: _keys(known.families) | plan.family_ids,
        }

    def invoices(self) -> None:
        found: dict[str, _Draft] = {}
        for row in self._roll.invoices:
            line = self._line(row)
            if line is None:
                continue
            draft = found.setdefault(line.reference, _Draft(line))
            if line.head != draft.first.head:
                self._refuse(
                    "contradiction",
                    told(
                        "Row {other} has this reference too, with another family, number or day.",
                        other=draft.first.row,
                    ),
                    row.number,
                    Column.REFERENCE,
                )
            elif line.line in draft.lines:
                self._findings.warning(
                    "duplicate-row",
                    told(
                        "Row {other} says this already.",
                        other=draft.rows[draft.lines.index(line.line)],
                    ),
                    kind=Kind.OPEN_INVOICES,
                    row=row.number,
                )
            else:
                draft.lines.append(line.line)
                draft.rows.append(row.number)
        for draft in found.values():
            self._invoice(draft)

    def _line(self, row: Row) -> _Line | None:
        missing = [
            column
            for column in sorted(NEEDED[Kind.OPEN_INVOICES])
            if row.get(column) is None and Heading(column) in row.values
        ]
        for column in missing:
            self._refuse("missing-value", "An open invoice needs it.", row.number, column)
        if missing or any(row.get(each) is None for each in NEEDED[Kind.OPEN_INVOICES]):
            return None
        family_id = self._known_one(row, Column.FAMILY_KEY)
        student_id = self._known_one(row, Column.STUDENT_KEY)
        label = self._label(row)
        days = self._days(row)
        if family_id is None or student_id is None or label is None or days is None:
            return None
        if (student_id, family_id) not in self._members:
            message = "The student is not in that family."
            self._refuse("student-not-in-family", message, row.number, Column.STUDENT_KEY)
            return None
        amount = row.get(Column.AMOUNT)
        cents = Cents(amount if isinstance(amount, int) else 0)
        return _Line(
            row=row.number,
            reference=str(row.get(Column.REFERENCE)),
            label=label,
            head=(family_id, row.text(Column.NUMBER), *days),
            line=(student_id, str(row.text(Column.LABEL)), cents),
        )

    def _known_one(self, row: Row, column: Column) -> UUID | None:
        key = str(row.text(column))
        found = self._ids[column].get(key)
        if found is None:
            what = column.removesuffix("_key")
            message = told(
                "There is no {what} {key!q}, in this file or at the school.", what=what, key=key
            )
            self._refuse(f"unknown-{what}", message, row.number, column)
        elif found in self._erased:
            self._refuse("erased", erased(key), row.number, column)
            return None
        return found

    def _label(self, row: Row) -> str | None:
        """Return what the invoice is called: with its former number, which parents know."""
        number = row.text(Column.NUMBER)
        label = str(row.text(Column.LABEL)) + (f" ({number})" if number else "")
        if len(label) > _LONGEST_LABEL:
            message = f"With its number the label has more than {_LONGEST_LABEL} characters."
            self._refuse("invalid-text", message, row.number, Column.LABEL)
            return None
        return label

    def _days(self, row: Row) -> tuple[date, date] | None:
        issued_on, due_on = row.get(Column.ISSUED_ON), row.get(Column.DUE_ON)
        if not isinstance(issued_on, date) or not isinstance(due_on, date):
            return None
        if issued_on > self._known.today:
            message = told("{day} lies in the future.", day=issued_on)
            self._refuse("date-in-future", message, row.number, Column.ISSUED_ON)
            return None
        if due_on < issued_on:
            message = told(
                "It would be due on {due_on}, before it was issued on {issued_on}.",
                due_on=due_on,
                issued_on=issued_on,
            )
            self._refuse("due-before-issue", message, row.number, Column.DUE_ON)
            return None
        return issued_on, due_on

    def _invoice(self, draft: _Draft) -> None:
        family_id, _, issued_on, due_on = draft.first.head
        row, reference, label = draft.first.row, draft.first.reference, draft.first.label
        heading = Heading(Column.REFERENCE)
        invoice = NewInvoice(
            family_id=family_id,
            school_year_id=self._year_of(issued_on),
            label=label,
            issued_on=issued_on,
            due_on=due_on,
            reference=reference,
            lines=tuple(draft.lines),
        )
        if len(draft.lines) > _MOST_LINES or invoice.total_cents > BIGGEST_AMOUNT_CENTS:
            message = "The rows of this reference make more than an invoice can hold."
            self._refuse("invalid-amount", message, row, Column.REFERENCE)
            return
        target = f"the invoice {shown(label)}"
        if not self._claims.is_free(reference, reference, target, Kind.OPEN_INVOICES, row, heading):
            return
        account_id = self._money.account_of.get(reference)
        known = self._money.invoices.get(account_id) if account_id else None
        if account_id is None:
            self._plan.invoices.append(invoice)
        elif known is None:
            self._refuse("reference-taken", taken(reference), row, Column.REFERENCE)
        elif (known.family_id, known.total_cents) == (family_id, invoice.total_cents):
            self._plan.known_invoices += 1
        else:
            message = told(
                "This reference pays an invoice of {before} € already, and that stays; here it is "
                "{now} €, or another family.",
                before=euros(known.total_cents),
                now=euros(invoice.total_cents),
            )
            self._refuse("open-invoice-changed", message, row, Column.REFERENCE)

    def _year_of(self, day: date) -> UUID:
        """Return the school year of a day, or the one that the file is for."""
        within = [each.id for each in self._money.years if each.begins_on <= day <= each.ends_on]
        return within[0] if within else self._known.year_id

    def _refuse(self, code: str, message: str, row: int, column: Column) -> None:
        self._findings.error(
            code, message, kind=Kind.OPEN_INVOICES, row=row, heading=Heading(column)
        )


def _keys(known: Sequence[Student | Family]) -> dict[str, UUID]:
    """Return people by our ids and, before these, by the keys that the school gave them."""
    by_id = {str(each.id): each.id for each in known}
    return by_id | {each.external_key: each.id for each in known if each.external_key}
