"""Nobody makes more requests than their share, over all processes (SEC-12)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import openapi
from itschool_api.app import create_app
from itschool_api.auth import limits, throttle
from itschool_api.settings import Settings
from tests.auth.authenticator import Watch
from tests.kit import School, client_of, ok, open_school, problem

pytestmark = pytest.mark.anyio

MOST = 6


@pytest.fixture
async def processes(
    settings: Settings, database_url: str, watch: Watch
) -> AsyncIterator[list[FastAPI]]:
    """Two that serve the same database, and tell each other only when a test says so."""
    watch.at = limits.window_at(watch.at, throttle.WINDOW)
    frugal = settings.model_copy(update={"requests_per_minute": MOST})
    async with AsyncExitStack() as stack:
        apps = [create_app(frugal, database_url) for _ in range(2)]
        for app in apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        yield apps


async def at(process: FastAPI, school: School) -> AsyncClient:
    """Return the manager's client of another process."""
    client = client_of(process)
    client.headers["Authorization"] = school.manager.headers["Authorization"]
    return client


def told(answer: Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


async def test_a_caller_is_told_what_is_left_and_refused_beyond_it(
    processes: list[FastAPI], watch: Watch, app: FastAPI
) -> None:
    client = await at(processes[0], await open_school(app))
    for left in reversed(range(MOST)):
        answer = await client.get("/v1/me")
        assert answer.status_code == 200
        assert told(answer) == (f'"requests";q={MOST};w=60', f'"requests";r={left};t=60')

    refused = await client.get("/v1/me")
    problem(refused, 429, "rate-limited")
    assert refused.headers["retry-after"] == "60"
    assert told(refused) == (f'"requests";q={MOST};w=60', '"requests";r=0;t=60')
    # Another caller has their own, and the next minute is a new one.
    assert (await client_of(processes[0]).get("/.well-known/jwks.json")).status_code == 200
    watch.at += timedelta(minutes=1)
    ok(await client.get("/v1/me"))


async def test_the_share_holds_over_processes(processes: list[FastAPI], app: FastAPI) -> None:
    school = await open_school(app)
    one, other = [await at(process, school) for process in processes]
    for _ in range(MOST - 1):
        ok(await one.get("/v1/me"))
    ok(await other.get("/v1/me"))
    for process in processes:
        await process.state.throttle.tell()

    problem(await other.get("/v1/me"), 429, "rate-limited")
    # The first one has not heard of it yet: it does with its next request.
    ok(await one.get("/v1/me"))
    await processes[0].state.throttle.tell()
    problem(await one.get("/v1/me"), 429, "rate-limited")


async def test_strangers_count_by_address_whatever_they_send(processes: list[FastAPI]) -> None:
    """A token that is made up anew each time is no new caller."""
    stranger = client_of(processes[0])
    for number in range(MOST):
        answer = await stranger.get("/v1/me", headers={"Authorization": f"Bearer x{number}"})
        problem(answer, 401, "invalid-access-token")
    refused = await stranger.post(
        "/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": "x"}
    )
    problem(refused, 429, "rate-limited")
    assert (await stranger.get("/health/live")).status_code == 200


async def test_what_was_counted_names_nobody_and_is_told_once(
    processes: list[FastAPI], owner: AsyncEngine
) -> None:
    process = processes[0]
    client = client_of(process)
    await client.get("/.well-known/jwks.json")
    await process.state.throttle.tell()
    await process.state.throttle.tell()

    (who,) = process.state.throttle._counts  # noqa: SLF001
    key = limits.hashed_key("requests", who)
    async with owner.connect() as connection:
        hits = await connection.scalar(
            text("SELECT hits FROM rate_counters WHERE key = :key"), {"key": key}
        )
    assert hits == 1
    assert who.removeprefix("address:") not in key


def test_every_operation_counts_for_somebody(app: FastAPI) -> None:
    """An operation without a policy would be free for all."""
    free = {
        operation["operationId"]
        for path in openapi.document(app)["paths"].values()
        for operation in path.values()
        if "429" not in operation["responses"]
    }
    assert free == {"read_liveness", "read_readiness"}
