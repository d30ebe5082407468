"""Renewing a session: rotation, two tabs, thieves, another school (SEC-16, SEC-17)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth import tokens
from itschool_api.auth.caller import Role
from itschool_api.auth.refresh_cookie import NAME
from itschool_api.auth.repository import Users
from itschool_api.database import Sessions
from tests.auth.ways_in import claims, log_in, log_in_browser, me, refresh, refresh_browser
from tests.kit import School, client_of, ok, problem

pytestmark = pytest.mark.anyio


async def age(owner: AsyncEngine, token: str, by: timedelta) -> None:
    """Let a token's use lie further back."""
    async with owner.begin() as connection:
        changed = await connection.execute(
            text("UPDATE refresh_tokens SET used_at = :then WHERE token_sha256 = :hash"),
            {"then": datetime.now(UTC) - by, "hash": tokens.sha256(token)},
        )
        assert changed.rowcount == 1


async def test_a_refresh_token_is_renewed_at_each_use(app: FastAPI, school: School) -> None:
    """SEC-16."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pairs = [ok(await log_in(client, name))]
        for _ in range(5):
            pairs.append(ok(await refresh(client, pairs[-1]["refresh_token"])))

    assert len({pair["refresh_token"] for pair in pairs}) == 6
    assert len({claims(pair["access_token"])["sid"] for pair in pairs}) == 1
    assert len({claims(pair["access_token"])["jti"] for pair in pairs}) == 6
    assert (await me(app, pairs[-1]["access_token"])).status_code == 200


async def test_tabs_that_refresh_together_get_the_same_successor(
    app: FastAPI, school: School
) -> None:
    """SEC-17: a hundred times, and also where both answers are lost; nobody is logged out."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        token = ok(await log_in(client, name))["refresh_token"]
        for _ in range(100):
            answers = await asyncio.gather(*(refresh(client, token) for _ in range(2)))
            answers.append(await refresh(client, token))
            successors = {ok(answer)["refresh_token"] for answer in answers}
            assert len(successors) == 1
            (token,) = successors
        crowd = await asyncio.gather(*(refresh(client, token) for _ in range(30)))

    assert len({ok(answer)["refresh_token"] for answer in crowd}) == 1
    assert (await me(app, crowd[-1].json()["access_token"])).status_code == 200


async def test_tabs_of_a_browser_that_refresh_together_stay_in(
    app: FastAPI, school: School
) -> None:
    """SEC-17: with the cookie, whose later value wins in the jar; and where an answer is lost."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as browser:
        ok(await log_in_browser(browser, name))
        for _ in range(20):
            before = browser.cookies[NAME]
            answers = await asyncio.gather(*(refresh_browser(browser) for _ in range(2)))
            assert {ok(answer)["refresh_token"] for answer in answers} == {None}
            after = browser.cookies[NAME]
            assert after != before
            browser.cookies.clear()
            browser.cookies.set(NAME, before, domain="api.example.org")
            again = ok(await refresh_browser(browser))
            assert browser.cookies[NAME] == after

    assert (await me(app, again["access_token"])).status_code == 200


async def test_a_token_that_comes_back_late_ends_the_session(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-16: thief and owner cannot be told apart, so both are out."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        first = ok(await log_in(client, name))
        second = ok(await refresh(client, first["refresh_token"]))
        await age(owner, first["refresh_token"], timedelta(minutes=1))

        document = problem(await refresh(client, first["refresh_token"]), 400, "invalid-grant")

        assert document["error"] == "invalid_grant"
        problem(await refresh(client, second["refresh_token"]), 400, "invalid-grant")
        for pair in (first, second):
            assert (await me(app, pair["access_token"])).status_code == 401


async def test_late_reuse_by_many_at_once_is_refused_to_all(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-16: without starving the pool of connections."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        first = ok(await log_in(client, name))
        ok(await refresh(client, first["refresh_token"]))
        await age(owner, first["refresh_token"], timedelta(minutes=1))
        answers = await asyncio.gather(
            *(refresh(client, first["refresh_token"]) for _ in range(30))
        )

    assert {answer.status_code for answer in answers} == {400}


async def test_the_grace_is_short(app: FastAPI, school: School, owner: AsyncEngine) -> None:
    """SEC-16, SEC-17."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        first = ok(await log_in(client, name))
        second = ok(await refresh(client, first["refresh_token"]))
        await age(owner, first["refresh_token"], timedelta(seconds=8))
        again = ok(await refresh(client, first["refresh_token"]))
        assert again["refresh_token"] == second["refresh_token"]
        await age(owner, first["refresh_token"], timedelta(seconds=11))
        problem(await refresh(client, first["refresh_token"]), 400, "invalid-grant")


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\x00", "é", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_refresh_token_renews_nothing(app: FastAPI, token: str) -> None:
    async with client_of(app) as client:
        assert (await refresh(client, token)).status_code == 400


async def test_an_access_token_is_no_refresh_token(app: FastAPI, school: School) -> None:
    """SEC-21."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
        answer = await refresh(client, pair["access_token"])

    assert answer.status_code in {400, 422}


async def test_the_database_holds_no_refresh_token(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-10."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        token = ok(await log_in(client, name))["refresh_token"]
    async with owner.connect() as connection:
        kept = await connection.scalar(
            text("SELECT count(*) FROM refresh_tokens WHERE position(:raw IN token_sha256) > 0"),
            {"raw": token.encode()},
        )
        hashed = await connection.scalar(
            text("SELECT count(*) FROM refresh_tokens WHERE token_sha256 = :hash"),
            {"hash": tokens.sha256(token)},
        )

    assert (kept, hashed) == (0, 1)


async def test_a_person_of_two_schools_switches_by_refreshing(
    app: FastAPI, sessions: Sessions, school: School, other_school: School
) -> None:
    """SEC-02: a token is for one school, and the one before ends with the switch."""
    child = await school.child()
    user_id, name, _ = await school.user(Role.MANAGER)
    async with sessions.begin() as session:
        await Users(session).join([user_id], other_school.id, [Role.TEACHER])
    async with client_of(app) as client:
        here = ok(await log_in(client, name, school_id=str(school.id)))
        there = ok(await refresh(client, here["refresh_token"], school_id=str(other_school.id)))

        assert (here["school_id"], there["school_id"]) == (str(school.id), str(other_school.id))
        assert (await me(app, here["access_token"])).status_code == 401
        mine = ok(await me(app, there["access_token"]))
        assert mine["school_id"] == str(other_school.id)
        assert {each["id"]: each["roles"] for each in mine["schools"]} == {
            str(school.id): ["manager"],
            str(other_school.id): ["teacher"],
        }
        async with client_of(app, there["access_token"]) as teacher:
            assert (await teacher.get("/v1/families")).status_code == 403
            assert (await teacher.get(f"/v1/wallets/{child.wallet_id}")).status_code == 403
        back = ok(await refresh(client, there["refresh_token"], school_id=str(school.id)))
        again = ok(await log_in(client, name))
        assert again["school_id"] == str(school.id)  # the one that was used last
        async with client_of(app, back["access_token"]) as manager:
            assert (await manager.get(f"/v1/wallets/{child.wallet_id}")).status_code == 200


async def test_nobody_enters_a_school_that_is_not_theirs(
    app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-02."""
    _, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        foreign = {"school_id": str(other_school.id)}
        problem(await log_in(client, name, **foreign), 400, "invalid-grant")
        pair = ok(await log_in(client, name))
        problem(await refresh(client, pair["refresh_token"], **foreign), 400, "invalid-grant")
        assert (await refresh(client, pair["refresh_token"])).status_code == 200
