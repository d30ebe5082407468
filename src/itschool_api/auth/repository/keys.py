"""Rows of API keys, and of the keys that sign: SQL, and no decisions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import ApiKey, SigningKey
from itschool_api.database import alone


class ApiKeys:
    """A school's API keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def valid(self, school_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
        """Return a key that is neither revoked nor expired."""
        query = select(ApiKey).where(
            ApiKey.school_id == school_id,
            ApiKey.id == key_id,
            ApiKey.revoked_at.is_(None),
            (ApiKey.expires_at.is_(None)) | (ApiKey.expires_at > now),
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def labels(self, school_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the labels of keys."""
        query = select(ApiKey.id, ApiKey.label).where(
            ApiKey.school_id == school_id, ApiKey.id == func.any(list(key_ids))
        )
        return {row.id: row.label for row in await self._session.execute(query)}

    async def touch(self, key: ApiKey, now: datetime) -> None:
        """Remember that a key was used."""
        await self._session.execute(
            update(ApiKey)
            .where(ApiKey.school_id == key.school_id, ApiKey.id == key.id)
            .values(last_used_at=now)
        )

    async def revoke(self, school_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
        """End a key and return it; once is enough."""
        query = (
            update(ApiKey)
            .where(ApiKey.school_id == school_id, ApiKey.id == key_id)
            .values(revoked_at=func.coalesce(ApiKey.revoked_at, now))
            .returning(ApiKey)
        )
        return (await self._session.execute(query)).scalar_one_or_none()


class SigningKeys:
    """The keys that sign access tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> Sequence[SigningKey]:
        """Return every key, oldest first, retired ones too."""
        query = select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)
        return (await self._session.execute(query)).scalars().all()

    async def alone(self) -> None:
        """Let no other transaction change the keys meanwhile."""
        await alone(self._session, "signing-keys")

    async def forget(self, retired_before: datetime) -> None:
        """Delete the keys that were retired before then."""
        await self._session.execute(
            delete(SigningKey).where(SigningKey.retired_at < retired_before)
        )
