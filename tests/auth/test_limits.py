"""What holds guessing hands up, however many they are, and never a person for good (SEC-12)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.app import create_app
from itschool_api.auth import limits
from itschool_api.auth.caller import Role
from itschool_api.settings import Settings
from tests.auth.ways_in import grant, log_in, redeem
from tests.kit import PASSWORD, School, client_of, ok, problem

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("within_a_window")]

NOON = datetime(2031, 5, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
async def second_process(settings: Settings, database_url: str) -> AsyncIterator[FastAPI]:
    """Another application on the same database."""
    app = create_app(settings, database_url)
    async with app.router.lifespan_context(app):
        yield app


async def guess(app: FastAPI, name: str, times: int) -> list[int]:
    """Guess from as many addresses, and return the statuses."""
    statuses = []
    for _ in range(times):
        async with client_of(app) as stranger:
            statuses.append(int((await log_in(stranger, name, "guess guess")).status_code))
    return statuses


async def test_many_addresses_together_guess_no_more_than_a_few(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: but the user gets in from where they got in before, and by mail from elsewhere."""
    assert (limits.FAILURES_PER_ACCOUNT, limits.FAILURES_PER_ACCOUNT_AND_DAY) == (50, 200)
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT", 6)
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as home, client_of(app) as elsewhere:
        ok(await log_in(home, name))
        assert await guess(app, name, 8) == [400] * 6 + [429] * 2
        problem(await log_in(elsewhere, name), 429, "too-many-attempts")

        pair = ok(await log_in(home, name))
        home.headers["Authorization"] = f"Bearer {pair['access_token']}"
        form = {"new_password": "sept petits lapins", "current_password": PASSWORD}
        ok(await home.put("/v1/me/password", json=form))

        pair = ok(await redeem(elsewhere, await grant(app, user_id)))
        elsewhere.headers["Authorization"] = f"Bearer {pair['access_token']}"
        form = {"new_password": "huit petits lapins"}
        ok(await elsewhere.put("/v1/me/password", json=form))
        # And is at home there from now on.
        ok(await log_in(elsewhere, name, "huit petits lapins"))


@pytest.mark.parametrize("way", ["/v1/me/password", "/v1/me/second-factor"])
async def test_a_stolen_session_guesses_no_more_from_many_addresses(
    app: FastAPI, school: School, way: str
) -> None:
    """SEC-12: what spares its owner at home does not spare the thief; other sessions go on."""
    _, name, owner = await school.user(Role.GUARDIAN)
    thief = ok(await log_in(client_of(app), name))["access_token"]
    new = {"new_password": "sept petits lapins"} if way == "/v1/me/password" else {}

    async def given(token: str, password: str) -> int:
        async with client_of(app, token) as client:
            method = "PUT" if new else "POST"
            answer = await client.request(method, way, json=new | {"current_password": password})
        return answer.status_code

    most = limits.FAILURES_PER_SESSION
    assert [await given(thief, "guess guess") for _ in range(most)] == [403] * most
    assert await given(thief, PASSWORD) == 429
    token = owner.headers["Authorization"].removeprefix("Bearer ")
    assert await given(token, PASSWORD) in {200, 201}


@pytest.mark.usefixtures("dear_hashing")
async def test_a_right_guess_in_a_session_among_too_many_at_once_changes_nothing(
    app: FastAPI, school: School
) -> None:
    """SEC-12: all were let in before the first had failed."""
    _, _, owner = await school.user(Role.GUARDIAN)
    token = owner.headers["Authorization"].removeprefix("Bearer ")
    guesses = ["guess guess"] * 3 * limits.FAILURES_PER_SESSION + [PASSWORD]

    async def given(password: str) -> int:
        form = {"new_password": "sept petits lapins", "current_password": password}
        async with client_of(app, token) as client:
            return (await client.put("/v1/me/password", json=form)).status_code

    assert 200 not in await asyncio.gather(*(given(each) for each in guesses))


async def test_an_unknown_account_is_held_up_like_a_known_one(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-11: a limit that only held real accounts up would tell which are."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT", 3)

    assert await guess(app, f"nobody-{clock.now().timestamp()}", 5) == [400] * 3 + [429] * 2


async def test_the_day_has_a_limit_too(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: guessing a little all the time comes to nothing either."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT_AND_DAY", 4)
    _, name, _ = await school.user(Role.GUARDIAN)
    for hours, expected in ((0, [400] * 3), (1, [400, 429]), (11, [429]), (12, [400])):
        then = NOON + timedelta(hours=hours)
        monkeypatch.setattr(clock, "now", lambda then=then: then)
        assert await guess(app, name, len(expected)) == expected, hours


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 900), (1, 840), (14.5, 30), (14.999, 1)])
async def test_how_long_to_wait_is_true(
    app: FastAPI,
    school: School,
    monkeypatch: pytest.MonkeyPatch,
    minutes: float,
    seconds: int,
) -> None:
    """SEC-12: a second earlier is too early, and then it is over."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT_AND_ADDRESS", 1)
    _, name, _ = await school.user(Role.GUARDIAN)
    then = NOON + timedelta(minutes=minutes)
    monkeypatch.setattr(clock, "now", lambda: then)
    async with client_of(app) as client:
        problem(await log_in(client, name, "guess guess"), 400, "invalid-grant")
        refused = await log_in(client, name)
        problem(refused, 429, "too-many-attempts")
        assert refused.headers["retry-after"] == str(seconds)

        wait = timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda: then + wait - timedelta(seconds=1))
        assert (await log_in(client, name)).status_code == 429
        monkeypatch.setattr(clock, "now", lambda: then + wait)
        assert (await log_in(client, name)).status_code == 200


async def test_the_day_says_how_long_to_wait(
    app: FastAPI, school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT_AND_DAY", 1)
    monkeypatch.setattr(clock, "now", lambda: NOON)
    _, name, _ = await school.user(Role.GUARDIAN)
    assert await guess(app, name, 1) == [400]
    async with client_of(app) as client:
        refused = await log_in(client, name)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, str(12 * 3600))


async def test_processes_count_together(
    app: FastAPI, second_process: FastAPI, school: School
) -> None:
    """SEC-12: two processes allow no more than one."""
    _, name, _ = await school.user(Role.GUARDIAN)
    half = limits.FAILURES_PER_ACCOUNT_AND_ADDRESS // 2
    async with client_of(app) as first, client_of(second_process) as second:
        host = first._transport.client  # type: ignore[attr-defined]  # noqa: SLF001
        second._transport.client = host  # type: ignore[attr-defined]  # noqa: SLF001
        for client in (first, second):
            for _ in range(half):
                problem(await log_in(client, name, "guess guess"), 400, "invalid-grant")
        for client in (first, second):
            problem(await log_in(client, name), 429, "too-many-attempts")
    async with client_of(second_process) as elsewhere:
        assert (await log_in(elsewhere, name)).status_code == 200


@pytest.mark.usefixtures("dear_hashing")
async def test_processes_count_a_crowd_together(
    app: FastAPI,
    second_process: FastAPI,
    school: School,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SEC-12: guesses at once, from everywhere, at both."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT", 5)
    _, name, _ = await school.user(Role.GUARDIAN)
    answers = await asyncio.gather(
        *(guess(each, name, 1) for each in [app, second_process] * 12),
    )
    statuses = [status for (status,) in answers]

    assert set(statuses) <= {400, 429}
    assert statuses.count(400) <= limits.FAILURES_PER_ACCOUNT
    async with client_of(second_process) as elsewhere:
        assert (await log_in(elsewhere, name)).status_code == 429


async def test_where_somebody_was_is_not_to_be_read(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-34: an address is kept as a keyed hash, once, with the time of the last login."""
    user_id, name, _ = await school.user(Role.GUARDIAN)
    other_id, other, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as client:
        for who in (name, name, other):
            ok(await log_in(client, who))
    async with owner.connect() as connection:
        rows = (
            await connection.execute(
                text(
                    "SELECT user_id, origin_sha256, last_seen_at FROM known_origins"
                    " WHERE user_id IN (:one, :two)"
                ),
                {"one": user_id, "two": other_id},
            )
        ).all()

    # Where the kit logged each in, and here; people at one place do not show to be.
    assert sorted(row.user_id for row in rows) == sorted([user_id] * 2 + [other_id] * 2)
    assert len({row.origin_sha256 for row in rows}) == 4
    assert {len(row.origin_sha256) for row in rows} == {32}


async def test_an_address_of_long_ago_is_forgotten(
    app: FastAPI, school: School, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-12: whoever has it now is somebody else."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT", 2)
    user_id, name, _ = await school.user(Role.GUARDIAN)
    async with client_of(app) as home:
        ok(await log_in(home, name))
        async with owner.begin() as connection:
            await connection.execute(
                text(
                    "UPDATE known_origins SET last_seen_at = now() - interval '181 days'"
                    " WHERE user_id = :id"
                ),
                {"id": user_id},
            )
        await guess(app, name, 2)
        problem(await log_in(home, name), 429, "too-many-attempts")
