"""The keys that sign access tokens: made, published before they sign, retired, learned of.

A new key verifies at once and signs after a while, when every process and every cache of the key
set has learned of it; the one before verifies until its last token has expired. So no request
fails while keys change.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import tokens
from itschool_api.auth.models import SigningKey
from itschool_api.auth.repository import SigningKeys
from itschool_api.database import Sessions

RELOAD_EVERY: Final = timedelta(seconds=30)
# Whoever sends made-up ids of keys does not make us ask the database each time.
_RELOAD_AT_MOST_EVERY: Final = timedelta(seconds=5)
CACHED_FOR: Final = timedelta(minutes=5)
"""How long others may keep the key set."""
LEAD: Final = timedelta(minutes=10)
"""How long a new key is known before it signs: longer than it is cached and reloaded."""
_CLOCKS: Final = timedelta(minutes=1)  # by which those of two machines may differ
_KEPT: Final = timedelta(days=30)

_log = structlog.get_logger(__name__)


class SigningKeyNotFound(errors.NotFound):
    """There is no such signing key."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation will do when."""

    kid: str
    signs_from: datetime
    replaced: Sequence[str]
    verify_until: datetime


class LiveKeyRing:
    """The key ring of a running process, which learns of new keys and of retired ones."""

    def __init__(self, sessions: Sessions, ring: tokens.KeyRing) -> None:
        self.ring = ring
        self._sessions = sessions
        self._turn = asyncio.Lock()
        self._reloaded_at: float | None = None

    async def verify(self, token: str) -> tokens.Claims:
        """Return what a token says, looking for its key if it is new.

        Raises `InvalidAccessToken`.
        """
        try:
            return self.ring.verify(token)
        except tokens.UnknownKey:
            # Who came meanwhile waits for the same look, and asks again.
            async with self._turn:
                if self._may_reload():
                    await self.reload()
            return self.ring.verify(token)

    async def reload(self) -> None:
        """Take the keys as the database has them now."""
        self._reloaded_at = asyncio.get_running_loop().time()
        async with self._sessions.begin() as session:
            keys = await _stored(session)
        if keys:
            self.ring.replace(keys)

    async def keep_up(self) -> None:
        """Reload from time to time, until cancelled."""
        while True:
            await asyncio.sleep(RELOAD_EVERY.total_seconds())
            try:
                await self.reload()
            except (SQLAlchemyError, OSError, tokens.WrongSecretKey) as error:
                # The keys that are known go on; readiness tells what else is wrong.
                _log.warning("keys.not_reloaded", error=type(error).__name__)

    def _may_reload(self) -> bool:
        now = asyncio.get_running_loop().time()
        last = self._reloaded_at
        return last is None or now - last >= _RELOAD_AT_MOST_EVERY.total_seconds()


async def load(sessions: Sessions, secret: str, issuer: str) -> tokens.KeyRing:
    """Return the living keys, making the first one if there is none.

    Raises `WrongSecretKey`.
    """
    async with sessions.begin() as session:
        # Processes that start together agree on one first key.
        await SigningKeys(session).alone()
        if not await _stored(session):
            await _add(session, secret, signs_from=clock.now())
    async with sessions.begin() as session:
        return tokens.KeyRing(secret, issuer, await _stored(session))


async def rotate(
    session: AsyncSession, secret: str, *, lead: timedelta, access_life: timedelta
) -> Rotation:
    """Add a key that signs after `lead`, and let the others go when their tokens have expired."""
    rows = SigningKeys(session)
    await rows.alone()
    now = clock.now()
    signs_from = now + lead
    verify_until = signs_from + access_life + _CLOCKS
    await rows.forget(now - _KEPT)
    replaced = [key for key in await rows.all() if key.retired_at is None]
    for key in replaced:
        key.retired_at = verify_until
    added = await _add(session, secret, signs_from=signs_from)
    _log.info("key.rotated", kid=added.kid, signs_from=signs_from.isoformat())
    return Rotation(added.kid, signs_from, [key.kid for key in replaced], verify_until)


async def retire(session: AsyncSession, secret: str, kid: str) -> str:
    """Refuse a key's tokens from now on, and return the id of the key that signs instead.

    For a key that leaked. Raises `SigningKeyNotFound`.
    """
    rows = SigningKeys(session)
    await rows.alone()
    now = clock.now()
    keys = {key.kid: key for key in await rows.all()}
    if kid not in keys:
        raise SigningKeyNotFound
    keys[kid].retired_at = min(now, keys[kid].retired_at or now)
    staying = [key for key in keys.values() if key.retired_at is None]
    _log.info("key.retired", kid=kid)
    if not staying:
        return (await _add(session, secret, signs_from=now)).kid
    successor = staying[-1]
    successor.signs_from = min(now, successor.signs_from)
    return successor.kid


async def all_keys(session: AsyncSession) -> Sequence[SigningKey]:
    """Return every key that is kept, oldest first."""
    return await SigningKeys(session).all()


async def _stored(session: AsyncSession) -> list[tokens.StoredKey]:
    """Return the keys that verify, now or until a moment that lies ahead."""
    now = clock.now()
    return [
        tokens.StoredKey(key.kid, key.encrypted_key, key.signs_from, key.retired_at)
        for key in await SigningKeys(session).all()
        if key.retired_at is None or key.retired_at > now
    ]


async def _add(session: AsyncSession, secret: str, *, signs_from: datetime) -> SigningKey:
    kid, encrypted = tokens.new_signing_key(secret)
    key = SigningKey(
        kid=kid, encrypted_key=encrypted, created_at=clock.now(), signs_from=signs_from
    )
    session.add(key)
    await session.flush()
    return key
