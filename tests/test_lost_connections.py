"""A connection that is lost while very many rows are on their way over it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.database import create_engine

pytestmark = pytest.mark.anyio
SLOW = "SELECT pg_sleep($1), length($2)"


async def test_rows_on_their_way_do_not_wait_for_a_dead_server(
    owner: AsyncEngine, database_url: str
) -> None:
    """REL-13: whoever sends them is told within seconds, and not never."""
    engine = create_engine(database_url)
    async with engine.connect() as connection:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        # More than any socket takes, to a server that is busy with the first of it.
        rows = [(60.0, "x" * 1_000_000)] * 20
        sending = asyncio.create_task(connection.exec_driver_sql(SLOW, rows))
        async with owner.connect() as other:
            asking = text("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = :pid")
            while not await other.scalar(asking, {"pid": pid}):
                await other.rollback()
            await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        # Not `wait_for`, for to cancel it would wake it up.
        told, _ = await asyncio.wait([sending], timeout=5)
        assert told
        with pytest.raises(DBAPIError):
            await sending
        await connection.invalidate()
    await engine.dispose()
