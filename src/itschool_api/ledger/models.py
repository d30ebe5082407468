"""Tables of the books. The program may not change or delete a transfer, by privilege."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, school_key, tenant_key
from itschool_api.money import Cents

KINDS = ("wallet", "invoice", "bank", "suspense", "revenue", "charges", "other", "opening")


class Books(Base):
    """One row a school: the lock that imports take, and the next reference's number."""

    __tablename__ = "books"
    __table_args__ = (school_key(),)

    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    next_reference: Mapped[int] = mapped_column(BigInteger)


class Account(TenantOwned, Base):
    """Where money is: a wallet, an invoice, or one of the school's own accounts."""

    __tablename__ = "accounts"
    __table_args__ = (
        school_key(),
        CheckConstraint(f"kind IN {KINDS}", "kind"),
        # The last guards: what is above refuses with words before these do.
        CheckConstraint("balance_cents >= floor_cents", "floor"),
        CheckConstraint("balance_cents <= ceiling_cents", "ceiling"),
    )

    kind: Mapped[str]
    balance_cents: Mapped[Cents]
    floor_cents: Mapped[Cents | None]
    ceiling_cents: Mapped[Cents | None]
    entries: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[datetime | None]


class Transfer(TenantOwned, Base):
    """Money that went from one account to another; never changed, undone by its opposite once.

    A side's balance after it and its place in the side's history are kept where the side's
    balance is stored.
    """

    __tablename__ = "transfers"
    # A file brings 100,000 of them. Their accounts' keys bind them to their school, and no index but
    # the primary key's begins with it (decision 0031).
    __table_args__ = (
        tenant_key("accounts", "source_id"),
        tenant_key("accounts", "target_id"),
        tenant_key("transfers", "reverses_id"),
        UniqueConstraint("cause", "school_id"),
        Index(
            "uq_transfers_reverses_id_school_id",
            "reverses_id",
            "school_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        Index(None, "source_id", "source_entry", "school_id"),
        Index(None, "target_id", "target_entry", "school_id"),
        CheckConstraint("amount_cents > 0", "amount"),
        CheckConstraint("source_id <> target_id", "sides"),
    )

    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    amount_cents: Mapped[Cents]
    cause: Mapped[str]
    booked_on: Mapped[date]
    reverses_id: Mapped[UUID | None]
    source_balance_cents: Mapped[Cents | None]
    target_balance_cents: Mapped[Cents | None]
    source_entry: Mapped[int | None] = mapped_column(BigInteger)
    target_entry: Mapped[int | None] = mapped_column(BigInteger)
    recorded_at: Mapped[datetime]


class PaymentReference(Base):
    """A reference that pays into an account, for ever: parents have standing orders."""

    __tablename__ = "payment_references"
    __table_args__ = (
        school_key(),
        tenant_key("accounts", "account_id"),
        Index(None, "school_id", "account_id"),
    )

    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    created_at: Mapped[datetime]
