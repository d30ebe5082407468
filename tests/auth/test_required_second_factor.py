"""A school that asks a second factor of its staff: whom it narrows, where, and from when."""

from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from itschool_api.auth.caller import Role, Scope
from itschool_api.auth.repository import Users
from itschool_api.database import school_transaction
from itschool_api.schools import security
from tests.auth.authenticator import Person, Watch, begin, enrol, protected
from tests.auth.ways_in import log_in, refresh, restricted_session
from tests.kit import PASSWORD, School, client_of, counted_statements, ok, problem

pytestmark = pytest.mark.anyio

SECURITY = "/v1/school/security"
STAFF = (Role.TEACHER, Role.MANAGER, Role.ACCOUNTANT, Role.ADMIN)
NARROW = {"password:write", "profile:read", "second-factor:write"}


async def require(school: School, *, required: bool = True) -> None:
    """Ask a second factor of a school's staff, as the operator does."""
    async with school_transaction(school.sessions, school.id) as session:
        await security.set_requirement(session, school.id, required=required)


async def join(school: School, user_id: UUID, role: Role) -> None:
    """Give somebody a role at another school."""
    async with school.sessions.begin() as session:
        await Users(session).join([user_id], school.id, [role])


async def narrowed(client: AsyncClient) -> bool:
    """Tell whether a session reaches nothing but what sets up a second factor."""
    answer = await client.get("/v1/events")
    if answer.status_code == 200:
        return False
    problem(answer, 403, "second-factor-enrolment-required")
    assert set(ok(await client.get("/v1/me"))["scopes"]) == NARROW
    return True


async def test_staff_without_one_are_asked_from_the_next_request(
    app: FastAPI, school: School, watch: Watch
) -> None:
    admin = await protected(school, watch, Role.ADMIN)
    people = {role: await school.user(role) for role in Role}
    both = await school.user(Role.GUARDIAN, Role.TEACHER)
    before = ok(await admin.client.get(SECURITY))
    # The manager of the tests, too.
    assert before == {"second_factor_required": False, "staff_without_second_factor": 6}

    told = ok(await admin.client.put(SECURITY, json={"second_factor_required": True}))
    assert told == before | {"second_factor_required": True}

    for role, (_, name, client) in people.items():
        assert await narrowed(client) == (role in STAFF), role
        pair = ok(await log_in(client_of(app), name))
        assert (set(pair["scope"].split()) == NARROW) == (role in STAFF)
    # One session is one session: a parent who teaches is narrowed in all.
    assert await narrowed(both[2])
    assert not await narrowed(admin.client)

    _, name, client = people[Role.TEACHER]
    phone, _ = await enrol(client, watch)
    assert not await narrowed(client)
    pair = ok(await log_in(client_of(app), name, otp=phone.next_code()))
    assert "events:read" in pair["scope"]
    assert ok(await admin.client.get(SECURITY))["staff_without_second_factor"] == 5

    ok(await admin.client.put(SECURITY, json={"second_factor_required": False}))
    assert not await narrowed(both[2])


async def test_a_narrow_session_gets_out_by_a_second_factor_only(
    app: FastAPI, school: School
) -> None:
    """Whoever took the password finds no way around: no key, no switch, no refresh, no e-mail."""
    user_id, name, client = await school.user(Role.ADMIN)
    opened_before = ok(await log_in(client_of(app), name))
    await require(school)

    key = {"label": "way around", "scopes": ["students:read"]}
    for method, path, form in (
        ("POST", "/v1/api-keys", key),
        ("PUT", SECURITY, {"second_factor_required": False}),
        ("GET", SECURITY, None),
        ("GET", "/v1/students", None),
        ("GET", "/v1/dashboard", None),
    ):
        refused = await client.request(method, path, json=form)
        problem(refused, 403, "second-factor-enrolment-required")
    renewed = ok(await refresh(client_of(app), opened_before["refresh_token"]))
    assert set(renewed["scope"].split()) == NARROW
    assert await narrowed(client_of(app, renewed["access_token"]))
    again = ok(await refresh(client_of(app), renewed["refresh_token"], school_id=str(school.id)))
    assert await narrowed(client_of(app, again["access_token"]))
    # A login token's session has something else to do first.
    by_mail = await restricted_session(app, user_id)
    problem(await by_mail.get("/v1/events"), 403, "password-not-set")
    new = "drie kleine kleutertjes"
    fresh = ok(await by_mail.put("/v1/me/password", json={"new_password": new}))
    assert set(fresh["scope"].split()) == NARROW
    by_mail = client_of(app, fresh["access_token"])
    assert await narrowed(by_mail)

    # One that waits for its first code is none yet.
    await begin(by_mail, current_password=new)
    assert await narrowed(by_mail)
    ok(await by_mail.post("/v1/auth/logout"), 204)


async def test_it_is_kept_while_a_school_requires_it(school: School, watch: Watch) -> None:
    teacher = await protected(school, watch, Role.TEACHER)
    parent = await protected(school, watch, Role.GUARDIAN)
    await require(school)

    async def removed(person: Person) -> Response:
        proof = {"current_password": PASSWORD, "otp": person.phone.next_code()}
        return await person.client.request("DELETE", "/v1/me/second-factor", json=proof)

    assert ok(await teacher.client.get("/v1/me/second-factor"))["required"]
    problem(await removed(teacher), 409, "second-factor-kept")
    assert not ok(await parent.client.get("/v1/me/second-factor"))["required"]
    ok(await removed(parent), 204)
    await require(school, required=False)
    ok(await removed(teacher), 204)


async def test_an_admin_does_not_lock_themselves_out(school: School, watch: Watch) -> None:
    admin = await school.as_(Role.ADMIN)
    refused = await admin.put(SECURITY, json={"second_factor_required": True})
    problem(refused, 409, "own-second-factor-missing")
    assert not ok(await admin.get(SECURITY))["second_factor_required"]

    await enrol(admin, watch)
    ok(await admin.put(SECURITY, json={"second_factor_required": True}))
    assert ok(await admin.get(SECURITY))["second_factor_required"]


async def test_one_school_asks_nothing_for_another(
    app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-02: the same person, here and there."""
    user_id, name, here = await school.user(Role.MANAGER)
    await join(other_school, user_id, Role.MANAGER)
    pair = ok(await log_in(client_of(app), name, school_id=str(other_school.id)))
    there = client_of(app, pair["access_token"])

    await require(school)
    assert await narrowed(here)
    assert not await narrowed(there)
    assert ok(await there.get("/v1/students"))["items"] == []
    # Going over from there is no way in.
    over = ok(await refresh(client_of(app), pair["refresh_token"], school_id=str(school.id)))
    assert await narrowed(client_of(app, over["access_token"]))
    # Nor is it asked of who is a parent here and works there.
    parent_id, parent_name, _ = await school.user(Role.GUARDIAN)
    await join(other_school, parent_id, Role.TEACHER)
    pair = ok(await log_in(client_of(app), parent_name, school_id=str(school.id)))
    assert not await narrowed(client_of(app, pair["access_token"]))


async def test_the_schools_programs_go_on(school: School) -> None:
    key = await school.api_key(Scope.STUDENTS_READ)
    await require(school)

    assert (await key.get("/v1/students")).status_code == 200


async def test_it_costs_no_statement(app: FastAPI, school: School) -> None:
    """Each request asks it, so it is asked with the session itself."""
    client = await school.as_(Role.TEACHER)
    await require(school)
    with counted_statements(app) as statements:
        assert await narrowed(client)

    assert sum("set_config" in each for each in statements) == 2  # one for each request
    assert "second_factor_required" in statements[0]
