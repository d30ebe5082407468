"""Table of mails: what was written to whom, and whether it left."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped

from itschool_api.database import Base, TenantOwned, school_key


class Mail(TenantOwned, Base):
    """A mail, by what it is about; its words are made when it is sent, and hold no row."""

    __tablename__ = "mails"
    __table_args__ = (
        school_key(),
        ForeignKeyConstraint(["user_id"], ["users.id"]),
        Index(None, "school_id", "status", "id"),
        Index(None, "school_id", "user_id", "id"),
        CheckConstraint("status IN ('queued', 'sent', 'failed', 'superseded')", "status"),
    )

    kind: Mapped[str]
    user_id: Mapped[UUID]
    about_id: Mapped[UUID | None]
    """What it tells of, such as an export."""
    recipient: Mapped[str]
    language: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    reason: Mapped[str | None]
    """Why the last attempt failed, in the mail server's words."""
    queued_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
