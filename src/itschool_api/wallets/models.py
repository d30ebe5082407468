"""The table of wallets; their money is an account of the ledger."""

from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from itschool_api.database import Base, TenantOwned, school_key, tenant_key


class Wallet(TenantOwned, Base):
    """One student's money in one compartment."""

    __tablename__ = "wallets"
    __table_args__ = (
        school_key(),
        tenant_key("students", "student_id"),
        tenant_key("compartments", "compartment_id"),
        tenant_key("accounts", "account_id"),
        UniqueConstraint("school_id", "student_id", "compartment_id"),
        UniqueConstraint("school_id", "account_id"),
    )

    student_id: Mapped[UUID]
    compartment_id: Mapped[UUID]
    account_id: Mapped[UUID]
