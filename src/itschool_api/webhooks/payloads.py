"""What webhooks say: ids, amounts and days, no name. Pure.

A receiver that wants more asks the API by the id. Fields are added within v1, never taken away.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from itschool_api.contract import Document


class EventType(StrEnum):
    """What an endpoint can be told of."""

    INVOICE_ISSUED = "invoice.issued"
    PAYMENT_MATCHED = "payment.matched"
    PAYMENT_IN_SUSPENSE = "payment.in_suspense"
    WALLET_LOW = "wallet.low"


TEST: Final = "webhook.test"
"""The type of what `send_test_webhook` sends; nobody subscribes to it."""


class InvoiceIssued(Document):
    """An invoice was issued: a family owes it from now on."""

    type: ClassVar[str] = EventType.INVOICE_ISSUED

    invoice_id: UUID
    family_id: UUID
    number: str = Field(max_length=40, examples=["F-2026-00003"])
    total_cents: int = Field(examples=[600])
    issued_on: date
    due_on: date = Field(examples=["2026-12-15"])


class AllocatedPart(Document):
    """Where a part of a payment went: to a wallet or to an invoice."""

    wallet_id: UUID | None
    invoice_id: UUID | None = Field(examples=[None])
    amount_cents: int = Field(examples=[2500])


class PaymentMatched(Document):
    """A payment reached wallets and invoices."""

    type: ClassVar[str] = EventType.PAYMENT_MATCHED

    transaction_id: UUID
    statement_id: UUID
    amount_cents: int = Field(examples=[2500])
    booked_on: date
    matched_by: Literal["import", "allocation"] = Field(
        description="`import`: by its reference, when the bank's file was read. `allocation`: by a "
        "decision, after it waited in suspense."
    )
    parts: list[AllocatedPart] = Field(max_length=1000)


class PaymentInSuspense(Document):
    """A payment waits for a decision: the bank's file did not tell whose it is."""

    type: ClassVar[str] = EventType.PAYMENT_IN_SUSPENSE

    transaction_id: UUID
    statement_id: UUID
    amount_cents: int = Field(description="Below 0 where money left the account.", examples=[2500])
    booked_on: date
    cause: str = Field(
        max_length=50, description="As `cause` of the transaction.", examples=["unknown_reference"]
    )


class WalletLow(Document):
    """A wallet's balance fell below its compartment's threshold; told once until it is above again."""

    type: ClassVar[str] = EventType.WALLET_LOW

    wallet_id: UUID
    student_id: UUID
    compartment_id: UUID
    balance_cents: int = Field(examples=[450])
    low_cents: int = Field(description="The threshold.", examples=[1000])


class WebhookTest(Document):
    """Somebody asked for a test: nothing happened."""

    type: ClassVar[str] = TEST

    endpoint_id: UUID


Payload = InvoiceIssued | PaymentMatched | PaymentInSuspense | WalletLow | WebhookTest


_ONE, _TWO = "0198c0de-4a10-7cc2-8f0b-0d6c0a4a4c0e", "0198c0de-4a11-7e4b-9a55-b7a50d6c0a4a"
_THREE = "0198c0de-4a12-71d3-a7a5-0d6c0a4a4c0e"


def _example(kind: str, **data: Any) -> ConfigDict:
    """Return the configuration of a message that shows one."""
    shown: dict[str, Any] = {"type": kind, "timestamp": "2026-11-24T13:29:16.482913Z", "data": data}
    return ConfigDict(json_schema_extra={"examples": [shown]})


class _Message(Document):
    """A message: what happened, and when."""

    timestamp: datetime = Field(description="When it happened.")


class InvoiceIssuedMessage(_Message):
    """An invoice was issued."""

    model_config = _example(
        "invoice.issued",
        invoice_id=_ONE,
        family_id=_TWO,
        number="F-2026-00003",
        total_cents=600,
        issued_on="2026-11-24",
        due_on="2026-12-15",
    )

    type: Literal["invoice.issued"]
    data: InvoiceIssued


class PaymentMatchedMessage(_Message):
    """A payment reached wallets and invoices."""

    model_config = _example(
        "payment.matched",
        transaction_id=_ONE,
        statement_id=_TWO,
        amount_cents=2500,
        booked_on="2026-11-23",
        matched_by="import",
        parts=[{"wallet_id": _THREE, "invoice_id": None, "amount_cents": 2500}],
    )

    type: Literal["payment.matched"]
    data: PaymentMatched


class PaymentInSuspenseMessage(_Message):
    """A payment waits for a decision."""

    model_config = _example(
        "payment.in_suspense",
        transaction_id=_ONE,
        statement_id=_TWO,
        amount_cents=2500,
        booked_on="2026-11-23",
        cause="unknown_reference",
    )

    type: Literal["payment.in_suspense"]
    data: PaymentInSuspense


class WalletLowMessage(_Message):
    """A wallet's balance fell below its threshold."""

    model_config = _example(
        "wallet.low",
        wallet_id=_ONE,
        student_id=_TWO,
        compartment_id=_THREE,
        balance_cents=450,
        low_cents=1000,
    )

    type: Literal["wallet.low"]
    data: WalletLow


class WebhookTestMessage(_Message):
    """A test."""

    model_config = _example("webhook.test", endpoint_id=_ONE)

    type: Literal["webhook.test"]
    data: WebhookTest


MESSAGES: Final[dict[str, type[_Message]]] = {
    EventType.INVOICE_ISSUED: InvoiceIssuedMessage,
    EventType.PAYMENT_MATCHED: PaymentMatchedMessage,
    EventType.PAYMENT_IN_SUSPENSE: PaymentInSuspenseMessage,
    EventType.WALLET_LOW: WalletLowMessage,
    TEST: WebhookTestMessage,
}


def message(payload: Payload, at: datetime) -> str:
    """Return the body of a message, as it is signed and sent at every try."""
    data = payload.model_dump_json()
    # The envelope by hand: of 100,000 payments it would be validated as often.
    instant = at.isoformat().replace("+00:00", "Z")
    return f'{{"type":"{payload.type}","timestamp":"{instant}","data":{data}}}'
