"""Ids of another school inside a body are refused as if nothing were there (SEC-02)."""

import copy
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import openapi
from itschool_api.database import Base
from tests.access.policy import RULES
from tests.access.requests import request_for
from tests.access.test_matrix import NEEDS_NEWCOMER, operations
from tests.access.world import FOREIGN_KEY, FOREIGN_PERSON, World
from tests.kit import once

pytestmark = pytest.mark.anyio

# Every place of the contract's JSON forms that names something: operation, path within the body.
PLACES = (
    ("promote_students", "school_year_id"),
    ("promote_students", "from_school_year_id"),
    ("promote_students", "class_groups/0/from_class_group_id"),
    ("promote_students", "class_groups/0/to_class_group_id"),
    ("promote_students", "students/0/student_id"),
    ("promote_students", "students/0/to_class_group_id"),
    ("create_export", "student_id"),
    ("create_export", "guardian_id"),
    ("create_invoice", "family_id"),
    ("create_invoice", "lines/0/student_id"),
    ("create_invoice", "school_year_id"),
    ("pay_invoice", "wallet_id"),
    ("allocate_bank_transaction", "allocations/0/wallet_id"),
    ("allocate_bank_transaction", "allocations/0/invoice_id"),
    ("create_event", "audience/class_group_ids/0"),
    ("create_event", "audience/student_ids/0"),
    ("change_event", "audience/class_group_ids/0"),
    ("change_event", "audience/student_ids/0"),
    ("create_class_group", "school_year_id"),
    ("enrol_student", "class_group_id"),
    ("invite_guardians", "class_group_id"),
    ("print_login_letters", "class_group_id"),
    ("print_login_letters", "guardian_ids/0"),
    ("create_family", "students/0/student_id"),
    ("add_family_student", "student_id"),
    ("create_guardianship", "guardian_id"),
    ("create_guardianship", "student_id"),
    ("create_guardianship", "family_id"),
)


def named_places(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Give every place of a JSON form that takes an id."""
    document = openapi.document(app)

    def walk(schema: dict[str, Any], path: str) -> Iterator[str]:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].split("/")[-1]]
        for each in schema.get("anyOf", []):
            yield from walk(each, path)
        if schema.get("format") == "uuid":
            yield path
        if "items" in schema:
            yield from walk(schema["items"], f"{path}/0")
        for name, inner in schema.get("properties", {}).items():
            yield from walk(inner, f"{path}/{name}")

    for name, _, _, operation in operations(app):
        content = operation.get("requestBody", {}).get("content", {})
        for path in walk(content.get("application/json", {}).get("schema", {}), ""):
            yield name, path.removeprefix("/")


def replaced(body: dict[str, Any], path: str, value: str) -> dict[str, Any]:
    """Return the body with another id in one place."""
    body = copy.deepcopy(body)
    *way, last = path.split("/")
    place: Any = body
    for step in way:
        place = place[int(step)] if step.isdigit() else place.setdefault(step, [])
    if last.isdigit():
        place[:] = [value]
    else:
        place[last] = value
    # Of these, a form takes one.
    if set(place) == {"student_id", "guardian_id"}:
        place.pop("guardian_id" if last == "student_id" else "student_id")
    for one, other in (
        ("invoice_id", "wallet_id"),
        ("to_class_group_id", "to_name"),
        ("class_group_id", "guardian_ids"),
    ):
        if last == one:
            place.pop(other, None)
    return body


async def rows(owner: AsyncEngine) -> dict[str, int]:
    """Count the rows of every table, but those that count attempts."""
    names = [name for name in Base.metadata.tables if name not in {"rate_counters", "api_keys"}]
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in names)  # noqa: S608
    async with owner.connect() as connection:
        return {row[0]: row[1] for row in await connection.execute(text(query))}


async def test_every_place_is_tried(app: FastAPI) -> None:
    assert set(named_places(app)) == set(PLACES)


@pytest.mark.parametrize(("name", "path"), PLACES)
async def test_an_id_of_another_school_is_as_good_as_none(
    app: FastAPI, world: World, owner: AsyncEngine, name: str, path: str
) -> None:
    method, url = next((m, p) for n, m, p, _ in operations(app) if n == name)
    kind = path.removesuffix("/0").split("/")[-1].removesuffix("s").removesuffix("_id")
    kind = kind.removeprefix("from_").removeprefix("to_")
    answers = []
    for value in (world.theirs.ids[kind], str(uuid4())):
        request = await request_for(name, world, url)
        request["json"] = replaced(request["json"], path, value)
        before = await rows(owner)
        answer = await world.callers["admin"].request(method, **request)
        assert await rows(owner) == before
        problem = answer.json()
        answers.append((problem["status"], problem["type"], problem.get("detail")))

    assert answers[0] == answers[1]
    assert answers[0][0] in {404, 422}


def filters(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Give every query parameter that takes an id: operation, path, name."""
    for name, _, path, operation in operations(app):
        for parameter in operation.get("parameters", []):
            kinds = parameter["schema"].get("anyOf", [parameter["schema"]])
            if parameter["in"] == "query" and any(each.get("format") == "uuid" for each in kinds):
                yield name, path, parameter["name"]


async def test_a_filter_by_an_id_of_another_school_is_as_good_as_by_none(
    app: FastAPI, world: World
) -> None:
    """SEC-02: neither what is found nor how it is refused tells that something is there."""
    tried = 0
    for name, path, parameter in filters(app):
        request = await request_for(name, world, path)
        theirs = world.theirs.ids.get(parameter, world.theirs.ids["student"])
        answers = []
        for value in (theirs, str(uuid4())):
            answer = await world.callers["admin"].get(request["url"], params={parameter: value})
            body = answer.json()
            answers.append((answer.status_code, body.get("items"), body.get("type")))
        assert answers[0] == answers[1], (name, parameter)
        assert not answers[0][1], (name, parameter)
        tried += 1
    assert tried >= 10


async def test_a_parent_cannot_filter_their_way_to_another_family(
    app: FastAPI, world: World
) -> None:
    """SEC-01: whatever the filter, only one's own comes through it."""
    ids, neighbour = world.ours.ids, world.neighbour.parent
    tried = 0
    for name, path, parameter in filters(app):
        if RULES[name].statuses["parent B"] == 403:
            continue
        request = await request_for(name, world, path)
        answer = await neighbour.get(request["url"], params={parameter: ids[parameter]})
        assert answer.status_code == 404 or answer.json()["items"] == [], (name, parameter)
        tried += 1
    assert tried >= 4
    for url in ("/v1/wallets", "/v1/students"):
        assert (await neighbour.get(url, params={"search": "Noor"})).json()["items"] == []


async def test_a_parent_pays_neither_from_nor_for_another_family(world: World) -> None:
    """SEC-01: seeing one side of a payment is not enough."""
    ids, neighbour = world.ours.ids, world.neighbour
    theirs = await world.ours.school.invoice(neighbour, 5_00)
    keyed = {"Idempotency-Key": str(uuid4())}

    for_them = await world.ours.child.parent.post(
        f"/v1/invoices/{theirs['id']}/payments", json={"wallet_id": ids["wallet"]}, headers=keyed
    )
    from_them = await neighbour.parent.post(
        f"/v1/invoices/{theirs['id']}/payments", json={"wallet_id": ids["wallet"]}, headers=keyed
    )

    assert (for_them.status_code, from_them.status_code) == (404, 404)


async def test_a_cursor_of_another_caller_shows_only_ones_own(app: FastAPI, world: World) -> None:
    """SEC-01, SEC-02: a cursor is a place in a list, and no right to it."""
    await world.ours.fresh_draft()  # so that there is a second page
    tried = 0
    for name, _, path, operation in operations(app):
        if "cursor" not in {each["name"] for each in operation.get("parameters", [])}:
            continue
        request = await request_for(name, world, path)
        page = (await world.callers["admin"].get(request["url"], params={"limit": 1})).json()
        if page.get("next") is None:
            continue
        tried += 1
        for caller in ("parent B", FOREIGN_PERSON, FOREIGN_KEY):
            answer = await world.callers[caller].get(
                request["url"], params={"cursor": page["next"]}
            )
            # At another school it is no cursor at all.
            taken = 200 if caller == "parent B" else 400
            assert answer.status_code in {taken, 403, 404}, (name, caller)
            # The next year is everybody's; of the rest, nothing is a stranger's to see.
            secret = set(world.ours.ids.values()) - world.shared - {world.neighbour.student_id}
            assert [one for one in secret if one in answer.text] == [], (name, caller)
    assert tried >= 5


async def test_an_id_of_a_stranger_in_a_path_is_as_good_as_none(app: FastAPI, world: World) -> None:
    """SEC-01, SEC-02: no word of the refusal tells that something is there."""
    tried = 0
    for name, method, path, _ in operations(app):
        if "_id}" not in path or name not in RULES or name in NEEDS_NEWCOMER:
            continue
        for caller in ("parent B", FOREIGN_PERSON, FOREIGN_KEY):
            if RULES[name].statuses[caller] < 400:
                continue  # it is everybody's of the school
            answers = []
            for exists in (True, False):
                request = await request_for(name, world, path)
                if not exists:
                    request["url"] = re.sub(r"{\w+}", str(uuid4()), path)
                if "headers" in request and "Idempotency-Key" in request["headers"]:
                    request["headers"] = once()
                refusal = (await world.callers[caller].request(method, **request)).json()
                refusal.pop("request_id")
                answers.append(refusal)
            assert answers[0] == answers[1], (name, caller)
            assert answers[0]["status"] in {403, 404}, (name, caller)
            tried += 1
    assert tried > 90
