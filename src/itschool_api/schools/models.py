"""Tables of the school itself.

`schools` is global, for it is what the others' keys point to; what describes a school is its own.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, new_id, school_key, tenant_key
from itschool_api.money import Cents


class School(Base):
    """A tenant."""

    __tablename__ = "schools"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    time_zone: Mapped[str]
    created_at: Mapped[datetime]
    second_factor_required: Mapped[bool] = mapped_column(default=False)
    """Whether its staff must prove a second factor; here, for each request of theirs asks it."""


class IbanClaim(Base):
    """A bank account belongs to one school only."""

    __tablename__ = "iban_claims"

    iban: Mapped[str] = mapped_column(primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("schools.id"))


class SchoolProfile(Base):
    """What stands on a school's letters, and how it wants its money handled."""

    __tablename__ = "school_profiles"
    __table_args__ = (
        school_key(),
        CheckConstraint("payment_term_days BETWEEN 0 AND 365", "payment_term"),
    )

    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    street: Mapped[str]
    postal_code: Mapped[str]
    city: Mapped[str]
    language: Mapped[str]
    enterprise_number: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    payment_term_days: Mapped[int]
    spread_excess: Mapped[bool]
    """Whether what an invoice does not need pays the family's other invoices first."""


class SchoolYear(TenantOwned, Base):
    """A school year, late August to July."""

    __tablename__ = "school_years"
    __table_args__ = (
        school_key(),
        UniqueConstraint("school_id", "name"),
        CheckConstraint("begins_on < ends_on", "order"),
    )

    name: Mapped[str]
    begins_on: Mapped[date]
    ends_on: Mapped[date]


class Compartment(TenantOwned, Base):
    """A purpose of the money in wallets; one of them is the general one."""

    __tablename__ = "compartments"
    __table_args__ = (
        school_key(),
        UniqueConstraint("school_id", "name"),
        Index(
            "uq_compartments_general",
            "school_id",
            unique=True,
            postgresql_where=text("is_general"),
        ),
        CheckConstraint("floor_cents <= 0", "floor"),
    )

    name: Mapped[str]
    position: Mapped[int]
    is_general: Mapped[bool]
    floor_cents: Mapped[Cents]
    """The overdraft limit of its wallets: 0, or below for credit."""
    low_cents: Mapped[Cents | None]
    """Below this a wallet of it is low, which is told; null: never."""


class BankAccount(TenantOwned, Base):
    """An account that parents pay into; its counterpart in the books is `account_id`."""

    __tablename__ = "bank_accounts"
    __table_args__ = (
        school_key(),
        tenant_key("accounts", "account_id"),
        UniqueConstraint("school_id", "iban"),
        UniqueConstraint("school_id", "account_id"),
        Index(
            "uq_bank_accounts_default",
            "school_id",
            unique=True,
            postgresql_where=text("is_default"),
        ),
    )

    iban: Mapped[str]
    bic: Mapped[str | None]
    holder: Mapped[str]
    account_id: Mapped[UUID]
    is_default: Mapped[bool]
    imported_until: Mapped[date | None]
    """The closing day of its newest imported statement."""
