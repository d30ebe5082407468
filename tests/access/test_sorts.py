"""Every list that can be sorted, by every value of its `sort`, as the OpenAPI document names them."""

import itertools
import json
from collections.abc import Iterator
from datetime import date, datetime
from operator import itemgetter
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.money import Cents
from tests.access.world import FOREIGN_PERSON, World, webhook_form
from tests.kit import PAYER, School, ok, once, open_school, problem

pytestmark = pytest.mark.anyio

Item = dict[str, Any]
_DOCUMENT: Final = json.loads(Path("openapi/openapi.json").read_text(encoding="utf-8"))


def _sorted_lists() -> Iterator[tuple[str, list[str], str]]:
    """Give the address, the values and the default of every `sort`."""
    for path, methods in _DOCUMENT["paths"].items():
        for each in methods.get("get", {}).get("parameters", []):
            if each["name"] == "sort":
                yield path, each["schema"]["enum"], each["schema"]["default"]


LISTS: Final = {path: (values, default) for path, values, default in _sorted_lists()}
SORTS: Final = [(path, value) for path, (values, _) in LISTS.items() for value in values]
# Events of before today are not in their list by default.
_QUERIES: Final = {"/v1/events": {"from": "2026-01-01"}}


@pytest.fixture(scope="module")
async def town(app: FastAPI) -> tuple[School, AsyncClient]:
    """Open a school with several of each kind, many of them alike, and let its admin in."""
    school = await open_school(app)
    manager, admin = school.manager, await school.as_(Role.ADMIN)
    groups = [
        ok(await manager.post("/v1/class-groups", json={"name": name}), 201)["id"]
        for name in ("2B", "1A")
    ]
    names = [("Noor", "Peeters"), ("Ana", "Peeters"), ("Noor", "Dubois"), ("Noor", "Peeters")]
    for (first_name, last_name), group in zip(names, [*groups, None, groups[1]], strict=True):
        who = {"first_name": first_name, "last_name": last_name}
        student = {**who, "class_group_id": group} if group else who
        ok(await manager.post("/v1/students", json=student), 201)
        email = f"{token_hex(6)}@example.org"
        guardian = ok(await manager.post("/v1/guardians", json={**who, "email": email}), 201)
        ok(await manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
        ok(await manager.post("/v1/families", json={"name": f"Famille {last_name}"}), 201)
    child = await school.child(last_name="Dubois")
    await school.sibling(child)
    # The amount of one is more than 32 bits hold.
    for lines, day in (([1_000_000_00] * 30, 15), ([5_00], 20), ([5_00], 15), ([7_00], 10)):
        await school.invoice(child, *lines, due_on=date(2026, 12, day))
    for cents in (5_00, 6_00):
        line = {"student_id": child.student_id, "label": "Garderie", "unit_cents": cents}
        form = {"family_id": child.family_id, "label": "Garderie", "lines": [line]}
        ok(await manager.post("/v1/invoices", json=form), 201)
    # Numbers of another series, and of another year.
    year = ok(await manager.post("/v1/school-years", json={}), 201)["id"]
    for numbered in ({"series": "A"}, {"school_year_id": year}):
        draft = ok(await manager.post("/v1/invoices", json=form | numbered), 201)["id"]
        ok(await manager.post(f"/v1/invoices/{draft}/issue", json={}))
    for day, cents in ((20, 40_000_000_00), (18, 3_00), (18, 3_00), (19, 4_00)):
        paid = payment(child.reference, Cents(cents), PAYER)
        given = transfer("don", Cents(3_00), PAYER)
        await school.post_coda(school.coda(paid, given, on=date(2026, 11, day)))
    oldest = ok(await manager.get("/v1/invoices", params={"sort": "id"}))["items"][0]["id"]
    wallet = {"wallet_id": child.wallet_id, "amount_cents": 29_999_995_00}
    ok(await child.parent.post(f"/v1/invoices/{oldest}/payments", json=wallet, headers=once()), 201)
    endpoint = ok(await manager.post("/v1/webhook-endpoints", json=webhook_form()), 201)["id"]
    for _ in range(4):
        ok(await manager.post(f"/v1/webhook-endpoints/{endpoint}/test"), 202)
    for when in (
        {"begins_on": "2026-12-01", "ends_on": "2026-12-02"},
        {"begins_at": "2026-12-01T09:00:00+01:00", "ends_at": "2026-12-01T10:00:00+01:00"},
        {"begins_on": "2026-12-01", "ends_on": "2026-12-01"},
        {"begins_at": "2026-11-30T09:00:00+01:00", "ends_at": "2026-12-01T10:00:00+01:00"},
    ):
        event = {"title": "Marché", "audience": {"whole_school": True}, **when}
        ok(await manager.post("/v1/events", json=event), 201)
    return school, admin


async def walked(client: AsyncClient, path: str, **query: Any) -> list[Item]:
    """Return all items of a list, page by page."""
    found: list[Item] = []
    query = {**_QUERIES.get(path, {}), **query}
    while True:
        page = ok(await client.get(path, params=query))
        found += page["items"]
        if page["next"] is None:
            return found
        assert len(page["items"]) == query["limit"]
        query["cursor"] = page["next"]


def place(field: str, item: Item) -> Any:
    """Return what an item is sorted by; what it lacks comes last."""
    if field == "student":
        return item["student"]["last_name"], item["student"]["first_name"]
    if field == "begins_at":
        begins = datetime.fromisoformat(item["begins_at"] or f"{item['begins_on']}T00:00:00")
        return begins if begins.tzinfo else begins.replace(tzinfo=ZoneInfo("Europe/Brussels"))
    return item[field] is None, item[field] or 0 if field.endswith("_cents") else item[field] or ""


@pytest.mark.parametrize(("path", "sort"), SORTS)
async def test_a_sorted_list_is_the_list_in_its_fields_order(
    world: World, town: tuple[School, AsyncClient], path: str, sort: str
) -> None:
    """SEC-01: the same items, on pages of any length, and none of another school's."""
    _, admin = town
    plain = await walked(admin, path, limit=200)
    foreign = await walked(world.callers[FOREIGN_PERSON], path, limit=200)
    field = sort.removeprefix("-")

    for limit in (2, 3):
        found = await walked(admin, path, limit=limit, sort=sort)
        assert sorted(found, key=itemgetter("id")) == sorted(plain, key=itemgetter("id"))
        places = [place(field, each) for each in found]
        assert places == sorted(places, reverse=sort.startswith("-"))
    assert foreign
    assert not {each["id"] for each in foreign} & {each["id"] for each in found}
    assert len(plain) >= 4
    other = field if sort.startswith("-") else f"-{field}"
    assert await walked(admin, path, limit=3, sort=other) == found[::-1]


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_says_how_it_is_sorted(town: tuple[School, AsyncClient], path: str) -> None:
    _, admin = town
    values, default = LISTS[path]
    plain = await walked(admin, path, limit=200)

    assert await walked(admin, path, limit=200, sort=default) == plain
    assert {value.removeprefix("-") for value in values} == {
        value.removeprefix("-") for value in values if value.startswith("-")
    }
    for wrong in ("colour", "", default.upper(), f"{values[0]},{values[-1]}", "-"):
        (fault,) = problem(await admin.get(path, params={"sort": wrong}), 422, "validation-failed")[
            "errors"
        ]
        assert (fault["location"], fault["pointer"]) == ("query", "sort")
    twice = await admin.get(path, params={"sort": [values[0], values[1]]})
    problem(twice, 400, "invalid-parameters")


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_is_good_for_its_own_order_alone(
    town: tuple[School, AsyncClient], path: str
) -> None:
    _, admin = town
    values, default = LISTS[path]
    query: dict[str, Any] = {**_QUERIES.get(path, {}), "limit": 1}

    for sort, other in itertools.product(values, [*values, None]):
        cursor = ok(await admin.get(path, params={**query, "sort": sort}))["next"]
        told = {"sort": other} if other else {}
        answer = await admin.get(path, params={**query, **told, "cursor": cursor})
        if (other or default) == sort:
            ok(answer)
        else:
            problem(answer, 400, "invalid-cursor")


async def test_a_parent_sorts_what_is_theirs(town: tuple[School, AsyncClient]) -> None:
    """SEC-01: whatever the order."""
    school, _ = town
    parent = (await school.child(last_name="Zaman")).parent
    for path in ("/v1/wallets", "/v1/invoices", "/v1/students", "/v1/events"):
        plain = await walked(parent, path, limit=200)
        for sort in LISTS[path][0]:
            found = await walked(parent, path, limit=2, sort=sort)
            assert sorted(found, key=itemgetter("id")) == sorted(plain, key=itemgetter("id")), (
                path,
                sort,
            )
