"""Refusals on the wire, and what surrounds every answer (SEC-23, SEC-30, SEC-32)."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from itschool_api.app import create_app
from itschool_api.auth.caller import Scope
from itschool_api.settings import Settings
from tests.kit import School, client_of, open_school, problem

NOWHERE = "0198c0de-0000-7000-8000-000000000000"
pytestmark = pytest.mark.anyio

CANARY = "canary-7f3a9c21"


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with client_of(app) as opened:
        yield opened


@pytest.fixture(scope="module")
async def school_of_module(app: FastAPI) -> School:
    return await open_school(app)


async def test_an_unknown_address_is_a_problem(client: AsyncClient) -> None:
    document = problem(await client.get("/v1/nothing-here"), 404, "not-found")

    assert document["title"]
    assert "detail" not in document


@pytest.mark.parametrize("url", ["/v1/wallets/", "/v1/auth/token/", "/health/live/", "/docs/"])
async def test_an_address_with_a_slash_too_many_leads_nowhere(
    client: AsyncClient, url: str
) -> None:
    """A redirect would send a token or a password to whatever host the request named."""
    for method in ("GET", "POST"):
        answer = await client.request(method, url, headers={"Host": "evil.example.org"})
        problem(answer, 404, "not-found")
        assert "evil" not in f"{answer.headers} {answer.text}"


async def test_a_refusal_of_a_form_speaks_to_people(client: AsyncClient) -> None:
    """Neither the name of an exception's class nor a regular expression tells anybody anything."""
    answer = await client.post("/v1/auth/login-tokens", json={"email": "an.example.org"})
    (fault,) = problem(answer, 422, "validation-failed")["errors"]

    assert fault["pointer"] == "/email"
    assert fault["detail"] == "Write an e-mail address, such as an@example.org."


async def test_a_wrong_method_is_a_problem_that_tells_the_right_ones(client: AsyncClient) -> None:
    answer = await client.patch("/v1/wallets")

    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("url", "methods"),
    [
        ("/v1/events", "GET, HEAD, POST"),
        (f"/v1/events/{NOWHERE}", "DELETE, GET, HEAD, PATCH"),
        (f"/v1/invoices/{NOWHERE}", "DELETE, GET, HEAD"),
        ("/v1/invoices/summary", "GET, HEAD"),
    ],
)
async def test_all_methods_of_an_address_are_told(
    client: AsyncClient, url: str, methods: str
) -> None:
    """RFC 9110, 15.5.6: not those of the first route alone."""
    for method in ("PUT", "OPTIONS", "TRACE"):
        answer = await client.request(method, url)
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == methods, method


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"email": "a@example.org",}',
        b"[" * 100_000,
        b'{"email": ' + b"[" * 50_000,
        b"null",
        b'"text"',
        b"",
        b'{"email": "\\ud800@example.org"}',
        b'{"email": NaN}',
    ],
)
async def test_a_malformed_body_is_a_problem(client: AsyncClient, body: bytes) -> None:
    answer = await client.post(
        "/v1/auth/login-tokens", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_mistakes_are_pointed_at_one_by_one(school_of_module: School) -> None:
    answer = await school_of_module.manager.post(
        "/v1/families",
        json={
            "name": "",
            "students": [{"student_id": "x", "share_bp": 10_001}],
            "a/b~c": 1,
        },
    )
    document = problem(answer, 422, "validation-failed")

    assert {(fault["location"], fault["pointer"]) for fault in document["errors"]} == {
        ("body", "/name"),
        ("body", "/students/0/student_id"),
        ("body", "/students/0/share_bp"),
        ("body", "/a~1b~0c"),
    }
    assert all(fault["code"] and fault["detail"] for fault in document["errors"])


async def test_mistakes_outside_of_the_body_are_named(school_of_module: School) -> None:
    manager = school_of_module.manager
    for url, location, name in (
        ("/v1/wallets?limit=0", "query", "limit"),
        ("/v1/wallets/not-an-id", "path", "wallet_id"),
    ):
        document = problem(await manager.get(url), 422, "validation-failed")
        assert document["errors"][0]["location"] == location
        assert document["errors"][0]["pointer"] == name
    nothing = "00000000-0000-7000-8000-000000000000"
    answer = await manager.post(f"/v1/invoices/{nothing}/payments", json={"wallet_id": nothing})
    fault = problem(answer, 422, "validation-failed")["errors"][0]
    assert (fault["location"], fault["pointer"]) == ("header", "Idempotency-Key")


async def test_a_refusal_never_repeats_what_was_sent(
    client: AsyncClient, school_of_module: School
) -> None:
    """SEC-32: it may have been a password."""
    manager = school_of_module.manager
    answers: list[Response] = [
        await manager.put("/v1/me/password", json={"new_password": [CANARY]}),
        await manager.put("/v1/me/password", json={"new_password": CANARY, "other": CANARY}),
        await manager.put("/v1/me/password", json={"new_password": CANARY * 20}),
        await manager.put("/v1/me/password", json=CANARY),
        await client.post("/v1/auth/login-tokens/redeem", json={"token": CANARY * 20}),
        await client.post("/v1/auth/token", data={"grant_type": CANARY, "password": CANARY}),
        await client.post(
            "/v1/auth/token",
            data={"grant_type": "password", "username": "x", "password": CANARY * 100},
        ),
        await client.post(
            "/v1/auth/token",
            data={"grant_type": "refresh_token", "refresh_token": CANARY, "school_id": CANARY},
        ),
        await manager.get("/v1/wallets", params={"cursor": CANARY, "student": CANARY}),
    ]

    for answer in answers:
        assert answer.status_code in {400, 422}, answer.text
        assert CANARY not in answer.text


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_refused(client: AsyncClient, chunked: bool) -> None:
    """SEC-23."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    body: Any = pieces() if chunked else b" " * (2 * 1024**2)
    answer = await client.post(
        "/v1/auth/login-tokens", content=body, headers={"Content-Type": "application/json"}
    )

    problem(answer, 413, "too-large")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_bank_file_beyond_the_limit_is_refused_while_it_streams(
    school_of_module: School, chunked: bool
) -> None:
    """SEC-23: no more of it is read than the limit and a piece."""
    limit = school_of_module.app.state.settings.bank_file_max_bytes
    read = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 4 * limit:
            read += 1024**2
            yield b"0" * 1024**2

    key = await school_of_module.api_key(Scope.BANK_STATEMENTS_WRITE)
    answer = await key.post(
        "/v1/bank-statements",
        content=pieces() if chunked else b"0" * (limit + 1),
        headers={"Content-Type": "text/plain"},
    )

    problem(answer, 413, "too-large")
    assert read <= limit + 2 * 1024**2


@pytest.fixture
async def crashing(settings: Settings, database_url: str) -> AsyncIterator[AsyncClient]:
    """An application with a fault, and a client of it."""
    app = create_app(settings, database_url)

    @app.get("/v1/crash")
    async def crash(name: str) -> None:
        raise RuntimeError(f"no such child: {name}")

    async with app.router.lifespan_context(app), client_of(app) as opened:
        yield opened


async def test_a_crash_says_nothing_but_its_request_id_and_is_logged(
    crashing: AsyncClient, log: io.StringIO
) -> None:
    """SEC-32, SEC-34: and the log has the places, not the words, which may quote a person."""
    answer = await crashing.get("/v1/crash", params={"name": CANARY})

    document = problem(answer, 500, "internal-error")
    assert set(document) == {"type", "title", "status", "request_id"}
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    (crash,) = [line for line in logged if line["event"] == "request.crashed"]
    assert crash["request_id"] == document["request_id"]
    assert crash["error"] == "RuntimeError"
    assert "in crash" in crash["traceback"]
    assert CANARY not in json.dumps(logged)


@pytest.mark.parametrize(
    ("wished", "kept"),
    [
        ("abcdefgh", True),
        ("trace-1.2_3-ABCDEF", True),
        ("x" * 64, True),
        ("short", False),
        ("x" * 65, False),
        ("with blanks in it", False),
        ("<script>alert(1)</script>", False),
        ("line\tbreak-here", False),
    ],
)
async def test_a_callers_request_id_is_kept_if_it_is_safe(
    client: AsyncClient, wished: str, kept: bool
) -> None:
    answer = await client.get("/v1/nothing-here", headers={"X-Request-Id": wished})

    assert (answer.headers["x-request-id"] == wished) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_every_answer_has_an_id_of_its_own(client: AsyncClient) -> None:
    ids = {(await client.get("/health/live")).headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


async def test_every_answer_carries_the_safety_headers(
    client: AsyncClient, crashing: AsyncClient, school_of_module: School
) -> None:
    """SEC-30."""
    manager = school_of_module.manager
    answers = [
        await client.get("/health/live"),
        await client.get("/v1/wallets"),
        await client.get("/nothing"),
        await client.post("/v1/auth/token", data={"grant_type": "x"}),
        await manager.get("/v1/me"),
        await manager.get("/v1/students"),
        await client.get("/docs"),
        await client.get("/openapi.json"),
        await crashing.get("/v1/crash", params={"name": "x"}),
        await client.request("OPTIONS", "/v1/wallets", headers={"Origin": "https://evil.example"}),
    ]
    for answer in answers:
        headers, url = answer.headers, str(answer.request.url)
        age = int(headers["strict-transport-security"].split("max-age=")[1].split(";")[0])
        assert age >= 31_536_000, url
        assert headers["x-content-type-options"] == "nosniff", url
        assert headers["referrer-policy"] == "no-referrer", url
        assert "default-src 'none'" in headers["content-security-policy"], url
        assert "frame-ancestors 'none'" in headers["content-security-policy"], url
        assert headers["cache-control"] == "no-store", url
        # SEC-31: no other origin is allowed unless it is listed.
        assert "access-control-allow-origin" not in headers, url
        assert "server" not in headers, url


async def test_a_parameter_that_no_operation_knows_is_pointed_at(
    school_of_module: School,
) -> None:
    """A misspelt filter that is passed over would show everything."""
    answer = await school_of_module.manager.get("/v1/students", params={"serach": "noor", "x": ""})

    told = problem(answer, 400, "invalid-parameters")
    assert [(each["location"], each["pointer"], each["code"]) for each in told["errors"]] == [
        ("query", "serach", "unknown_parameter"),
        ("query", "x", "unknown_parameter"),
    ]


async def test_a_name_that_somebody_made_up_is_shown_as_text(school_of_module: School) -> None:
    """The document promises that no text has a NUL, and that a pointer has an end."""
    answer = await school_of_module.manager.get(f"/v1/students?a%00b=1&{'c' * 600}=1")

    told = problem(answer, 400, "invalid-parameters")
    assert [each["pointer"] for each in told["errors"]] == ["a\ufffdb", "c" * 500]


async def test_a_parameter_is_given_once_unless_it_takes_several(school_of_module: School) -> None:
    """Which of two counts is a matter of taste, and between two programs a hole."""
    manager = school_of_module.manager
    answer = await manager.get("/v1/students?limit=1&limit=200")

    told = problem(answer, 400, "invalid-parameters")
    assert [each["code"] for each in told["errors"]] == ["repeated_parameter"]
    assert (await manager.get("/v1/invoices?status=draft&status=paid")).status_code == 200


async def test_no_change_takes_a_parameter_unseen(school_of_module: School) -> None:
    answer = await school_of_module.manager.post(
        "/v1/class-groups?dry_run=true", json={"name": "1"}
    )
    problem(answer, 400, "invalid-parameters")


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "%", "_", "\\", "'", '"', "😀", "\u202e", " "])
async def test_no_search_breaks_a_list(school_of_module: School, text: str) -> None:
    for url in ("students", "guardians", "families", "class-groups", "wallets"):
        answer = await school_of_module.manager.get(f"/v1/{url}", params={"search": text})
        assert answer.status_code in {200, 422}, (url, answer.text)
