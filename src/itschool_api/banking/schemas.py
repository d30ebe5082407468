"""What clients send to and receive about the bank."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from itschool_api.banking.matching import Cause, State
from itschool_api.contract import Document, Form, PositiveCents, exactly_one_of
from itschool_api.pagination import Page

MOST_STATEMENTS = 10_000
MOST_FINDINGS = 1_000


class Outcome(StrEnum):
    """What became of a statement."""

    IMPORTED = "imported"
    DUPLICATE = "duplicate"


class ImportFinding(Document):
    """Something unusual that did not stop the import."""

    code: str = Field(max_length=100, examples=["balance-gap"])
    message: str = Field(
        max_length=1000, examples=["Opens with 12.00 where the one before closed with 10.00."]
    )
    line: int | None = Field(description="Line of the file.", examples=[None])


class ReportedStatement(Document):
    """One statement of a file."""

    id: UUID | None = Field(description="Null in a preview.")
    outcome: Outcome
    iban: str = Field(max_length=34, examples=["BE15732664554630"])
    number: int = Field(description="From 1 each year; 0 where the bank does not count.")
    separate_application: str = Field(
        max_length=5, description="`00000`: all of the account's movements.", examples=["00000"]
    )
    opening_on: date | None
    closing_on: date
    opening_cents: int
    closing_cents: int
    transactions: int = Field(description="How many movements it books.", examples=[12])
    findings: list[ImportFinding] = Field(
        max_length=MOST_FINDINGS, description="The first of them, where they are very many."
    )


class Sum(Document):
    """A count and a sum."""

    count: int = Field(examples=[3])
    cents: int = Field(description="Credits positive, debits negative.", examples=[12345])


class CauseSum(Sum):
    """A count and a sum for one cause."""

    cause: Cause


class CausesSum(Sum):
    """A count and a sum, and the same by cause."""

    by_cause: list[CauseSum] = Field(max_length=100)


class ImportReport(Document):
    """What a file did, or in a preview would do: paid + suspense + ignored = transactions."""

    id: UUID | None = Field(description="Of the import; null where nothing was imported.")
    preview: bool = Field(description="Whether nothing was written.")
    imported_at: datetime | None
    file_sha256: str = Field(max_length=64)
    statements: list[ReportedStatement] = Field(max_length=MOST_STATEMENTS)
    transactions: Sum = Field(
        description="All movements of the statements that are not duplicates."
    )
    paid: Sum = Field(description="Those that went to wallets and invoices.")
    suspense: CausesSum = Field(description="Those that wait for a decision.")
    ignored: CausesSum = Field(description="Those that concern no parent.")


class BankStatement(Document):
    """A statement of account, and what became of its movements."""

    id: UUID
    iban: str = Field(max_length=34, examples=["BE15732664554630"])
    number: int
    separate_application: str = Field(max_length=5, examples=["00000"])
    opening_on: date | None
    closing_on: date
    opening_cents: int
    closing_cents: int
    transactions: int
    imported_at: datetime
    import_id: UUID


BankStatementSort = Literal["id", "-id", "closing_on", "-closing_on"]


class BankStatementPage(Page[BankStatement]):
    """A part of the statements."""


class BankStatementDetails(BankStatement):
    """A statement and, as it is now, what became of its movements."""

    paid: Sum
    suspense: CausesSum
    ignored: CausesSum


class TransactionAllocation(Document):
    """Where money of a transaction went."""

    account: str = Field(description="`wallet` or `invoice`.", max_length=10, examples=["wallet"])
    wallet_id: UUID | None
    invoice_id: UUID | None
    amount_cents: int
    allocated_by: str = Field(
        max_length=60, description="`matching`, or who decided.", examples=["matching"]
    )
    allocated_at: datetime


class BankTransaction(Document):
    """A movement on a bank account of the school."""

    id: UUID
    statement_id: UUID
    ordinal: int = Field(description="Its place in the statement, from 1.")
    state: State
    cause: Cause | None = Field(description="Why it waits or is ignored.")
    amount_cents: int = Field(description="Credits positive, debits negative.", examples=[5000])
    value_on: date | None
    booked_on: date
    transaction_code: str = Field(max_length=8, examples=["00150000"])
    reference: str | None = Field(max_length=25, examples=["123456789002"])
    communication: str = Field(max_length=1000)
    counterparty_name: str = Field(max_length=100)
    counterparty_account: str = Field(max_length=40)


BankTransactionSort = Literal[
    "id", "-id", "booked_on", "-booked_on", "amount_cents", "-amount_cents"
]


class BankTransactionPage(Page[BankTransaction]):
    """A part of the transactions."""


class BankTransactionDetails(BankTransaction):
    """A transaction and where its money went."""

    allocations: list[TransactionAllocation] = Field(max_length=1000)


class NewAllocation(Form):
    """A part of the money, for a wallet or for an invoice."""

    wallet_id: UUID | None = None
    invoice_id: UUID | None = None
    amount_cents: PositiveCents = Field(examples=[5000])

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.wallet_id is None) == (self.invoice_id is None):
            raise exactly_one_of("wallet_id", "invoice_id")
        return self


class NewAllocations(Form):
    """How to share a transaction out; the parts make up its amount."""

    allocations: list[NewAllocation] = Field(min_length=1, max_length=100)
