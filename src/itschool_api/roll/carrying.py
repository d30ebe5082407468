"""What a file carries over from another system: references, balances, open invoices. Pure.

Nothing is booked twice: a reference that pays the same already, a wallet that was opened with the
same balance and an invoice that is there are left alone; whatever differs from them is refused, for
the books are only ever added to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from itschool_api.contract import BIGGEST_AMOUNT_CENTS
from itschool_api.money import Cents, euros
from itschool_api.references import Reference, formatted
from itschool_api.roll.columns import MONEY, NEEDED, Column, Heading, Kind
from itschool_api.roll.findings import Findings, shown
from itschool_api.roll.gathering import People
from itschool_api.roll.reading import Roll, Row
from itschool_api.roll.state import (
    Compartment,
    Family,
    Known,
    NewInvoice,
    NewOpening,
    NewReference,
    Plan,
    Student,
    Wallet,
)

MOST_LINES: Final = 500
_LONGEST_LABEL: Final = 120


def carry(roll: Roll, people: People, known: Known, plan: Plan) -> None:
    """Decide what a file's references, balances and invoices do; `plan` has its people."""
    if roll.carries_money:
        carrier = _Carrier(roll, people, known, plan)
        carrier.wallets()
        carrier.invoices()


class _Carrier:
    def __init__(self, roll: Roll, people: People, known: Known, plan: Plan) -> None:
        self._roll = roll
        self._people = people
        self._known = known
        self._money = known.money
        self._plan = plan
        self._findings: Findings = roll.findings
        self._compartments: dict[str, Compartment] = {}
        self._targets: dict[str, tuple[object, str]] = {}
        """Reference → what it pays, and how to call that."""
        self._left = {each.id for each in known.students if each.left_on is not None}
        self._members = set(known.memberships) | {
            (each["student_id"], each["family_id"]) for each in plan.memberships.new
        }
        self._ids = {
            Column.STUDENT_KEY: _keys(known.students) | plan.student_ids,
            Column.FAMILY_KEY: _keys(known.families) | plan.family_ids,
        }

    # --- wallets ----------------------------------------------------------------------------------

    def wallets(self) -> None:
        self._find_compartments()
        for (key, compartment), references in self._people.references.items():
            student_id = self._plan.student_ids.get(key)
            if student_id is not None and compartment in self._compartments:
                for reference, row in references.items():
                    self._reference(student_id, key, compartment, reference, row)
        for key, facts in self._people.students.items():
            student_id = self._plan.student_ids.get(key)
            for heading, value in facts.values.items():
                is_known = heading.compartment in self._compartments
                if heading.column is Column.OPENING_BALANCE and student_id and is_known:
                    cents = Cents(value) if isinstance(value, int) else Cents(0)
                    self._opening(student_id, heading, cents, facts.rows[heading])

    def _find_compartments(self) -> None:
        """Find the compartments that the headings name, each by one name only."""
        headings = self._roll.headings.get(Kind.ROLL, frozenset())
        taken: dict[tuple[Column, UUID], Heading] = {}
        for heading in sorted(each for each in headings if each.column in MONEY):
            found = self._compartment(heading.compartment)
            if found is None:
                names = ", ".join(shown(each.name) for each in self._money.compartments)
                self._findings.error(
                    "unknown-compartment",
                    f"There is no compartment {shown(heading.compartment)}; there are {names}.",
                    kind=Kind.ROLL,
                    heading=heading,
                )
            elif (heading.column, found.id) in taken:
                other = taken[heading.column, found.id]
                self._findings.error(
                    "duplicate-column",
                    f"This column and “{other}” are for the same compartment.",
                    kind=Kind.ROLL,
                    heading=heading,
                )
            else:
                taken[heading.column, found.id] = heading
                self._compartments[heading.compartment] = found

    def _compartment(self, name: str) -> Compartment | None:
        if not name:
            return next((each for each in self._money.compartments if each.is_general), None)
        alike = [
            each for each in self._money.compartments if each.name.casefold() == name.casefold()
        ]
        exact = [each for each in alike if each.name == name]
        return next(iter(exact or alike), None)

    def _reference(
        self, student_id: UUID, key: str, compartment: str, reference: str, row: int
    ) -> None:
        heading = Heading(Column.REFERENCE, compartment)
        into = self._compartments[compartment]
        wallet = self._money.wallets.get((student_id, into.id))
        target = f"the wallet “{into.name}” of student {shown(key)}"
        if not self._is_free(reference, (student_id, into.id), target, Kind.ROLL, row, heading):
            return
        account_id = self._money.account_of.get(reference)
        if account_id is not None and wallet and wallet.account_id == account_id:
            self._plan.known_references += 1
        elif account_id is not None:
            self._refuse("reference-taken", _taken(reference), row, heading)
        elif self._is_open(student_id, wallet, row, heading):
            self._plan.references.append(NewReference(student_id, into.id, reference))

    def _opening(self, student_id: UUID, heading: Heading, cents: Cents, row: int) -> None:
        into = self._compartments[heading.compartment]
        wallet = self._money.wallets.get((student_id, into.id))
        before = self._money.openings.get(wallet.id) if wallet else None
        if before is not None:
            if before == cents:
                self._plan.known_openings += 1
                return
            message = (
                f"The wallet was opened with {euros(before)} €, now it is {euros(cents)} €: "
                "what is booked stays."
            )
            self._refuse("opening-balance-changed", message, row, heading)
            return
        if not cents or not self._is_open(student_id, wallet, row, heading):
            return
        floor = wallet.floor_cents if wallet else into.floor_cents
        after = Cents(cents + (wallet.balance_cents if wallet else 0))
        if cents < 0 and floor is not None and after < floor:
            message = (
                f"The balance would be {euros(after)} €, and may not fall below {euros(floor)} €."
            )
            self._refuse("below-floor", message, row, heading)
            return
        self._plan.openings.append(NewOpening(student_id, into.id, cents))

    def _is_open(self, student_id: UUID, wallet: Wallet | None, row: int, heading: Heading) -> bool:
        """Tell whether there is a wallet, or will be: one who left gets none any more."""
        if wallet is None:
            if student_id not in self._left:
                return True
        elif not wallet.closed:
            return True
        self._refuse("wallet-closed", "The student left, and the wallet is closed.", row, heading)
        return False

    # --- invoices ---------------------------------------------------------------------------------

    def invoices(self) -> None:
        found: dict[str, _Draft] = {}
        for row in self._roll.invoices:
            line = self._line(row)
            if line is None:
                continue
            draft = found.setdefault(line.reference, _Draft(line))
            if line.head != draft.first.head:
                self._refuse_invoice(
                    "contradiction",
                    f"Row {draft.first.row} has this reference too, with another family, number "
                    "or day.",
                    row,
                    Column.REFERENCE,
                )
            elif line.line in draft.lines:
                self._findings.warning(
                    "duplicate-row",
                    f"Row {draft.rows[draft.lines.index(line.line)]} says this already.",
                    kind=Kind.OPEN_INVOICES,
                    row=row.number,
                )
            else:
                draft.lines.append(line.line)
                draft.rows.append(row.number)
        for draft in found.values():
            self._invoice(draft)

    def _line(self, row: Row) -> "_Line | None":
        missing = [
            column
            for column in sorted(NEEDED[Kind.OPEN_INVOICES])
            if row.get(column) is None and Heading(column) in row.values
        ]
        for column in missing:
            self._refuse_invoice("missing-value", "An open invoice needs it.", row, column)
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
            self._refuse_invoice("student-not-in-family", message, row, Column.STUDENT_KEY)
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
            message = f"There is no {what} {shown(key)}, in this file or at the school."
            self._refuse_invoice(f"unknown-{what}", message, row, column)
        return found

    def _label(self, row: Row) -> str | None:
        """Return what the invoice is called: with its former number, which parents know."""
        number = row.text(Column.NUMBER)
        label = str(row.text(Column.LABEL)) + (f" ({number})" if number else "")
        if len(label) > _LONGEST_LABEL:
            message = f"With its number the label has more than {_LONGEST_LABEL} characters."
            self._refuse_invoice("invalid-text", message, row, Column.LABEL)
            return None
        return label

    def _days(self, row: Row) -> tuple[date, date] | None:
        issued_on, due_on = row.get(Column.ISSUED_ON), row.get(Column.DUE_ON)
        if not isinstance(issued_on, date) or not isinstance(due_on, date):
            return None
        if issued_on > self._known.today:
            message = f"{issued_on} lies in the future."
            self._refuse_invoice("date-in-future", message, row, Column.ISSUED_ON)
            return None
        if due_on < issued_on:
            message = f"It would be due on {due_on}, before it was issued on {issued_on}."
            self._refuse_invoice("due-before-issue", message, row, Column.DUE_ON)
            return None
        return issued_on, due_on

    def _invoice(self, draft: "_Draft") -> None:
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
        if len(draft.lines) > MOST_LINES or invoice.total_cents > BIGGEST_AMOUNT_CENTS:
            message = "The rows of this reference make more than an invoice can hold."
            self._findings.error(
                "invalid-amount", message, kind=Kind.OPEN_INVOICES, row=row, heading=heading
            )
            return
        target = f"the invoice {shown(label)}"
        if not self._is_free(reference, reference, target, Kind.OPEN_INVOICES, row, heading):
            return
        account_id = self._money.account_of.get(reference)
        known = self._money.invoices.get(account_id) if account_id else None
        if account_id is None:
            self._plan.invoices.append(invoice)
        elif known is None:
            self._findings.error(
                "reference-taken",
                _taken(reference),
                kind=Kind.OPEN_INVOICES,
                row=row,
                heading=heading,
            )
        elif (known.family_id, known.total_cents) == (family_id, invoice.total_cents):
            self._plan.known_invoices += 1
        else:
            self._findings.error(
                "open-invoice-changed",
                f"This reference pays an invoice of {euros(known.total_cents)} € already, and "
                f"that stays; here it is {euros(invoice.total_cents)} €, or another family.",
                kind=Kind.OPEN_INVOICES,
                row=row,
                heading=heading,
            )

    def _year_of(self, day: date) -> UUID:
        """Return the school year of a day, or the one that the file is for."""
        within = [each.id for each in self._money.years if each.begins_on <= day <= each.ends_on]
        return within[0] if within else self._known.year_id

    # --- what both have in common -----------------------------------------------------------------

    def _is_free(
        self, reference: str, target: object, name: str, kind: Kind, row: int, heading: Heading
    ) -> bool:
        """Tell whether the file lets a reference pay one thing only."""
        before, called = self._targets.setdefault(reference, (target, name))
        if before == target:
            return True
        message = f"{formatted(Reference(reference))} pays {called} already, in this file."
        self._findings.error("reference-twice", message, kind=kind, row=row, heading=heading)
        return False

    def _refuse(self, code: str, message: str, row: int, heading: Heading) -> None:
        self._findings.error(code, message, kind=Kind.ROLL, row=row, heading=heading)

    def _refuse_invoice(self, code: str, message: str, row: Row, column: Column) -> None:
        self._findings.error(
            code, message, kind=Kind.OPEN_INVOICES, row=row.number, heading=Heading(column)
        )


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


def _keys(known: Sequence[Student | Family]) -> dict[str, UUID]:
    """Return people by our ids and, before these, by the keys that the school gave them."""
    by_id = {str(each.id): each.id for each in known}
    return by_id | {each.external_key: each.id for each in known if each.external_key}


def _taken(reference: str) -> str:
    return (
        f"{formatted(Reference(reference))} pays something else at this school: "
        "parents who use it would pay that."
    )
