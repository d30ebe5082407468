"""Every way in leaves its event in the log, and no secret with it (SEC-10, SEC-34)."""

import io
import json
import secrets
from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.app import create_app
from itschool_api.auth import limits, signing_keys
from itschool_api.auth.caller import Role
from itschool_api.auth.refresh_cookie import NAME
from itschool_api.database import new_id
from itschool_api.settings import Settings
from tests.auth.ways_in import (
    SCRIPTED,
    claims,
    grant,
    log_in,
    log_in_browser,
    redeem,
    refresh,
    refresh_browser,
)
from tests.kit import PASSWORD, School, client_of, ok, problem
from tests.spare import Spare

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("within_a_window")]


def events(log: io.StringIO, name: str) -> list[dict[str, object]]:
    """Return the lines of one event."""
    lines = (json.loads(line) for line in log.getvalue().splitlines())
    return [line for line in lines if line["event"] == name]


async def test_every_way_in_is_logged_without_a_secret(  # noqa: PLR0915 - there are many ways in
    app: FastAPI,
    school: School,
    owner: AsyncEngine,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SEC-34: a grep for what was typed and given finds nothing."""
    monkeypatch.setattr(limits, "FAILURES_PER_ACCOUNT_AND_ADDRESS", 3)
    address = f"203.0.113.{secrets.randbelow(250)}"
    canaries = {
        "password": f"pass phrase {secrets.token_hex(6)}",
        "wrong password": f"wrong phrase {secrets.token_hex(6)}",
        "unknown user": f"nobody{secrets.token_hex(6)}",
        "unknown e-mail": f"{secrets.token_hex(6)}@canary.example",
        "made-up refresh token": secrets.token_urlsafe(32),
        "made-up cookie": secrets.token_urlsafe(32),
        "made-up login token": secrets.token_hex(16).upper(),
        "made-up API key": secrets.token_hex(32),
        "made-up access token": f"e30.{secrets.token_hex(8)}.x",
        "label": f"phone{secrets.token_hex(6)}",
        "address": address,
    }
    user_id, name, _ = await school.user(Role.GUARDIAN)
    canaries["user name"] = name
    async with owner.connect() as connection:
        canaries["e-mail"] = await connection.scalar(
            text("SELECT email FROM users WHERE id = :id"), {"id": user_id}
        )
    log.seek(0)
    log.truncate()
    transport = ASGITransport(app, raise_app_exceptions=False, client=(address, 1))
    async with AsyncClient(transport=transport, base_url="https://api.example.org") as client:
        canaries["login token"] = await grant(app, user_id)
        await redeem(client, canaries["made-up login token"])
        pair = ok(await redeem(client, canaries["login token"]))
        canaries["restricted token"] = pair["access_token"]
        await redeem(client, canaries["login token"])
        form = {"new_password": canaries["password"], "label": canaries["label"]}
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        pair = ok(await client.put("/v1/me/password", json=form, headers=headers))
        canaries |= {"access token": pair["access_token"], "refresh token": pair["refresh_token"]}
        session_id = claims(pair["access_token"])["sid"]

        again = ok(await refresh(client, pair["refresh_token"]))
        canaries |= {"successor": again["refresh_token"], "next token": again["access_token"]}
        await refresh(client, canaries["made-up refresh token"])
        async with owner.begin() as connection:
            await connection.execute(
                text(
                    "UPDATE refresh_tokens SET used_at = used_at - interval '1 hour'"
                    " WHERE session_id = :id"
                ),
                {"id": session_id},
            )
        problem(await refresh(client, pair["refresh_token"]), 400, "invalid-grant")

        browser = {"password": canaries["password"]}
        pair = ok(await log_in_browser(client, name, **browser))
        canaries |= {"cookie": client.cookies[NAME], "browser's token": pair["access_token"]}
        pair = ok(await refresh_browser(client))
        canaries |= {"next cookie": client.cookies[NAME], "its token": pair["access_token"]}
        await client.post(
            "/v1/auth/token",
            data={"grant_type": "refresh_token"},
            headers=SCRIPTED | {"Cookie": f"{NAME}={canaries['made-up cookie']}"},
        )
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        other = ok(await log_in(client, name, canaries["password"]))
        ended = claims(other["access_token"])["sid"]
        ok(await client.delete(f"/v1/me/sessions/{ended}", headers=headers), 204)
        ok(await client.delete("/v1/me/sessions", headers=headers), 204)
        form = {"new_password": canaries["wrong password"], "current_password": "not the one"}
        problem(
            await client.put("/v1/me/password", json=form, headers=headers), 403, "wrong-password"
        )
        ok(await client.post("/v1/auth/logout", headers=headers), 204)

        for email in (canaries["e-mail"], canaries["unknown e-mail"]):
            ok(await client.post("/v1/auth/login-tokens", json={"email": email}), 202)
        await client.get(f"/v1/me?token={canaries['made-up refresh token']}")
        await client.get(f"/v1/nothing/{canaries['made-up login token']}")
        for token in (
            canaries["made-up access token"],
            f"its_{school.id.hex}_{new_id().hex}_{canaries['made-up API key']}",
            f"its_{canaries['made-up API key']}",
        ):
            answer = await client.get("/v1/wallets", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        await log_in(client, canaries["unknown user"], canaries["wrong password"])
        # With the wrong present password above, these are three.
        for _ in range(2):
            await log_in(client, name, canaries["wrong password"])
        problem(await log_in(client, name, canaries["password"]), 429, "too-many-attempts")
    admin = await school.as_(Role.ADMIN)
    made = ok(
        await admin.post("/v1/api-keys", json={"label": "x", "scopes": ["wallets:read"]}), 201
    )
    canaries["API key"] = made["key"].split("_")[3]
    async with client_of(app, made["key"]) as office:
        ok(await office.get("/v1/wallets"))
        ok(await admin.delete(f"/v1/api-keys/{made['id']}"))
        problem(await office.get("/v1/wallets"), 401, "invalid-api-key")

    told = {
        "login_token.refused": 2,
        "login_token.redeemed": 1,
        "password.changed": 1,
        "login.succeeded": 4,  # with the new password, twice with it later, and the admin
        "refresh.reused": 1,
        "session.revoked": 3,
        "login.failed": 3,
        "login.limited": 1,
        "password.refused": 1,
        "api_key.made": 1,
        "api_key.revoked": 1,
        "api_key.refused": 3,
    }
    assert {name: len(events(log, name)) for name in told} == told
    (first, *_) = events(log, "login.succeeded")
    assert (first["user"], first["session"]) == (str(user_id), session_id)
    assert events(log, "refresh.reused")[0]["session"] == session_id
    assert events(log, "session.revoked")[0]["session"] == ended
    assert events(log, "login.limited")[0]["limits"] == ["login"]
    assert events(log, "api_key.revoked")[0]["key"] == made["id"]
    assert all(line["request_id"] for name in told for line in events(log, name))
    lines = log.getvalue().splitlines()
    found = {what: line for what, canary in canaries.items() for line in lines if canary in line}
    assert found == {}


async def test_a_rotation_is_logged_without_the_key(
    settings: Settings, spare: Spare, log: io.StringIO
) -> None:
    """SEC-34."""
    app = create_app(settings, spare.url)
    secret = settings.secret_key.get_secret_value()
    async with app.router.lifespan_context(app):
        async with app.state.sessions.begin() as session:
            made = await signing_keys.rotate(
                session, secret, lead=timedelta(0), access_life=timedelta(minutes=10)
            )
        async with app.state.sessions.begin() as session:
            await signing_keys.retire(session, secret, made.kid)
            (*_, key) = await signing_keys.all_keys(session)

    assert [line["kid"] for line in events(log, "key.rotated")] == [made.kid]
    assert [line["kid"] for line in events(log, "key.retired")] == [made.kid]
    for part in (secret, key.encrypted_key.decode(), "PRIVATE", PASSWORD):
        assert part not in log.getvalue()
