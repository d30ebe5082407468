"""Add webhooks: endpoints, events and deliveries, and from where on a wallet is low."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from itschool_api import tenancy

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_READ, _ADD, _CHANGE, _REMOVE = "SELECT", "INSERT", "UPDATE", "DELETE"
# In the order in which their rows point to each other.
_TABLES = {
    "webhook_endpoints": (_READ, _ADD, _CHANGE, _REMOVE),
    # What was told is told again as it was.
    "webhook_events": (_READ, _ADD, _REMOVE),
    "webhook_deliveries": (
        _READ,
        _ADD,
        (
            "UPDATE (status, attempts, queued_at, next_attempt_at, claimed_by, attempted_at,"
            " response_status, duration_ms, reply, reason)"
        ),
        _REMOVE,
    ),
}


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.add_column("compartments", sa.Column("low_cents", sa.BigInteger(), nullable=True))
    op.create_table(
        "webhook_endpoints",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("previous_secret_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_webhook_endpoints_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "webhook_events",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_webhook_events_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_webhook_events")),
    )
    op.create_index(
        op.f("ix_webhook_events_school_id_occurred_at"),
        "webhook_events",
        ["school_id", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.BigInteger(), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("response_status", sa.SmallInteger(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status = 'pending') = (next_attempt_at IS NOT NULL)",
            name=op.f("ck_webhook_deliveries_pending"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'failed')",
            name=op.f("ck_webhook_deliveries_status"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_webhook_deliveries_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "endpoint_id"],
            ["webhook_endpoints.school_id", "webhook_endpoints.id"],
            name=op.f("fk_webhook_deliveries_school_id_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "event_id"],
            ["webhook_events.school_id", "webhook_events.id"],
            name=op.f("fk_webhook_deliveries_school_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_school_id_endpoint_id_id"),
        "webhook_deliveries",
        ["school_id", "endpoint_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_webhook_deliveries_school_id_event_id"),
        "webhook_deliveries",
        ["school_id", "event_id"],
        unique=False,
    )
    op.create_index(
        "ix_webhook_deliveries_pending",
        "webhook_deliveries",
        ["school_id", "endpoint_id", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    for table, privileges in _TABLES.items():
        op.execute(tenancy.grant(table, *privileges))
        for statement in tenancy.wall(table):
            op.execute(statement)


def downgrade() -> None:
    """Take back what `upgrade` did; privileges and walls go with their tables."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_column("compartments", "low_cents")
    op.execute("DELETE FROM pgqueuer WHERE entrypoint = 'webhooks'")
