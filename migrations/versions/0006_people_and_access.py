"""Add second factors, known origins, offers of membership, mails, exports, and the audit trail."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from itschool_api import tenancy

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_READ, _ADD, _CHANGE, _REMOVE = "SELECT", "INSERT", "UPDATE", "DELETE"
_GLOBAL = {
    "membership_offers": (_READ, _ADD, "UPDATE (answered_at, accepted)", _REMOVE),
    "known_origins": (_READ, _ADD, _CHANGE, _REMOVE),
    "second_factors": (_READ, _ADD, _CHANGE, _REMOVE),
    "recovery_codes": (_READ, _ADD, _CHANGE, _REMOVE),
    # What has ended is swept away in the night.
    "sessions": (_REMOVE,),
    "refresh_tokens": (_REMOVE,),
    "login_tokens": (_REMOVE,),
    "signing_keys": (_REMOVE,),
    "schools": ("UPDATE (second_factor_required)",),
}
_TENANT = {
    "mails": (
        _READ,
        _ADD,
        "UPDATE (status, attempts, reason, attempted_at, sent_at, recipient)",
        _REMOVE,
    ),
    "exports": (
        _READ,
        _ADD,
        "UPDATE (status, ready_at, expires_at, file_key, size_bytes, sha256)",
        _REMOVE,
    ),
    # Appended to, and never changed: who did something cannot hide it.
    "audit_events": (_READ, _ADD),
}

# What they are about goes with its table.
_WITHOUT_JOBS = "DELETE FROM pgqueuer WHERE entrypoint IN ('mail', 'export', 'membership-offer')"
_ISSUED_WHOLE_BEFORE = (
    "(number IS NULL) = (account_id IS NULL)"
    " AND (number IS NULL) = (issued_on IS NULL) AND (number IS NULL) = (due_on IS NULL)"
)
_ISSUED_WHOLE = _ISSUED_WHOLE_BEFORE + " AND (number IS NULL) = (issued_to IS NULL)"
_NEW = (
    "audit_events",
    "exports",
    "known_origins",
    "mails",
    "membership_offers",
    "recovery_codes",
    "second_factors",
)
_COLUMNS = {
    "families": ("external_key", "erased_at"),
    "guardians": ("external_key", "erased_at", "invited_at"),
    "invoices": ("issued_to",),
    "schools": ("second_factor_required",),
    "sessions": ("in_cookie", "label", "last_used_at"),
    "signing_keys": ("signs_from",),
    "students": ("erased_at",),
    "users": ("last_login_at",),
}
_ISSUED_TO = """
    UPDATE invoices i SET issued_to = jsonb_build_object(
        'name', f.name, 'street', f.street, 'postal_code', f.postal_code, 'city', f.city,
        'language', f.language, 'students', coalesce(
            (SELECT jsonb_object_agg(s.id, s.first_name || ' ' || s.last_name)
             FROM invoice_lines l
             JOIN students s ON s.school_id = l.school_id AND s.id = l.student_id
             WHERE l.school_id = i.school_id AND l.invoice_id = i.id), '{}'))
    FROM families f
    WHERE f.school_id = i.school_id AND f.id = i.family_id AND i.number IS NOT NULL
"""


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.create_table(
        "audit_events",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("subjects", JSONB(), nullable=False),
        sa.Column("subject_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_audit_events_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_audit_events")),
    )
    op.create_index(
        op.f("ix_audit_events_school_id_actor_at_id"),
        "audit_events",
        ["school_id", "actor", "at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_audit_events_school_id_at_id"),
        "audit_events",
        ["school_id", "at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_audit_events_subject_ids"),
        "audit_events",
        ["subject_ids"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "exports",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "status IN ('queued', 'ready', 'failed', 'expired')", name=op.f("ck_exports_status")
        ),
        sa.CheckConstraint(
            "subject_kind IN ('student', 'guardian')", name=op.f("ck_exports_subject_kind")
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_exports_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_exports")),
    )
    op.create_table(
        "known_origins",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("origin_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_known_origins_user_id")),
        sa.PrimaryKeyConstraint("user_id", "origin_sha256", name=op.f("pk_known_origins")),
    )
    op.create_table(
        "mails",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('queued', 'sent', 'failed')", name=op.f("ck_mails_status")),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_mails_school_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mails_user_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_mails")),
    )
    op.create_index(
        op.f("ix_mails_school_id_status_id"), "mails", ["school_id", "status", "id"], unique=False
    )
    op.create_index(
        op.f("ix_mails_school_id_user_id_id"), "mails", ["school_id", "user_id", "id"], unique=False
    )
    op.create_table(
        "membership_offers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_membership_offers_school_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_membership_offers_user_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_offers")),
    )
    op.create_index(
        op.f("ix_membership_offers_user_id"), "membership_offers", ["user_id"], unique=False
    )
    op.create_index(
        op.f("ix_membership_offers_school_id_guardian_id"),
        "membership_offers",
        ["school_id", "guardian_id"],
        unique=False,
    )
    op.create_index(op.f("ix_memberships_school_id"), "memberships", ["school_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("user_id", "code_sha256", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("encrypted_secret", sa.LargeBinary(), nullable=True),
        sa.Column("pending_secret", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_counter", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.add_column("families", sa.Column("external_key", sa.Text(), nullable=True))
    op.add_column("families", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_unique_constraint(
        op.f("uq_families_school_id_external_key"), "families", ["school_id", "external_key"]
    )
    op.add_column("guardians", sa.Column("external_key", sa.Text(), nullable=True))
    op.add_column("guardians", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("guardians", sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True))
    # Whoever has a user got it by being invited.
    op.execute(
        "UPDATE guardians SET invited_at = users.created_at FROM users"
        " WHERE users.id = guardians.user_id"
    )
    op.create_unique_constraint(
        op.f("uq_guardians_school_id_external_key"), "guardians", ["school_id", "external_key"]
    )
    op.add_column(
        "schools",
        sa.Column(
            "second_factor_required", sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    op.alter_column("schools", "second_factor_required", server_default=None)
    op.add_column(
        "sessions",
        sa.Column("in_cookie", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.alter_column("sessions", "in_cookie", server_default=None)
    op.add_column("sessions", sa.Column("label", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE sessions SET last_used_at = created_at")
    op.alter_column("sessions", "last_used_at", nullable=False)
    op.add_column(
        "signing_keys", sa.Column("signs_from", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute("UPDATE signing_keys SET signs_from = created_at")
    op.alter_column("signing_keys", "signs_from", nullable=False)
    op.add_column("invoices", sa.Column("issued_to", JSONB(), nullable=True))
    # Until now an invoice said what its people are called today.
    op.execute(_ISSUED_TO)
    op.drop_constraint(op.f("ck_invoices_issued_whole"), "invoices")
    op.create_check_constraint(op.f("ck_invoices_issued_whole"), "invoices", _ISSUED_WHOLE)
    # The policy of before lets drafts be written to, and nothing that is issued.
    op.execute(tenancy.grant("invoices", "UPDATE (issued_to)"))
    op.add_column("students", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True))
    for table, privileges in (_GLOBAL | _TENANT).items():
        op.execute(tenancy.grant(table, *privileges))
    for table in _TENANT:
        for statement in tenancy.wall(table):
            op.execute(statement)


def downgrade() -> None:
    """Take back what `upgrade` did; privileges and walls go with their tables and columns."""
    op.execute(_WITHOUT_JOBS)
    for table in _GLOBAL:
        if table not in _NEW:
            op.execute(tenancy.revoke(table, _REMOVE))
    for table in _NEW:
        op.drop_table(table)
    op.drop_index(op.f("ix_memberships_school_id"), table_name="memberships")
    op.drop_constraint(op.f("ck_invoices_issued_whole"), "invoices")
    op.create_check_constraint(op.f("ck_invoices_issued_whole"), "invoices", _ISSUED_WHOLE_BEFORE)
    # Unique constraints go with their columns.
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(table, column)
