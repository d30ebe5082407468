"""Pages of listed origins, and of no others, may read what the API answers (SEC-31)."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from itschool_api import middleware
from itschool_api.app import create_app
from itschool_api.auth.caller import Role
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in_browser, refresh_browser
from tests.kit import School, client_of, ok, open_school, problem

pytestmark = pytest.mark.anyio

LISTED = "https://app.example.org"
ALSO_LISTED = "http://localhost:5173"
STRANGERS = (
    "null",
    "",
    "*",
    "https://evil.example",
    "http://app.example.org",
    "https://app.example.org.evil.example",
    "https://evil-app.example.org",
    "https://evilapp.example.org",
    "https://x.app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org/",
    "https://APP.example.org",
    "https://app.example.org https://evil.example",
    "https://app-example.org",
    "https://example.org",
    "http://localhost:5174",
    "http://localhost",
)
NEEDED = (
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-requested-with",
    "x-request-id",
)


@pytest.fixture(scope="module")
async def shared(settings: Settings, database_url: str) -> AsyncIterator[FastAPI]:
    """An application that two origins may call, and with a fault."""
    listed = settings.model_copy(update={"cors_origins": (LISTED, ALSO_LISTED)})
    app = create_app(listed, database_url)

    @app.get("/v1/crash")
    async def crash() -> None:
        raise RuntimeError

    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="module")
async def school_of_module(shared: FastAPI) -> School:
    return await open_school(shared)


async def answers(client: AsyncClient, manager: AsyncClient, origin: str) -> list[Response]:
    """Ask for everything that a page can get: documents, refusals of all kinds, a crash."""
    headers = {"Origin": origin}
    return [
        await client.get("/health/live", headers=headers),
        await manager.get("/v1/me", headers=headers),
        await client.get("/v1/me", headers=headers),
        await manager.get("/v1/api-keys", headers=headers),
        await client.get("/v1/nothing-here", headers=headers),
        await client.delete("/v1/wallets", headers=headers),
        await client.post("/v1/auth/login-tokens", json={}, headers=headers),
        await client.post("/v1/auth/login-tokens", content=b" " * 2**21, headers=headers),
        await client.get("/v1/crash", headers=headers),
        await client.get("/docs", headers=headers),
    ]


def allowed(answer: Response) -> list[str]:
    """Return what an answer says of other origins."""
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", [LISTED, ALSO_LISTED])
async def test_a_listed_origin_may_read_every_answer(
    shared: FastAPI, school_of_module: School, origin: str
) -> None:
    """SEC-31: problems too, or a browser would hide them from its page."""
    async with client_of(shared) as client:
        got = await answers(client, school_of_module.manager, origin)

    assert {int(answer.status_code) for answer in got} == {200, 401, 403, 404, 405, 413, 422, 500}
    for answer in got:
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]
        shown = {
            name.strip() for name in answer.headers["access-control-expose-headers"].split(",")
        }
        assert {"X-Request-Id", "Retry-After", "ETag", "Location", "WWW-Authenticate"} <= shown


@pytest.mark.parametrize("origin", STRANGERS)
async def test_no_other_origin_may_read_anything(
    shared: FastAPI, school_of_module: School, origin: str
) -> None:
    """SEC-31: nothing is reflected, whatever it looks like; caches keep the answers apart."""
    async with client_of(shared) as client:
        got = await answers(client, school_of_module.manager, origin)
        asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
        preflight = await client.options("/v1/wallets", headers=asked)

    problem(preflight, 405, "method-not-allowed")
    for answer in [*got, preflight]:
        assert allowed(answer) == []
        assert "Origin" in answer.headers["vary"]
        assert LISTED not in str(answer.headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_allows_what_the_contract_needs(shared: FastAPI, method: str) -> None:
    """SEC-31: and carries the safety headers (SEC-30)."""
    async with client_of(shared) as client:
        answer = await client.options(
            "/v1/invoices/00000000-0000-7000-8000-000000000000/payments",
            headers={
                "Origin": LISTED,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": ", ".join(NEEDED),
            },
        )

    ok(answer, 204)
    assert answer.headers["access-control-allow-origin"] == LISTED
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    # With credentials a browser takes no star for a name.
    told = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(NEEDED) <= set(told)
    assert answer.headers["x-request-id"]
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


async def test_every_header_of_the_contract_may_be_sent(shared: FastAPI) -> None:
    """A header that a later operation takes would otherwise be refused in browsers only."""
    known = middleware._PREFLIGHT["Access-Control-Allow-Headers"].split(", ")  # noqa: SLF001
    for path, methods in shared.openapi()["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "header":
                    assert parameter["name"] in known, path


async def test_without_a_list_no_origin_may_read_anything(app: FastAPI) -> None:
    """SEC-31: which is the default."""
    async with client_of(app) as client:
        for origin in (LISTED, "null", "https://api.example.org"):
            answer = await client.get("/health/live", headers={"Origin": origin})
            assert allowed(answer) == []
            assert "origin" not in answer.headers.get("vary", "").lower()


async def test_a_page_of_a_listed_origin_stays_in_by_its_cookie(
    shared: FastAPI, school_of_module: School
) -> None:
    _, name, _ = await school_of_module.user(Role.GUARDIAN)
    async with client_of(shared) as browser:
        browser.headers["Origin"] = LISTED
        for answer in (await log_in_browser(browser, name), await refresh_browser(browser)):
            assert answer.headers["access-control-allow-credentials"] == "true"
            ok(answer)
