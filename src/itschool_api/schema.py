"""All tables in one place, and the way to their newest form (Alembic)."""

from functools import cache
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

# Imported for their tables: without them the metadata would be incomplete.
from itschool_api import idempotency, trail  # noqa: F401
from itschool_api.auth import models as _auth  # noqa: F401
from itschool_api.banking import models as _banking  # noqa: F401
from itschool_api.database import Base
from itschool_api.events import models as _events  # noqa: F401
from itschool_api.families import models as _families  # noqa: F401
from itschool_api.invoices import models as _invoices  # noqa: F401
from itschool_api.ledger import models as _ledger  # noqa: F401
from itschool_api.outbox import models as _outbox  # noqa: F401
from itschool_api.privacy import models as _privacy  # noqa: F401
from itschool_api.schools import models as _schools  # noqa: F401
from itschool_api.wallets import models as _wallets  # noqa: F401
from itschool_api.webhooks import models as _webhooks  # noqa: F401

metadata = Base.metadata


def folder() -> Path:
    """Return where the migrations are: in the checkout, or in the installed package."""
    packaged = Path(str(files("itschool_api"))) / "_migrations"
    return packaged if packaged.exists() else Path(__file__).parents[2] / "migrations"


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder()))
    config.attributes["url"] = url
    return config


@cache
def head() -> str:
    """Return the newest revision that this program knows."""
    revision = ScriptDirectory(str(folder())).get_current_head()
    if revision is None:
        raise LookupError(f"there are no migrations in {folder()}")
    return revision


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Bring a database to the newest form (or to `revision`); call it outside of any event loop."""
    command.upgrade(_config(owner_url), revision)


def downgrade(owner_url: str, revision: str) -> None:
    """Bring a database back to the form of a revision; call it outside of any event loop."""
    command.downgrade(_config(owner_url), revision)


def differences(connection: Connection) -> list[object]:
    """Return what Alembic would still change in a database that is at the head."""
    context = MigrationContext.configure(
        connection, opts={"include_name": include_name, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the job queue's tables to the library that owns them."""
    return not (kind == "table" and name is not None and name.startswith("pgqueuer"))
