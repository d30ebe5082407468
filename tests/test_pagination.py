"""Cursors come back from clients, so anything may come; the lists' tests show the rest."""

import base64
import json
from datetime import UTC
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Date, DateTime, Text, Uuid

from itschool_api import pagination
from itschool_api.pagination import CursorSeal, InvalidCursor
from tests.kit import School, ok, open_school, problem

COLUMNS: tuple[Column[Any], ...] = (
    Column("entry", BigInteger),
    Column("name", Text),
    Column("day", Date),
    Column("instant", DateTime(timezone=True)),
    Column("id", Uuid),
)
SEAL = CursorSeal(bytes(range(32)))
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def school_of_module(app: FastAPI) -> School:
    return await open_school(app)


@given(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
    )
)
def test_a_cursor_is_read_as_it_was_written(key: tuple[Any, ...]) -> None:
    place = SEAL.open(SEAL.close(key, "/v1/names"), "/v1/names")

    typed = pagination._typed  # noqa: SLF001
    assert [typed(part, column) for part, column in zip(place, COLUMNS, strict=True)] == list(key)


@given(
    st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode())
)
def test_what_was_not_sealed_here_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        SEAL.open(cursor, "/v1/names")


def test_a_cursor_is_good_for_its_own_list_and_seal_alone() -> None:
    cursor = SEAL.close(["Peeters"], "/v1/names")

    assert SEAL.close(["Peeters"], "/v1/names") == cursor
    for seal, listed in ((SEAL, "/v1/others"), (CursorSeal(bytes(32)), "/v1/names")):
        with pytest.raises(InvalidCursor):
            seal.open(cursor, listed)


async def test_a_cursor_shows_no_name_and_bears_no_change(school: School) -> None:
    """It stands in query strings, which proxies log."""
    for name in ("Peeters", "Petit", "Pirard"):
        await school.child(last_name=name)
    manager = school.manager
    cursor = ok(await manager.get("/v1/students", params={"limit": 1}))["next"]

    assert b"Peeters" not in base64.urlsafe_b64decode(cursor + "==")
    rest = ok(await manager.get("/v1/students", params={"cursor": cursor}))
    assert [each["last_name"] for each in rest["items"]] == ["Petit", "Pirard"]
    for place in range(0, len(cursor) - 1, 5):
        other = "A" if cursor[place] != "A" else "B"
        changed = cursor[:place] + other + cursor[place + 1 :]
        answer = await manager.get("/v1/students", params={"cursor": changed})
        problem(answer, 400, "invalid-cursor")
    problem(await manager.get("/v1/guardians", params={"cursor": cursor}), 400, "invalid-cursor")


async def test_a_cursor_of_another_school_tells_nothing_of_it(
    school: School, other_school: School
) -> None:
    """SEC-02: it would lie between names of one's own."""
    for name in ("Peeters", "Petit"):
        await school.child(last_name=name)
    await other_school.child(last_name="Pe")
    cursor = ok(await school.manager.get("/v1/students", params={"limit": 1}))["next"]

    answer = await other_school.manager.get("/v1/students", params={"cursor": cursor})
    problem(answer, 400, "invalid-cursor")


@pytest.mark.parametrize(
    "cursor",
    ["x", "====", "W" * 1000, base64.urlsafe_b64encode(json.dumps(["a", 1]).encode()).decode()],
)
@pytest.mark.parametrize(
    "url",
    [
        "wallets",
        "invoices",
        "students",
        "guardians",
        "families",
        "guardianships",
        "class-groups",
        "bank-statements",
        "bank-transactions",
        "events",
    ],
)
async def test_no_cursor_breaks_a_list(school_of_module: School, url: str, cursor: str) -> None:
    answer = await school_of_module.manager.get(f"/v1/{url}", params={"cursor": cursor})

    problem(answer, 400, "invalid-cursor")
