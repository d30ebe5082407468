"""Rows of what was counted, and of where a user was seen before: SQL, and no decisions."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import KnownOrigin, RateCounter


class KnownOrigins:
    """Where users got in from, by a hash."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def holds(self, user_id: UUID, origin_sha256: bytes, since: datetime) -> bool:
        """Tell whether a user got in from there since then."""
        query = select(KnownOrigin.last_seen_at).where(
            KnownOrigin.user_id == user_id,
            KnownOrigin.origin_sha256 == origin_sha256,
            KnownOrigin.last_seen_at > since,
        )
        return (await self._session.execute(query)).first() is not None

    async def keep(self, user_id: UUID, origin_sha256: bytes, now: datetime) -> None:
        """Note that a user got in from there."""
        query = insert(KnownOrigin).values(
            user_id=user_id, origin_sha256=origin_sha256, last_seen_at=now
        )
        await self._session.execute(
            query.on_conflict_do_update(
                index_elements=[KnownOrigin.user_id, KnownOrigin.origin_sha256],
                set_={"last_seen_at": query.excluded.last_seen_at},
            )
        )


class RateCounters:
    """Counts of attempts, which hold over several processes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def counts(self, windows: Mapping[str, datetime]) -> dict[str, int]:
        """Return the counts of keys, each in its window; what was never counted is left out."""
        query = select(RateCounter.key, RateCounter.hits).where(
            tuple_(RateCounter.key, RateCounter.window_at).in_(windows.items())
        )
        return {row.key: row.hits for row in await self._session.execute(query)}

    async def hit(self, windows: Mapping[str, datetime]) -> dict[str, int]:
        """Count one attempt for each key in its window, and return the counts."""
        return await self._add({key: (window, 1) for key, window in windows.items()})

    async def add(self, hits: Mapping[str, int], window: datetime) -> dict[str, int]:
        """Count so many for each key, and return the counts."""
        return await self._add({key: (window, more) for key, more in hits.items()})

    async def _add(self, counted: Mapping[str, tuple[datetime, int]]) -> dict[str, int]:
        # In one order everywhere, so that two requests never wait for each other.
        rows = [
            {"key": key, "window_at": window, "hits": hits}
            for key, (window, hits) in sorted(counted.items())
        ]
        query = insert(RateCounter).values(rows)
        counts = query.on_conflict_do_update(
            index_elements=[RateCounter.key, RateCounter.window_at],
            set_={"hits": RateCounter.hits + query.excluded.hits},
        ).returning(RateCounter.key, RateCounter.hits)
        return {row.key: row.hits for row in await self._session.execute(counts)}
