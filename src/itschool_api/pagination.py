"""Keyset pages: `limit + 1` rows after a sealed cursor, never an OFFSET or a COUNT.

A cursor is the last row's place in the order, which may be a child's name, and it travels in query
strings, which proxies log: so it is encrypted, and bound to the list that gave it, and to its order.
The school's list, too: else whoever finds one could see between which names of their own it lies.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from fastapi import Depends, Query, Request
from pydantic import Field
from sqlalchemy import Integer, bindparam, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from itschool_api import errors
from itschool_api.contract import Document, Search
from itschool_api.database import Selection, school_of

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
_COUNT = "page_rows"

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


class CursorSeal:
    """Makes cursors, and reads those that it made (AES-SIV, RFC 5297).

    The same place gives the same cursor, so that a page's bytes, and its ETag, stay the same.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def close(self, place: Sequence[Any], listed: str) -> str:
        """Return the cursor of a place in the list named `listed`."""
        text = json.dumps([_plain(part) for part in place], ensure_ascii=False)
        sealed = self._cipher.encrypt(text.encode(), [listed.encode()])
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, cursor: str, listed: str) -> list[Any]:
        """Return the place of a cursor that this list gave; raises `InvalidCursor`."""
        try:
            sealed = base64.b64decode(
                cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
            )
            place: list[Any] = json.loads(self._cipher.decrypt(sealed, [listed.encode()]))
        except (ValueError, InvalidTag) as error:
            raise InvalidCursor from error
        return place


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list is wanted; without a seal, the beginning, and nothing follows."""

    limit: int
    cursor: str | None = None
    seal: CursorSeal | None = None
    path: str = ""
    """The address of the list, to which its cursors are bound."""


async def _wanted(  # a plain function would be run in a thread
    request: Request,
    limit: Annotated[
        int, Query(ge=1, le=LARGEST_LIMIT, description="How many items at the most.")
    ] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next` of the part before.")
    ] = None,
) -> Slice:
    return Slice(limit, cursor, request.app.state.cursor_seal, request.url.path)


Wanted = Annotated[Slice, Depends(_wanted)]
Words = Annotated[Search, Query(description="Beginnings of words, in any order.")]


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: columns that together are unique and never null, and its direction."""

    by: tuple[_Column, ...]
    descending: bool = False


def orders(by: Mapping[str, tuple[_Column, ...]]) -> Mapping[str, Order]:
    """Return what each value of a list's `sort` means: a field, or a field the other way round.

    A field's columns end in some that are unique, and a null among them has its place by a value.
    """
    up = {field: Order(columns) for field, columns in by.items()}
    down = {f"-{field}": Order(columns, descending=True) for field, columns in by.items()}
    return up | down


def sorted_by(remark: str = "") -> Any:
    """Describe a list's `sort`, whose type names the fields that it takes."""
    return Query(description=f"Which field sets the order; after `-` the highest first. {remark}")


@dataclass(frozen=True, slots=True)
class Listing:
    """A query in its order, whose statement can be kept: making it costs as much as running it."""

    statement: Selection
    order: Order


def listing(query: Selection, order: Order) -> Listing:
    """Put a query in its order."""
    ordered = (column.desc() if order.descending else column.asc() for column in order.by)
    keys = [column.label(f"_key{place}") for place, column in enumerate(order.by)]
    count = bindparam(_COUNT, type_=Integer)
    return Listing(query.add_columns(*keys).order_by(*ordered).limit(count), order)


async def rows(
    session: AsyncSession, query: Selection, order: Order, wanted: Slice
) -> tuple[Sequence[Any], str | None]:
    """Return the wanted rows of `query` and the cursor of those that follow.

    Raises `InvalidCursor`.
    """
    return await rows_of(session, listing(query, order), wanted)


async def rows_of(
    session: AsyncSession, kept: Listing, wanted: Slice, **parameters: Any
) -> tuple[Sequence[Any], str | None]:
    """Return the wanted rows of a listing, under its query's parameters.

    Raises `InvalidCursor`.
    """
    query, order = kept.statement, kept.order
    # The columns too: where the order was another one, the place is not in this list.
    columns = (str(column) for column in order.by)
    listed = " ".join([wanted.path, str(school_of(session)), *columns, str(order.descending)])
    if wanted.cursor is not None and wanted.seal is not None:
        place = wanted.seal.open(wanted.cursor, listed)
        here = tuple_(*order.by)
        last = tuple_(*(_value(part, column) for part, column in zip(place, order.by, strict=True)))
        query = query.where(here < last if order.descending else here > last)
    found = (await session.execute(query, {_COUNT: wanted.limit + 1, **parameters})).all()
    if len(found) <= wanted.limit or wanted.seal is None:
        return found[: wanted.limit], None
    last_row = found[wanted.limit - 1]
    return found[: wanted.limit], wanted.seal.close(last_row[-len(order.by) :], listed)


def _plain(part: Any) -> Any:
    match part:
        case date():
            return part.isoformat()
        case UUID():
            return str(part)
    return part


def _value(part: Any, column: _Column) -> ColumnElement[Any]:
    """Return a part as the column's kind of value, whatever its size: one statement for all."""
    return literal(_typed(part, column), column.type)


def _typed(part: Any, column: _Column) -> Any:
    """Return a part as its column's value."""
    kind = column.type.python_type
    if kind is UUID:
        return UUID(part)
    return kind.fromisoformat(part) if kind in (date, datetime) else part
