"""Alembic's entry: one connection as the tables' owner, bounded in time, one transaction."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from itschool_api import schema

# A migration that cannot get its lock soon gives up, rather than queue every request behind it.
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "60s"


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=schema.metadata,
        include_name=schema.include_name,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _online() -> None:
    config = context.config
    url = config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
        await connection.execute(text(f"SET statement_timeout = '{_STATEMENT_TIMEOUT}'"))
        await connection.commit()
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_online())
