"""Forged and stale access tokens (SEC-20, SEC-21, SEC-22)."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from jose import jwk, jwt
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth import signing_keys, tokens
from itschool_api.auth.caller import Role
from itschool_api.database import create_engine, create_sessions
from itschool_api.settings import Settings
from tests.auth.ways_in import bearer, claims, log_in, me
from tests.kit import client_of, ok, open_school

pytestmark = pytest.mark.anyio

REQUIRED = ("exp", "iss", "aud", "sub", "iat", "jti", "sid", "school")


def encoded(part: Any) -> str:
    """Write a part of a token."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Forge:
    """A valid token, its parts, and the real key: the strongest forger."""

    app: FastAPI
    token: str
    refresh_token: str
    kid: str
    private: Any
    public: ec.EllipticCurvePublicKey

    @property
    def payload(self) -> dict[str, Any]:
        """What the valid token claims."""
        return dict(claims(self.token))

    def signed(self, payload: dict[str, Any], **headers: Any) -> str:
        """Sign with the real key."""
        return str(jwt.encode(payload, self.private, "ES256", headers={"kid": self.kid} | headers))

    def by_hand(self, header: dict[str, Any], payload: dict[str, Any], key: bytes) -> str:
        """Sign with HMAC, which no library would do with a public key."""
        signed = f"{encoded(header)}.{encoded(payload)}"
        return f"{signed}.{encoded(hmac.digest(key, signed.encode(), hashlib.sha256))}"


@pytest.fixture(scope="module")
async def forge(app: FastAPI, settings: Settings, owner: AsyncEngine) -> Forge:
    school = await open_school(app)
    _, name, _ = await school.user(Role.MANAGER)
    async with client_of(app) as client:
        pair = ok(await log_in(client, name))
    kid = jwt.get_unverified_header(pair["access_token"])["kid"]
    async with owner.connect() as connection:
        encrypted = await connection.scalar(
            text("SELECT encrypted_key FROM signing_keys WHERE kid = :kid"), {"kid": kid}
        )
    pem = tokens._box(settings.secret_key.get_secret_value()).decrypt(encrypted)  # noqa: SLF001
    private = serialization.load_pem_private_key(pem, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return Forge(
        app,
        pair["access_token"],
        pair["refresh_token"],
        kid,
        jwk.construct(pem.decode(), "ES256"),
        private.public_key(),
    )


async def is_refused(app: FastAPI, token: str) -> None:
    """The token gets a 401 problem, and a hint that says no more than RFC 6750 does."""
    answer = await me(app, token)
    assert answer.status_code == 401, token
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["type"] == "/problems/invalid-access-token"


async def test_the_forge_can_make_a_valid_token(forge: Forge) -> None:
    """Otherwise all that follows would prove nothing."""
    assert (await me(forge.app, forge.token)).status_code == 200
    assert (await me(forge.app, forge.signed(forge.payload))).status_code == 200


async def test_an_access_token_says_little_and_lives_ten_minutes(forge: Forge) -> None:
    assert set(forge.payload) == set(REQUIRED)
    assert forge.payload["exp"] - forge.payload["iat"] == 600
    assert jwt.get_unverified_header(forge.token) == {
        "alg": "ES256",
        "typ": "JWT",
        "kid": forge.kid,
    }


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "ES384", "RS256", "HS512"])
async def test_no_other_algorithm_is_allowed(forge: Forge, name: str) -> None:
    """SEC-20."""
    header = {"alg": name, "typ": "JWT", "kid": forge.kid}
    bare = f"{encoded(header)}.{encoded(forge.payload)}."
    own = forge.token.rsplit(".", 1)[1]

    await is_refused(forge.app, bare)
    await is_refused(forge.app, bare + own)


async def test_the_public_key_is_no_shared_secret(forge: Forge) -> None:
    """SEC-20: HS256 signed with the public key in any of its forms."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    point = serialization.PublicFormat.UncompressedPoint
    pem = forge.public.public_bytes(serialization.Encoding.PEM, spki)
    for key in (
        pem,
        pem.strip(),
        forge.public.public_bytes(serialization.Encoding.DER, spki),
        forge.public.public_bytes(serialization.Encoding.X962, point),
        b"",
        forge.kid.encode(),
    ):
        header = {"alg": "HS256", "typ": "JWT", "kid": forge.kid}
        await is_refused(forge.app, forge.by_hand(header, forge.payload, key))


async def test_another_key_signs_nothing(forge: Forge) -> None:
    """SEC-20: with our kid, with none, with an unknown one, with a key that it brings along."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    pem = stranger.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    own = jwk.construct(pem, "ES256").public_key().to_dict()
    for headers in (
        {"kid": forge.kid},
        {"kid": "unknown"},
        {},
        {"kid": None},
        {"kid": ["a"]},
        {"kid": {"a": 1}},
        {"kid": 7},
        {"kid": "../../etc/passwd"},
        {"kid": forge.kid, "jwk": own},
        {"kid": forge.kid, "jku": "https://evil.example/keys"},
    ):
        await is_refused(forge.app, jwt.encode(forge.payload, pem, "ES256", headers=headers))
    rsa_pem = (
        rsa.generate_private_key(65537, 2048)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
    await is_refused(
        forge.app, jwt.encode(forge.payload, rsa_pem, "RS256", headers={"kid": forge.kid})
    )


@pytest.mark.parametrize("header", ["jku", "jwk", "x5u", "x5c", "crit"])
async def test_a_header_that_brings_a_key_along_is_refused(forge: Forge, header: str) -> None:
    """SEC-20: even where the signature is right."""
    await is_refused(forge.app, forge.signed(forge.payload, **{header: ["exp"]}))


@pytest.mark.parametrize("claim", REQUIRED)
async def test_every_claim_is_required(forge: Forge, claim: str) -> None:
    """SEC-21."""
    payload = forge.payload
    del payload[claim]
    await is_refused(forge.app, forge.signed(payload))
    await is_refused(forge.app, forge.signed(payload | {claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("exp", 1_000_000_000),
        ("exp", "soon"),
        ("exp", -1),
        ("nbf", 4_000_000_000),
        ("iss", "https://evil.example"),
        ("iss", ["https://api.example.org"]),
        ("aud", "another-api"),
        ("aud", ["another-api"]),
        ("aud", []),
        ("iat", "then"),
        ("sub", "nobody"),
        ("sub", 7),
        ("sub", "00000000-0000-7000-8000-000000000000"),
        ("sid", "00000000-0000-7000-8000-000000000000"),
        ("sid", ["x"]),
        ("school", "00000000-0000-7000-8000-000000000000"),
        ("school", "'; DROP TABLE users; --"),
    ],
)
async def test_a_claim_that_is_not_ours_is_refused(forge: Forge, claim: str, value: Any) -> None:
    """SEC-21."""
    await is_refused(forge.app, forge.signed(forge.payload | {claim: value}))


async def test_a_token_ends_with_its_last_second(forge: Forge) -> None:
    """SEC-21."""
    now = int(datetime.now(UTC).timestamp())

    assert (await me(forge.app, forge.signed(forge.payload | {"exp": now + 30}))).status_code == 200
    await is_refused(forge.app, forge.signed(forge.payload | {"exp": now - 1}))


async def test_claims_of_two_people_do_not_mix(forge: Forge, app: FastAPI) -> None:
    """SEC-02: user, session and school of a token belong together."""
    other = await open_school(app)
    _, name, _ = await other.user(Role.ADMIN)
    async with client_of(app) as client:
        theirs = claims(ok(await log_in(client, name))["access_token"])
    for claim in ("sub", "sid", "school"):
        await is_refused(app, forge.signed(forge.payload | {claim: theirs[claim]}))


async def test_a_refresh_token_is_no_access_token(forge: Forge) -> None:
    """SEC-21."""
    await is_refused(forge.app, forge.refresh_token)


async def test_a_changed_or_broken_token_is_refused(forge: Forge) -> None:
    head, body, signature = forge.token.split(".")
    richer = encoded(forge.payload | {"exp": forge.payload["exp"] + 3600})
    for token in (
        f"{head}.{richer}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{encoded([1])}.{signature}",
        f"{encoded([1])}.{body}.{signature}",
        f"{encoded(b'null')}.{body}.{signature}",
        f"{encoded(b'[' * 20_000)}.{body}.{signature}",
        f"{encoded({'alg': 'ES256', 'kid': 'x' * 10_000})}.{body}.{signature}",
        "..",
        "\u00e9.\u00e9.\u00e9",
    ):
        async with client_of(forge.app) as client:
            answer = await client.get("/v1/me", headers=bearer(token))
        assert answer.status_code == 401, token[:60]


@pytest.fixture
async def empty_ring(app: FastAPI, owner: AsyncEngine) -> AsyncIterator[None]:
    """No signing key is alive, as at the very first start."""
    del app
    async with owner.begin() as connection:
        await connection.execute(text("UPDATE signing_keys SET retired_at = now()"))
    yield
    async with owner.begin() as connection:
        await connection.execute(text("DELETE FROM signing_keys WHERE retired_at IS NULL"))
        await connection.execute(text("UPDATE signing_keys SET retired_at = NULL"))


@pytest.mark.usefixtures("empty_ring")
async def test_processes_that_start_together_agree_on_one_key(
    database_url: str, settings: Settings
) -> None:
    """SEC-22: otherwise one would refuse what the other signs."""
    secret = settings.secret_key.get_secret_value()
    engines = [create_engine(database_url, pool_size=1) for _ in range(6)]
    rings = await asyncio.gather(
        *(signing_keys.load(create_sessions(each), secret, "https://x") for each in engines)
    )
    for engine in engines:
        await engine.dispose()

    now = clock.now()
    assert {len(ring.public(now)) for ring in rings} == {1}
    assert len({ring.public(now)[0]["kid"] for ring in rings}) == 1


def test_a_signature_is_verified_once_and_its_end_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SEC-21, SEC-22: remembered is the signature, and not that the token is good."""
    secret, now = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF", clock.now()
    kid, encrypted = tokens.new_signing_key(secret)
    key = tokens.StoredKey(kid, encrypted, now, None)
    ring = tokens.KeyRing(secret, "https://api.example.org", [key])
    told = tokens.Claims(uuid4(), uuid4(), uuid4())
    token = ring.sign(told, now, timedelta(minutes=10))
    decoded = Mock(side_effect=jwt.decode)
    monkeypatch.setattr(jwt, "decode", decoded)

    assert [ring.verify(token) for _ in range(3)] == [told] * 3
    assert decoded.call_count == 1
    for forged in (token[:-4] + "AAAA", token.replace(".", ".A", 1)):
        with pytest.raises(tokens.InvalidAccessToken):
            ring.verify(forged)
    ring.replace([tokens.StoredKey(kid, encrypted, now, now - timedelta(seconds=1))])
    with pytest.raises(tokens.InvalidAccessToken):
        ring.verify(token)
    ring.replace([])
    with pytest.raises(tokens.InvalidAccessToken):
        ring.verify(token)
    ring.replace([key])
    decoded.reset_mock()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=11))
    ring.verify(token)  # by the machine's own clock it lasts still
    assert decoded.call_count == 1
