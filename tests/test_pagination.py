"""Cursors are the client's to send, so anything may come; the lists' tests show the rest."""

import base64
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Date, DateTime, Integer, Text, Uuid

from itschool_api import pagination
from itschool_api.pagination import InvalidCursor

COLUMNS = (
    Column("number", Integer),
    Column("entry", BigInteger),
    Column("name", Text),
    Column("day", Date),
    Column("instant", DateTime(timezone=True)),
    Column("id", Uuid),
)
GOOD: tuple[Any, ...] = (1, 2**40, "Zoë", "2030-01-01", "2030-01-01T12:00:00+00:00", str(uuid4()))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def forged(parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@given(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
    )
)
def test_a_cursor_is_read_as_it_was_written(key: tuple[Any, ...]) -> None:
    assert pagination._decoded(pagination._encoded(key), COLUMNS) == list(key)  # noqa: SLF001


@given(st.lists(ANYTHING, min_size=6, max_size=6) | ANYTHING)
def test_a_forged_cursor_is_refused_or_holds_what_the_columns_hold(parts: object) -> None:
    try:
        values = pagination._decoded(forged(parts), COLUMNS)  # noqa: SLF001
    except InvalidCursor:
        return
    kinds = [int, int, str, date, datetime, UUID]
    assert [type(value) for value in values] == kinds


@pytest.mark.parametrize(
    ("place", "part"),
    [
        (0, 2**31),
        (0, True),
        (1, 2**63),
        (1, "7"),
        (2, "a\0b"),
        (2, "\ud800"),
        (2, 7),
        (3, "2030-02-30"),
        (4, "0001-01-01T00:00:00+14:00"),
        (4, 7),
        (5, 7),
        (5, "7"),
    ],
)
def test_what_a_column_cannot_hold_is_refused(place: int, part: object) -> None:
    assert pagination._decoded(forged(GOOD), COLUMNS)  # noqa: SLF001
    with pytest.raises(InvalidCursor):
        pagination._decoded(forged([*GOOD[:place], part, *GOOD[place + 1 :]]), COLUMNS)  # noqa: SLF001
