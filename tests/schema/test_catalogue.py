"""What the migrations made, asked of the database itself; and each question seen to find a fault."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from itschool_api import schema, tenancy
from itschool_api.database import APPLICATION_ROLE
from tests.schema import catalogue

pytestmark = pytest.mark.anyio

_READ, _ADD, _CHANGE, _REMOVE = "SELECT", "INSERT", "UPDATE", "DELETE"
# What the program may do, written by hand: a migration that grants more has to say so here.
PRIVILEGES: Final = {
    "alembic_version": {_READ},
    "schools": {_READ, _ADD, "UPDATE (second_factor_required)"},
    "users": {_READ, _ADD, _CHANGE},
    "memberships": {_READ, _ADD, _REMOVE},
    "membership_offers": {_READ, _ADD, _REMOVE, "UPDATE (accepted, answered_at)"},
    "known_origins": {_READ, _ADD, _CHANGE, _REMOVE},
    "second_factors": {_READ, _ADD, _CHANGE, _REMOVE},
    "recovery_codes": {_READ, _ADD, _CHANGE, _REMOVE},
    "sessions": {_READ, _ADD, _CHANGE, _REMOVE},
    "refresh_tokens": {_READ, _ADD, _CHANGE, _REMOVE},
    "login_tokens": {_READ, _ADD, _CHANGE, _REMOVE},
    "login_token_requests": {_READ, _ADD, _REMOVE},
    "signing_keys": {_READ, _ADD, _CHANGE, _REMOVE},
    "iban_claims": {_READ, _ADD},
    "rate_counters": {_READ, _ADD, _CHANGE, _REMOVE},
    "api_keys": {_READ, _ADD, _CHANGE},
    "school_profiles": {_READ, _ADD, _CHANGE},
    "school_years": {_READ, _ADD, _CHANGE},
    "compartments": {_READ, _ADD, _CHANGE},
    "bank_accounts": {_READ, _ADD, _CHANGE},
    "class_groups": {_READ, _ADD, _CHANGE},
    "students": {_READ, _ADD, _CHANGE},
    "enrolments": {_READ, _ADD, _CHANGE, _REMOVE},
    "families": {_READ, _ADD, _CHANGE},
    "family_students": {_READ, _ADD, _CHANGE, _REMOVE},
    "guardians": {_READ, _ADD, _CHANGE},
    "guardianships": {_READ, _ADD, _CHANGE},
    "idempotency_keys": {_READ, _ADD, _CHANGE, _REMOVE},
    "events": {_READ, _ADD, _CHANGE, _REMOVE},
    "event_audiences": {_READ, _ADD, _REMOVE},
    "mails": {
        _READ,
        _ADD,
        _REMOVE,
        "UPDATE (attempted_at, attempts, reason, recipient, sent_at, status)",
    },
    "exports": {
        _READ,
        _ADD,
        _REMOVE,
        "UPDATE (expires_at, file_key, ready_at, sha256, size_bytes, status)",
    },
    "webhook_endpoints": {_READ, _ADD, _CHANGE, _REMOVE},
    # What was told is told again as it was.
    "webhook_events": {_READ, _ADD, _REMOVE},
    "webhook_deliveries": {
        _READ,
        _ADD,
        _REMOVE,
        (
            "UPDATE (attempted_at, attempts, claimed_by, duration_ms, next_attempt_at, queued_at,"
            " reason, reply, response_status, status)"
        ),
    },
    # What was done is not undone by whoever did it.
    "audit_events": {_READ, _ADD},
    # The books and what the bank told: appended to (REL-03).
    "books": {_READ, _ADD, "UPDATE (next_reference)"},
    "accounts": {_READ, _ADD, "UPDATE (balance_cents, closed_at, entries)"},
    "transfers": {_READ, _ADD},
    "payment_references": {_READ, _ADD},
    "wallets": {_READ, _ADD},
    "invoice_series": {_READ, _ADD, "UPDATE (next_number)"},
    "invoices": {_READ, _ADD, _REMOVE, "UPDATE (account_id, due_on, issued_on, issued_to, number)"},
    "invoice_lines": {_READ, _ADD},
    "bank_imports": {_READ, _ADD, "UPDATE (reversed_at)"},
    "bank_files": {_READ, _ADD},
    "bank_statements": {_READ, _ADD, "UPDATE (reversed_at)"},
    "bank_transactions": {_READ, _ADD, "UPDATE (cause, state)"},
    "allocations": {_READ, _ADD},
}

Check = Callable[[AsyncConnection], Awaitable[Any]]


@pytest.fixture
async def connection(owner: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction of the owner's that is rolled back, with whatever was spoiled in it."""
    async with owner.connect() as opened:
        yield opened
        await opened.rollback()


@pytest.mark.parametrize(
    "check",
    [
        catalogue.without_school,
        catalogue.unwalled,
        catalogue.keys_that_cannot_be_distributed,
        catalogue.indexes_that_look_like_the_primary_key,
        catalogue.references_that_cross_schools,
        catalogue.triggers,
        catalogue.nameless,
        catalogue.power_of_the_program,
    ],
)
async def test_nothing_is_found(connection: AsyncConnection, check: Check) -> None:
    """SEC-02: tenants are walled in, cannot point across, and can be distributed."""
    assert await check(connection) == []


async def test_the_program_may_do_what_is_written_here_and_no_more(
    connection: AsyncConnection,
) -> None:
    """REL-03."""
    assert await catalogue.privileges(connection) == PRIVILEGES


async def test_every_table_is_known(connection: AsyncConnection) -> None:
    tenants = await catalogue.tenant_tables(connection)

    assert tenants | catalogue.GLOBAL == set(PRIVILEGES)
    assert tenants | catalogue.GLOBAL - {"alembic_version"} == set(schema.metadata.tables)


_SPOILED: Final = """
    CREATE TABLE spoiled (
        school_id uuid NOT NULL, id uuid NOT NULL,
        CONSTRAINT pk_spoiled PRIMARY KEY (school_id, id))
"""


@pytest.mark.parametrize(
    ("check", "statements", "found"),
    [
        (catalogue.without_school, ["CREATE TABLE spoiled (id uuid)"], "spoiled"),
        (
            catalogue.without_school,
            ["CREATE TABLE spoiled (school_id uuid, id uuid)"],
            "spoiled",
        ),
        (catalogue.unwalled, [_SPOILED], "spoiled"),
        (
            catalogue.unwalled,
            [_SPOILED, "ALTER TABLE spoiled ENABLE ROW LEVEL SECURITY"],
            "spoiled",
        ),
        (
            catalogue.unwalled,
            [_SPOILED, tenancy.wall("spoiled")[1]],  # a policy that nothing enables
            "spoiled",
        ),
        (
            catalogue.unwalled,
            [
                _SPOILED,
                *tenancy.wall("spoiled"),
                f"CREATE POLICY wide ON spoiled TO {APPLICATION_ROLE} USING (true)",
            ],
            "spoiled",
        ),
        (
            catalogue.unwalled,
            ["ALTER TABLE students DISABLE ROW LEVEL SECURITY"],
            "students",
        ),
        (
            catalogue.unwalled,
            [
                "DROP POLICY students_of_school ON students",
                (
                    f"CREATE POLICY students_of_school ON students FOR SELECT TO {APPLICATION_ROLE}"
                    " USING (true)"
                ),
            ],
            "students",
        ),
        (
            catalogue.keys_that_cannot_be_distributed,
            ["CREATE TABLE spoiled (school_id uuid NOT NULL, id uuid PRIMARY KEY)"],
            "spoiled_pkey",
        ),
        (
            catalogue.keys_that_cannot_be_distributed,
            ["CREATE UNIQUE INDEX uq_students_spoiled ON students (id)"],
            "uq_students_spoiled",
        ),
        (
            catalogue.keys_that_cannot_be_distributed,
            ["CREATE TABLE spoiled (school_id uuid NOT NULL, id uuid NOT NULL)"],
            "spoiled has no primary key",
        ),
        (
            catalogue.keys_that_cannot_be_distributed,
            [
                (
                    "CREATE TABLE spoiled (school_id uuid, id uuid,"
                    " CONSTRAINT pk_spoiled PRIMARY KEY (id, school_id))"
                )
            ],
            "pk_spoiled",
        ),
        (
            catalogue.indexes_that_look_like_the_primary_key,
            ["CREATE INDEX ix_transfers_spoiled ON transfers (school_id, booked_on)"],
            "ix_transfers_spoiled",
        ),
        (
            catalogue.references_that_cross_schools,
            [
                "ALTER TABLE students ADD CONSTRAINT uq_students_id UNIQUE (id)",
                (
                    "ALTER TABLE wallets ADD CONSTRAINT fk_wallets_spoiled"
                    " FOREIGN KEY (student_id) REFERENCES students (id) NOT VALID"
                ),
            ],
            "fk_wallets_spoiled",
        ),
        (
            catalogue.references_that_cross_schools,
            [
                "ALTER TABLE students ADD CONSTRAINT uq_students_swapped UNIQUE (id, school_id)",
                (
                    "ALTER TABLE wallets ADD CONSTRAINT fk_wallets_spoiled"
                    " FOREIGN KEY (school_id, student_id) REFERENCES students (id, school_id) NOT VALID"
                ),
            ],
            "fk_wallets_spoiled",
        ),
        (
            catalogue.references_that_cross_schools,
            [
                "ALTER TABLE students ADD COLUMN spoiled uuid",
                (
                    "ALTER TABLE students ADD CONSTRAINT fk_students_spoiled"
                    " FOREIGN KEY (spoiled) REFERENCES sessions (id)"
                ),
            ],
            "fk_students_spoiled",
        ),
        (
            catalogue.references_that_cross_schools,
            [
                "ALTER TABLE users ADD COLUMN school_id uuid, ADD COLUMN spoiled uuid",
                (
                    "ALTER TABLE users ADD CONSTRAINT fk_users_spoiled"
                    " FOREIGN KEY (school_id, spoiled) REFERENCES students (school_id, id)"
                ),
            ],
            "fk_users_spoiled",
        ),
        (
            catalogue.triggers,
            [
                (
                    "CREATE TRIGGER spoiled BEFORE UPDATE ON students FOR EACH ROW"
                    " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
                )
            ],
            "spoiled",
        ),
        (
            catalogue.nameless,
            ["ALTER TABLE students ADD CHECK (first_name <> '')"],
            "students_first_name_check",
        ),
        (catalogue.nameless, ["CREATE INDEX ON students (left_on)"], "students_left_on_idx"),
        (
            catalogue.power_of_the_program,
            [_SPOILED, f"ALTER TABLE spoiled OWNER TO {APPLICATION_ROLE}"],
            "owns: spoiled",
        ),
        (
            catalogue.power_of_the_program,
            [f"ALTER ROLE {APPLICATION_ROLE} BYPASSRLS"],
            "attribute: bypassrls",
        ),
        (
            catalogue.power_of_the_program,
            [f"GRANT CREATE ON SCHEMA public TO {APPLICATION_ROLE}"],
            "creates in: public",
        ),
    ],
)
async def test_a_spoiled_table_is_found(
    connection: AsyncConnection, check: Check, statements: list[str], found: str
) -> None:
    """A gate counts only once it has been seen to fail."""
    for statement in statements:
        await connection.execute(text(statement))

    assert found in await check(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT UPDATE ON transfers TO {role}",
        "GRANT DELETE ON allocations TO {role}",
        "GRANT UPDATE (amount_cents) ON bank_transactions TO {role}",
        "GRANT TRUNCATE ON students TO PUBLIC",
        "REVOKE INSERT ON wallets FROM {role}",
    ],
)
async def test_a_spoiled_privilege_is_found(connection: AsyncConnection, statement: str) -> None:
    """REL-03: the gate above, seen to fail."""
    await connection.execute(text(statement.format(role=APPLICATION_ROLE)))

    assert await catalogue.privileges(connection) != PRIVILEGES


async def test_models_and_migrations_agree(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        assert await connection.run_sync(schema.differences) == []


async def test_a_model_that_no_migration_made_is_found(connection: AsyncConnection) -> None:
    """The gate above, seen to fail."""
    await connection.execute(text("ALTER TABLE students DROP COLUMN left_on"))
    await connection.execute(text("ALTER TABLE guardians ALTER COLUMN language DROP NOT NULL"))

    found = await connection.run_sync(schema.differences)

    assert "left_on" in str(found)
    assert "language" in str(found)
