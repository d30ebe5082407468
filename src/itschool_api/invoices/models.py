"""Tables of invoices. Once issued, an invoice and its lines never change."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, school_key, tenant_key
from itschool_api.money import Cents


class InvoiceSeries(TenantOwned, Base):
    """The next number of a series in a school year; its row's lock keeps numbers free of gaps."""

    __tablename__ = "invoice_series"
    __table_args__ = (
        school_key(),
        tenant_key("school_years", "school_year_id"),
        UniqueConstraint("school_id", "school_year_id", "series"),
    )

    school_year_id: Mapped[UUID]
    series: Mapped[str]
    next_number: Mapped[int]


class Invoice(TenantOwned, Base):
    """What a family owes; a draft has no number, no account and no day yet."""

    __tablename__ = "invoices"
    __table_args__ = (
        school_key(),
        tenant_key("families", "family_id"),
        tenant_key("accounts", "account_id"),
        tenant_key("school_years", "school_year_id"),
        UniqueConstraint("school_id", "account_id"),
        UniqueConstraint("school_id", "school_year_id", "series", "number"),
        Index(None, "school_id", "family_id"),
        CheckConstraint(
            "(number IS NULL) = (account_id IS NULL)"
            " AND (number IS NULL) = (issued_on IS NULL) AND (number IS NULL) = (due_on IS NULL)"
            " AND (number IS NULL) = (issued_to IS NULL)",
            "issued_whole",
        ),
        CheckConstraint("total_cents >= 0", "total"),
    )

    family_id: Mapped[UUID]
    account_id: Mapped[UUID | None]
    school_year_id: Mapped[UUID]
    series: Mapped[str]
    number: Mapped[int | None]
    label: Mapped[str]
    total_cents: Mapped[Cents]
    created_at: Mapped[datetime]
    issued_on: Mapped[date | None]
    due_on: Mapped[date | None]
    issued_to: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The family's `name`, `street`, `postal_code`, `city` and `language` on the day of issue, and
    its `students` by id: who moves, marries or is erased changes no invoice of before."""


class InvoiceLine(TenantOwned, Base):
    """One thing that is owed, for one student."""

    __tablename__ = "invoice_lines"
    __table_args__ = (
        school_key(),
        # A draft takes its lines along; by themselves the program cannot remove them.
        tenant_key("invoices", "invoice_id", ondelete="CASCADE"),
        tenant_key("students", "student_id"),
        UniqueConstraint("school_id", "invoice_id", "position"),
        Index(None, "school_id", "student_id"),
        CheckConstraint("quantity > 0", "quantity"),
        CheckConstraint("unit_cents >= 0", "unit"),
        CheckConstraint("kind IN ('compulsory', 'optional', 'service')", "kind"),
    )

    invoice_id: Mapped[UUID]
    position: Mapped[int]
    student_id: Mapped[UUID]
    label: Mapped[str]
    quantity: Mapped[int]
    unit_cents: Mapped[Cents]
    kind: Mapped[str]
