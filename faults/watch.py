"""Look at the server's transactions from outside, so that a kill comes when it should."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

_LOOK_EVERY_SECONDS: Final = 0.002
# Only an import writes statements; other requests write into the other tables meanwhile.
_WRITING: Final = """
    SELECT a.backend_xid::text::xid8
    FROM pg_stat_activity a
    JOIN pg_locks s ON s.pid = a.pid AND s.relation = 'bank_statements'::regclass
    JOIN pg_locks l ON l.pid = a.pid AND l.relation = $1::text::regclass
    WHERE s.mode = 'RowExclusiveLock' AND l.mode = 'RowExclusiveLock'
      AND a.backend_xid IS NOT NULL LIMIT 1
"""


class Missed(Exception):
    """What was waited for came and went unseen."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A connection of one's own to the database that is looked at."""

    owner: asyncpg.Connection

    async def writing(self, table: str, is_over: Callable[[], bool]) -> str:
        """Wait for an import that writes into `table`; return its transaction's number.

        Raises `Missed` where it is over and nothing was seen.
        """
        while not is_over():
            found = await self.owner.fetchval(_WRITING, table)
            if found is not None:
                return str(found)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        raise Missed

    async def backend(self, transaction: str) -> int | None:
        """Return the process that serves a transaction, if it has not ended."""
        query = "SELECT pid FROM pg_stat_activity WHERE backend_xid::text = $1"
        return await self.owner.fetchval(query, transaction)  # type: ignore[no-any-return]

    async def end(self, transaction: str) -> str:
        """Wait until a transaction has ended; return `committed` or `aborted`."""
        query = "SELECT pg_xact_status($1::text::xid8)"
        while True:
            status = str(await self.owner.fetchval(query, transaction))
            if status != "in progress":
                return status
