"""Give the rows that files bring by the hundred thousand lighter keys (decision 0031)."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BOUND_BY_OTHERS = ("transfers", "bank_transactions", "allocations")
_STATEMENT = ("statement_id", "ordinal")
_SIDES = (("source_id", "source_entry"), ("target_id", "target_entry"))


def upgrade() -> None:
    """Bring the tables to the new form."""
    for table in _BOUND_BY_OTHERS:
        op.drop_constraint(op.f(f"fk_{table}_school_id"), table)
    _key("bank_transactions", ("school_id", *_STATEMENT), (*_STATEMENT, "school_id"))
    _key("transfers", ("school_id", "cause"), ("cause", "school_id"))
    op.create_index(
        "uq_transfers_reverses_id_school_id",
        "transfers",
        ["reverses_id", "school_id"],
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.drop_constraint(op.f("uq_transfers_school_id_reverses_id"), "transfers")
    for side in _SIDES:
        _index("transfers", ("school_id", *side), (*side, "school_id"))


def downgrade() -> None:
    """Take back what `upgrade` did."""
    for side in _SIDES:
        _index("transfers", (*side, "school_id"), ("school_id", *side))
    op.create_unique_constraint(
        op.f("uq_transfers_school_id_reverses_id"), "transfers", ["school_id", "reverses_id"]
    )
    op.drop_index("uq_transfers_reverses_id_school_id", "transfers")
    _key("transfers", ("cause", "school_id"), ("school_id", "cause"))
    _key("bank_transactions", (*_STATEMENT, "school_id"), ("school_id", *_STATEMENT))
    for table in _BOUND_BY_OTHERS:
        op.create_foreign_key(
            op.f(f"fk_{table}_school_id"), table, "schools", ["school_id"], ["id"]
        )


def _key(table: str, old: Sequence[str], new: Sequence[str]) -> None:
    """Make a unique key anew, with its columns in another order; at no moment there is none."""
    op.create_unique_constraint(op.f(f"uq_{table}_{'_'.join(new)}"), table, list(new))
    op.drop_constraint(op.f(f"uq_{table}_{'_'.join(old)}"), table)


def _index(table: str, old: Sequence[str], new: Sequence[str]) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(new)}"), table, list(new))
    op.drop_index(op.f(f"ix_{table}_{'_'.join(old)}"), table)
