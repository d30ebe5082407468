"""What a load balancer is told: alive, ready, and why not (REL-20)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from itschool_api.app import create_app
from itschool_api.settings import Settings
from tests.kit import client_of, ok, problem
from tests.spare import Spare

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(spare: Spare, settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings, spare.url)
    async with app.router.lifespan_context(app):
        yield app


async def test_a_process_is_alive_and_ready(served: FastAPI) -> None:
    async with client_of(served) as client:
        assert ok(await client.get("/health/live")) == {"status": "ok"}
        assert ok(await client.get("/health/ready")) == {"status": "ok"}


@pytest.mark.parametrize("found", ["'0001'", "'from-the-future'"])
async def test_a_database_in_another_form_is_not_ready(
    served: FastAPI, spare: Spare, found: str
) -> None:
    await spare.run(f"UPDATE alembic_version SET version_num = {found}")  # noqa: S608
    async with client_of(served) as client:
        problem(await client.get("/health/ready"), 503, "migrations-pending")
        assert (await client.get("/health/live")).status_code == 200


async def test_a_database_that_was_never_migrated_is_not_ready(
    served: FastAPI, spare: Spare
) -> None:
    await spare.run("DELETE FROM alembic_version")
    async with client_of(served) as client:
        problem(await client.get("/health/ready"), 503, "migrations-pending")


async def test_a_database_that_is_gone_is_not_ready_and_a_request_is_told_to_wait(
    served: FastAPI, spare: Spare
) -> None:
    """The process itself lives on, and serves again as soon as the database does."""
    async with client_of(served) as client:
        await spare.drop()
        for _ in range(3):
            problem(await client.get("/health/ready"), 503, "database-unavailable")
            answer = await client.post("/v1/auth/login-tokens", json={"email": "a@example.org"})
            problem(answer, 503, "unavailable")
            assert answer.headers["retry-after"]
            assert (await client.get("/health/live")).status_code == 200
        await spare.make()
        for _ in range(2):
            answer = await client.get("/health/ready")
            if answer.status_code == 200:
                break
        ok(answer)


async def test_a_hanging_database_is_not_ready_within_seconds(
    served: FastAPI, spare: Spare
) -> None:
    async with client_of(served) as client, asyncio.timeout(10):
        await spare.run("SELECT 1")
        pool = served.state.sessions.kw["bind"].pool
        held = [await served.state.sessions.kw["bind"].connect() for _ in range(pool.size())]
        answer = await client.get("/health/ready")
        for connection in held:
            await connection.close()

    problem(answer, 503, "database-unavailable")
