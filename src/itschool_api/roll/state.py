"""What is known before a roll is taken, and what is planned with it: plain values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from itschool_api.money import Cents


@dataclass(frozen=True, slots=True)
class Student:
    """A student as known."""

    id: UUID
    external_key: str | None
    first_name: str
    last_name: str
    birth_date: date | None
    left_on: date | None
    is_erased: bool

    @property
    def name(self) -> str:
        """Return how people call them."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Guardian:
    """A guardian as known."""

    id: UUID
    external_key: str | None
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    language: str
    is_erased: bool

    @property
    def name(self) -> str:
        """Return how people call them."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Family:
    """A family as known."""

    id: UUID
    external_key: str | None
    name: str
    language: str
    street: str | None
    postal_code: str | None
    city: str | None
    is_erased: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """A student's place in a family, as known."""

    id: UUID
    share_bp: int
    family_name: str


@dataclass(frozen=True, slots=True)
class Guardianship:
    """A guardianship as known."""

    id: UUID
    sees_money: bool
    starts_on: date
    ends_on: date | None
    guardian_name: str
    family_name: str

    def is_over(self, today: date) -> bool:
        """Tell whether it counted, and does no more."""
        return self.ends_on is not None and self.ends_on < today


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A student's class in the year, as known."""

    id: UUID
    class_group_id: UUID


@dataclass(frozen=True, slots=True)
class Compartment:
    """A purpose of money."""

    id: UUID
    name: str
    is_general: bool
    floor_cents: Cents


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet as it stands, its account locked."""

    id: UUID
    account_id: UUID
    balance_cents: Cents
    floor_cents: Cents | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """An issued invoice that a reference of the file pays already."""

    family_id: UUID
    total_cents: Cents


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """A school year."""

    id: UUID
    begins_on: date
    ends_on: date


@dataclass(frozen=True, slots=True)
class Money:
    """What is known of the wallets and references that a file carries over."""

    compartments: Sequence[Compartment] = ()
    wallets: Mapping[tuple[UUID, UUID], Wallet] = field(default_factory=dict)
    """By student and compartment."""
    account_of: Mapping[str, UUID] = field(default_factory=dict)
    """Reference → the account that it pays into."""
    openings: Mapping[UUID, Cents] = field(default_factory=dict)
    """Wallet → the balance that it was opened with."""
    invoices: Mapping[UUID, Invoice] = field(default_factory=dict)
    """By account."""
    years: Sequence[SchoolYear] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """Active students of one class whom the file does not name."""

    class_group: str | None
    count: int
    first: str
    """The names and keys of the first of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """The school as it stands, as far as a file speaks of it."""

    today: date
    year_id: UUID
    language: str
    students: Sequence[Student] = ()
    guardians: Sequence[Guardian] = ()
    families: Sequence[Family] = ()
    class_groups: Mapping[str, UUID] = field(default_factory=dict)
    enrolments: Mapping[UUID, Enrolment] = field(default_factory=dict)
    """By student."""
    memberships: Mapping[tuple[UUID, UUID], Membership] = field(default_factory=dict)
    """By student and family."""
    guardianships: Mapping[tuple[UUID, UUID, UUID], Guardianship] = field(default_factory=dict)
    """By student, guardian and family."""
    absent: Sequence[Absent] = ()
    """The active students that the file does not name, by class."""
    money: Money = field(default_factory=Money)


@dataclass(slots=True)
class Writes:
    """Rows of one table to add and to change, and how many stay as they are."""

    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is to be written."""
        return not (self.new or self.changed)


@dataclass(frozen=True, slots=True)
class NewReference:
    """A reference to pay into a wallet."""

    student_id: UUID
    compartment_id: UUID
    reference: str


@dataclass(frozen=True, slots=True)
class NewOpening:
    """A balance to open a wallet with."""

    student_id: UUID
    compartment_id: UUID
    cents: Cents


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """An open invoice to carry over."""

    family_id: UUID
    school_year_id: UUID
    label: str
    issued_on: date
    due_on: date
    reference: str
    lines: tuple[tuple[UUID, str, Cents], ...]
    """Student, label, amount."""

    @property
    def total_cents(self) -> Cents:
        """Return what it is for."""
        return Cents(sum(cents for _, _, cents in self.lines))


@dataclass(slots=True)
class Plan:
    """What taking a roll would do."""

    students: Writes = field(default_factory=Writes)
    class_groups: Writes = field(default_factory=Writes)
    enrolments: Writes = field(default_factory=Writes)
    guardians: Writes = field(default_factory=Writes)
    families: Writes = field(default_factory=Writes)
    memberships: Writes = field(default_factory=Writes)
    guardianships: Writes = field(default_factory=Writes)
    ended: list[UUID] = field(default_factory=list)
    """Guardianships to end."""
    removed: list[UUID] = field(default_factory=list)
    """Memberships to remove."""
    references: list[NewReference] = field(default_factory=list)
    known_references: int = 0
    openings: list[NewOpening] = field(default_factory=list)
    known_openings: int = 0
    invoices: list[NewInvoice] = field(default_factory=list)
    known_invoices: int = 0
    student_ids: dict[str, UUID] = field(default_factory=dict)
    family_ids: dict[str, UUID] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would change."""
        tables = (
            self.students,
            self.class_groups,
            self.enrolments,
            self.guardians,
            self.families,
            self.memberships,
            self.guardianships,
        )
        rest = (self.ended, self.removed, self.references, self.openings, self.invoices)
        return all(table.is_empty for table in tables) and not any(rest)
