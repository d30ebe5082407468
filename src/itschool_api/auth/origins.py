"""The addresses that a user got in from: limits on guessing spare them, so others keep nobody out.

An address is stored as a keyed hash, with the user's id in it: who reads the table learns neither
where somebody was nor who was at the same place.
"""

import hmac
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock
from itschool_api.auth.repository import KnownOrigins
from itschool_api.database import new_id

_MEMORY = timedelta(days=180)


async def is_known(session: AsyncSession, key: bytes, user_id: UUID | None, address: str) -> bool:
    """Tell whether a user got in from an address lately; nobody's is as much work."""
    user_id = user_id or new_id()
    since = clock.now() - _MEMORY
    return await KnownOrigins(session).holds(user_id, _hashed(key, user_id, address), since)


async def remember(session: AsyncSession, key: bytes, user_id: UUID, address: str) -> None:
    """Note that a user got in from an address."""
    await KnownOrigins(session).keep(user_id, _hashed(key, user_id, address), clock.now())


def _hashed(key: bytes, user_id: UUID, address: str) -> bytes:
    return hmac.digest(key, user_id.bytes + address.encode(), "sha256")
