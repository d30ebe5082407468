"""How the tables are spread over the machines of a Citus cluster, school by school.

All rows of a school are on one node (its tables are colocated by `school_id`), so that whatever
happens within a school is one node's transaction. What schools point at, `schools` and `users`, is
copied to every node; the other global tables stay where the ways in are, on the coordinator.
(Citus 12, "Choosing Distribution Column" and "Multi-tenant Applications".)
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import MetaData, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from itschool_api.database import APPLICATION_ROLE

COLUMN: Final = "school_id"
REFERENCE: Final = ("schools", "users")
FIRST: Final = "school_profiles"
"""The table that every other one of a school lies beside."""
SHARDS: Final = 64
"""For up to as many nodes; a school is in one of them, with some hundred others."""


def tenant_tables(metadata: MetaData) -> list[Table]:
    """Return the tables of schools, each after those that it points at."""
    return [table for table in metadata.sorted_tables if _begins_with_school(table)]


def settings(role: str = APPLICATION_ROLE) -> Iterator[str]:
    """Give the statements that let the program's role say to all nodes which school it sees."""
    yield f"ALTER ROLE {role} SET citus.propagate_set_commands = 'local'"


def statements(
    metadata: MetaData, *, shards: int = SHARDS, done: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Give the statements that spread the tables, but those that are `done`, in their order.

    Each moves the rows that are there, and locks its table meanwhile.
    """
    for name in REFERENCE:
        if name not in done:
            yield f"SELECT create_reference_table('{name}')"
    tables = [table.name for table in tenant_tables(metadata)]
    for name in [FIRST, *(name for name in tables if name != FIRST)]:
        if name in done:
            continue
        beside = f"colocate_with => '{FIRST}'"
        if name == FIRST:
            beside = f"shard_count => {shards}, colocate_with => 'none'"
        yield f"SELECT create_distributed_table('{name}', '{COLUMN}', {beside})"


async def spread_already(connection: AsyncConnection) -> frozenset[str] | None:
    """Return the names of the tables that are spread, or None where there is no Citus."""
    if await connection.scalar(text("SELECT to_regclass('pg_dist_partition')")) is None:
        return None
    names = await connection.scalars(
        text("SELECT logicalrelid::regclass::text FROM pg_dist_partition")
    )
    return frozenset(names)


def _begins_with_school(table: Table) -> bool:
    """Tell whether a table is of schools: its primary key begins with the school."""
    return next(iter(table.primary_key.columns)).name == COLUMN
