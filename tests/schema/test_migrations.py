"""From an empty database to the newest form, and what is said of one that is not there yet."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

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


_ISSUED_BEFORE = """
    INSERT INTO schools (id, name, time_zone, created_at)
        VALUES (:one, 'École', 'Europe/Brussels', now());
    INSERT INTO school_years (school_id, id, name, begins_on, ends_on)
        VALUES (:one, :one, '2026', '2026-08-24', '2027-07-02');
    INSERT INTO families (school_id, id, name, language, city)
        VALUES (:one, :one, 'Famille Peeters', 'nl', 'Gent');
    INSERT INTO students (school_id, id, first_name, last_name) VALUES (:one, :one, 'Noor', 'Maes');
    INSERT INTO accounts (school_id, id, kind, balance_cents, entries)
        VALUES (:one, :one, 'invoice', 0, 0);
    INSERT INTO invoices (school_id, id, family_id, account_id, school_year_id, series, number,
                          label, total_cents, created_at, issued_on, due_on)
        VALUES (:one, :one, :one, :one, :one, 'F', 1, 'x', 0, now(), now(), now()),
               (:one, :two, :one, NULL, :one, 'F', NULL, 'x', 0, now(), NULL, NULL);
    INSERT INTO invoice_lines (school_id, id, invoice_id, position, student_id, label, quantity,
                               unit_cents, kind)
        VALUES (:one, :one, :one, 1, :one, 'x', 1, 0, 'service');
"""


async def test_invoices_of_before_learn_whom_they_were_issued_to(empty_url: str) -> None:
    await asyncio.to_thread(schema.upgrade, empty_url, "0005")
    plain = make_url(empty_url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    one, two = (f"'{UUID(int=number)}'" for number in (1, 2))
    await connection.execute(_ISSUED_BEFORE.replace(":one", one).replace(":two", two))

    await asyncio.to_thread(schema.upgrade, empty_url)

    rows = await connection.fetch("SELECT issued_to FROM invoices ORDER BY id")
    await connection.close()
    assert json.loads(rows[0]["issued_to"]) == {
        "name": "Famille Peeters",
        "street": None,
        "postal_code": None,
        "city": "Gent",
        "language": "nl",
        "students": {str(UUID(int=1)): "Noor Maes"},
    }
    assert rows[1]["issued_to"] is None


async def test_webhooks_can_be_taken_back(empty_url: str) -> None:
    """REL-22: down and up again leaves what was there before."""
    await asyncio.to_thread(schema.upgrade, empty_url)
    await asyncio.to_thread(schema.downgrade, empty_url, "0006")
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        names = text("SELECT count(*) FROM pg_class WHERE relname LIKE 'webhook%'")
        assert await connection.scalar(names) == 0
    await asyncio.to_thread(schema.upgrade, empty_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(schema.differences) == []
    await engine.dispose()
