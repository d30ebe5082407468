"""The second wall, for migrations: who may do what on a table, and whose rows they see.

Migrations call this for each new table; a test walks the catalogue and finds a table that none
of them walled in.
"""

from typing import Final

from itschool_api.database import APPLICATION_ROLE

# The empty string is what a pooled connection has after its first use of the setting.
_MINE: Final = "school_id = nullif(current_setting('app.school_id', true), '')::uuid"


def create_role() -> str:
    """Return the SQL that makes the role which the program logs in as: it owns nothing.

    Where an administrator made it before, the owner needs no right to make roles.
    """
    return f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                CREATE ROLE {APPLICATION_ROLE}
                    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
    """


def wall(table: str) -> list[str]:
    """Return the SQL that lets a transaction see only its school's rows of `table`."""
    whose = f"USING ({_MINE}) WITH CHECK ({_MINE})"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY {table}_of_school ON {table} TO {APPLICATION_ROLE} {whose}",
    ]


def unwall(table: str) -> list[str]:
    """Return the SQL that takes back what `wall` did."""
    return [
        f"DROP POLICY {table}_of_school ON {table}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    ]


def grant(table: str, *privileges: str) -> str:
    """Return the SQL that gives the program `privileges` on `table`, and no others."""
    return f"GRANT {', '.join(privileges)} ON {table} TO {APPLICATION_ROLE}"


def revoke(table: str, *privileges: str) -> str:
    """Return the SQL that takes `privileges` on `table` from the program."""
    return f"REVOKE {', '.join(privileges)} ON {table} FROM {APPLICATION_ROLE}"
