"""Signatures of webhooks, as Standard Webhooks 1.0 asks (standardwebhooks.com). Pure.

A secret follows from the endpoint's id and a version by a key of the server: nothing of it is
stored, so no copy of the database can sign.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

PREFIX: Final = "whsec_"


def secret(key: bytes, endpoint_id: UUID, version: int) -> str:
    """Return an endpoint's secret of a version: 256 bits, as its receiver holds it."""
    mac = hmac.digest(key, endpoint_id.bytes + version.to_bytes(4), "sha256")
    return PREFIX + base64.b64encode(mac).decode()


def headers(
    message_id: UUID, sent_at: datetime, body: bytes, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the headers that prove a message, with a signature by each of the secrets.

    The id is the message's, the same for every try; the instant is the try's, so that a receiver
    can refuse what is old.
    """
    timestamp = str(int(sent_at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(each, signed) for each in secrets),
    }


def _signature(text: str, signed: bytes) -> str:
    mac = hmac.digest(base64.b64decode(text.removeprefix(PREFIX)), signed, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"
