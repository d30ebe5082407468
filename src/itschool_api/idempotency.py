"""Replayed POSTs: the same `Idempotency-Key` has one effect and one answer, for 24 hours.

The key is written in the transaction of the effect itself, so that either both are there or
neither; a twin that arrives meanwhile waits for it. A refusal stores nothing: it may be tried
again under the same key. (IETF draft-ietf-httpapi-idempotency-key-header.)
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Header, Response
from pydantic import BaseModel
from sqlalchemy import LargeBinary, SmallInteger, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api import clock, errors, trail
from itschool_api.database import Base, school_key

LIFE = timedelta(hours=24)
_LOCK_NOT_AVAILABLE = "55P03"

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A value of your own choice, such as a UUID: repeating the request with it "
        "within 24 hours has no second effect and gives the first answer again.",
        examples=["5f0c2a52-8f0b-4a55-b7a5-0d6c0a4a4c0e"],
    ),
]


class IdempotencyKeyReused(errors.Unprocessable):
    """This Idempotency-Key came with another request before."""


class RequestInProgress(errors.Conflict):
    """A request with this Idempotency-Key is still being served: try again."""


class StoredAnswer(Base):
    """What was answered to a key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (school_key(),)

    school_id: Mapped[UUID] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    stored_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Once:
    """A claimed key: answer through it, or replay what was answered."""

    session: AsyncSession
    school_id: UUID
    caller: str
    key: str
    replay: Response | None

    async def answer(self, document: BaseModel, status: HTTPStatus) -> Response:
        """Store the answer with the effect, and return it."""
        body = document.model_dump_json().encode()
        await self.session.execute(
            update(StoredAnswer)
            .where(
                StoredAnswer.school_id == self.school_id,
                StoredAnswer.caller == self.caller,
                StoredAnswer.key == self.key,
            )
            .values(status=status, body=body)
        )
        return _json(body, status)


async def claim(
    session: AsyncSession, school_id: UUID, caller: str, key: str, operation: str, form: BaseModel
) -> Once:
    """Claim `key` for this request, waiting at most 5 s for a twin.

    Raises `IdempotencyKeyReused`, `RequestInProgress`.
    """
    digest = hashlib.sha256(f"{operation}\n{form.model_dump_json()}".encode()).digest()
    now = clock.now()
    await session.execute(text("SET LOCAL lock_timeout = '5s'"))
    mine = (StoredAnswer.school_id == school_id) & (StoredAnswer.caller == caller)
    try:
        await session.execute(delete(StoredAnswer).where(mine, StoredAnswer.stored_at < now - LIFE))
        claimed = await session.execute(
            insert(StoredAnswer)
            .values(
                school_id=school_id,
                caller=caller,
                key=key,
                request_sha256=digest,
                stored_at=now,
            )
            .on_conflict_do_nothing()
            .returning(StoredAnswer.key)
        )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise RequestInProgress from error
        raise
    if claimed.scalar_one_or_none() is not None:
        return Once(session, school_id, caller, key, None)
    stored = (
        await session.execute(select(StoredAnswer).where(mine, StoredAnswer.key == key))
    ).scalar_one()
    if stored.request_sha256 != digest:
        raise IdempotencyKeyReused
    trail.forget(session)
    return Once(
        session, school_id, caller, key, _json(stored.body or b"", HTTPStatus(stored.status or 200))
    )


def _json(body: bytes, status: HTTPStatus) -> Response:
    return Response(body, status_code=status, media_type="application/json")
