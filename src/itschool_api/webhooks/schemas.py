"""What clients send to and receive about webhooks."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from itschool_api.contract import UNCHANGED, Changes, Document, Flag, Form, Instant, ShortText
from itschool_api.pagination import Page
from itschool_api.webhooks import destinations
from itschool_api.webhooks.payloads import (
    EventType,
    InvoiceIssuedMessage,
    PaymentInSuspenseMessage,
    PaymentMatchedMessage,
    WalletLowMessage,
    WebhookTestMessage,
)

_Url = Annotated[
    str, StringConstraints(max_length=destinations.LONGEST, pattern=destinations.PATTERN)
]
_URL = "https://hooks.example.org/itschool"


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class NewWebhookEndpoint(Form):
    """The receiver to tell."""

    url: _Url = Field(
        description="Where to send: https, a public address, no credentials in it. Redirects are "
        "not followed.",
        examples=[_URL],
    )
    description: ShortText = Field("", description="What it is.", examples=["Canteen system"])
    event_types: list[EventType] = Field(
        min_length=1,
        max_length=20,
        description="What to tell it of.",
        examples=[["invoice.issued", "payment.matched"]],
    )
    enabled: Flag = Field(True, description="False: it is told nothing for now.")


class WebhookEndpointChanges(Changes):
    """What the receiver is to be from now on; what is left out stays."""

    url: _Url = Field(UNCHANGED, examples=[_URL])
    description: ShortText = Field(UNCHANGED, examples=["Canteen system"])
    event_types: list[EventType] = Field(
        UNCHANGED, min_length=1, max_length=20, examples=[["invoice.issued", "wallet.low"]]
    )
    enabled: Flag = Field(
        UNCHANGED,
        description="False: it is told nothing, and what waits for it fails. What happens "
        "meanwhile is not told later.",
    )


class WebhookEndpoint(Document):
    """A receiver, without its secret."""

    id: UUID
    url: str = Field(max_length=destinations.LONGEST, examples=[_URL])
    description: str = Field(max_length=120, examples=["Canteen system"])
    event_types: list[str] = Field(max_length=20, examples=[["invoice.issued"]])
    enabled: bool
    disabled_reason: Literal["failing", "gone"] | None = Field(
        description="Why we disabled it: nothing arrived for five days, or it answered 410.",
        examples=[None],
    )
    failing_since: datetime | None = Field(
        description="The first failure since the last success.", examples=[None]
    )
    previous_secret_until: datetime | None = Field(
        description="Until when the secret before the last rotation signs too.",
        examples=[None],
    )
    created_at: datetime


class WebhookEndpointPage(Page[WebhookEndpoint]):
    """A part of the receivers."""


class CreatedWebhookEndpoint(WebhookEndpoint):
    """A new receiver; this is the only time that its secret is shown."""

    secret: str = Field(
        max_length=60,
        description="What its messages are signed with: keep it now.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmfKQ9r8GKYo="],
    )


class WebhookSecretRotation(Form):
    """How the secret changes."""

    previous_valid_hours: int = Field(
        24,
        strict=True,
        ge=0,
        le=24,
        description="How long messages are signed with the former secret too; 0 where it leaked.",
        examples=[24],
    )


class WebhookSecret(Document):
    """A new secret; this is the only time that it is shown."""

    secret: str = Field(
        max_length=60, examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwmfKQ9r8GKYo="]
    )
    previous_secret_until: datetime | None = Field(
        description="Until when messages carry a signature by the former one too."
    )


class WebhookDelivery(Document):
    """A message on its way to a receiver, and how its last try went."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID = Field(description="The header `webhook-id`, the same for every try.")
    event_type: str = Field(max_length=50, examples=["invoice.issued"])
    status: DeliveryStatus = Field(
        description="`pending`: it will be tried, or tried again. `failed`: it will not."
    )
    attempts: int = Field(
        description="How often it was tried since it was queued, or queued again.", examples=[1]
    )
    created_at: datetime
    next_attempt_at: datetime | None
    attempted_at: datetime | None = Field(description="The last try.")
    response_status: int | None = Field(
        description="What the receiver answered; null: nothing.", examples=[204]
    )
    duration_ms: int | None = Field(examples=[87])
    reply: str | None = Field(
        max_length=1000, description="How its answer began.", examples=["Thank you"]
    )
    reason: str | None = Field(
        max_length=200, description="Why the last try failed.", examples=[None]
    )


WebhookDeliverySort = Literal["id", "-id"]


class WebhookDeliveryPage(Page[WebhookDelivery]):
    """A part of the deliveries."""


Message = Annotated[
    InvoiceIssuedMessage
    | PaymentMatchedMessage
    | PaymentInSuspenseMessage
    | WalletLowMessage
    | WebhookTestMessage,
    Field(discriminator="type"),
]


class WebhookDeliveryDetails(WebhookDelivery):
    """A delivery with its message."""

    message: Message = Field(description="What is sent.")


class Redelivery(Form):
    """Which deliveries to try again."""

    since: Instant = Field(
        description="Those that failed of what happened from this instant on.",
        examples=["2026-11-23T00:00:00Z"],
    )


class RedeliveryReport(Document):
    """How many deliveries are tried again."""

    queued: int = Field(examples=[12])


def delivery_facts(delivery: Any, event_type: str) -> dict[str, Any]:
    """Return what a delivery's document says."""
    names = WebhookDelivery.model_fields.keys() - {"event_type"}
    return {name: getattr(delivery, name) for name in names} | {"event_type": event_type}


def message_of(body: str) -> Any:
    """Return a body as it was sent, for `WebhookDeliveryDetails`."""
    return json.loads(body)
