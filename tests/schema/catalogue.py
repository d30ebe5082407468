"""What the database says of itself, and what is wrong with it: one function for each rule.

Each returns findings, so that a test can see it find a table that breaks the rule.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from itschool_api.database import APPLICATION_ROLE

# Tables that hold no school's data. Every other table is a tenant's.
GLOBAL: Final = frozenset(
    {
        "alembic_version",
        "schools",
        "users",
        "memberships",
        "membership_offers",
        "known_origins",
        "second_factors",
        "recovery_codes",
        "sessions",
        "refresh_tokens",
        "login_tokens",
        "login_token_requests",
        "signing_keys",
        "iban_claims",
        "rate_counters",
    }
)
QUEUE: Final = frozenset({"pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"})
# On a cluster these are copied to every node, so that a tenant's row may point at them.
REFERENCE: Final = frozenset({"schools", "users"})

_TENANT: Final = """
    SELECT c.oid, c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relname = ANY(:others)
"""


async def _rows(connection: AsyncConnection, query: str, **values: Any) -> Sequence[Any]:
    values = {"others": sorted(GLOBAL | QUEUE), "role": APPLICATION_ROLE} | values
    used = {name: value for name, value in values.items() if f":{name}" in query}
    return (await connection.execute(text(query), used)).all()


async def tenant_tables(connection: AsyncConnection) -> set[str]:
    """Return the names of the tables that belong to schools."""
    return {row.relname for row in await _rows(connection, _TENANT)}


async def without_school(connection: AsyncConnection) -> list[str]:
    """Return tenant tables that lack a `school_id` which is never null."""
    query = f"""
        SELECT t.relname FROM ({_TENANT}) t
        WHERE NOT EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = t.oid AND a.attname = 'school_id'
              AND a.atttypid = 'uuid'::regtype AND a.attnotnull)
    """  # noqa: S608
    return [row.relname for row in await _rows(connection, query)]


async def unwalled(connection: AsyncConnection) -> list[str]:
    """Return tenant tables without row-level security that holds for the program."""
    mine = "(school_id = (NULLIF(current_setting('app.school_id'::text, true), ''::text))::uuid)"
    query = f"""
        SELECT t.relname FROM ({_TENANT}) t JOIN pg_class c ON c.oid = t.oid
        WHERE NOT c.relrowsecurity OR NOT EXISTS (
            SELECT FROM pg_policies p
            WHERE p.schemaname = 'public' AND p.tablename = t.relname
              AND p.permissive = 'PERMISSIVE' AND p.cmd = 'ALL'
              AND p.roles = ARRAY[CAST(:role AS name)]
              AND p.qual = :mine AND p.with_check = :mine)
        OR EXISTS (
            SELECT FROM pg_policies p
            WHERE p.schemaname = 'public' AND p.tablename = t.relname
              AND p.permissive = 'PERMISSIVE' AND p.qual IS DISTINCT FROM :mine)
    """  # noqa: S608
    return [row.relname for row in await _rows(connection, query, mine=mine)]


async def keys_that_cannot_be_distributed(connection: AsyncConnection) -> list[str]:
    """Return primary keys of tenants that do not begin with the school, and keys that lack it.

    (Citus: a unique index of a distributed table contains the distribution column.)
    """
    query = f"""
        SELECT i.relname FROM ({_TENANT}) t
        JOIN pg_index x ON x.indrelid = t.oid
        JOIN pg_class i ON i.oid = x.indexrelid
        WHERE (x.indisunique OR x.indisexclusion) AND NOT EXISTS (
            SELECT FROM pg_attribute a
            WHERE a.attrelid = t.oid AND a.attname = 'school_id' AND CASE
                WHEN x.indisprimary THEN a.attnum = x.indkey[0]
                ELSE a.attnum = ANY(x.indkey::int2[]) END)
        UNION ALL
        SELECT t.relname || ' has no primary key' FROM ({_TENANT}) t
        WHERE NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = t.oid AND x.indisprimary)
    """  # noqa: S608
    return [row[0] for row in await _rows(connection, query)]


async def indexes_that_look_like_the_primary_key(connection: AsyncConnection) -> list[str]:
    """Return indexes that the check of a foreign key may take for the primary key of a big table.

    Before a table was ever analysed, all that begin with the school look alike to PostgreSQL, and
    one check may read all of the school's rows (decision 0031).
    """
    query = """
        SELECT i.relname FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
        WHERE x.indrelid = ANY (ARRAY['transfers'::regclass, 'bank_transactions'::regclass])
          AND NOT x.indisprimary AND x.indpred IS NULL AND a.attname = 'school_id'
    """
    return [row.relname for row in await _rows(connection, query)]


async def references_that_cross_schools(connection: AsyncConnection) -> list[str]:
    """Return foreign keys of tenants by which a row could point into another school.

    Between tenants both sides hold the school at the same place; of other tables only those
    that every node has a copy of may be pointed at. Global tables point at no tenant.
    """
    query = f"""
        SELECT k.conname, source.relname AS source, target.relname AS target,
               source.oid IN (SELECT oid FROM ({_TENANT}) t) AS from_tenant,
               target.oid IN (SELECT oid FROM ({_TENANT}) t) AS to_tenant,
               array(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, place)
                     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n
                     ORDER BY u.place) AS columns,
               array(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, place)
                     JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n
                     ORDER BY u.place) AS targets
        FROM pg_constraint k
        JOIN pg_class source ON source.oid = k.conrelid
        JOIN pg_class target ON target.oid = k.confrelid
        WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
    """  # noqa: S608
    found = []
    for key in await _rows(connection, query):
        if key.to_tenant:
            whole = key.from_tenant and "school_id" in key.columns and "school_id" in key.targets
            fits = whole and key.columns.index("school_id") == key.targets.index("school_id")
        else:
            fits = not key.from_tenant or key.target in REFERENCE
        if not fits:
            found.append(key.conname)
    return found


async def triggers(connection: AsyncConnection) -> list[str]:
    """Return triggers of tenant tables, which a cluster refuses (a foreign key's own aside)."""
    query = f"""
        SELECT g.tgname FROM pg_trigger g JOIN ({_TENANT}) t ON t.oid = g.tgrelid
        WHERE NOT g.tgisinternal
    """  # noqa: S608
    return [row.tgname for row in await _rows(connection, query)]


async def nameless(connection: AsyncConnection) -> list[str]:
    """Return constraints and indexes whose names do not follow our convention."""
    query = """
        SELECT k.conname AS name, r.relname, k.contype::text AS kind
        FROM pg_constraint k JOIN pg_class r ON r.oid = k.conrelid
        WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'f', 'c', 'x')
        UNION ALL
        SELECT i.relname, r.relname, CASE WHEN x.indisunique THEN 'u' ELSE 'i' END
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_class r ON r.oid = x.indrelid
        WHERE i.relnamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid
                          AND k.contype IN ('p', 'u', 'x'))
    """
    prefixes = {"p": "pk", "u": "uq", "f": "fk", "c": "ck", "x": "ex", "i": "ix"}
    return [
        row.name
        for row in await _rows(connection, query)
        # Alembic and the job queue name their own.
        if row.relname not in QUEUE | {"alembic_version"}
        and not (
            row.name == f"pk_{row.relname}"
            if row.kind == "p"
            else row.name.startswith(f"{prefixes[row.kind]}_{row.relname}_")
        )
    ]


async def privileges(connection: AsyncConnection) -> dict[str, frozenset[str]]:
    """Return what the program may do on each table: `INSERT`, `UPDATE (state, cause)`, …"""
    query = """
        SELECT r.relname, a.privilege_type AS privilege, NULL AS column
        FROM pg_class r, aclexplode(r.relacl) a
        WHERE r.relnamespace = 'public'::regnamespace AND r.relkind IN ('r', 'p', 'v', 'm')
          AND a.grantee IN (0, CAST(:role AS regrole)) AND NOT r.relname = ANY(:queue)
        UNION ALL
        SELECT r.relname, a.privilege_type, c.attname
        FROM pg_class r JOIN pg_attribute c ON c.attrelid = r.oid, aclexplode(c.attacl) a
        WHERE r.relnamespace = 'public'::regnamespace
          AND a.grantee IN (0, CAST(:role AS regrole)) AND NOT r.relname = ANY(:queue)
        ORDER BY 1, 2, 3
    """
    tables: dict[str, set[str]] = {}
    columns: dict[tuple[str, str], list[str]] = {}
    for row in await _rows(connection, query, queue=sorted(QUEUE)):
        if row.column is None:
            tables.setdefault(row.relname, set()).add(row.privilege)
        else:
            columns.setdefault((row.relname, row.privilege), []).append(row.column)
    for (table, privilege), names in columns.items():
        tables.setdefault(table, set()).add(f"{privilege} ({', '.join(sorted(names))})")
    return {table: frozenset(held) for table, held in tables.items()}


async def power_of_the_program(connection: AsyncConnection) -> list[str]:
    """Return whatever the program's role has beyond what was granted to it table by table."""
    query = """
        SELECT 'attribute: ' || attribute FROM pg_roles,
          LATERAL (VALUES ('superuser', rolsuper), ('createdb', rolcreatedb),
            ('createrole', rolcreaterole), ('bypassrls', rolbypassrls),
            ('replication', rolreplication)) a(attribute, held)
        WHERE rolname = :role AND held
        UNION ALL
        SELECT 'owns: ' || relname FROM pg_class WHERE relowner = CAST(:role AS regrole)
        UNION ALL
        SELECT 'owns function: ' || proname FROM pg_proc WHERE proowner = CAST(:role AS regrole)
        UNION ALL
        SELECT 'member of: ' || roleid::regrole FROM pg_auth_members
        WHERE member = CAST(:role AS regrole)
        UNION ALL
        SELECT 'creates in: public'
        WHERE has_schema_privilege(:role, 'public', 'CREATE')
        UNION ALL
        SELECT 'runs as its owner: ' || proname FROM pg_proc
        WHERE prosecdef AND pronamespace = 'public'::regnamespace
    """
    return [row[0] for row in await _rows(connection, query)]
