"""Every operation of the contract leaves one event in the audit trail, a refusal none (SEC-34)."""

from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.access.policy import RULES
from tests.access.requests import request_for
from tests.access.test_matrix import NEEDS_NEWCOMER, operations
from tests.access.world import FOREIGN_PERSON, World
from tests.audit.test_audit_events import left_by

pytestmark = pytest.mark.anyio

# What hands out a person's data as a file is told although it changes nothing.
DOWNLOADS = frozenset({"export_roll", "read_export_file"})


async def caller_of(world: World, caller: str, name: str) -> AsyncClient:
    """Return a caller; a newcomer where the operation needs one."""
    return await world.newcomer(caller) if name in NEEDS_NEWCOMER else world.callers[caller]


@pytest.mark.parametrize("name", [*RULES])
async def test_whoever_may_leaves_one_event_and_who_may_not_none(
    app: FastAPI, world: World, owner: AsyncEngine, name: str
) -> None:
    """SEC-34: for each operation of the contract, so that a new one cannot be forgotten."""
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    leaves = method != "GET" or name in DOWNLOADS
    for caller in ("admin", "teacher", FOREIGN_PERSON):
        client = await caller_of(world, caller, name)
        request = await request_for(name, world, path)
        answer = await client.request(method, **request)
        found = await left_by(owner, answer)

        assert answer.status_code == RULES[name].statuses[caller], answer.text
        if not leaves or answer.status_code >= 400:
            assert found == [], caller
            continue
        (event,) = found
        school = world.theirs.school if caller == FOREIGN_PERSON else world.ours.school
        assert (event.school_id, event.action) == (school.id, name)
        assert event.actor.startswith("user:")
        named = {str(each) for each in event.subject_ids}
        assert named == {each for ids in event.subjects.values() for each in ids}
        # What the path names, and what was made.
        assert {value for value in request["url"].split("/") if _is_id(value)} <= named
        if answer.status_code == 201 and "id" in (made := answer.json()):
            assert made["id"] in named


@pytest.mark.parametrize("name", [*RULES])
async def test_what_is_malformed_leaves_no_event(
    app: FastAPI, world: World, owner: AsyncEngine, name: str
) -> None:
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    if method == "GET":
        return
    request = await request_for(name, world, path)
    if "json" not in request:
        return
    answer = await (await caller_of(world, "admin", name)).request(
        method, **request | {"json": request["json"] | {"canary": 1}}
    )

    assert answer.status_code == 422
    assert await left_by(owner, answer) == []


def _is_id(text_: str) -> bool:
    try:
        UUID(text_)
    except ValueError:
        return False
    return True
