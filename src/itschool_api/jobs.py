"""Jobs that are there if, and only if, the transaction that asked for them commits (pgqueuer).

A payload is ids in JSON, with the school's where there is one: never a name, never a secret.
"""

import json
from collections.abc import Mapping
from uuid import UUID

from pgqueuer import AsyncpgDriver, Queries
from sqlalchemy.ext.asyncio import AsyncSession


async def enqueue(session: AsyncSession, entrypoint: str, payload: Mapping[str, UUID]) -> None:
    """Ask for a job in this transaction, which must have run a statement already.

    The adapter sends BEGIN with the first statement: before it, the job would stand alone.
    """
    connection = await session.connection()
    if not connection.in_transaction():
        raise RuntimeError("a job is asked for within a transaction")
    raw = await connection.get_raw_connection()
    content = json.dumps({name: str(value) for name, value in payload.items()}).encode()
    await Queries(AsyncpgDriver(raw.driver_connection)).enqueue(entrypoint, content)
