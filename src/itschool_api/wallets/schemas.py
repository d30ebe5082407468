"""What clients receive about wallets."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from itschool_api.contract import Document
from itschool_api.pagination import Page


class WalletStudent(Document):
    """Whose wallet it is."""

    id: UUID
    first_name: str = Field(max_length=120, examples=["Noor"])
    last_name: str = Field(max_length=120, examples=["Peeters"])


class WalletCompartment(Document):
    """What its money is for."""

    id: UUID
    name: str = Field(max_length=120, examples=["Compartiment général"])


class Wallet(Document):
    """One student's money in one compartment."""

    id: UUID
    student: WalletStudent
    compartment: WalletCompartment
    balance_cents: int = Field(description="What is in it, in cents.", examples=[1045])
    floor_cents: int = Field(
        description="How far the balance may fall, in cents: 0, or below for credit.", examples=[0]
    )
    closed: bool = Field(description="Whether it takes and gives nothing any more.")
    imported_until: date | None = Field(
        description="Until which day the school has imported its bank statements: a transfer "
        "made since then does not show yet.",
        examples=["2026-11-23"],
    )


WalletSort = Literal["student", "-student", "balance_cents", "-balance_cents"]


class WalletPage(Page[Wallet]):
    """A part of the wallets."""


class OperationKind(StrEnum):
    """Where an operation came from."""

    TOP_UP = "top_up"
    PAYMENT = "payment"
    REVERSAL = "reversal"
    OPENING = "opening"
    OTHER = "other"


class Operation(Document):
    """A line of a wallet's history."""

    id: UUID
    booked_on: date = Field(description="The day that counts.")
    recorded_at: datetime = Field(description="When it was written into the books.")
    kind: OperationKind
    amount_cents: int = Field(description="What it changed, in cents.", examples=[5000])
    balance_cents: int = Field(description="The balance after it, in cents.", examples=[6045])


class OperationPage(Page[Operation]):
    """A part of the operations, newest first."""


class PaymentDetails(Document):
    """How to pay by transfer; asked for as an image, it is the QR code."""

    iban: str = Field(max_length=34, examples=["BE15732664554630"])
    bic: str | None = Field(max_length=11, examples=["CREGBEBB"])
    beneficiary: str = Field(max_length=120, examples=["Athénée Les Tilleuls"])
    reference: str = Field(
        max_length=12, description="The twelve digits, bare.", examples=["123456789002"]
    )
    reference_display: str = Field(
        max_length=20, description="As people write it.", examples=["+++123/4567/89002+++"]
    )
    amount_cents: int | None = Field(
        description="What remains to be paid, in cents; null where the payer chooses.",
        examples=[None],
    )
    epc_payload: str = Field(max_length=331, description="Content of the QR code (EPC069-12).")
    imported_until: date | None = Field(
        description="Until which day the school has imported its bank statements."
    )
