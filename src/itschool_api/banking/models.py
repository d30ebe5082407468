"""Tables of what the bank told. Files and statements are kept as they came."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from itschool_api.database import Base, TenantOwned, school_key, tenant_key
from itschool_api.money import Cents


class BankImport(TenantOwned, Base):
    """One file that changed the books, and the report that its sender got."""

    __tablename__ = "bank_imports"
    __table_args__ = (school_key(),)

    imported_by: Mapped[str]
    imported_at: Mapped[datetime]
    report: Mapped[str]
    """JSON, byte for byte: the same file again gets it again."""
    reversed_at: Mapped[datetime | None]


class BankFile(TenantOwned, Base):
    """Where the file itself is kept."""

    __tablename__ = "bank_files"
    __table_args__ = (
        school_key(),
        tenant_key("bank_imports", "import_id"),
        UniqueConstraint("school_id", "import_id"),
    )

    import_id: Mapped[UUID]
    storage_key: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]


class BankStatement(TenantOwned, Base):
    """A statement of account; its key is taken only while it is not reversed."""

    __tablename__ = "bank_statements"
    __table_args__ = (
        school_key(),
        tenant_key("bank_imports", "import_id"),
        tenant_key("bank_accounts", "bank_account_id"),
        Index(
            "uq_bank_statements_key",
            "school_id",
            "bank_account_id",
            "key",
            unique=True,
            postgresql_where=text("reversed_at IS NULL"),
        ),
        Index(None, "school_id", "bank_account_id", "closing_on"),
        Index(None, "school_id", "import_id"),
    )

    import_id: Mapped[UUID]
    bank_account_id: Mapped[UUID]
    key: Mapped[str]
    content_sha256: Mapped[str]
    number: Mapped[int]
    separate_application: Mapped[str]
    opening_on: Mapped[date | None]
    closing_on: Mapped[date]
    opening_cents: Mapped[Cents]
    closing_cents: Mapped[Cents]
    transactions: Mapped[int]
    reversed_at: Mapped[datetime | None]


class BankTransaction(TenantOwned, Base):
    """One movement that is booked, and what became of it."""

    __tablename__ = "bank_transactions"
    # Bound to its school by its statement; the keys are as those of transfers (decision 0031).
    __table_args__ = (
        tenant_key("bank_statements", "statement_id"),
        UniqueConstraint("statement_id", "ordinal", "school_id"),
        Index(
            "ix_bank_transactions_suspense",
            "school_id",
            "id",
            postgresql_where=text("state = 'suspense'"),
        ),
        CheckConstraint("state IN ('paid', 'suspense', 'ignored')", "state"),
        CheckConstraint("(state = 'paid') = (cause IS NULL)", "cause"),
    )

    statement_id: Mapped[UUID]
    ordinal: Mapped[int]
    amount_cents: Mapped[Cents]
    value_on: Mapped[date | None]
    booked_on: Mapped[date]
    transaction_code: Mapped[str]
    state: Mapped[str]
    cause: Mapped[str | None]
    reference: Mapped[str | None]
    communication: Mapped[str]
    counterparty_name: Mapped[str]
    counterparty_account: Mapped[str]
    raw: Mapped[str]
    """The records of the file, one a line."""


class Allocation(TenantOwned, Base):
    """Money of a transaction that went to a wallet or an invoice, by a transfer."""

    __tablename__ = "allocations"
    # Bound to its school by both of them (decision 0031).
    __table_args__ = (
        tenant_key("bank_transactions", "transaction_id"),
        tenant_key("transfers", "transfer_id"),
        UniqueConstraint("school_id", "transfer_id"),
        Index(None, "school_id", "transaction_id"),
    )

    transaction_id: Mapped[UUID]
    transfer_id: Mapped[UUID]
    allocated_by: Mapped[str]
    allocated_at: Mapped[datetime]
