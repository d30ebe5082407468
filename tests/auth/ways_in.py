"""What tests of the ways in say in one line."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from itschool_api import clock
from itschool_api.auth import login_tokens
from itschool_api.auth import service as auth
from itschool_api.database import Sessions, new_id
from tests.kit import PASSWORD, client_of, ok


async def log_in(
    client: AsyncClient, user_name: str, password: str = PASSWORD, **more: str
) -> Response:
    """Ask for tokens with a password."""
    return await client.post(
        "/v1/auth/token",
        data={"grant_type": "password", "username": user_name, "password": password, **more},
    )


async def refresh(client: AsyncClient, token: str, **more: str) -> Response:
    """Ask for the next tokens."""
    return await client.post(
        "/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": token, **more}
    )


# What a browser's script sends, and no form of another site can.
SCRIPTED = {"X-Requested-With": "fetch"}


async def log_in_browser(client: AsyncClient, user_name: str, **more: str) -> Response:
    """Ask for tokens with a password, the refresh token in the client's cookie jar."""
    form = {"grant_type": "password", "username": user_name, "password": PASSWORD}
    return await client.post(
        "/v1/auth/token", data=form | {"transport": "cookie"} | more, headers=SCRIPTED
    )


async def refresh_browser(client: AsyncClient, **more: str) -> Response:
    """Ask for the next tokens, with the cookie of the client's jar."""
    form = {"grant_type": "refresh_token"} | more
    return await client.post("/v1/auth/token", data=form, headers=SCRIPTED)


async def redeem(client: AsyncClient, token: str) -> Response:
    """Exchange a login token."""
    return await client.post("/v1/auth/login-tokens/redeem", json={"token": token})


async def begun_anew(app: FastAPI, user_id: UUID) -> Any:
    """Set a user's password by a login token, and return the tokens of the session."""
    async with client_of(app) as client:
        pair = ok(await redeem(client, await grant(app, user_id)))
    async with client_of(app, pair["access_token"]) as client:
        return ok(await client.put("/v1/me/password", json={"new_password": PASSWORD}))


def bearer(token: str) -> dict[bytes, bytes]:
    """Return a header with whatever bytes a token is made of."""
    return {b"Authorization": b"Bearer " + token.encode("latin-1")}


async def me(app: FastAPI, access_token: str) -> Response:
    """Ask who one is, with an access token."""
    async with client_of(app, access_token) as client:
        return await client.get("/v1/me")


async def grant(
    app: FastAPI,
    user_id: UUID,
    *,
    token_id: UUID | None = None,
    created_at: datetime | None = None,
    life: timedelta = login_tokens.RESET_LIFE,
) -> str:
    """Make a login token as the worker does, and return it."""
    sessions: Sessions = app.state.sessions
    async with sessions.begin() as session:
        user = await auth.user(session, user_id)
        granted = await login_tokens.grant_login_token(
            session,
            app.state.authority.login_token_key,
            user,
            token_id or new_id(),
            created_at or clock.now(),
            life,
        )
    return granted.token


async def restricted_session(app: FastAPI, user_id: UUID) -> AsyncClient:
    """Return a client that redeemed a login token and has set no password yet."""
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, await grant(app, user_id)))
    return client_of(app, pair["access_token"])


def claims(token: str) -> Any:
    """Return what a token claims, unverified."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
