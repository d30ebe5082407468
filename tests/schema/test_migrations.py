"""From an empty database to the newest form, and what is said of one that is not there yet."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from itschool_api import schema

pytestmark = pytest.mark.anyio


@pytest.fixture
async def empty_url(owner_url: str) -> AsyncIterator[str]:
    """A database without a table, for its owner."""
    url = make_url(owner_url)
    name = f"{url.database}_empty"
    admin = await asyncpg.connect(
        url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    )
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {name}")
    yield url.set(database=name).render_as_string(hide_password=False)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_an_empty_database_comes_to_the_newest_form(empty_url: str) -> None:
    """REL-22: twice is as good as once."""
    for _ in range(2):
        await asyncio.to_thread(schema.upgrade, empty_url)
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == (
            schema.head()
        )
        assert await connection.run_sync(schema.differences) == []
    await engine.dispose()


async def test_a_migration_that_waits_for_a_lock_gives_up(
    empty_url: str,
) -> None:
    """It would otherwise queue every request behind itself."""
    await asyncio.to_thread(schema.upgrade, empty_url)
    plain = make_url(empty_url).set(drivername="postgresql").render_as_string(hide_password=False)
    busy = await asyncpg.connect(plain)
    await busy.execute("UPDATE alembic_version SET version_num = '0004'")
    async with busy.transaction():
        await busy.execute("LOCK TABLE invoice_lines")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(schema.upgrade, empty_url)
    assert await busy.fetchval("SELECT version_num FROM alembic_version") == "0004"
    await busy.close()
