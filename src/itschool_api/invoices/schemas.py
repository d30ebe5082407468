"""What clients send to and receive about invoices."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from itschool_api.contract import (
    BIGGEST_AMOUNT_CENTS,
    Day,
    Document,
    Form,
    Name,
    PositiveCents,
)
from itschool_api.invoices.state import InvoiceStatus
from itschool_api.pagination import Page

Kind = Literal["compulsory", "optional", "service"]
MOST_LINES = 500


class NewInvoiceLine(Form):
    """One thing that is owed."""

    student_id: UUID
    label: Name = Field(examples=["Garderie, 30 min"])
    quantity: int = Field(1, strict=True, ge=1, le=10_000, examples=[4])
    unit_cents: int = Field(
        strict=True, ge=0, le=1_000_000_00, description="In cents.", examples=[75]
    )
    kind: Kind = Field("service", description="Belgian law asks that each cost says which it is.")


class NewInvoice(Form):
    """The invoice to draft."""

    family_id: UUID
    label: Name = Field(examples=["Garderie et étude, octobre"])
    series: Annotated[str, StringConstraints(pattern="^[A-Z0-9]{1,10}$")] = Field(
        "F", description="Each series is numbered by itself.", examples=["F"]
    )
    school_year_id: UUID | None = Field(None, description="Null: the present school year.")
    lines: list[NewInvoiceLine] = Field(
        min_length=1,
        max_length=MOST_LINES,
        description="What is paid too much goes to the wallet of the first line's student. "
        f"Together at most {BIGGEST_AMOUNT_CENTS} cents.",
    )

    @model_validator(mode="after")
    def _payable(self) -> Self:
        # More than this has no place in a QR code, nor in a payment.
        total_cents = sum(line.quantity * line.unit_cents for line in self.lines)
        if total_cents > BIGGEST_AMOUNT_CENTS:
            raise PydanticCustomError(
                "too_much_money",
                "the lines must not make more than {most_cents} cents",
                {"most_cents": BIGGEST_AMOUNT_CENTS},
            )
        return self


class Issue(Form):
    """How to issue a draft."""

    due_on: Day | None = Field(
        None,
        description="Null: as many days from now as the school gives.",
        examples=["2026-12-15"],
    )


class WalletPayment(Form):
    """A payment from a wallet."""

    wallet_id: UUID
    amount_cents: PositiveCents | None = Field(
        None, description="In cents; null: all that remains.", examples=[None]
    )


class InvoiceFamily(Document):
    """Whom an invoice is addressed to."""

    id: UUID
    name: str = Field(max_length=120, examples=["Famille Peeters"])


class Invoice(Document):
    """What a family owes, and how far it is paid."""

    id: UUID
    number: str | None = Field(
        max_length=40, description="Null for a draft.", examples=["F-2026-00003"]
    )
    label: str = Field(max_length=120, examples=["Garderie et étude, octobre"])
    status: InvoiceStatus
    overdue: bool = Field(description="Whether something is due since before today.")
    family: InvoiceFamily
    school_year_id: UUID
    created_at: datetime
    issued_on: date | None
    due_on: date | None = Field(examples=["2026-12-15"])
    total_cents: int = Field(examples=[600])
    paid_cents: int = Field(examples=[0])
    remaining_cents: int = Field(examples=[600])


InvoiceSort = Literal[
    "id",
    "-id",
    "number",
    "-number",
    "issued_on",
    "-issued_on",
    "due_on",
    "-due_on",
    "total_cents",
    "-total_cents",
    "remaining_cents",
    "-remaining_cents",
]


class InvoicePage(Page[Invoice]):
    """A part of the invoices."""


class InvoiceLine(Document):
    """One thing that is owed."""

    position: int = Field(examples=[1])
    student_id: UUID
    student_name: str = Field(max_length=250, examples=["Noor Peeters"])
    label: str = Field(max_length=120, examples=["Garderie, 30 min"])
    quantity: int = Field(examples=[4])
    unit_cents: int = Field(examples=[75])
    amount_cents: int = Field(examples=[300])
    paid_cents: int = Field(
        description="How much of it is paid: payments fill the lines in their order.", examples=[0]
    )
    kind: Kind


class InvoiceDetails(Invoice):
    """An invoice with its lines."""

    lines: list[InvoiceLine] = Field(max_length=MOST_LINES)


class InvoiceSummary(Document):
    """What there is to pay."""

    count: int = Field(description="How many invoices are to be paid.", examples=[2])
    remaining_cents: int = Field(description="What remains of them together.", examples=[877])
    next_due_on: date | None = Field(examples=["2026-12-06"])
    overdue_count: int = Field(examples=[0])
