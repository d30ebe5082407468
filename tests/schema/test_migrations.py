"""From an empty database to the newest form, and what is said of one that is not there yet."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from itschool_api import schema
from itschool_api.app import create_app
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.money import Cents
from itschool_api.settings import Settings
from tests.kit import PAYER, books_are_clean, open_school
from tests.spare import Spare

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    yield connection
    await connection.close()


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


@dataclass
class Rows:
    """What a database held when it had its first tables only, and holds still."""

    url: str
    columns: dict[str, str] = field(default_factory=dict)

    async def learn(self) -> None:
        """Note which columns there are."""
        async with _connected(self.url) as connection:
            self.columns = {
                row["table_name"]: row["columns"]
                for row in await connection.fetch(
                    "SELECT table_name, string_agg(quote_ident(column_name), ', ' ORDER BY "
                    "ordinal_position) AS columns FROM information_schema.columns "
                    "WHERE table_schema = 'public' AND table_name <> 'alembic_version' "
                    "GROUP BY table_name"
                )
            }

    async def read(self) -> dict[str, list[str]]:
        """Read all that these columns hold."""
        async with _connected(self.url) as connection:
            return {
                table: [
                    row["held"]
                    for row in await connection.fetch(
                        f"SELECT row({columns})::text AS held FROM {table} ORDER BY 1"  # noqa: S608
                    )
                ]
                for table, columns in self.columns.items()
            }


async def _inventory(url: str) -> list[str]:
    """Name what stands in a database, besides what every PostgreSQL has."""
    async with _connected(url) as connection:
        rows = await connection.fetch(
            "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " UNION SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " UNION SELECT polname::text FROM pg_policy"
            " UNION SELECT typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace"
            " UNION SELECT 'granted: ' || table_name || ' ' || privilege_type"
            " FROM information_schema.role_table_grants WHERE grantee = 'itschool_app'"
        )
    return sorted(row["name"] for row in rows)


async def test_no_step_down_or_up_loses_a_cent(spare: Spare, settings: Settings) -> None:
    """REL-22: from the newest form to the first, up again step by step, to nothing, and up."""
    scripts = ScriptDirectory(str(schema.folder()))
    steps = [each.revision for each in scripts.walk_revisions()][::-1]
    app = create_app(settings, spare.url)
    async with app.router.lifespan_context(app):
        school = await open_school(app)
        child = await school.child()
        invoice = await school.invoice(child, 12_00, 8_00)
        paid = [
            payment(child.reference, Cents(50_00), PAYER),
            payment(invoice["reference"], Cents(15_00), PAYER),
            transfer("who am I", Cents(3_00), PAYER),
        ]
        await school.post_coda(school.coda(*paid))
        await books_are_clean(school)
    whole, first = Rows(spare.owner_url), Rows(spare.owner_url)
    await whole.learn()
    before = await whole.read()
    inventories = {steps[-1]: await _inventory(spare.owner_url)}

    for revision in steps[-2::-1]:
        await asyncio.to_thread(schema.downgrade, spare.owner_url, revision)
        inventories[revision] = await _inventory(spare.owner_url)
    await first.learn()
    held = await first.read()
    for revision in steps[1:]:
        await asyncio.to_thread(schema.upgrade, spare.owner_url, revision)
        assert await first.read() == held, f"{revision} changed what was there"

    after = await whole.read()
    for table in ("accounts", "transfers", "payment_references", "bank_transactions", "wallets"):
        assert before[table]
        assert after[table] == before[table]
    app = create_app(settings, spare.url)
    async with app.router.lifespan_context(app):
        await books_are_clean(replace(school, app=app))

    await asyncio.to_thread(schema.downgrade, spare.owner_url, "base")
    left = await _inventory(spare.owner_url)
    assert [each for each in left if "alembic_version" not in each] == []
    for revision in steps:
        await asyncio.to_thread(schema.upgrade, spare.owner_url, revision)
        # The way down led through the same forms as the way up.
        assert await _inventory(spare.owner_url) == inventories[revision]
    engine = create_async_engine(spare.owner_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(schema.differences) == []
    await engine.dispose()


def test_every_migration_can_be_taken_back() -> None:
    """REL-22: a downgrade that is missing, or does nothing, would lie about it."""
    scripts = ScriptDirectory(str(schema.folder()))
    for each in scripts.walk_revisions():
        body = inspect.getsource(each.module.downgrade)
        assert "op." in body, each.revision
