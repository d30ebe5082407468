"""From rows to people: what the rows say of each student, guardian and family, put together. Pure.

A student stands on as many rows as there are guardians; what the rows say of one person must agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from itschool_api.roll.cells import Value
from itschool_api.roll.columns import MONEY, Column, Heading, Kind
from itschool_api.roll.findings import Findings, shown, told
from itschool_api.roll.reading import Roll, Row

_OF_STUDENT: Final = (
    Column.STUDENT_FIRST_NAME,
    Column.STUDENT_LAST_NAME,
    Column.BIRTH_DATE,
    Column.CLASS_GROUP,
)
_OF_GUARDIAN: Final = (
    Column.GUARDIAN_FIRST_NAME,
    Column.GUARDIAN_LAST_NAME,
    Column.EMAIL,
    Column.PHONE,
    Column.LANGUAGE,
)
_OF_FAMILY: Final = (
    Column.FAMILY_NAME,
    Column.FAMILY_LANGUAGE,
    Column.STREET,
    Column.POSTAL_CODE,
    Column.CITY,
)
# What says that a row is about a guardian, or about a family, at all.
_NAMES_GUARDIAN: Final = (
    Column.GUARDIAN_FIRST_NAME,
    Column.GUARDIAN_LAST_NAME,
    Column.PHONE,
    Column.SEES_MONEY,
)
_NAMES_FAMILY: Final = (
    Column.FAMILY_NAME,
    Column.STREET,
    Column.POSTAL_CODE,
    Column.CITY,
    Column.SHARE,
)


class Membership(NamedTuple):
    """A student in a family, by their keys."""

    student: str
    family: str


class Guardianship(NamedTuple):
    """A guardian of a student within a family, by their keys."""

    student: str
    guardian: str
    family: str


@dataclass(slots=True)
class Facts:
    """What the rows say of one thing, and the first row that says it."""

    row: int
    values: dict[Heading, Value] = field(default_factory=dict)
    rows: dict[Heading, int] = field(default_factory=dict)

    def get(self, column: Column) -> Value:
        """Return what is said; None where nothing is."""
        return self.values.get(Heading(column))

    def text(self, column: Column) -> str | None:
        """Return a text that is said; None where nothing is."""
        value = self.get(column)
        return None if value is None else str(value)

    def says(self, column: Column) -> bool:
        """Tell whether the file speaks of it, though it may say that there is none."""
        return Heading(column) in self.values


@dataclass(slots=True)
class People:
    """Everybody that a roll names, in the order in which it does."""

    students: dict[str, Facts] = field(default_factory=dict)
    guardians: dict[str, Facts] = field(default_factory=dict)
    families: dict[str, Facts] = field(default_factory=dict)
    memberships: dict[Membership, Facts] = field(default_factory=dict)
    guardianships: dict[Guardianship, Facts] = field(default_factory=dict)
    keyed_by_email: set[str] = field(default_factory=set)
    """The guardians without a key of their own: their address stands for it."""
    references: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """Student and compartment → references and the rows that name them."""


def gather(roll: Roll) -> People:
    """Put a roll's rows together; what contradicts itself becomes a finding."""
    people = People()
    gatherer = _Gatherer(people, roll.findings)
    for row in roll.rows:
        gatherer.take(row)
    return people


class _Gatherer:
    def __init__(self, people: People, findings: Findings) -> None:
        self._people = people
        self._findings = findings

    def take(self, row: Row) -> None:
        people = self._people
        student_key = row.text(Column.STUDENT_KEY)
        if student_key is None:
            if Heading(Column.STUDENT_KEY) in row.values:
                self._error("missing-value", "Each row needs its student.", row, Column.STUDENT_KEY)
            return
        student = people.students.setdefault(student_key, Facts(row.number))
        self._merge(student, row, _OF_STUDENT, f"student {shown(student_key)}")
        self._money(student_key, student, row)
        guardian_key = self._guardian(row)
        family_key = self._family(row, guardian_key)
        if family_key is None:
            return
        membership = people.memberships.setdefault(
            Membership(student_key, family_key), Facts(row.number)
        )
        self._merge(membership, row, (Column.SHARE,), f"student {shown(student_key)} in its family")
        if guardian_key is None:
            return
        link = Guardianship(student_key, guardian_key, family_key)
        known = people.guardianships.get(link)
        if known is not None:
            self._findings.warning(
                "duplicate-row",
                told("Row {other} says this already.", other=known.row),
                kind=Kind.ROLL,
                row=row.number,
            )
        facts = people.guardianships.setdefault(link, Facts(row.number))
        self._merge(facts, row, (Column.SEES_MONEY,), "this guardian of this student")

    def _guardian(self, row: Row) -> str | None:
        """Return the key of the row's guardian: their own, else their e-mail address."""
        people = self._people
        email = row.text(Column.EMAIL)
        key = row.text(Column.GUARDIAN_KEY) or email
        if key is None:
            is_told = row.broken & {Column.GUARDIAN_KEY, Column.EMAIL}
            if not is_told and any(row.get(column) is not None for column in _NAMES_GUARDIAN):
                self._error(
                    "missing-value",
                    "A guardian needs a key, or at least an e-mail address to be known by.",
                    row,
                    Column.GUARDIAN_KEY,
                )
            return None
        if row.text(Column.GUARDIAN_KEY) is None:
            people.keyed_by_email.add(key)
        guardian = people.guardians.setdefault(key, Facts(row.number))
        self._merge(guardian, row, _OF_GUARDIAN, f"guardian {shown(key)}")
        return key

    def _family(self, row: Row, guardian_key: str | None) -> str | None:
        key = row.text(Column.FAMILY_KEY)
        if key is None:
            needs_one = guardian_key is not None or any(
                row.get(column) is not None for column in _NAMES_FAMILY
            )
            if needs_one and Column.FAMILY_KEY not in row.broken:
                self._error(
                    "missing-value",
                    "A guardian sees a student within a family, which pays: it needs a key.",
                    row,
                    Column.FAMILY_KEY,
                )
            return None
        family = self._people.families.setdefault(key, Facts(row.number))
        self._merge(family, row, _OF_FAMILY, f"family {shown(key)}")
        return key

    def _money(self, student_key: str, student: Facts, row: Row) -> None:
        for heading, value in row.values.items():
            if heading.column not in MONEY or value is None:
                continue
            if heading.column is Column.REFERENCE:
                wallet = self._people.references.setdefault((student_key, heading.compartment), {})
                wallet.setdefault(str(value), row.number)
            else:
                self._take(student, row, heading, value, f"student {shown(student_key)}")

    def _merge(self, facts: Facts, row: Row, columns: Iterable[Column], whom: str) -> None:
        for column in columns:
            heading = Heading(column)
            if heading in row.values:
                self._take(facts, row, heading, row.values[heading], whom)

    def _take(self, facts: Facts, row: Row, heading: Heading, value: Value, whom: str) -> None:
        before = facts.values.get(heading)
        if before is None:
            facts.values[heading] = value
            facts.rows[heading] = row.number
        elif value is not None and value != before:
            self._findings.error(
                "contradiction",
                told(
                    "{here!q} here, {there!q} in row {other}, both of {whom}.",
                    here=value,
                    there=before,
                    other=facts.rows[heading],
                    whom=whom,
                ),
                kind=Kind.ROLL,
                row=row.number,
                heading=heading,
            )

    def _error(self, code: str, message: str, row: Row, column: Column) -> None:
        self._findings.error(code, message, kind=Kind.ROLL, row=row.number, heading=Heading(column))
