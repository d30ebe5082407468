"""The second wall: what the program's role sees and may do, whatever the program asks (SEC-02)."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.database import Base, create_engine, create_sessions, school_transaction
from tests.kit import Child, School, open_school
from tests.schema import catalogue

pytestmark = pytest.mark.anyio

_PROCESS = select(func.pg_backend_pid())


@pytest.fixture(scope="module")
async def ours(app: FastAPI) -> School:
    return await open_school(app)


@pytest.fixture(scope="module")
async def theirs(app: FastAPI) -> School:
    return await open_school(app)


@pytest.fixture(scope="module")
async def child(theirs: School) -> Child:
    return await theirs.child()


@pytest.fixture
async def role(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection as the program's role, in a transaction that is rolled back."""
    url = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def enter(role: asyncpg.Connection, school_id: UUID | str) -> None:
    await role.execute("SELECT set_config('app.school_id', $1, true)", str(school_id))


async def refused(role: asyncpg.Connection, query: str, *values: Any) -> None:
    """The database refuses by privilege or by policy."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with role.transaction():
            await role.execute(query, *values)


@pytest.mark.usefixtures("child")
@pytest.mark.parametrize("setting", [None, ""])
async def test_a_transaction_without_a_school_sees_no_tenants_row(
    owner: AsyncEngine, role: asyncpg.Connection, setting: str | None
) -> None:
    """Empty is what the setting is on a connection that had a school before."""
    if setting is not None:
        await enter(role, setting)
    async with owner.connect() as connection:
        tables = await catalogue.tenant_tables(connection)
    for table in tables:
        assert await role.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608


async def test_a_transaction_sees_its_own_school_and_no_other(
    owner: AsyncEngine, role: asyncpg.Connection, ours: School, theirs: School, child: Child
) -> None:
    async with owner.connect() as connection:
        tables = await catalogue.tenant_tables(connection)
    for school in (ours, theirs):
        await enter(role, school.id)
        for table in tables:
            seen = await role.fetch(f"SELECT DISTINCT school_id FROM {table}")  # noqa: S608
            assert {row["school_id"] for row in seen} <= {school.id}, table
    assert await role.fetchval("SELECT id FROM students") == UUID(child.student_id)


async def test_another_schools_rows_can_be_neither_changed_nor_taken_nor_made(
    role: asyncpg.Connection, ours: School, theirs: School, child: Child
) -> None:
    await enter(role, ours.id)
    student = UUID(child.student_id)

    changed = await role.execute("UPDATE students SET first_name = 'x' WHERE id = $1", student)
    assert changed == "UPDATE 0"
    removed = await role.execute("DELETE FROM enrolments WHERE student_id = $1", student)
    assert removed == "DELETE 0"
    insert = "INSERT INTO students (school_id, id, first_name, last_name) VALUES ($1, $2, 'a', 'b')"
    await refused(role, insert, theirs.id, UUID(int=1))
    await role.execute(insert, ours.id, UUID(int=1))
    await refused(role, "UPDATE students SET school_id = $1 WHERE id = $2", theirs.id, UUID(int=1))


async def test_a_row_cannot_point_into_another_school(
    role: asyncpg.Connection, ours: School, child: Child
) -> None:
    await enter(role, ours.id)
    family = UUID(int=2)
    await role.execute(
        "INSERT INTO families (school_id, id, name, language) VALUES ($1, $2, 'x', 'fr')",
        ours.id,
        family,
    )

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await role.execute(
            "INSERT INTO family_students (school_id, id, family_id, student_id, share_bp)"
            " VALUES ($1, $2, $3, $4, 0)",
            ours.id,
            UUID(int=3),
            family,
            UUID(child.student_id),
        )


async def test_a_pooled_connection_starts_blind_after_its_transaction(
    database_url: str, theirs: School, child: Child
) -> None:
    engine = create_engine(database_url, pool_size=1)
    sessions = create_sessions(engine)
    students = Base.metadata.tables["students"]
    query = students.select()
    async with school_transaction(sessions, theirs.id) as session:
        assert {row.id for row in await session.execute(query)} == {UUID(child.student_id)}
        first = await session.scalar(_PROCESS)
    for end in ("commit", "rollback"):
        async with sessions() as session:
            assert await session.scalar(_PROCESS) == first
            assert (await session.execute(query)).all() == []
            await getattr(session, end)()
    await engine.dispose()


async def test_books_are_appended_to_only(role: asyncpg.Connection, theirs: School) -> None:
    """REL-03."""
    await enter(role, theirs.id)
    for table in ("transfers", "allocations", "bank_files", "payment_references", "wallets"):
        column = "reference" if table == "payment_references" else "id"
        await refused(role, f"UPDATE {table} SET {column} = {column}")  # noqa: S608
        await refused(role, f"DELETE FROM {table}")  # noqa: S608
        await refused(role, f"TRUNCATE {table} CASCADE")
    for query in (
        "UPDATE accounts SET floor_cents = -1000000",
        "UPDATE accounts SET kind = 'bank'",
        "UPDATE bank_transactions SET amount_cents = 1",
        "UPDATE bank_statements SET closing_cents = 1",
        "DELETE FROM accounts",
        "DELETE FROM bank_transactions",
        "DELETE FROM bank_imports",
        "DELETE FROM books",
    ):
        await refused(role, query)


async def test_the_program_makes_no_tables_and_reads_no_secrets_of_the_server(
    role: asyncpg.Connection,
) -> None:
    for query in (
        "CREATE TABLE spoiled (id int)",
        "ALTER TABLE students DISABLE ROW LEVEL SECURITY",
        "DROP POLICY students_of_school ON students",
        "SET ROLE postgres",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_authid",
    ):
        await refused(role, query)


async def test_an_issued_invoice_can_be_neither_changed_nor_removed(
    role: asyncpg.Connection, theirs: School, child: Child
) -> None:
    issued = UUID((await theirs.invoice(child, 5_00))["id"])
    draft = UUID((await _draft(theirs, child))["id"])
    await enter(role, theirs.id)
    due = "UPDATE invoices SET due_on = DATE '2031-01-01' WHERE id = $1"
    await refused(role, "UPDATE invoices SET total_cents = 1 WHERE id = $1", issued)
    await refused(role, "UPDATE invoices SET label = 'x' WHERE id = $1", draft)

    assert await role.execute(due, issued) == "UPDATE 0"
    assert await role.execute("DELETE FROM invoices WHERE id = $1", issued) == "DELETE 0"
    assert await role.fetchval("SELECT count(*) FROM invoices WHERE id = $1", issued) == 1
    assert await role.execute("DELETE FROM invoices WHERE id = $1", draft) == "DELETE 1"
    gone = await role.fetchval("SELECT count(*) FROM invoice_lines WHERE invoice_id = $1", draft)
    assert gone == 0


async def test_an_issued_invoices_lines_can_be_neither_changed_nor_removed(
    role: asyncpg.Connection, theirs: School, child: Child
) -> None:
    issued = UUID((await theirs.invoice(child, 5_00))["id"])
    await enter(role, theirs.id)

    await refused(role, "DELETE FROM invoice_lines WHERE invoice_id = $1", issued)
    await refused(role, "UPDATE invoice_lines SET unit_cents = 1 WHERE invoice_id = $1", issued)


async def _draft(school: School, child: Child) -> Any:
    answer = await school.manager.post(
        "/v1/invoices",
        json={
            "family_id": child.family_id,
            "label": "Garderie",
            "lines": [{"student_id": child.student_id, "label": "x", "unit_cents": 1}],
        },
    )
    return answer.json()
