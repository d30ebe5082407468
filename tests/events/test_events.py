"""Events: who is told what, when it counts, and what is refused."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient

from itschool_api import clock
from itschool_api.auth.caller import Role, Scope
from itschool_api.database import new_id, school_transaction
from itschool_api.families.models import Enrolment
from tests.kit import ANY_STATE, Child, School, client_of, ok, problem

pytestmark = pytest.mark.anyio

BRUSSELS = "Europe/Brussels"
EVERYBODY = {"whole_school": True}
# Long after today, so that the default period does not matter.
FAIR = {
    "title": "Marché de Noël",
    "text": "Venez nombreux !",
    "place": "Cour de récréation",
    "begins_at": "2030-12-18T16:00:00+01:00",
    "ends_at": "2030-12-18T20:00:00+01:00",
    "audience": EVERYBODY,
}


def days(first: str, last: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an event of whole days."""
    return {
        "title": first,
        "begins_on": first,
        "ends_on": last or first,
        "audience": EVERYBODY,
        **more,
    }


def hours(begin: str, end: str, **more: Any) -> dict[str, Any]:
    """Return an event with instants."""
    return {
        "title": begin,
        "begins_at": begin,
        "ends_at": end,
        "audience": EVERYBODY,
        **more,
    }


async def announce(school: School, event: Mapping[str, Any], **changes: Any) -> Any:
    return ok(await school.manager.post("/v1/events", json={**event, **changes}), 201)


async def titles(client: AsyncClient, **period: str) -> list[str]:
    page = ok(await client.get("/v1/events", params=period))
    return [event["title"] for event in page["items"]]


async def class_group(school: School, name: str, *children: Child) -> str:
    """Make a class group with children in it."""
    group = ok(await school.manager.post("/v1/class-groups", json={"name": name}), 201)
    async with school_transaction(school.sessions, school.id) as session:
        session.add_all(
            Enrolment(
                school_id=school.id,
                id=new_id(),
                student_id=UUID(child.student_id),
                school_year_id=UUID(group["school_year_id"]),
                class_group_id=UUID(group["id"]),
            )
            for child in children
        )
    return str(group["id"])


async def end_guardianship(school: School, child: Child, on: date) -> None:
    links = ok(await school.manager.get("/v1/guardianships", params={"student": child.student_id}))
    (link,) = links["items"]
    ok(
        await school.manager.patch(
            f"/v1/guardianships/{link['id']}",
            headers=ANY_STATE,
            json={"sees_money": True, "ends_on": on.isoformat()},
        )
    )


# --- what an event says ---------------------------------------------------------------------


async def test_an_event_with_hours_tells_its_instants_in_utc(school: School) -> None:
    made = await announce(school, FAIR)
    assert made == {
        "id": made["id"],
        "title": "Marché de Noël",
        "text": "Venez nombreux !",
        "place": "Cour de récréation",
        "begins_at": "2030-12-18T15:00:00Z",
        "ends_at": "2030-12-18T19:00:00Z",
        "begins_on": None,
        "ends_on": None,
        "audience": {"whole_school": True, "class_group_ids": [], "student_ids": []},
        "created_at": made["created_at"],
    }
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == made


async def test_an_event_of_whole_days_tells_its_days_and_no_instants(school: School) -> None:
    made = await announce(school, days("2030-05-12", "2030-05-16", text="", place=None))
    assert (made["begins_on"], made["ends_on"]) == ("2030-05-12", "2030-05-16")
    assert (made["begins_at"], made["ends_at"]) == (None, None)
    assert (made["text"], made["place"]) == ("", None)
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == made


async def test_line_ends_are_one_character_whatever_the_client_sends(school: School) -> None:
    made = await announce(school, FAIR, text="Un\r\ndeux\ntrois")
    assert made["text"] == "Un\ndeux\ntrois"


async def test_an_audience_named_twice_is_addressed_once(school: School) -> None:
    child = await school.child()
    group = await class_group(school, "3B", child)
    audience = {"class_group_ids": [group, group], "student_ids": [child.student_id] * 2}
    made = await announce(school, FAIR, audience=audience)
    assert made["audience"] == {
        "whole_school": False,
        "class_group_ids": [group],
        "student_ids": [child.student_id],
    }
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == made


# --- who is told what -----------------------------------------------------------------------


async def test_parents_see_what_is_addressed_to_their_children(school: School) -> None:
    noor = await school.child()
    other = await school.child()
    third_b, third_c = await class_group(school, "3B", noor), await class_group(school, "3C", other)
    await announce(school, FAIR, title="all")
    await announce(school, FAIR, title="3B", audience={"class_group_ids": [third_b]})
    await announce(school, FAIR, title="3C", audience={"class_group_ids": [third_c]})
    await announce(school, FAIR, title="noor", audience={"student_ids": [noor.student_id]})
    await announce(school, FAIR, title="other", audience={"student_ids": [other.student_id]})
    await announce(
        school,
        FAIR,
        title="both",
        audience={"class_group_ids": [third_c], "student_ids": [noor.student_id]},
    )

    assert await titles(noor.parent) == ["all", "3B", "noor", "both"]
    assert await titles(other.parent) == ["all", "3C", "other", "both"]


async def test_an_event_for_two_children_of_a_parent_is_in_the_list_once(school: School) -> None:
    noor = await school.child()
    lars = await school.sibling(noor)
    group = await class_group(school, "3B", noor, lars)
    audience = {"class_group_ids": [group], "student_ids": [noor.student_id, lars.student_id]}
    await announce(school, FAIR, audience=audience)
    (event,) = ok(await noor.parent.get("/v1/events"))["items"]
    assert event["audience"]["student_ids"] == sorted([noor.student_id, lars.student_id])


async def test_a_parent_is_told_no_other_childs_id(school: School) -> None:
    noor = await school.child()
    other = await school.child()
    third_b, third_c = await class_group(school, "3B", noor), await class_group(school, "3C", other)
    audience = {
        "class_group_ids": [third_b, third_c],
        "student_ids": [noor.student_id, other.student_id],
    }
    made = await announce(school, FAIR, audience=audience)

    seen = ok(await noor.parent.get(f"/v1/events/{made['id']}"))

    assert seen["audience"] == {
        "whole_school": False,
        "class_group_ids": [third_b],
        "student_ids": [noor.student_id],
    }
    assert seen == {**made, "audience": seen["audience"]}
    (listed,) = ok(await noor.parent.get("/v1/events"))["items"]
    assert listed == seen


@pytest.mark.parametrize("role", [Role.TEACHER, Role.ACCOUNTANT, Role.MANAGER, Role.ADMIN])
async def test_staff_see_every_event_and_its_whole_audience(school: School, role: Role) -> None:
    child = await school.child()
    made = await announce(school, FAIR, audience={"student_ids": [child.student_id]})
    staff = await school.as_(role)
    assert ok(await staff.get("/v1/events"))["items"] == [made]
    assert ok(await staff.get(f"/v1/events/{made['id']}")) == made


async def test_a_guardian_who_does_not_see_money_sees_events(school: School) -> None:
    child = await school.child(sees_money=False)
    await announce(school, FAIR, audience={"student_ids": [child.student_id]})
    assert await titles(child.parent) == [FAIR["title"]]


async def test_a_guardianship_that_ended_yesterday_shows_nothing(school: School) -> None:
    child = await school.child()
    group = await class_group(school, "3B", child)
    for audience in (
        EVERYBODY,
        {"class_group_ids": [group]},
        {"student_ids": [child.student_id]},
    ):
        made = await announce(school, FAIR, audience=audience)
    await end_guardianship(school, child, clock.today(BRUSSELS) - timedelta(days=1))
    assert await titles(child.parent) == []
    problem(await child.parent.get(f"/v1/events/{made['id']}"), 404, "event-not-found")


async def test_a_guardianship_that_ends_for_one_child_still_shows_the_other(school: School) -> None:
    noor = await school.child()
    lars = await school.sibling(noor)
    for title, child in (("noor", noor), ("lars", lars)):
        await announce(school, FAIR, title=title, audience={"student_ids": [child.student_id]})
    await announce(school, FAIR, title="all")
    await end_guardianship(school, lars, clock.today(BRUSSELS) - timedelta(days=1))
    assert await titles(noor.parent) == ["noor", "all"]


async def test_a_guardian_without_a_child_sees_not_even_what_is_for_all(school: School) -> None:
    made = await announce(school, FAIR)
    stranger = await school.as_(Role.GUARDIAN)
    assert await titles(stranger) == []
    problem(await stranger.get(f"/v1/events/{made['id']}"), 404, "event-not-found")


# --- the four questions ---------------------------------------------------------------------


async def _requests(
    client: AsyncClient, event_id: str, *, writes: bool = True, reads: bool = True
) -> dict[str, Any]:
    answers = {}
    if writes:
        answers["create"] = await client.post("/v1/events", json=FAIR)
        answers["change"] = await client.patch(
            f"/v1/events/{event_id}", json=FAIR, headers=ANY_STATE
        )
        answers["delete"] = await client.delete(f"/v1/events/{event_id}")
    if reads:
        answers["read"] = await client.get(f"/v1/events/{event_id}")
        answers["list"] = await client.get("/v1/events")
    return answers


async def test_nobody_in_particular_is_asked_who_they_are(school: School) -> None:
    made = await announce(school, FAIR)
    for answer in (await _requests(client_of(school.app), made["id"])).values():
        problem(answer, 401, "unauthenticated")


async def test_other_scopes_do_not_reach_events(school: School) -> None:
    made = await announce(school, FAIR)
    key = await school.api_key(Scope.WALLETS_READ, Scope.INVOICES_WRITE)
    for answer in (await _requests(key, made["id"])).values():
        problem(answer, 403, "insufficient-scope")


@pytest.mark.parametrize("role", [Role.GUARDIAN, Role.TEACHER, Role.ACCOUNTANT])
async def test_only_the_office_writes_events(school: School, role: Role) -> None:
    made = await announce(school, FAIR)
    client = await school.as_(role)
    for answer in (await _requests(client, made["id"], reads=False)).values():
        problem(answer, 403, "insufficient-scope")
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == made


async def test_a_parent_gets_404_for_what_is_not_theirs(school: School) -> None:
    noor, other = await school.child(), await school.child()
    made = await announce(school, FAIR, audience={"student_ids": [other.student_id]})
    problem(await noor.parent.get(f"/v1/events/{made['id']}"), 404, "event-not-found")
    assert await titles(noor.parent) == []


async def test_another_school_gets_nothing(school: School, other_school: School) -> None:
    child = await school.child()
    made = await announce(school, FAIR)
    stranger = await other_school.child()
    own = await announce(other_school, FAIR, title="elsewhere")
    for client in (other_school.manager, await other_school.api_key(Scope.EVENTS_READ)):
        problem(await client.get(f"/v1/events/{made['id']}"), 404, "event-not-found")
        assert await titles(client) == ["elsewhere"]
    assert await titles(stranger.parent) == ["elsewhere"]
    writer = other_school.manager
    problem(
        await writer.patch(f"/v1/events/{made['id']}", json=FAIR, headers=ANY_STATE),
        404,
        "event-not-found",
    )
    problem(await writer.delete(f"/v1/events/{made['id']}"), 404, "event-not-found")
    assert ok(await child.parent.get("/v1/events"))["items"] == [made]
    assert ok(await writer.get(f"/v1/events/{own['id']}")) == own


async def test_a_key_that_only_writes_gets_its_event_back(school: School) -> None:
    writer = await school.api_key(Scope.EVENTS_WRITE)
    made = ok(await writer.post("/v1/events", json=FAIR), 201)
    changed = ok(
        await writer.patch(
            f"/v1/events/{made['id']}", json={**FAIR, "title": "Nouveau"}, headers=ANY_STATE
        )
    )
    assert changed == {**made, "title": "Nouveau"}
    ok(await writer.delete(f"/v1/events/{made['id']}"), 204)


# --- changing -------------------------------------------------------------------------------


async def test_a_change_replaces_the_event_and_its_audience(school: School) -> None:
    noor, other = await school.child(), await school.child()
    group = await class_group(school, "3B", other)
    made = await announce(school, FAIR, audience={"student_ids": [noor.student_id]})

    changed = ok(
        await school.manager.patch(
            f"/v1/events/{made['id']}",
            headers=ANY_STATE,
            json={
                "title": "Remis",
                "begins_at": None,
                "ends_at": None,
                "begins_on": "2030-12-20",
                "ends_on": "2030-12-20",
                "audience": {"class_group_ids": [group]},
            },
        )
    )

    assert changed == made | {
        "title": "Remis",
        "begins_at": None,
        "ends_at": None,
        "begins_on": "2030-12-20",
        "ends_on": "2030-12-20",
        "audience": {"whole_school": False, "class_group_ids": [group], "student_ids": []},
    }
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == changed
    # A change is held to what an event is, as a whole.
    for senseless in (
        {"begins_on": None},
        {"ends_on": "2030-12-19"},
        {"begins_at": "2030-12-20T09:00:00Z"},
    ):
        answer = await school.manager.patch(
            f"/v1/events/{made['id']}", headers=ANY_STATE, json=senseless
        )
        problem(answer, 422, "validation-failed")
    assert await titles(noor.parent) == []
    assert await titles(other.parent) == ["Remis"]


async def test_a_change_to_the_same_audience_keeps_it(school: School) -> None:
    child = await school.child()
    made = await announce(school, FAIR, audience={"student_ids": [child.student_id]})
    form = {**FAIR, "title": "Nouveau", "audience": {"student_ids": [child.student_id]}}
    changed = ok(
        await school.manager.patch(f"/v1/events/{made['id']}", json=form, headers=ANY_STATE)
    )
    assert changed == {**made, "title": "Nouveau"}
    assert await titles(child.parent) == ["Nouveau"]


async def test_a_refused_change_leaves_the_event_as_it_was(school: School) -> None:
    child = await school.child()
    made = await announce(school, FAIR, audience={"student_ids": [child.student_id]})
    form = {**FAIR, "title": "Nouveau", "audience": {"student_ids": [str(uuid4())]}}
    refused = await school.manager.patch(f"/v1/events/{made['id']}", json=form, headers=ANY_STATE)
    problem(refused, 404, "student-not-found")
    assert ok(await school.manager.get(f"/v1/events/{made['id']}")) == made


async def test_an_event_that_is_taken_back_is_gone_for_everybody(school: School) -> None:
    child = await school.child()
    made = await announce(school, FAIR, audience={"student_ids": [child.student_id]})
    ok(await school.manager.delete(f"/v1/events/{made['id']}"), 204)
    assert await titles(child.parent) == []
    problem(await school.manager.get(f"/v1/events/{made['id']}"), 404, "event-not-found")
    problem(await school.manager.delete(f"/v1/events/{made['id']}"), 404, "event-not-found")
    problem(
        await school.manager.patch(f"/v1/events/{made['id']}", json=FAIR, headers=ANY_STATE),
        404,
        "event-not-found",
    )


# --- which days count -----------------------------------------------------------------------


async def test_the_list_begins_today_with_what_is_going_on(school: School) -> None:
    today = clock.today(BRUSSELS)

    def away(count: int) -> str:
        return (today + timedelta(days=count)).isoformat()

    await announce(school, days(away(3), title="later"))
    await announce(school, days(away(-4), away(-3), title="over"))
    await announce(school, days(away(-2), away(2), title="going on"))
    now = datetime.now(UTC)
    begun, over = now - timedelta(days=2), now + timedelta(days=2)
    await announce(school, hours(begun.isoformat(), over.isoformat(), title="with hours"))

    listed = await titles(school.manager)

    assert sorted(listed[:2]) == ["going on", "with hours"]
    assert listed[2:] == ["later"]
    assert await titles(school.manager, until=away(2)) == listed[:2]


@pytest.mark.parametrize(
    ("period", "shown"),
    [
        (("2030-05-01", "2030-05-31"), True),
        (("2030-05-12", "2030-05-12"), True),
        (("2030-05-14", "2030-05-14"), True),
        (("2030-05-16", "2030-05-16"), True),
        (("2030-05-01", "2030-05-11"), False),
        (("2030-05-17", "2030-05-31"), False),
        (("2030-05-17", None), False),
        (("2030-05-16", None), True),
    ],
)
async def test_whole_days_count_to_the_last(
    school: School, period: tuple[str, str | None], shown: bool
) -> None:
    await announce(school, days("2030-05-12", "2030-05-16", title="camp"))
    first, last = period
    wanted = {"from": first} | ({"until": last} if last else {})
    assert await titles(school.manager, **wanted) == (["camp"] if shown else [])


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        # Winter time: the school's day begins at 23:00 UTC.
        ("2030-01-14T22:59:59Z", "2030-01-14"),
        ("2030-01-14T23:00:00Z", "2030-01-15"),
        # Summer time: at 22:00 UTC.
        ("2030-07-14T21:59:59Z", "2030-07-14"),
        ("2030-07-14T22:00:00Z", "2030-07-15"),
        # The day of 25 hours, and its last.
        ("2030-10-26T22:00:00Z", "2030-10-27"),
        ("2030-10-27T22:30:00Z", "2030-10-27"),
        ("2030-10-27T23:00:00Z", "2030-10-28"),
        # The day of 23 hours, and what follows it.
        ("2030-03-30T23:00:00Z", "2030-03-31"),
        ("2030-03-31T21:59:59Z", "2030-03-31"),
        ("2030-03-31T22:00:00Z", "2030-04-01"),
    ],
)
async def test_an_instant_is_of_the_day_that_it_is_at_the_school(
    school: School, instant: str, day: str
) -> None:
    await announce(school, hours(instant, instant, title="bell"))
    before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    after = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    assert await titles(school.manager, **{"from": day, "until": day}) == ["bell"]
    assert await titles(school.manager, **{"from": before, "until": before}) == []
    assert await titles(school.manager, **{"from": after, "until": after}) == []


async def test_what_ends_at_midnight_is_not_of_the_next_day(school: School) -> None:
    await announce(
        school, hours("2030-06-14T20:00:00+02:00", "2030-06-15T00:00:00+02:00", title="ball")
    )
    assert await titles(school.manager, **{"from": "2030-06-15"}) == []
    assert await titles(school.manager, **{"from": "2030-06-14"}) == ["ball"]


async def test_whole_days_and_hours_are_in_one_order(school: School) -> None:
    await announce(
        school, hours("2030-06-15T08:00:00+02:00", "2030-06-15T09:00:00+02:00", title="2")
    )
    await announce(school, days("2030-06-16", title="4"))
    await announce(
        school, hours("2030-06-14T23:30:00+02:00", "2030-06-15T09:00:00+02:00", title="0")
    )
    await announce(school, days("2030-06-15", title="1"))
    await announce(
        school, hours("2030-06-15T23:30:00+02:00", "2030-06-15T23:45:00+02:00", title="3")
    )
    assert await titles(school.manager) == ["0", "1", "2", "3", "4"]


async def test_pages_follow_each_other_without_gap_or_repetition(school: School) -> None:
    child = await school.child()
    # Several begin together: the cursor must tell them apart.
    for place in range(7):
        await announce(school, days(f"2030-06-{10 + place // 3}", title=str(place)))
    for client in (school.manager, child.parent):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        sizes = []
        while True:
            page = ok(await client.get("/v1/events", params={"limit": 3, **cursor}))
            seen += [event["title"] for event in page["items"]]
            sizes.append(len(page["items"]))
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == ["0", "1", "2", "3", "4", "5", "6"]
        assert sizes == [3, 3, 1]


# Not random: each process of a run must give a case the same name.
SOMEBODY = "01935f2e-7a4b-7c3d-8e9f-0123456789ab"


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": " "}, "/title"),
        ({"title": "x" * 121}, "/title"),
        ({"title": "a\x00b"}, "/title"),
        ({"text": "x" * 10_001}, "/text"),
        ({"text": "a\x00b"}, "/text"),
        ({"place": ""}, "/place"),
        ({"begins_at": "2030-12-18T16:00:00"}, "/begins_at"),
        ({"begins_at": "0001-01-01T00:00:00+14:00"}, "/begins_at"),
        ({"ends_at": "9999-12-31T23:59:59-14:00"}, "/ends_at"),
        ({"begins_at": "2030-12-18T16:00:00+01:00", "ends_at": "2030-12-18T14:59:59Z"}, ""),
        ({"ends_at": None}, ""),
        ({"begins_at": None, "ends_at": None}, ""),
        ({"begins_on": "2030-12-18"}, ""),
        ({"begins_on": "2030-12-18", "ends_on": "2030-12-18"}, ""),
        ({"colour": "red"}, "/colour"),
        ({"audience": {}}, "/audience"),
        ({"audience": None}, "/audience"),
        ({"audience": {"whole_school": False}}, "/audience"),
        ({"audience": {"whole_school": True, "student_ids": [str(uuid4())]}}, "/audience"),
        ({"audience": {"student_ids": ["3B"]}}, "/audience/student_ids/0"),
        (
            {"audience": {"student_ids": [str(uuid4()) for _ in range(1001)]}},
            "/audience/student_ids",
        ),
        (
            {"audience": {"class_group_ids": [str(uuid4()) for _ in range(201)]}},
            "/audience/class_group_ids",
        ),
    ],
)
async def test_a_form_that_says_nothing_clear_is_refused_at_the_place(
    school: School, changes: dict[str, Any], pointer: str
) -> None:
    refused = await school.manager.post("/v1/events", json={**FAIR, **changes})
    errors: Sequence[Any] = problem(refused, 422, "validation-failed")["errors"]
    assert pointer in {error["pointer"] for error in errors}
    assert await titles(school.manager) == []


@pytest.mark.parametrize(
    "form",
    [
        days("2030-12-18", "2030-12-17"),
        {**days("2030-12-18"), "ends_on": None},
        days("1899-12-31", "2030-01-01"),
        days("2030-01-01", "2200-01-01"),
    ],
)
async def test_days_out_of_order_or_out_of_bounds_are_refused(
    school: School, form: dict[str, Any]
) -> None:
    problem(await school.manager.post("/v1/events", json=form), 422, "validation-failed")


async def test_an_audience_that_is_not_the_schools_is_refused(
    school: School, other_school: School
) -> None:
    theirs = await other_school.child()
    their_group = await class_group(other_school, "3B", theirs)
    for audience, code in (
        ({"student_ids": [str(uuid4())]}, "student-not-found"),
        ({"student_ids": [theirs.student_id]}, "student-not-found"),
        ({"class_group_ids": [str(uuid4())]}, "class-group-not-found"),
        ({"class_group_ids": [their_group]}, "class-group-not-found"),
    ):
        refused = await school.manager.post("/v1/events", json={**FAIR, "audience": audience})
        problem(refused, 404, code)
    assert await titles(school.manager) == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"from": "2030-05-02", "until": "2030-05-01"}, 422, "until-before-from"),
        ({"until": "2020-01-01"}, 422, "until-before-from"),
        ({"from": "yesterday"}, 422, "validation-failed"),
        ({"from": "0001-01-01"}, 422, "validation-failed"),
        ({"until": "9999-12-31"}, 422, "validation-failed"),
        ({"limit": "201"}, 422, "validation-failed"),
    ],
)
async def test_a_period_that_cannot_be_is_refused(
    school: School, query: dict[str, str], status: int, code: str
) -> None:
    problem(await school.manager.get("/v1/events", params=query), status, code)


async def test_an_id_that_is_none_is_refused(school: School) -> None:
    problem(await school.manager.get("/v1/events/3B"), 422, "validation-failed")
    problem(await school.manager.get(f"/v1/events/{uuid4()}"), 404, "event-not-found")
