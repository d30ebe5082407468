"""One's own sessions: seen, named, ended (SEC-19), and what ends with them (SEC-18)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth import passwords
from itschool_api.auth.caller import Role
from tests.auth.ways_in import (
    claims,
    grant,
    log_in,
    log_in_browser,
    me,
    redeem,
    refresh,
    refresh_browser,
)
from tests.kit import PASSWORD, School, client_of, ok, problem

pytestmark = pytest.mark.anyio

NEW = "drie kleine kleutertjes"


async def own(client: AsyncClient) -> Any:
    """List one's sessions."""
    return ok(await client.get("/v1/me/sessions"))["items"]


async def test_a_person_sees_where_they_are_logged_in(app: FastAPI, school: School) -> None:
    """SEC-19: this session, a named one, and a browser's."""
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        phone = ok(await log_in(anonymous, name, label="  An's phone "))
        browser = ok(await log_in_browser(anonymous, name, label="Library"))
    listed = await own(client)

    assert [each["label"] for each in listed] == ["Library", "An's phone", "python-httpx2"]
    assert [each["current"] for each in listed] == [False, False, True]
    assert [each["in_browser"] for each in listed] == [True, False, False]
    assert {each["school_id"] for each in listed} == {str(school.id)}
    assert [each["id"] for each in listed][:2] == [
        claims(pair["access_token"])["sid"] for pair in (browser, phone)
    ]
    assert all(each["created_at"] == each["last_used_at"] < each["expires_at"] for each in listed)
    assert not any(each["restricted"] for each in listed)


async def test_sessions_are_a_page(app: FastAPI, school: School) -> None:
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        for _ in range(2):
            ok(await log_in(anonymous, name))
    first = ok(await client.get("/v1/me/sessions", params={"limit": 2}))
    rest = ok(await client.get("/v1/me/sessions", params={"limit": 2, "cursor": first["next"]}))

    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [2, 1, None]
    assert [each["current"] for each in rest["items"]] == [True]


async def test_refreshing_is_a_use(app: FastAPI, school: School) -> None:
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        pair = ok(await log_in(anonymous, name))
        (before, _) = await own(client)
        ok(await refresh(anonymous, pair["refresh_token"]))
    (after, _) = await own(client)

    assert before["id"] == after["id"]
    assert before["last_used_at"] < after["last_used_at"]


async def test_a_session_gets_a_name_and_loses_it(app: FastAPI, school: School) -> None:
    _, _, client = await school.user(Role.GUARDIAN)
    (this,) = await own(client)
    url = f"/v1/me/sessions/{this['id']}"

    assert ok(await client.patch(url, json={"label": "Kitchen"}))["label"] == "Kitchen"
    assert [each["label"] for each in await own(client)] == ["Kitchen"]
    assert ok(await client.patch(url, json={"label": None}))["label"] is None
    for wrong in ({}, {"label": ""}, {"label": "x" * 121}, {"label": "a\nb"}, {"label": 7}):
        assert (await client.patch(url, json=wrong)).status_code == 422
    async with client_of(app) as anonymous:
        assert (await log_in(anonymous, "nobody", label="x" * 121)).status_code == 422


async def test_a_session_is_ended_from_another(app: FastAPI, school: School) -> None:
    """SEC-19: a lost phone is out with its next request, in both its tokens."""
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        phone = ok(await log_in(anonymous, name))
        url = f"/v1/me/sessions/{claims(phone['access_token'])['sid']}"
        ok(await client.delete(url), 204)

        assert (await me(app, phone["access_token"])).status_code == 401
        problem(await refresh(anonymous, phone["refresh_token"]), 400, "invalid-grant")
    problem(await client.delete(url), 404, "session-not-found")
    problem(await client.patch(url, json={"label": "x"}), 404, "session-not-found")
    assert [each["current"] for each in await own(client)] == [True]


@pytest.mark.parametrize("including_this", [False, True])
async def test_all_sessions_are_ended_at_once(
    app: FastAPI, school: School, including_this: bool
) -> None:
    """SEC-19: all others, or all."""
    _, name, client = await school.user(Role.GUARDIAN)
    _, _, stranger = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous, client_of(app) as browser:
        phone, library = ok(await log_in(anonymous, name)), ok(await log_in_browser(browser, name))
        wish = {"including_this": "true"} if including_this else {}
        ok(await client.delete("/v1/me/sessions", params=wish), 204)

        for pair in (phone, library):
            assert (await me(app, pair["access_token"])).status_code == 401
        problem(await refresh(anonymous, phone["refresh_token"]), 400, "invalid-grant")
        problem(await refresh_browser(browser), 400, "invalid-grant")
    assert (await client.get("/v1/me")).status_code == (401 if including_this else 200)
    assert (await stranger.get("/v1/me")).status_code == 200


async def test_sessions_of_others_are_not_there(school: School) -> None:
    """SEC-01: nor are those that are over, or were never there."""
    _, _, victim = await school.user(Role.GUARDIAN)
    _, _, client = await school.user(Role.ADMIN)
    (theirs,) = await own(victim)
    for session_id in (theirs["id"], str(uuid4())):
        url = f"/v1/me/sessions/{session_id}"
        problem(await client.patch(url, json={"label": "mine"}), 404, "session-not-found")
        problem(await client.delete(url), 404, "session-not-found")

    assert await own(victim) == [theirs]
    assert len(await own(client)) == 1


async def test_a_session_whose_time_is_over_is_not_listed(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    _, name, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        old = claims(ok(await log_in(anonymous, name))["access_token"])["sid"]
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE sessions SET expires_at = now() WHERE id = :id"), {"id": old}
        )

    assert [each["current"] for each in await own(client)] == [True]
    problem(await client.delete(f"/v1/me/sessions/{old}"), 404, "session-not-found")


async def test_what_a_login_token_opened_shows_as_restricted(app: FastAPI, school: School) -> None:
    user_id, _, client = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        ok(await redeem(anonymous, await grant(app, user_id)))

    assert [each["restricted"] for each in await own(client)] == [True, False]


async def test_a_new_password_keeps_the_sessions_name_and_way(app: FastAPI, school: School) -> None:
    """Unless another is given: the session goes on where it was."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser:
        pair = ok(await log_in_browser(browser, name, label="Library"))
        browser.headers["Authorization"] = f"Bearer {pair['access_token']}"
        form = {"new_password": NEW, "current_password": PASSWORD}
        pair = ok(await browser.put("/v1/me/password", json=form))
        assert pair["refresh_token"] is None
        pair = ok(await refresh_browser(browser))
        browser.headers["Authorization"] = f"Bearer {pair['access_token']}"
        (this,) = await own(browser)
        assert (this["label"], this["in_browser"]) == ("Library", True)

        form = {"new_password": PASSWORD, "current_password": NEW}
        form |= {"label": "Phone", "transport": "body"}
        pair = ok(await browser.put("/v1/me/password", json=form))
        assert pair["refresh_token"]
        browser.headers["Authorization"] = f"Bearer {pair['access_token']}"
        (this,) = await own(browser)
        assert (this["label"], this["in_browser"]) == ("Phone", False)


async def test_logging_in_is_remembered(school: School, app: FastAPI, owner: AsyncEngine) -> None:
    """By password, and by setting one; redeeming a login token alone is no login."""
    user_id, name, _ = await school.user(Role.GUARDIAN)

    async def last() -> Any:
        async with owner.connect() as connection:
            return await connection.scalar(
                text("SELECT last_login_at FROM users WHERE id = :id"), {"id": user_id}
            )

    by_kit = await last()
    async with client_of(app) as anonymous:
        await log_in(anonymous, name, "not the password")
        assert await last() == by_kit
        ok(await log_in(anonymous, name))
        by_password = await last()
        pair = ok(await redeem(anonymous, await grant(app, user_id)))
        assert await last() == by_password
        anonymous.headers["Authorization"] = f"Bearer {pair['access_token']}"
        ok(await anonymous.put("/v1/me/password", json={"new_password": NEW}))
    assert by_kit < by_password < await last()


async def _log_out(client: AsyncClient, _: AsyncEngine, __: UUID) -> None:
    ok(await client.post("/v1/auth/logout"), 204)


async def _set_password(client: AsyncClient, _: AsyncEngine, __: UUID) -> None:
    form = {"new_password": NEW, "current_password": PASSWORD}
    ok(await client.put("/v1/me/password", json=form))


async def _disable(_: AsyncClient, owner: AsyncEngine, user_id: UUID) -> None:
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE users SET disabled_at = now() WHERE id = :id"), {"id": user_id}
        )


async def _take_all_roles(_: AsyncClient, owner: AsyncEngine, user_id: UUID) -> None:
    async with owner.begin() as connection:
        await connection.execute(
            text("DELETE FROM memberships WHERE user_id = :id"), {"id": user_id}
        )


@pytest.mark.parametrize("browser", [False, True], ids=["body", "cookie"])
@pytest.mark.parametrize(
    ("happens", "refreshes"),
    [(_log_out, False), (_set_password, False), (_disable, False), (_take_all_roles, True)],
)
async def test_what_ends_a_session_counts_from_the_next_request(
    app: FastAPI,
    school: School,
    owner: AsyncEngine,
    happens: Callable[[AsyncClient, AsyncEngine, UUID], Awaitable[None]],
    refreshes: bool,
    browser: bool,
) -> None:
    """SEC-18: for the access token and for the refresh token, in the body and in the cookie."""
    user_id, name, _ = await school.user(Role.MANAGER)
    async with client_of(app) as client:
        pair = ok(await (log_in_browser if browser else log_in)(client, name))
        jar = dict(client.cookies)
        async with client_of(app, pair["access_token"]) as logged_in:
            assert (await logged_in.get("/v1/families")).status_code == 200
            await happens(logged_in, owner, user_id)
            assert (await logged_in.get("/v1/families")).status_code == 401
        client.cookies.update(jar)
        if browser:
            answer = await refresh_browser(client)
        else:
            answer = await refresh(client, pair["refresh_token"])
        if refreshes:
            # The session is there still; what it gives reaches nothing.
            assert ok(answer)["scope"] == ""
            assert (await me(app, answer.json()["access_token"])).status_code == 401
        else:
            problem(answer, 400, "invalid-grant")


@pytest.mark.parametrize("browser", [False, True], ids=["body", "cookie"])
async def test_a_changed_role_counts_from_the_next_request(
    app: FastAPI, school: School, owner: AsyncEngine, browser: bool
) -> None:
    """SEC-18: and what a refresh gives is of the roles as they are then."""
    user_id, name, _ = await school.user(Role.MANAGER)
    async with client_of(app) as client:
        pair = ok(await (log_in_browser if browser else log_in)(client, name))
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE memberships SET role = 'teacher' WHERE user_id = :id"),
                {"id": user_id},
            )
        async with client_of(app, pair["access_token"]) as logged_in:
            assert (await logged_in.get("/v1/families")).status_code == 403
            assert (await logged_in.get("/v1/events")).status_code == 200
        answer = await (
            refresh_browser(client) if browser else refresh(client, pair["refresh_token"])
        )

    assert "people:read" in pair["scope"].split()
    assert "people:read" not in ok(answer)["scope"].split()


async def test_a_login_that_is_under_way_does_not_survive_a_new_password(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-18: the old password was right when it was looked at, and is not when it counts."""
    _, name, client = await school.user(Role.GUARDIAN)
    began, changed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    real = passwords.verified
    first = True

    def slow(password: str, stored: str | None) -> tuple[bool, str | None]:
        nonlocal first
        answer = real(password, stored)
        if first:
            first = False
            loop.call_soon_threadsafe(began.set)
            asyncio.run_coroutine_threadsafe(changed.wait(), loop).result(10)
        return answer

    monkeypatch.setattr(passwords, "verified", slow)
    async with client_of(app) as anonymous:
        login = asyncio.create_task(log_in(anonymous, name))
        await asyncio.wait_for(began.wait(), 10)
        form = {"new_password": NEW, "current_password": PASSWORD}
        ok(await client.put("/v1/me/password", json=form))
        changed.set()
        problem(await login, 400, "invalid-grant")


async def test_a_session_from_a_login_token_sets_one_password(app: FastAPI, school: School) -> None:
    """SEC-18: of two at once, one counts; the other's session ended with it."""
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, await grant(app, user_id)))
    async with client_of(app, pair["access_token"]) as client:
        wishes = [f"{NEW} {place}" for place in range(6)]
        answers = await asyncio.gather(
            *(client.put("/v1/me/password", json={"new_password": wish}) for wish in wishes)
        )
    statuses = [int(answer.status_code) for answer in answers]
    winner = wishes[statuses.index(200)]

    assert sorted(statuses) == [200, *[401] * 5]
    async with client_of(app) as anonymous:
        assert (await log_in(anonymous, name, winner)).status_code == 200
