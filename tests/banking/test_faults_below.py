"""What is below fails in the midst of an import."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from itschool_api.storage import Storage
from tests.kit import PAYER, Child, School, books_are_clean, ok, problem

pytestmark = pytest.mark.anyio
Failing = Callable[[str], AbstractAsyncContextManager[None]]
DISK_FULL, DEADLOCK, TIMED_OUT = "53100", "40P01", "57014"


async def balance(child: Child) -> int:
    return int(ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))["balance_cents"])


@pytest.fixture
def failing(owner: AsyncEngine, school: School) -> Failing:
    """Let the database fail with a state of its own when a school's transfers are written."""
    on = f"fault_{school.id.hex}"

    @asynccontextmanager
    async def fail(state: str) -> AsyncIterator[None]:
        async with owner.begin() as connection:
            await connection.execute(
                text(
                    f"CREATE FUNCTION {on}() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = '{state}'; END $$"
                )
            )
            await connection.execute(
                text(
                    f"CREATE TRIGGER {on} AFTER INSERT ON transfers FOR EACH ROW "
                    f"WHEN (NEW.school_id = '{school.id}') EXECUTE FUNCTION {on}()"
                )
            )
        try:
            yield
        finally:
            async with owner.begin() as connection:
                await connection.execute(text(f"DROP FUNCTION {on} CASCADE"))

    return fail


async def test_a_fault_below_is_a_problem_and_nothing_is_left(
    app: FastAPI, school: School, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REL-20: disk full in the database and beside it, deadlock, timeout, no free connection."""
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))

    async def refused(code: str, status: int) -> None:
        answer = await school.manager.post(
            "/v1/bank-statements", content=data, headers={"Content-Type": "text/plain"}
        )
        problem(answer, status, code)

    for state, status, code in (
        (DISK_FULL, 500, "internal-error"),
        (DEADLOCK, 503, "unavailable"),
        (TIMED_OUT, 503, "unavailable"),
    ):
        async with failing(state):
            await refused(code, status)
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "keep", _no_space)
        await refused("internal-error", 500)
    async with _no_connection(app, monkeypatch):
        await refused("unavailable", 503)

    assert ok(await school.manager.get("/v1/bank-statements"))["items"] == []
    assert ok(await school.manager.get("/v1/bank-transactions"))["items"] == []
    assert await balance(child) == 0
    await books_are_clean(school)
    await school.post_coda(data)
    assert await balance(child) == 5_00


async def _no_space(*_: Any) -> str:
    raise OSError(28, "No space left on device")


@asynccontextmanager
async def _no_connection(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Take every connection of the pool, and wait for none."""
    engine = app.state.sessions.kw["bind"]
    with monkeypatch.context() as patch:
        patch.setattr(engine.pool, "_timeout", 0.05)
        held = [await engine.connect() for _ in range(engine.pool.size())]
        try:
            yield
        finally:
            for each in held:
                await each.close()
