"""Let the program remove lines only with their draft: those of an issued invoice stay."""

from collections.abc import Sequence

from alembic import op

from itschool_api import tenancy
from itschool_api.database import APPLICATION_ROLE

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KEY = "fk_invoice_lines_school_id_invoice_id"


def upgrade() -> None:
    """Bring the tables to the new form."""
    op.drop_constraint(_KEY, "invoice_lines", type_="foreignkey")
    op.create_foreign_key(
        _KEY,
        "invoice_lines",
        "invoices",
        ["school_id", "invoice_id"],
        ["school_id", "id"],
        ondelete="CASCADE",
    )
    op.execute(f"REVOKE DELETE ON invoice_lines FROM {APPLICATION_ROLE}")


def downgrade() -> None:
    """Take back what `upgrade` did."""
    op.drop_constraint(_KEY, "invoice_lines", type_="foreignkey")
    op.create_foreign_key(
        _KEY, "invoice_lines", "invoices", ["school_id", "invoice_id"], ["school_id", "id"]
    )
    op.execute(tenancy.grant("invoice_lines", "DELETE"))
