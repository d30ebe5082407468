"""Table of exports: what was asked for, and the file that answers it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, school_key


class Export(TenantOwned, Base):
    """Everything about a student or a guardian, as a file that is kept for some days."""

    __tablename__ = "exports"
    __table_args__ = (
        school_key(),
        CheckConstraint("subject_kind IN ('student', 'guardian')", "subject_kind"),
        CheckConstraint("status IN ('queued', 'ready', 'failed', 'expired')", "status"),
    )

    subject_kind: Mapped[str]
    subject_id: Mapped[UUID]
    requested_by: Mapped[UUID]
    """The user who asked, and is told by mail."""
    status: Mapped[str]
    requested_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    file_key: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
