"""What receivers are sent, for the `webhooks` of the OpenAPI document; nobody calls these."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header

from itschool_api.webhooks.payloads import (
    InvoiceIssuedMessage,
    PaymentInSuspenseMessage,
    PaymentMatchedMessage,
    WalletLowMessage,
    WebhookTestMessage,
)

router = APIRouter(tags=["webhooks"])

MessageId = Annotated[
    UUID,
    Header(alias="webhook-id", description="The same for every try: what came before is known."),
]
SentAt = Annotated[
    int,
    Header(
        alias="webhook-timestamp",
        description="When this try was made, in seconds since 1970: refuse what is older than five "
        "minutes.",
        examples=[1_795_000_000],
    ),
]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        max_length=200,
        description="`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`; two of them, "
        "with a blank between, while the secret changes.",
        examples=["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="],
    ),
]
_DONE: Final[dict[int | str, dict[str, Any]]] = {
    "2XX": {"description": "Any success: it is not sent again."}
}


@router.post("invoice.issued", operation_id="invoice_issued", responses=_DONE)
async def invoice_issued(
    message: InvoiceIssuedMessage, message_id: MessageId, sent_at: SentAt, signature: Signature
) -> None:
    """Hear that an invoice was issued: its family owes it from now on."""


@router.post("payment.matched", operation_id="payment_matched", responses=_DONE)
async def payment_matched(
    message: PaymentMatchedMessage, message_id: MessageId, sent_at: SentAt, signature: Signature
) -> None:
    """Hear that a payment reached wallets and invoices: with the bank's file, or by a decision."""


@router.post("payment.in_suspense", operation_id="payment_in_suspense", responses=_DONE)
async def payment_in_suspense(
    message: PaymentInSuspenseMessage, message_id: MessageId, sent_at: SentAt, signature: Signature
) -> None:
    """Hear that a payment waits: the bank's file did not tell whose it is."""


@router.post("wallet.low", operation_id="wallet_low", responses=_DONE)
async def wallet_low(
    message: WalletLowMessage, message_id: MessageId, sent_at: SentAt, signature: Signature
) -> None:
    """Hear that a wallet's balance fell below the threshold of its compartment.

    Told once: again only after it was above.
    """


@router.post("webhook.test", operation_id="webhook_test", responses=_DONE)
async def webhook_test(
    message: WebhookTestMessage, message_id: MessageId, sent_at: SentAt, signature: Signature
) -> None:
    """Hear nothing: somebody asked for a test."""
