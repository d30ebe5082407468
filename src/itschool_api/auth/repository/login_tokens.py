"""Rows of login tokens, and of requests for them: SQL, and no decisions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import LoginToken, LoginTokenRequest, User
from itschool_api.database import insert_many


class LoginTokens:
    """Single-use login tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def replace(self, token: LoginToken) -> bool:
        """Store a token in place of the user's older ones, unless it is there already.

        Tell whether it is the newest: the job of an older one may be late or tried again.
        """
        newer = select(LoginToken.id).where(
            LoginToken.user_id == token.user_id, LoginToken.created_at > token.created_at
        )
        if (await self._session.execute(newer.limit(1))).first() is not None:
            return False
        await self._session.execute(
            update(LoginToken)
            .where(
                LoginToken.user_id == token.user_id,
                LoginToken.used_at.is_(None),
                LoginToken.id != token.id,
            )
            .values(used_at=token.created_at)
        )
        await self._session.execute(
            insert(LoginToken)
            .values(
                id=token.id,
                user_id=token.user_id,
                token_sha256=token.token_sha256,
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
            .on_conflict_do_nothing()
        )
        return True

    async def replace_all(self, fresh: Sequence[LoginToken], now: datetime) -> None:
        """Store tokens in place of all that their users have."""
        await self._session.execute(
            update(LoginToken)
            .where(
                LoginToken.user_id == func.any([token.user_id for token in fresh]),
                LoginToken.used_at.is_(None),
            )
            .values(used_at=now)
            .execution_options(synchronize_session=False)
        )
        await insert_many(
            self._session,
            LoginToken,
            [
                {
                    "id": token.id,
                    "user_id": token.user_id,
                    "token_sha256": token.token_sha256,
                    "created_at": token.created_at,
                    "expires_at": token.expires_at,
                }
                for token in fresh
            ],
        )

    async def end_all(self, user_id: UUID, now: datetime) -> None:
        """Use up every token of a user."""
        await self._session.execute(
            update(LoginToken)
            .where(LoginToken.user_id == user_id, LoginToken.used_at.is_(None))
            .values(used_at=now)
        )

    async def redeem(self, token_sha256: bytes, now: datetime) -> UUID | None:
        """Use up a token and return whose it was; of concurrent calls one succeeds."""
        query = (
            update(LoginToken)
            .where(
                LoginToken.token_sha256 == token_sha256,
                LoginToken.used_at.is_(None),
                LoginToken.expires_at > now,
                User.id == LoginToken.user_id,
                User.disabled_at.is_(None),
            )
            .values(used_at=now)
            .returning(LoginToken.user_id)
        )
        return (await self._session.execute(query)).scalar_one_or_none()


class LoginTokenRequests:
    """Wishes for login tokens, of addresses that need not be known."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, request_id: UUID) -> LoginTokenRequest | None:
        """Delete a request and return what it said; of two calls at once one gets it."""
        query = (
            delete(LoginTokenRequest)
            .where(LoginTokenRequest.id == request_id)
            .returning(LoginTokenRequest)
        )
        return (await self._session.execute(query)).scalar_one_or_none()
