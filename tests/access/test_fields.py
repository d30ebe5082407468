"""What each role sees of what it may see: the fields of every answer (SEC-05)."""

import os
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from itschool_api.auth.caller import Role
from tests.access.fields import PINNED, fields_of, rendered
from tests.access.policy import RULES
from tests.access.requests import request_for
from tests.access.test_matrix import NEEDS_NEWCOMER, operations
from tests.access.world import ROLES, World, build
from tests.kit import School, ok

pytestmark = pytest.mark.anyio

# Of other people, and of the school's own records: no parent reads these words anywhere.
CANARIES = {
    "email": "canary.mail@example.org",
    "phone": "+32 2 555 66 77",
    "street": "Rue du Canari 7",
    "city": "Canariville",
    "external_key": "canary-key",
    "name": "Canarifamily",
    "last_name": "Canariname",
}


async def asked(world: World, name: str, method: str, path: str, caller: str) -> Any:
    """Return the answer to an operation's request."""
    client: AsyncClient = world.callers[caller]
    if name in NEEDS_NEWCOMER:
        client = await world.newcomer(caller)
    return await client.request(method, **await request_for(name, world, path))


async def test_each_role_sees_the_fields_that_are_pinned(app: FastAPI) -> None:
    """SEC-05: a field that shows anew, or to somebody else, shows in the diff.

    The world is the test's own, and asked in one order, so that lists hold the same each time.
    """
    world = await build(app)
    everything = [each for each in operations(app) if each[0] in RULES]
    seen: dict[str, dict[str, list[str]]] = {}
    # What only reads comes first, for what changes things changes what is read.
    for name, method, path, _ in sorted(everything, key=lambda each: each[1] != "GET"):
        # A person's own affairs look the same to everybody; a newcomer for each takes its time.
        callers = ("parent A", "admin") if name in NEEDS_NEWCOMER else ROLES
        for caller in callers:
            if RULES[name].statuses[caller] < 400:
                answer = await asked(world, name, method, path, caller)
                assert answer.status_code == RULES[name].statuses[caller], (name, caller)
                seen.setdefault(name, {})[caller] = fields_of(answer)
    made = rendered(dict(sorted(seen.items())))
    if "ITSCHOOL_PIN_FIELDS" in os.environ:
        PINNED.write_text(made, encoding="utf-8")

    assert made == PINNED.read_text(encoding="utf-8"), "ITSCHOOL_PIN_FIELDS=1 pins them anew"


async def other_parent(school: School, student_id: str) -> None:
    """Give a child another parent, with a family of their own, whose data is none of the first's."""
    manager = school.manager
    family = ok(
        await manager.post(
            "/v1/families",
            json={
                "name": CANARIES["name"],
                "street": CANARIES["street"],
                "city": CANARIES["city"],
                "students": [{"student_id": student_id, "share_bp": 5000}],
            },
        ),
        201,
    )
    guardian = ok(
        await manager.post(
            "/v1/guardians",
            json={
                "first_name": "Jo",
                "last_name": CANARIES["last_name"],
                "email": CANARIES["email"],
                "phone": CANARIES["phone"],
            },
        ),
        201,
    )
    link = {"student_id": student_id, "family_id": family["id"], "guardian_id": guardian["id"]}
    ok(await manager.post("/v1/guardianships", json=link), 201)
    ok(await manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
    ok(
        await manager.post(
            "/v1/students",
            json={
                "first_name": "Canari",
                "last_name": CANARIES["last_name"],
                "external_key": CANARIES["external_key"],
            },
        ),
        201,
    )


async def test_no_parent_reads_of_another(app: FastAPI) -> None:
    """SEC-05: neither of those who share a child with them, nor of the school's other families."""
    world = await build(app)
    await other_parent(world.ours.school, world.ours.ids["student"])
    admin = await world.ours.school.as_(*Role)
    tried, shown = 0, set()
    for name, method, path, _ in operations(app):
        if name not in RULES or RULES[name].statuses["parent A"] >= 400:
            continue
        answer = await asked(world, name, method, path, "parent A")
        assert [word for word in CANARIES.values() if word in answer.text] == [], name
        tried += 1
    for url in ("/v1/guardians", "/v1/families", "/v1/students"):
        text = (await admin.get(url)).text
        shown |= {word for word in CANARIES.values() if word in text}
    assert tried > 20
    # They are there to be read, by those who may.
    assert shown == set(CANARIES.values())
