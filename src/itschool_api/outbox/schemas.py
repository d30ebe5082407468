"""What clients receive about a school's mails."""

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field

from itschool_api.contract import Document
from itschool_api.mail.messages import Kind
from itschool_api.pagination import Page


class MailStatus(StrEnum):
    """What became of a mail."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Mail(Document):
    """A mail that the school sent, or tries to send; its words are not kept."""

    id: UUID = Field(description="Also part of its Message-ID, which is the same for every try.")
    kind: Kind = Field(examples=["invitation"])
    user_id: UUID = Field(description="Whom it was written to.")
    about_id: UUID | None = Field(
        description="What it tells of: the offer or the export.", examples=[None]
    )
    recipient: str = Field(max_length=254, examples=["an.peeters@example.org"])
    language: str = Field(max_length=2, examples=["fr"])
    status: MailStatus = Field(
        description="`sent`: the mail server has taken it. `failed`: it will not be tried again. "
        "`superseded`: it was not needed any more, for a newer login token was made meanwhile."
    )
    attempts: int = Field(description="How often it was handed over.", examples=[1])
    reason: str | None = Field(
        max_length=500,
        description="Why it did not leave, in the mail server's words where it said any.",
        examples=["550 no such user"],
    )
    queued_at: datetime
    attempted_at: datetime | None = Field(description="The last try.")
    sent_at: datetime | None


MailSort = Literal["id", "-id"]


class MailPage(Page[Mail]):
    """A part of the mails."""
