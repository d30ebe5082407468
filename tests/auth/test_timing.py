"""Time tells nobody which users and addresses there are (SEC-11).

The measure is the AUC: how often an answer about a known one takes longer than one about an unknown
one. One half is blindness. Of n and n samples of the same kind it strays by sqrt((2n+1)/(12n²)):
of 40 by 0.065, of 500 by 0.018. With ITSCHOOL_LONG=1, 500 samples each must lie in 0.45 to 0.55;
else fewer in a band of four times their straying, which a missing hash leaves by far.
"""

import math
import os
import secrets
import time
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth import limits, login_tokens
from itschool_api.auth.caller import Role
from tests.auth.ways_in import log_in
from tests.kit import School, client_of

pytestmark = pytest.mark.anyio

IS_LONG = bool(os.environ.get("ITSCHOOL_LONG"))

_OF_THE_REQUEST = {"x-request-id", "ratelimit"}
Ask = Callable[[AsyncClient], Awaitable[Response]]


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one hand ask as often as it likes: limits would end the measurement."""
    for name in [name for name in vars(limits) if name.startswith("FAILURES_")]:
        monkeypatch.setattr(limits, name, 10**9)
    monkeypatch.setattr(limits, "MAILS_PER_ADDRESS", 10**9)
    monkeypatch.setattr(login_tokens, "_REQUESTS_PER_SENDER", 10**9)


def auc(these: list[float], those: list[float]) -> float:
    """Return how often one of `these` is greater than one of `those` (Mann and Whitney's U)."""
    ranked = sorted([(value, True) for value in these] + [(value, False) for value in those])
    ranks = sum(place for place, (_, is_this) in enumerate(ranked, 1) if is_this)
    return (ranks - len(these) * (len(these) + 1) / 2) / (len(these) * len(those))


def told(answer: Response) -> tuple[int, dict[str, str], dict[str, object]]:
    """Return all that an answer says, but what differs from request to request."""
    headers = {key: value for key, value in answer.headers.items() if key not in _OF_THE_REQUEST}
    body = answer.json() if answer.content else {}
    return int(answer.status_code), headers, {**body, "request_id": None}


async def is_blind(app: FastAPI, known: Ask, unknown: Ask, samples: int) -> None:
    """Ask both in turn: all answers say the same, and take as long."""
    samples = 500 if IS_LONG else samples
    band = 0.05 if IS_LONG else 4 * math.sqrt((2 * samples + 1) / (12 * samples**2))
    times: dict[bool, list[float]] = {True: [], False: []}
    said = set()
    async with client_of(app) as client:
        for warm in (known, unknown):
            await warm(client)
        # In an order that no rhythm of the machine follows.
        order = [True, False] * samples
        secrets.SystemRandom().shuffle(order)
        for is_known in order:
            began = time.perf_counter()
            answer = await (known if is_known else unknown)(client)
            times[is_known].append(time.perf_counter() - began)
            said.add(str(told(answer)))
    assert len(said) == 1, said
    found = auc(times[True], times[False])
    print(f"AUC {found:.3f} of {samples} and {samples}")  # noqa: T201 - for whoever measures
    assert abs(found - 0.5) <= band, found


def test_the_measure_itself() -> None:
    assert auc([2.0, 3.0], [1.0, 0.0]) == 1
    assert auc([1.0, 0.0], [2.0, 3.0]) == 0
    assert auc([1.0, 4.0], [2.0, 3.0]) == 0.5


@pytest.mark.usefixtures("dear_hashing")
async def test_a_wrong_password_takes_as_long_for_nobody(app: FastAPI, school: School) -> None:
    """SEC-11."""
    _, name, _ = await school.user(Role.GUARDIAN)
    nobody = f"user-{secrets.token_hex(6)}"
    await is_blind(
        app,
        lambda client: log_in(client, name, "not the password"),
        lambda client: log_in(client, nobody, "not the password"),
        samples=40,
    )


async def test_asking_for_a_login_token_takes_as_long_for_nobody(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-11."""
    user_id, _, _ = await school.user(Role.GUARDIAN)
    async with owner.connect() as connection:
        query = text("SELECT email FROM users WHERE id = :id")
        address = await connection.scalar(query, {"id": user_id})
    nobody = f"{secrets.token_hex(6)}@example.org"
    url = "/v1/auth/login-tokens"
    await is_blind(
        app,
        lambda client: client.post(url, json={"email": address}),
        lambda client: client.post(url, json={"email": nobody}),
        samples=150,
    )
