"""Add events and whom they are addressed to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from itschool_api import tenancy

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.create_table(
        "events",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("whole_school", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("begins_at <= ends_at", name=op.f("ck_events_order")),
        sa.CheckConstraint(
            "(begins_on IS NULL) = (ends_on IS NULL)", name=op.f("ck_events_whole_days")
        ),
        sa.CheckConstraint("begins_on <= ends_on", name=op.f("ck_events_order_of_days")),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_events_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_events")),
    )
    op.create_index(
        op.f("ix_events_school_id_ends_at"), "events", ["school_id", "ends_at"], unique=False
    )
    op.create_table(
        "event_audiences",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("class_group_id", sa.Uuid(), nullable=True),
        sa.Column("student_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(class_group_id IS NULL) <> (student_id IS NULL)",
            name=op.f("ck_event_audiences_one_of_both"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_event_audiences_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "event_id"],
            ["events.school_id", "events.id"],
            name=op.f("fk_event_audiences_school_id_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "class_group_id"],
            ["class_groups.school_id", "class_groups.id"],
            name=op.f("fk_event_audiences_school_id_class_group_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_event_audiences_school_id_student_id"),
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_event_audiences")),
        sa.UniqueConstraint(
            "school_id",
            "event_id",
            "class_group_id",
            name=op.f("uq_event_audiences_school_id_event_id_class_group_id"),
        ),
        sa.UniqueConstraint(
            "school_id",
            "event_id",
            "student_id",
            name=op.f("uq_event_audiences_school_id_event_id_student_id"),
        ),
    )
    op.execute(tenancy.grant("events", "SELECT", "INSERT", "UPDATE", "DELETE"))
    op.execute(tenancy.grant("event_audiences", "SELECT", "INSERT", "DELETE"))
    for table in ("events", "event_audiences"):
        for statement in tenancy.wall(table):
            op.execute(statement)


def downgrade() -> None:
    """Take back what `upgrade` did; privileges and walls go with their tables."""
    op.drop_table("event_audiences")
    op.drop_table("events")
