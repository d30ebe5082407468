"""Add what an act changed to the audit trail, and a state for mails that a newer one replaced."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CHECK = "ck_mails_status"


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.add_column(
        "audit_events",
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.alter_column("audit_events", "details", server_default=None)
    op.drop_constraint(op.f(_CHECK), "mails")
    op.create_check_constraint(
        op.f(_CHECK), "mails", "status IN ('queued', 'sent', 'failed', 'superseded')"
    )


def downgrade() -> None:
    """Take back what `upgrade` did."""
    op.execute("UPDATE mails SET status = 'failed' WHERE status = 'superseded'")
    op.drop_constraint(op.f(_CHECK), "mails")
    op.create_check_constraint(op.f(_CHECK), "mails", "status IN ('queued', 'sent', 'failed')")
    op.drop_column("audit_events", "details")
