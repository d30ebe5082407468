"""Jobs that are there if, and only if, the transaction that asked for them commits (pgqueuer).

A payload is ids in JSON, with the school's where there is one: never a name, never a secret.
"""

import json
from collections.abc import Mapping
from uuid import UUID

from pgqueuer import AsyncpgDriver, Job, Queries
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LIVING = text(
    "SELECT payload FROM pgqueuer WHERE entrypoint = :entrypoint AND status IN ('queued', 'picked')"
)


async def enqueue(session: AsyncSession, entrypoint: str, *payloads: Mapping[str, UUID]) -> None:
    """Ask for a job for each payload in this transaction, which must have run a statement already.

    The adapter sends BEGIN with the first statement: before it, the jobs would stand alone.
    """
    connection = await session.connection()
    if not connection.in_transaction():
        raise RuntimeError("a job is asked for within a transaction")
    raw = await connection.get_raw_connection()
    contents: list[bytes | None] = [
        json.dumps({name: str(value) for name, value in payload.items()}).encode()
        for payload in payloads
    ]
    # One statement, however many.
    await Queries(AsyncpgDriver(raw.driver_connection)).enqueue(
        [entrypoint] * len(contents), contents, [0] * len(contents)
    )


async def living(session: AsyncSession, entrypoint: str) -> list[dict[str, UUID]]:
    """Return the payloads of the jobs that wait or are being done."""
    found = await session.execute(_LIVING, {"entrypoint": entrypoint})
    return [_ids(row.payload) for row in found]


def ids(job: Job) -> dict[str, UUID]:
    """Return what a job's payload says."""
    return _ids(job.payload)


def _ids(payload: bytes | None) -> dict[str, UUID]:
    return {name: UUID(value) for name, value in json.loads(payload or b"{}").items()}
