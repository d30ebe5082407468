"""Keyset pages: `limit + 1` rows after an opaque cursor, never an OFFSET or a COUNT."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import BigInteger, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from itschool_api import errors
from itschool_api.contract import Document, Search
from itschool_api.database import Selection

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200

Item = TypeVar("Item")
_Column = ColumnElement[Any] | InstrumentedAttribute[Any]


class InvalidCursor(errors.BadRequest):
    """The cursor is not one that this list gave."""


class Page(Document, Generic[Item]):
    """A part of a list."""

    items: list[Item] = Field(max_length=LARGEST_LIMIT)
    next: str | None = Field(
        max_length=1000,
        description="Send it as `cursor` for the next part; null at the end.",
        examples=[None],
    )


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is wanted."""

    limit: int
    cursor: str | None


def _wanted(
    limit: Annotated[
        int, Query(ge=1, le=LARGEST_LIMIT, description="How many items at the most.")
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next` of the part before.")
    ] = None,
) -> Slice:
    return Slice(limit, cursor)


Wanted = Annotated[Slice, Depends(_wanted)]
Words = Annotated[Search, Query(description="Beginnings of words, in any order.")]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: columns that together are unique and never null, and its direction."""

    by: tuple[_Column, ...]
    descending: bool = False


async def rows(
    session: AsyncSession, query: Selection, order: Order, wanted: Slice
) -> tuple[Sequence[Any], str | None]:
    """Return the wanted rows of `query` and the cursor of those that follow.

    Raises `InvalidCursor`.
    """
    if wanted.cursor is not None:
        here = tuple_(*order.by)
        last = tuple_(*_decoded(wanted.cursor, order.by))
        query = query.where(here < last if order.descending else here > last)
    ordered = (column.desc() if order.descending else column.asc() for column in order.by)
    keys = [column.label(f"_key{place}") for place, column in enumerate(order.by)]
    found = (
        await session.execute(query.add_columns(*keys).order_by(*ordered).limit(wanted.limit + 1))
    ).all()
    if len(found) <= wanted.limit:
        return found, None
    last_row = found[wanted.limit - 1]
    return found[: wanted.limit], _encoded(last_row[-len(keys) :])


def _encoded(key: Sequence[Any]) -> str:
    text = json.dumps([str(part) if isinstance(part, UUID) else _plain(part) for part in key])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _plain(part: Any) -> Any:
    return part.isoformat() if isinstance(part, (date, datetime)) else part


def _decoded(cursor: str, columns: Sequence[_Column]) -> list[Any]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(parts, list) or len(parts) != len(columns):
            raise InvalidCursor
        return [_typed(part, column) for part, column in zip(parts, columns, strict=True)]
    except (ValueError, OverflowError, RecursionError) as error:
        raise InvalidCursor from error


def _typed(part: Any, column: _Column) -> Any:
    """Return a part as its column's value: what the database would choke on is refused."""
    kind = column.type.python_type
    if kind is int and type(part) is int:
        bits = 63 if isinstance(column.type, BigInteger) else 31
        if -(2**bits) <= part < 2**bits:
            return part
    elif kind in _READERS and isinstance(part, str):
        return _READERS[kind](part)
    raise InvalidCursor


def _text(part: str) -> str:
    part.encode()  # a lone surrogate is no text, and PostgreSQL stores no NUL
    if "\0" in part:
        raise InvalidCursor
    return part


def _instant(part: str) -> datetime:
    return datetime.fromisoformat(part).astimezone(UTC)


_READERS: Mapping[type, Callable[[str], Any]] = {
    str: _text,
    date: date.fromisoformat,
    datetime: _instant,
    UUID: UUID,
}
