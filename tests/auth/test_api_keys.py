"""API keys: shown once, stored as a hash, held to their scopes, school and time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth import tokens
from itschool_api.auth.caller import KEY_SCOPES, Role, Scope
from itschool_api.database import new_id
from tests.auth.ways_in import bearer
from tests.kit import School, client_of, ok, problem

pytestmark = pytest.mark.anyio


async def make(school: School, **form: Any) -> Any:
    """Make a key as the school's admin does."""
    admin = await school.as_(Role.ADMIN)
    form = {"label": "CODA upload", "scopes": ["wallets:read"]} | form
    return ok(await admin.post("/v1/api-keys", json=form), 201)


async def test_a_key_is_shown_once_and_stored_as_a_hash(
    app: FastAPI, school: School, owner: AsyncEngine
) -> None:
    """SEC-10: whoever reads the database has no key."""
    made = await make(school)
    secret = made["key"].split("_")[3]
    admin = await school.as_(Role.ADMIN)
    listed = await admin.get("/v1/api-keys")
    async with owner.connect() as connection:
        row = (
            await connection.execute(
                text("SELECT k::text AS words, secret_sha256 FROM api_keys k WHERE id = :id"),
                {"id": made["id"]},
            )
        ).one()

    assert made["key"].startswith(f"its_{school.id.hex}_{UUID(made['id']).hex}_")
    assert len(secret) * 4 == 256
    assert secret not in listed.text
    assert "key" not in listed.json()["items"][0]
    assert row.secret_sha256 == tokens.sha256(secret)
    assert secret not in row.words
    assert secret.encode().hex() not in row.words
    async with client_of(app, made["key"]) as client:
        assert (await client.get("/v1/wallets")).status_code == 200


async def test_a_key_does_what_its_scopes_say_and_no_more(app: FastAPI, school: School) -> None:
    made = await make(school)
    async with client_of(app, made["key"]) as client:
        assert (await client.get("/v1/wallets")).status_code == 200
        refused = problem(await client.get("/v1/invoices"), 403, "insufficient-scope")
        assert "invoices:read" in refused["detail"]
        problem(await client.get("/v1/me"), 403, "insufficient-scope")


@pytest.mark.parametrize("scope", sorted(set(Scope) - KEY_SCOPES))
async def test_no_key_gets_a_scope_of_people(school: School, scope: str) -> None:
    """A key that makes keys would outlive its own revocation."""
    admin = await school.as_(Role.ADMIN)
    for scopes in ([scope], ["wallets:read", scope]):
        answer = await admin.post("/v1/api-keys", json={"label": "x", "scopes": scopes})
        assert answer.status_code == 422


async def test_an_expired_key_is_refused(app: FastAPI, school: School, owner: AsyncEngine) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    made = await make(school, expires_at=soon)
    async with client_of(app, made["key"]) as client:
        assert (await client.get("/v1/wallets")).status_code == 200
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE api_keys SET expires_at = now() WHERE id = :id"), {"id": made["id"]}
            )
        problem(await client.get("/v1/wallets"), 401, "invalid-api-key")


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
async def test_a_key_does_not_end_before_it_begins(school: School, ago: timedelta) -> None:
    admin = await school.as_(Role.ADMIN)
    form = {"label": "x", "scopes": ["wallets:read"]}
    then = (datetime.now(UTC) - ago).isoformat()
    answer = await admin.post("/v1/api-keys", json=form | {"expires_at": then})

    problem(answer, 422, "api-key-ends-in-the-past")
    assert ok(await admin.get("/v1/api-keys"))["items"] == []


async def test_an_end_without_a_time_zone_is_refused(school: School) -> None:
    admin = await school.as_(Role.ADMIN)
    form = {"label": "x", "scopes": ["wallets:read"], "expires_at": "2031-01-01T00:00:00"}

    assert (await admin.post("/v1/api-keys", json=form)).status_code == 422


async def test_a_revoked_key_is_refused_from_the_next_request(app: FastAPI, school: School) -> None:
    """SEC-18."""
    made = await make(school)
    admin = await school.as_(Role.ADMIN)
    async with client_of(app, made["key"]) as client:
        assert (await client.get("/v1/wallets")).status_code == 200
        first = ok(await admin.delete(f"/v1/api-keys/{made['id']}"))
        problem(await client.get("/v1/wallets"), 401, "invalid-api-key")
    again = ok(await admin.delete(f"/v1/api-keys/{made['id']}"))
    assert first["revoked_at"] == again["revoked_at"]


async def test_a_key_opens_no_other_school(
    app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-02: nor does a key with another school's id written into it."""
    made = await make(school)
    _, _, key, secret = made["key"].split("_")
    forged = f"its_{other_school.id.hex}_{key}_{secret}"
    async with client_of(app, forged) as client:
        problem(await client.get("/v1/wallets"), 401, "invalid-api-key")


async def test_a_key_of_another_school_is_not_there_to_revoke(
    school: School, other_school: School
) -> None:
    made = await make(other_school)
    admin = await school.as_(Role.ADMIN)

    problem(await admin.delete(f"/v1/api-keys/{made['id']}"), 404, "api-key-not-found")


async def test_a_truncated_or_garbled_key_is_refused(app: FastAPI, school: School) -> None:
    key = (await make(school))["key"]
    prefix, own_school, own_id, secret = key.split("_")
    garbled = {
        key[:-1],
        key + "0",
        key[:-1] + ("0" if key[-1] != "0" else "1"),
        key.upper(),
        f"{prefix}_{own_school}_{own_id}_",
        f"{prefix}_{own_school}_{own_id}",
        f"{prefix}_{own_school}_{new_id().hex}_{secret}",
        f"{prefix}_{new_id().hex}_{own_id}_{secret}",
        f"{prefix}__{own_id}_{secret}",
        f"{prefix}_{own_school}_{own_id}_{secret}_",
        f"{prefix}_{own_school}_{own_id}_{tokens.sha256(secret).hex()}",
        "its_",
        "its____",
        "its_" + "_" * 100,
        "its_\u00e9_\u00e9_\u00e9",
    }
    for text_ in garbled:
        async with client_of(app) as client:
            answer = await client.get("/v1/wallets", headers=bearer(text_))
        assert answer.status_code == 401, text_
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("scheme", ["Basic", "Digest", "Token", ""])
async def test_a_key_goes_as_a_bearer_token(app: FastAPI, school: School, scheme: str) -> None:
    key = (await make(school))["key"]
    client = client_of(app)
    client.headers["Authorization"] = f"{scheme} {key}".strip()
    async with client:
        problem(await client.get("/v1/wallets"), 401, "unauthenticated")
        answer = await client.get("/v1/wallets", params={"access_token": key, "api_key": key})
    # SEC-10: no secret is taken from an address.
    problem(answer, 400, "invalid-parameters")
    assert key not in answer.text


async def test_a_keys_last_use_is_remembered(school: School, app: FastAPI) -> None:
    made = await make(school)
    admin = await school.as_(Role.ADMIN)
    assert made["last_used_at"] is None
    async with client_of(app, made["key"]) as client:
        ok(await client.get("/v1/wallets"))
    (listed,) = [
        each for each in ok(await admin.get("/v1/api-keys"))["items"] if each["id"] == made["id"]
    ]

    assert listed["last_used_at"] is not None
