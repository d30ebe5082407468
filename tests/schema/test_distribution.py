"""The way onto a cluster, as far as a single PostgreSQL can show it.

That every key fits the cluster's rules is read from the catalogue in test_catalogue.py. Citus's own
functions are stood in for by functions of the same names that note how they were called.
"""

from asyncio import to_thread
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from itschool_api import distribution, schema
from itschool_api.app import create_app
from itschool_api.auth.caller import Scope
from itschool_api.database import APPLICATION_ROLE
from itschool_api.settings import Settings
from tests.cli.test_operator import run
from tests.kit import School, counted_statements, ok, open_school
from tests.schema import catalogue

pytestmark = pytest.mark.anyio

_STAND_IN = (
    """
    CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, called text NOT NULL)
    """,
    f"GRANT SELECT ON pg_dist_partition TO {APPLICATION_ROLE}",
    """
    CREATE FUNCTION create_reference_table(name text) RETURNS void LANGUAGE sql AS
    $$ INSERT INTO pg_dist_partition VALUES (name::regclass, 'reference') $$
    """,
    """
    CREATE FUNCTION create_distributed_table(
        name text, by text, shard_count int DEFAULT NULL, colocate_with text DEFAULT 'default')
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        -- Citus: what it points at is spread before it, and beside it or everywhere.
        IF EXISTS (
            SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = name::regclass
            AND k.confrelid <> k.conrelid
            AND k.confrelid NOT IN (SELECT logicalrelid FROM pg_dist_partition)
        ) THEN
            RAISE EXCEPTION '% points at a table that is not spread', name;
        END IF;
        INSERT INTO pg_dist_partition VALUES (name::regclass, concat_ws(' ', by, shard_count, colocate_with));
    END $$
    """,
)


@pytest.fixture
async def cluster(owner_url: str) -> AsyncIterator[str]:
    """A database of its own that has what the program calls of Citus."""
    name = f"{make_url(owner_url).database}_cluster"
    server = create_async_engine(
        make_url(owner_url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE itschool_template"))
    url = make_url(owner_url).set(database=name)
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in _STAND_IN:
            await connection.execute(text(statement))
    await engine.dispose()
    yield url.render_as_string(hide_password=False)
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


@pytest.fixture
async def role_as_before(owner: AsyncEngine) -> AsyncIterator[None]:
    """Forget what was set for the role: it is the whole server's, and so another test's as well."""
    yield
    async with owner.begin() as connection:
        await connection.execute(
            text(f"ALTER ROLE {APPLICATION_ROLE} RESET citus.propagate_set_commands")
        )


async def spread(connection: AsyncConnection) -> dict[str, str]:
    rows = await connection.execute(
        text("SELECT logicalrelid::regclass::text AS name, called FROM pg_dist_partition")
    )
    return {row.name: row.called for row in rows}


@pytest.mark.usefixtures("role_as_before")
async def test_every_table_of_a_school_is_spread_and_lies_beside_the_others(
    cluster: str, tmp_path: Path
) -> None:
    done = await to_thread(run, tmp_path, cluster, "db", "distribute", "--shards", "32")
    assert done.returncode == 0, done.stderr

    engine = create_async_engine(cluster)
    async with engine.connect() as connection:
        tables = await spread(connection)
        tenants = await catalogue.tenant_tables(connection) - {"pg_dist_partition"}
        settings = await connection.scalar(
            text("SELECT rolconfig FROM pg_roles WHERE rolname = :role"), {"role": APPLICATION_ROLE}
        )
    await engine.dispose()
    assert {name for name, called in tables.items() if called == "reference"} == catalogue.REFERENCE
    assert tables.keys() - catalogue.REFERENCE == tenants
    assert tables.pop("school_profiles") == "school_id 32 none"
    assert {tables[name] for name in tenants - {"school_profiles"}} == {"school_id school_profiles"}
    assert "citus.propagate_set_commands=local" in settings
    # After an upgrade it spreads what is new, and here nothing is.
    again = await to_thread(run, tmp_path, cluster, "db", "distribute")
    assert (again.returncode, again.stdout.split()[0]) == (0, "0"), again.stderr


async def test_what_it_would_do_is_written_without_a_database(tmp_path: Path) -> None:
    told = await to_thread(run, tmp_path, "", "db", "distribute", "--dry-run")

    lines = told.stdout.splitlines()
    assert lines[1] == "SELECT create_reference_table('schools');"
    assert lines[3].startswith(
        "SELECT create_distributed_table('school_profiles', 'school_id', shard"
    )
    assert len(lines) == 1 + len([*distribution.statements(schema.metadata)])


async def test_without_citus_it_says_what_to_do(owner_url: str, tmp_path: Path) -> None:
    told = await to_thread(run, tmp_path, owner_url, "db", "distribute")

    assert told.returncode == 1
    assert "CREATE EXTENSION citus" in told.stderr


async def test_on_a_cluster_every_node_is_told_whose_rows_are_seen(
    cluster: str, settings: Settings
) -> None:
    """What a function sets stays on one node: `SET LOCAL` follows it in the same transaction."""
    url = make_url(cluster).set(username=APPLICATION_ROLE, password=None)
    app = create_app(settings, url.render_as_string(hide_password=False))
    async with app.router.lifespan_context(app):
        school = await open_school(app)
        key = await school.api_key(Scope.STUDENTS_READ)
        for caller in (school.manager, key):
            with counted_statements(app) as statements:
                ok(await caller.get("/v1/students"))
            told = [place for place, each in enumerate(statements) if "set_config" in each]
            assert [statements[place + 1] for place in told] == [
                f"SET LOCAL app.school_id = '{school.id}'"
            ]


async def test_without_a_cluster_no_statement_more_is_sent(app: FastAPI, school: School) -> None:
    with counted_statements(app) as statements:
        ok(await school.manager.get("/v1/students"))
    assert not [each for each in statements if "SET LOCAL" in each]
