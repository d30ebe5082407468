"""What clients receive of the audit trail."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from itschool_api.contract import Document
from itschool_api.pagination import Page


class ActorKind(StrEnum):
    """What an actor is."""

    USER = "user"
    API_KEY = "api-key"
    OPERATOR = "operator"
    WORKER = "worker"


class Actor(Document):
    """Who did something."""

    kind: ActorKind = Field(
        description="`operator`: whoever runs the service. `worker`: the service by itself."
    )
    id: UUID | None = Field(description="The user's or the API key's.")
    name: str | None = Field(
        max_length=250,
        description="What they are called now; null once nobody is called so.",
        examples=["An Peeters"],
    )


class AuditEvent(Document):
    """One act."""

    id: UUID
    at: datetime
    actor: Actor
    action: str = Field(
        max_length=100,
        description="The operation's id in this document, the operator's command, or a job.",
        examples=["issue_invoice"],
    )
    subjects: dict[str, Annotated[list[UUID], Field(max_length=100)]] = Field(
        description="What it was upon: ids by kind, the first hundred of each.",
        examples=[{"invoice": ["01990a3c-7d1c-7b6e-8f0a-2f6d1c9b4e11"]}],
    )
    details: dict[str, bool | int | Annotated[list[str], Field(max_length=100)]] = Field(
        description="What became different where the action alone does not tell: which switch, "
        "the names of the fields, how many. Nothing that somebody wrote.",
        examples=[{"second_factor_required": True}],
    )
    request_id: str | None = Field(max_length=100, description="The request's `X-Request-Id`.")


AuditEventSort = Literal["at", "-at"]


class AuditEventPage(Page[AuditEvent]):
    """A part of the trail."""
