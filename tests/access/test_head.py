"""HEAD answers as GET does, without the body, at every address of the contract (RFC 9110)."""

import io
import json
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import StreamingResponse

from itschool_api import heads
from tests.access.requests import request_for
from tests.access.test_matrix import operations
from tests.access.test_trail import DOWNLOADS
from tests.access.world import World
from tests.audit.test_audit_events import left_by
from tests.kit import client_of

pytestmark = pytest.mark.anyio

# What differs from one request to the next.
OWN = ("x-request-id", "ratelimit", "date")


def shared_headers(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OWN}


async def both(client: AsyncClient, **request: Any) -> tuple[Response, Response]:
    """Return what GET and HEAD answer, which differ in nothing but the body."""
    got, head = await client.get(**request), await client.head(**request)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert shared_headers(head) == shared_headers(got)
    assert ("ratelimit" in head.headers) == ("ratelimit" in got.headers)
    return got, head


async def test_every_get_has_a_head_with_its_headers(
    app: FastAPI, world: World, owner: AsyncEngine, log: io.StringIO
) -> None:
    """SEC-34: and no HEAD is told as a download, for it hands nothing out."""
    asked = 0
    for name, method, path, _ in operations(app):
        if method != "GET":
            continue
        got, head = await both(world.callers["admin"], **await request_for(name, world, path))
        asked += 1

        assert got.status_code == 200, name
        assert head.headers["content-length"] == str(len(got.content)), name
        assert head.headers["etag"], name
        assert [event.action for event in await left_by(owner, got)] == [
            each for each in DOWNLOADS if each == name
        ]
        assert await left_by(owner, head) == [], name

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    done = [line for line in lines if line["event"] == "request.done"]
    assert [line["method"] for line in done].count("HEAD") == asked
    assert all(line["route"] for line in done if line["method"] == "HEAD")


async def test_head_is_held_to_what_get_is_held_to(app: FastAPI, world: World) -> None:
    """SEC-01: neither a stranger nor another school's people learn more by it."""
    ids = world.ours.ids
    url = f"/v1/students/{ids['student']}"
    manager = world.callers["manager"]
    tag = (await manager.get(url)).headers["etag"]

    for client, path, sent, status in (
        (manager, url, {"If-None-Match": tag}, 304),
        (manager, url, {"If-None-Match": '"other"'}, 200),
        (manager, f"/v1/invoices/{ids['invoice']}/pdf", {}, 200),
        (manager, f"/v1/invoices/{ids['invoice']}/payment", {"Accept": "text/html"}, 406),
        (manager, "/v1/nowhere", {}, 404),
        (manager, "/v1/students?limit=0", {}, 422),
        (manager, "/v1/students?colour=red", {}, 400),
        (manager, "/v1/auth/logout", {}, 405),
        (client_of(app), url, {}, 401),
        (world.callers["teacher"], "/v1/wallets", {}, 403),
        (world.callers["everything at another school"], url, {}, 404),
        (client_of(app), "/docs", {}, 200),
    ):
        _, head = await both(client, url=path, headers=sent)
        assert head.status_code == status, path
    wrong = await manager.head("/v1/auth/logout")
    assert wrong.headers["allow"] == "POST"
    assert (await manager.put("/v1/students")).headers["allow"] == "GET, HEAD, POST"


async def test_a_stream_is_closed_and_sends_nothing() -> None:
    closed = False
    sent: list[Any] = []

    async def parts() -> Any:
        nonlocal closed
        try:
            for part in (b"one", b"two"):
                yield part
        finally:
            closed = True

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    answer = heads.HeadAnswers(StreamingResponse(parts()))
    await answer({"type": "http", "method": "HEAD", "asgi": {"spec_version": "2.4"}}, receive, send)

    assert closed
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b""
