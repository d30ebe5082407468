"""Add the job queue's tables (pgqueuer); a newer version of it brings a migration of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alembic import op

from itschool_api import tenancy
from itschool_api.database import APPLICATION_ROLE

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")


def upgrade() -> None:
    """Run the library's script as it is; its payloads are ids, so no row is a school's."""
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    bind = op.get_bind()
    # The adapter begins a transaction with its first statement; the script must be inside.
    op.execute("SELECT 1")
    adapted: Any = bind.connection.dbapi_connection
    adapted.run_async(lambda driver: driver.execute(script))
    for table in _TABLES:
        op.execute(tenancy.grant(table, "SELECT", "INSERT", "UPDATE", "DELETE"))
    op.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APPLICATION_ROLE}")


def downgrade() -> None:
    """Take back what the library's script made; sequences and triggers go with their tables."""
    for table in _TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION fn_pgqueuer_changed()")
    op.execute("DROP TYPE pgqueuer_status")
