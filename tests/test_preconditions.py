"""ETag, If-None-Match and If-Match: nothing is sent twice, nothing overwritten unseen."""

import asyncio

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from itschool_api import preconditions
from tests.kit import ANY_STATE, Child, School, client_of, ok, open_school, problem

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def one(app: FastAPI) -> tuple[School, Child]:
    school = await open_school(app)
    return school, await school.child()


async def etag_of(client: AsyncClient, url: str) -> str:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"]


async def test_what_is_read_has_an_etag_of_its_bytes(one: tuple[School, Child]) -> None:
    school, child = one
    for url in (f"students/{child.student_id}", "students", "dashboard", "me"):
        first = await school.manager.get(f"/v1/{url}")
        assert first.headers["etag"] == preconditions.etag(first.content), url
        assert "authorization" in first.headers["vary"].lower()


async def test_what_is_known_is_not_sent_again(one: tuple[School, Child]) -> None:
    school, child = one
    url = f"/v1/students/{child.student_id}"
    tag = await etag_of(school.manager, url)

    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = await school.manager.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b""), known
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "no-store"
        assert "content-type" not in answer.headers
        assert "content-length" not in answer.headers
    for other in ('"other"', "nonsense", "", tag.strip('"')):
        answer = await school.manager.get(url, headers={"If-None-Match": other})
        assert answer.status_code == 200, other
    too_long = await school.manager.get(url, headers={"If-None-Match": "x" * 1001})
    problem(too_long, 422, "validation-failed")


async def test_a_refusal_has_no_etag_and_hides_behind_none(one: tuple[School, Child]) -> None:
    """SEC-01: whoever knows an ETag still sees nothing."""
    school, child = one
    stranger = client_of(school.app)
    answer = await stranger.get(f"/v1/students/{child.student_id}", headers={"If-None-Match": "*"})

    problem(answer, 401, "unauthenticated")
    assert "etag" not in answer.headers


@pytest.mark.parametrize("kind", ["students", "guardians", "families", "guardianships", "events"])
async def test_a_change_is_held_to_the_state_that_it_was_made_from(
    one: tuple[School, Child], kind: str
) -> None:
    school, child = one
    manager = school.manager
    url, form, other = (await editable(school, child))[kind]
    tag = await etag_of(manager, url)

    problem(await manager.patch(url, json=form), 428, "precondition-required")
    for wrong in ('"other"', f"W/{tag}", "nonsense"):
        answer = await manager.patch(url, json=form, headers={"If-Match": wrong})
        problem(answer, 412, "precondition-failed")
    changed = await manager.patch(url, json=form, headers={"If-Match": f'"other", {tag}'})
    # The answer is the new state: whoever goes on editing need not read it again.
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == await etag_of(manager, url) != tag
    late = await manager.patch(url, json=other, headers={"If-Match": tag})
    problem(late, 412, "precondition-failed")
    assert ok(await manager.get(url)) == changed.json()
    ok(await manager.patch(url, json=other, headers=ANY_STATE))


Form = dict[str, object]


async def editable(school: School, child: Child) -> dict[str, tuple[str, Form, Form]]:
    """Return for each kind of thing that is edited its address, and two changes."""
    (link,) = ok(
        await school.manager.get("/v1/guardianships", params={"student": child.student_id})
    )["items"]
    event = {
        "title": "Fête",
        "begins_on": "2031-05-01",
        "ends_on": "2031-05-01",
        "audience": {"whole_school": True},
    }
    made = ok(await school.manager.post("/v1/events", json=event), 201)
    return {
        "students": (
            f"/v1/students/{child.student_id}",
            {"first_name": "Nour"},
            {"first_name": "Noor"},
        ),
        "guardians": (
            f"/v1/guardians/{child.guardian_id}",
            {"phone": "+32 2 555 01 99"},
            {"phone": None},
        ),
        "families": (
            f"/v1/families/{child.family_id}",
            {"street": "Rue Haute 1"},
            {"street": None},
        ),
        "guardianships": (
            f"/v1/guardianships/{link['id']}",
            {"sees_money": False},
            {"sees_money": True},
        ),
        "events": (f"/v1/events/{made['id']}", {"place": "Préau"}, {"place": None}),
    }


@pytest.mark.parametrize("kind", ["students", "guardianships", "events"])
async def test_of_many_who_edit_at_once_one_wins(one: tuple[School, Child], kind: str) -> None:
    """The state is computed anew under the row's lock."""
    school, child = one
    url, form, other = (await editable(school, child))[kind]
    # Else what the test before it left may be what the change says.
    ok(await school.manager.patch(url, json=other, headers=ANY_STATE))
    tag = await etag_of(school.manager, url)

    async def edit() -> Response:
        return await school.manager.patch(url, json=form, headers={"If-Match": tag})

    answers = await asyncio.gather(*(edit() for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    (won,) = (answer for answer in answers if answer.status_code == 200)
    assert ok(await school.manager.get(url)) == won.json()


async def test_a_change_takes_no_null_for_what_is_needed(one: tuple[School, Child]) -> None:
    school, child = one
    url = f"/v1/students/{child.student_id}"
    before = ok(await school.manager.get(url))

    for form in ({"first_name": None}, {"first_name": " "}, {"id": child.student_id}):
        answer = await school.manager.patch(url, json=form, headers=ANY_STATE)
        problem(answer, 422, "validation-failed")
    assert ok(await school.manager.patch(url, json={}, headers=ANY_STATE)) == before
