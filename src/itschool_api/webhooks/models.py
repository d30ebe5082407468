"""Tables of webhooks: who is told, of what, and what became of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, school_key, tenant_key


class WebhookEndpoint(TenantOwned, Base):
    """A receiver of the school's; its secret follows from its id and version (`signing`)."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (school_key(),)

    url: Mapped[str]
    description: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    """Why the program disabled it; null where a person did, or nobody."""
    secret_version: Mapped[int]
    previous_secret_until: Mapped[datetime | None]
    """Until when the version before signs too."""
    failing_since: Mapped[datetime | None]
    """The first failure after the last success."""
    created_at: Mapped[datetime]


class WebhookEvent(TenantOwned, Base):
    """What happened, in the bytes that every receiver gets; its id is the message's."""

    __tablename__ = "webhook_events"
    __table_args__ = (school_key(), Index(None, "school_id", "occurred_at"))

    type: Mapped[str]
    occurred_at: Mapped[datetime]
    body: Mapped[str]


class WebhookDelivery(TenantOwned, Base):
    """An event on its way to an endpoint, and its last try."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        school_key(),
        tenant_key("webhook_endpoints", "endpoint_id"),
        tenant_key("webhook_events", "event_id"),
        Index(None, "school_id", "endpoint_id", "id"),
        Index(None, "school_id", "event_id"),
        Index(
            "ix_webhook_deliveries_pending",
            "school_id",
            "endpoint_id",
            "next_attempt_at",
            postgresql_where=text("status = 'pending'"),
        ),
        CheckConstraint("status IN ('pending', 'succeeded', 'failed')", "status"),
        CheckConstraint("(status = 'pending') = (next_attempt_at IS NOT NULL)", "pending"),
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]
    status: Mapped[str]
    attempts: Mapped[int]
    """Since it was queued, or queued again."""
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    """When it is due; while it is sent, when it would be due if its job were lost."""
    claimed_by: Mapped[int | None] = mapped_column(BigInteger)
    """The job that sends it now."""
    attempted_at: Mapped[datetime | None]
    response_status: Mapped[int | None] = mapped_column(SmallInteger)
    duration_ms: Mapped[int | None]
    reply: Mapped[str | None]
    """The first bytes of the answer."""
    reason: Mapped[str | None]
    """Why the last try failed, in our words."""
