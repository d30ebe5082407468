"""Make the first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# In the order in which they can go: whatever points to a table goes before it.
_TABLES = (
    "allocations",
    "bank_transactions",
    "invoice_lines",
    "enrolments",
    "bank_statements",
    "wallets",
    "transfers",
    "refresh_tokens",
    "payment_references",
    "invoices",
    "invoice_series",
    "guardianships",
    "family_students",
    "class_groups",
    "bank_files",
    "bank_accounts",
    "students",
    "sessions",
    "school_years",
    "school_profiles",
    "memberships",
    "login_tokens",
    "idempotency_keys",
    "iban_claims",
    "guardians",
    "families",
    "compartments",
    "books",
    "bank_imports",
    "api_keys",
    "accounts",
    "users",
    "signing_keys",
    "schools",
    "rate_counters",
    "login_token_requests",
)


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.create_table(
        "login_token_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_token_requests")),
    )
    op.create_table(
        "rate_counters",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("window_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "window_at", name=op.f("pk_rate_counters")),
    )
    op.create_table(
        "schools",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schools")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("encrypted_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("user_name", name=op.f("uq_users_user_name")),
    )
    op.create_index(op.f("ix_users_email"), "users", ["email"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("balance_cents", sa.BigInteger(), nullable=False),
        sa.Column("floor_cents", sa.BigInteger(), nullable=True),
        sa.Column("ceiling_cents", sa.BigInteger(), nullable=True),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('wallet', 'invoice', 'bank', 'suspense', 'revenue', 'charges', 'other', 'opening')",
            name=op.f("ck_accounts_kind"),
        ),
        sa.CheckConstraint("balance_cents <= ceiling_cents", name=op.f("ck_accounts_ceiling")),
        sa.CheckConstraint("balance_cents >= floor_cents", name=op.f("ck_accounts_floor")),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_accounts_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_accounts")),
    )
    op.create_table(
        "api_keys",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_api_keys_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "bank_imports",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_bank_imports_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_bank_imports")),
    )
    op.create_table(
        "books",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("next_reference", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_books_school_id")),
        sa.PrimaryKeyConstraint("school_id", name=op.f("pk_books")),
    )
    op.create_table(
        "compartments",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_general", sa.Boolean(), nullable=False),
        sa.Column("floor_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("floor_cents <= 0", name=op.f("ck_compartments_floor")),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_compartments_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_compartments")),
        sa.UniqueConstraint("school_id", "name", name=op.f("uq_compartments_school_id_name")),
    )
    op.create_index(
        "uq_compartments_general",
        "compartments",
        ["school_id"],
        unique=True,
        postgresql_where=sa.text("is_general"),
    )
    op.create_table(
        "families",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("street", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_families_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_families")),
    )
    op.create_index(
        op.f("ix_families_school_id_name_id"), "families", ["school_id", "name", "id"], unique=False
    )
    op.create_table(
        "guardians",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_guardians_school_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_guardians_user_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_guardians")),
        sa.UniqueConstraint("school_id", "user_id", name=op.f("uq_guardians_school_id_user_id")),
    )
    op.create_index(
        op.f("ix_guardians_school_id_last_name_first_name_id"),
        "guardians",
        ["school_id", "last_name", "first_name", "id"],
        unique=False,
    )
    op.create_table(
        "iban_claims",
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_iban_claims_school_id")
        ),
        sa.PrimaryKeyConstraint("iban", name=op.f("pk_iban_claims")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_idempotency_keys_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "caller", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "login_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_login_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_login_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_login_tokens_user_id"), "login_tokens", ["user_id"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_memberships_school_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.PrimaryKeyConstraint("user_id", "school_id", "role", name=op.f("pk_memberships")),
    )
    op.create_table(
        "school_profiles",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("postal_code", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("enterprise_number", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("payment_term_days", sa.Integer(), nullable=False),
        sa.Column("spread_excess", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "payment_term_days BETWEEN 0 AND 365", name=op.f("ck_school_profiles_payment_term")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_school_profiles_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", name=op.f("pk_school_profiles")),
    )
    op.create_table(
        "school_years",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("begins_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.CheckConstraint("begins_on < ends_on", name=op.f("ck_school_years_order")),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_school_years_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_school_years")),
        sa.UniqueConstraint("school_id", "name", name=op.f("uq_school_years_school_id_name")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_sessions_school_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "students",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_key", sa.Text(), nullable=True),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_students_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_students")),
        sa.UniqueConstraint(
            "school_id", "external_key", name=op.f("uq_students_school_id_external_key")
        ),
    )
    op.create_index(
        op.f("ix_students_school_id_last_name_first_name_id"),
        "students",
        ["school_id", "last_name", "first_name", "id"],
        unique=False,
    )
    op.create_table(
        "bank_accounts",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("bic", sa.Text(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("imported_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id", "account_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_bank_accounts_school_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_bank_accounts_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_bank_accounts")),
        sa.UniqueConstraint(
            "school_id", "account_id", name=op.f("uq_bank_accounts_school_id_account_id")
        ),
        sa.UniqueConstraint("school_id", "iban", name=op.f("uq_bank_accounts_school_id_iban")),
    )
    op.create_index(
        "uq_bank_accounts_default",
        "bank_accounts",
        ["school_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "bank_files",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "import_id"],
            ["bank_imports.school_id", "bank_imports.id"],
            name=op.f("fk_bank_files_school_id_import_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_bank_files_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_bank_files")),
        sa.UniqueConstraint(
            "school_id", "import_id", name=op.f("uq_bank_files_school_id_import_id")
        ),
    )
    op.create_table(
        "class_groups",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_year_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "school_year_id"],
            ["school_years.school_id", "school_years.id"],
            name=op.f("fk_class_groups_school_id_school_year_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_class_groups_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_class_groups")),
        sa.UniqueConstraint(
            "school_id",
            "school_year_id",
            "name",
            name=op.f("uq_class_groups_school_id_school_year_id_name"),
        ),
    )
    op.create_table(
        "family_students",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("share_bp", sa.Integer(), nullable=False),
        sa.CheckConstraint("share_bp BETWEEN 0 AND 10000", name=op.f("ck_family_students_share")),
        sa.ForeignKeyConstraint(
            ["school_id", "family_id"],
            ["families.school_id", "families.id"],
            name=op.f("fk_family_students_school_id_family_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_family_students_school_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_family_students_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_family_students")),
        sa.UniqueConstraint(
            "school_id",
            "family_id",
            "student_id",
            name=op.f("uq_family_students_school_id_family_id_student_id"),
        ),
    )
    op.create_index(
        op.f("ix_family_students_school_id_student_id"),
        "family_students",
        ["school_id", "student_id"],
        unique=False,
    )
    op.create_table(
        "guardianships",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("guardian_id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("sees_money", sa.Boolean(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "ends_on IS NULL OR starts_on <= ends_on", name=op.f("ck_guardianships_period")
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "family_id"],
            ["families.school_id", "families.id"],
            name=op.f("fk_guardianships_school_id_family_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "guardian_id"],
            ["guardians.school_id", "guardians.id"],
            name=op.f("fk_guardianships_school_id_guardian_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_guardianships_school_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_guardianships_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_guardianships")),
        sa.UniqueConstraint(
            "school_id",
            "guardian_id",
            "student_id",
            "family_id",
            name=op.f("uq_guardianships_school_id_guardian_id_student_id_family_id"),
        ),
    )
    op.create_index(
        op.f("ix_guardianships_school_id_family_id"),
        "guardianships",
        ["school_id", "family_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_guardianships_school_id_student_id"),
        "guardianships",
        ["school_id", "student_id"],
        unique=False,
    )
    op.create_table(
        "invoice_series",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("school_year_id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "school_year_id"],
            ["school_years.school_id", "school_years.id"],
            name=op.f("fk_invoice_series_school_id_school_year_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_invoice_series_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_invoice_series")),
        sa.UniqueConstraint(
            "school_id",
            "school_year_id",
            "series",
            name=op.f("uq_invoice_series_school_id_school_year_id_series"),
        ),
    )
    op.create_table(
        "invoices",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("school_year_id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "(number IS NULL) = (account_id IS NULL) AND (number IS NULL) = (issued_on IS NULL) AND (number IS NULL) = (due_on IS NULL)",
            name=op.f("ck_invoices_issued_whole"),
        ),
        sa.CheckConstraint("total_cents >= 0", name=op.f("ck_invoices_total")),
        sa.ForeignKeyConstraint(
            ["school_id", "account_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_invoices_school_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "family_id"],
            ["families.school_id", "families.id"],
            name=op.f("fk_invoices_school_id_family_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "school_year_id"],
            ["school_years.school_id", "school_years.id"],
            name=op.f("fk_invoices_school_id_school_year_id"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_invoices_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_invoices")),
        sa.UniqueConstraint(
            "school_id", "account_id", name=op.f("uq_invoices_school_id_account_id")
        ),
        sa.UniqueConstraint(
            "school_id",
            "school_year_id",
            "series",
            "number",
            name=op.f("uq_invoices_school_id_school_year_id_series_number"),
        ),
    )
    op.create_index(
        op.f("ix_invoices_school_id_family_id"),
        "invoices",
        ["school_id", "family_id"],
        unique=False,
    )
    op.create_table(
        "payment_references",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "account_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_payment_references_school_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_payment_references_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "reference", name=op.f("pk_payment_references")),
    )
    op.create_index(
        op.f("ix_payment_references_school_id_account_id"),
        "payment_references",
        ["school_id", "account_id"],
        unique=False,
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_refresh_tokens_session_id")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(
        op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"], unique=False
    )
    op.create_table(
        "transfers",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("source_balance_cents", sa.BigInteger(), nullable=True),
        sa.Column("target_balance_cents", sa.BigInteger(), nullable=True),
        sa.Column("source_entry", sa.BigInteger(), nullable=True),
        sa.Column("target_entry", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_transfers_amount")),
        sa.CheckConstraint("source_id <> target_id", name=op.f("ck_transfers_sides")),
        sa.ForeignKeyConstraint(
            ["school_id", "reverses_id"],
            ["transfers.school_id", "transfers.id"],
            name=op.f("fk_transfers_school_id_reverses_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "source_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_transfers_school_id_source_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "target_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_transfers_school_id_target_id"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_transfers_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_transfers")),
        sa.UniqueConstraint("school_id", "cause", name=op.f("uq_transfers_school_id_cause")),
        sa.UniqueConstraint(
            "school_id", "reverses_id", name=op.f("uq_transfers_school_id_reverses_id")
        ),
    )
    op.create_index(
        op.f("ix_transfers_school_id_source_id_source_entry"),
        "transfers",
        ["school_id", "source_id", "source_entry"],
        unique=False,
    )
    op.create_index(
        op.f("ix_transfers_school_id_target_id_target_entry"),
        "transfers",
        ["school_id", "target_id", "target_entry"],
        unique=False,
    )
    op.create_table(
        "wallets",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("compartment_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "account_id"],
            ["accounts.school_id", "accounts.id"],
            name=op.f("fk_wallets_school_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "compartment_id"],
            ["compartments.school_id", "compartments.id"],
            name=op.f("fk_wallets_school_id_compartment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_wallets_school_id_student_id"),
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_wallets_school_id")),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_wallets")),
        sa.UniqueConstraint(
            "school_id", "account_id", name=op.f("uq_wallets_school_id_account_id")
        ),
        sa.UniqueConstraint(
            "school_id",
            "student_id",
            "compartment_id",
            name=op.f("uq_wallets_school_id_student_id_compartment_id"),
        ),
    )
    op.create_table(
        "bank_statements",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("bank_account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("separate_application", sa.Text(), nullable=False),
        sa.Column("opening_on", sa.Date(), nullable=True),
        sa.Column("closing_on", sa.Date(), nullable=False),
        sa.Column("opening_cents", sa.BigInteger(), nullable=False),
        sa.Column("closing_cents", sa.BigInteger(), nullable=False),
        sa.Column("transactions", sa.Integer(), nullable=False),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["school_id", "bank_account_id"],
            ["bank_accounts.school_id", "bank_accounts.id"],
            name=op.f("fk_bank_statements_school_id_bank_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "import_id"],
            ["bank_imports.school_id", "bank_imports.id"],
            name=op.f("fk_bank_statements_school_id_import_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_bank_statements_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_bank_statements")),
    )
    op.create_index(
        op.f("ix_bank_statements_school_id_bank_account_id_closing_on"),
        "bank_statements",
        ["school_id", "bank_account_id", "closing_on"],
        unique=False,
    )
    op.create_index(
        op.f("ix_bank_statements_school_id_import_id"),
        "bank_statements",
        ["school_id", "import_id"],
        unique=False,
    )
    op.create_index(
        "uq_bank_statements_key",
        "bank_statements",
        ["school_id", "bank_account_id", "key"],
        unique=True,
        postgresql_where=sa.text("reversed_at IS NULL"),
    )
    op.create_table(
        "enrolments",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("school_year_id", sa.Uuid(), nullable=False),
        sa.Column("class_group_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "class_group_id"],
            ["class_groups.school_id", "class_groups.id"],
            name=op.f("fk_enrolments_school_id_class_group_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "school_year_id"],
            ["school_years.school_id", "school_years.id"],
            name=op.f("fk_enrolments_school_id_school_year_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_enrolments_school_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_enrolments_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_enrolments")),
        sa.UniqueConstraint(
            "school_id",
            "student_id",
            "school_year_id",
            name=op.f("uq_enrolments_school_id_student_id_school_year_id"),
        ),
    )
    op.create_index(
        op.f("ix_enrolments_school_id_class_group_id"),
        "enrolments",
        ["school_id", "class_group_id"],
        unique=False,
    )
    op.create_table(
        "invoice_lines",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_cents", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('compulsory', 'optional', 'service')", name=op.f("ck_invoice_lines_kind")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_invoice_lines_quantity")),
        sa.CheckConstraint("unit_cents >= 0", name=op.f("ck_invoice_lines_unit")),
        sa.ForeignKeyConstraint(
            ["school_id", "invoice_id"],
            ["invoices.school_id", "invoices.id"],
            name=op.f("fk_invoice_lines_school_id_invoice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "student_id"],
            ["students.school_id", "students.id"],
            name=op.f("fk_invoice_lines_school_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_invoice_lines_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_invoice_lines")),
        sa.UniqueConstraint(
            "school_id",
            "invoice_id",
            "position",
            name=op.f("uq_invoice_lines_school_id_invoice_id_position"),
        ),
    )
    op.create_index(
        op.f("ix_invoice_lines_school_id_student_id"),
        "invoice_lines",
        ["school_id", "student_id"],
        unique=False,
    )
    op.create_table(
        "bank_transactions",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("value_on", sa.Date(), nullable=True),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("transaction_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("communication", sa.Text(), nullable=False),
        sa.Column("counterparty_name", sa.Text(), nullable=False),
        sa.Column("counterparty_account", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'paid') = (cause IS NULL)", name=op.f("ck_bank_transactions_cause")
        ),
        sa.CheckConstraint(
            "state IN ('paid', 'suspense', 'ignored')", name=op.f("ck_bank_transactions_state")
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "statement_id"],
            ["bank_statements.school_id", "bank_statements.id"],
            name=op.f("fk_bank_transactions_school_id_statement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_bank_transactions_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_bank_transactions")),
        sa.UniqueConstraint(
            "school_id",
            "statement_id",
            "ordinal",
            name=op.f("uq_bank_transactions_school_id_statement_id_ordinal"),
        ),
    )
    op.create_index(
        "ix_bank_transactions_suspense",
        "bank_transactions",
        ["school_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'suspense'"),
    )
    op.create_table(
        "allocations",
        sa.Column("school_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("allocated_by", sa.Text(), nullable=False),
        sa.Column("allocated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id", "transaction_id"],
            ["bank_transactions.school_id", "bank_transactions.id"],
            name=op.f("fk_allocations_school_id_transaction_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id", "transfer_id"],
            ["transfers.school_id", "transfers.id"],
            name=op.f("fk_allocations_school_id_transfer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_allocations_school_id")
        ),
        sa.PrimaryKeyConstraint("school_id", "id", name=op.f("pk_allocations")),
        sa.UniqueConstraint(
            "school_id", "transfer_id", name=op.f("uq_allocations_school_id_transfer_id")
        ),
    )
    op.create_index(
        op.f("ix_allocations_school_id_transaction_id"),
        "allocations",
        ["school_id", "transaction_id"],
        unique=False,
    )


def downgrade() -> None:
    """Take back what `upgrade` did: nothing is left."""
    for table in _TABLES:
        op.drop_table(table)
