"""Wall the tables in: who may do what, and whose rows they see."""

from collections.abc import Sequence

from alembic import op

from itschool_api import tenancy
from itschool_api.database import APPLICATION_ROLE

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_READ, _ADD, _CHANGE, _REMOVE = "SELECT", "INSERT", "UPDATE", "DELETE"

_GLOBAL = {
    "alembic_version": (_READ,),
    "schools": (_READ, _ADD),
    "users": (_READ, _ADD, _CHANGE),
    "memberships": (_READ, _ADD, _REMOVE),
    "sessions": (_READ, _ADD, _CHANGE),
    "refresh_tokens": (_READ, _ADD, _CHANGE),
    "login_tokens": (_READ, _ADD, _CHANGE),
    "login_token_requests": (_READ, _ADD, _REMOVE),
    "signing_keys": (_READ, _ADD, _CHANGE),
    "iban_claims": (_READ, _ADD),
    "rate_counters": (_READ, _ADD, _CHANGE, _REMOVE),
}
_TENANT = {
    "api_keys": (_READ, _ADD, _CHANGE),
    "school_profiles": (_READ, _ADD, _CHANGE),
    "school_years": (_READ, _ADD, _CHANGE),
    "compartments": (_READ, _ADD, _CHANGE),
    "bank_accounts": (_READ, _ADD, _CHANGE),
    "class_groups": (_READ, _ADD, _CHANGE),
    "students": (_READ, _ADD, _CHANGE),
    "enrolments": (_READ, _ADD, _CHANGE, _REMOVE),
    "families": (_READ, _ADD, _CHANGE),
    "family_students": (_READ, _ADD, _CHANGE, _REMOVE),
    "guardians": (_READ, _ADD, _CHANGE),
    "guardianships": (_READ, _ADD, _CHANGE),
    "idempotency_keys": (_READ, _ADD, _CHANGE, _REMOVE),
    # The books and what the bank told: appended to, never changed.
    "books": (_READ, _ADD, "UPDATE (next_reference)"),
    "accounts": (_READ, _ADD, "UPDATE (balance_cents, entries, closed_at)"),
    "transfers": (_READ, _ADD),
    "payment_references": (_READ, _ADD),
    "wallets": (_READ, _ADD),
    "invoice_series": (_READ, _ADD, "UPDATE (next_number)"),
    "invoices": (_READ, _ADD, "UPDATE (account_id, number, issued_on, due_on)", _REMOVE),
    "invoice_lines": (_READ, _ADD, _REMOVE),
    "bank_imports": (_READ, _ADD, "UPDATE (reversed_at)"),
    "bank_files": (_READ, _ADD),
    "bank_statements": (_READ, _ADD, "UPDATE (reversed_at)"),
    "bank_transactions": (_READ, _ADD, "UPDATE (state, cause)"),
    "allocations": (_READ, _ADD),
}


def upgrade() -> None:
    """Make the role, grant, and enable row-level security."""
    op.execute(tenancy.create_role())
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APPLICATION_ROLE}")
    for table, privileges in (_GLOBAL | _TENANT).items():
        op.execute(tenancy.grant(table, *privileges))
    for table in _TENANT:
        for statement in tenancy.wall(table):
            op.execute(statement)
    # An issued invoice never changes: the database itself sees to it.
    for command in (_CHANGE, _REMOVE):
        op.execute(
            f"CREATE POLICY invoices_{command.lower()}_drafts ON invoices AS RESTRICTIVE"
            f" FOR {command} TO {APPLICATION_ROLE} USING (number IS NULL)"
            + (" WITH CHECK (true)" if command == _CHANGE else "")
        )


def downgrade() -> None:
    """Take the walls down. The role stays: it is the server's, and other databases may use it."""
    for command in (_CHANGE, _REMOVE):
        op.execute(f"DROP POLICY invoices_{command.lower()}_drafts ON invoices")
    for table in _TENANT:
        for statement in tenancy.unwall(table):
            op.execute(statement)
    for table in _GLOBAL | _TENANT:
        op.execute(tenancy.revoke(table, "ALL"))
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {APPLICATION_ROLE}")
