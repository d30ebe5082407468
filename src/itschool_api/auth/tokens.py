"""Access tokens: the only module that knows python-jose.

ES256, signed by a key that the database holds encrypted; the claims name user, session and school.
python-jose accepts a token without `exp` or `aud`, so both are asked for here by hand.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jose import jwk, jwt
from jose.constants import ALGORITHMS
from jose.exceptions import JOSEError

from itschool_api import clock, errors
from itschool_api.database import new_id

_ALGORITHM: Final = ALGORITHMS.ES256
_AUDIENCE: Final = "itschool-api"
_REQUIRED: Final = ("exp", "iss", "aud", "sub", "iat", "jti", "sid", "school")
# Headers that would let a token bring its own key (RFC 8725, section 3.1 and 3.10).
_MOST_VERIFIED: Final = 10_000  # tokens, of half a kilobyte each
_REFUSED_HEADERS: Final = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})


class InvalidAccessToken(errors.Unauthenticated):
    """The access token is not valid, or not any more."""

    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012 - never changed


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says."""

    user_id: UUID
    session_id: UUID
    school_id: UUID


def derived_key(secret: str, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose (HKDF, RFC 5869)."""
    return HKDF(hashes.SHA256(), 32, None, purpose.encode()).derive(secret.encode())


def new_signing_key(secret: str) -> tuple[str, bytes]:
    """Return a new key's id and its private part, encrypted under `secret`."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return new_id().hex, _box(secret).encrypt(pem)


class WrongSecretKey(Exception):
    """The signing keys were encrypted under another secret key: give the one from before."""


class UnknownKey(InvalidAccessToken):
    """The access token is not valid, or not any more."""

    @classmethod
    def code(cls) -> str:
        """Tell callers no more than of any other invalid token."""
        return InvalidAccessToken.code()


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key, as the database keeps it."""

    kid: str
    encrypted: bytes
    signs_from: datetime
    retired_at: datetime | None
    """From when its tokens are refused; it may lie ahead."""


class Dated(Protocol):
    """A key in any form, with its times."""

    @property
    def kid(self) -> str:
        """Its id."""

    @property
    def signs_from(self) -> datetime:
        """From when it signs, if no newer one does."""

    @property
    def retired_at(self) -> datetime | None:
        """From when its tokens are refused; it may lie ahead."""


Key = TypeVar("Key", bound=Dated)


def is_alive(key: Dated, now: datetime) -> bool:
    """Tell whether a key verifies."""
    return key.retired_at is None or key.retired_at > now


def signer(keys: Sequence[Key], now: datetime) -> Key:
    """Return the key that signs: of the living, the newest whose time has come."""
    living = [key for key in keys if is_alive(key, now)] or keys
    ready = [key for key in living if key.signs_from <= now]
    if ready:
        return max(ready, key=lambda key: (key.signs_from, key.kid))
    # All are still to come: a clock is late.
    return min(living, key=lambda key: (key.signs_from, key.kid))


@dataclass(frozen=True, slots=True)
class _Key:
    """A key, ready for use."""

    kid: str
    signing: Any
    verifying: Any
    signs_from: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature was right, by a key that may be retired meanwhile."""

    kid: str
    claims: Claims
    ends_at: int
    """Seconds since 1970, as the token says."""


class KeyRing:
    """The keys that sign and verify: the newest whose time has come signs."""

    def __init__(self, secret: str, issuer: str, keys: Sequence[StoredKey]) -> None:
        """Take the keys; raises `WrongSecretKey`."""
        self._issuer = issuer
        self._box = _box(secret)
        self._keys: dict[str, _Key] = {}
        self._verified: dict[str, _Verified] = {}
        self.replace(keys)

    def replace(self, keys: Sequence[StoredKey]) -> None:
        """Take these keys in place of the present ones; raises `WrongSecretKey`."""
        self._keys = {key.kid: self._ready(key) for key in keys}
        self._verified = {
            token: known for token, known in self._verified.items() if known.kid in self._keys
        }

    def _ready(self, key: StoredKey) -> _Key:
        known = self._keys.get(key.kid)
        # Key objects, not PEM: parsing it at each request doubles the cost.
        signing = known.signing if known else self._opened(key)
        verifying = known.verifying if known else signing.public_key()
        return _Key(key.kid, signing, verifying, key.signs_from, key.retired_at)

    def _opened(self, key: StoredKey) -> Any:
        try:
            return jwk.construct(self._box.decrypt(key.encrypted).decode(), _ALGORITHM)
        except InvalidToken as error:
            raise WrongSecretKey(WrongSecretKey.__doc__) from error

    def knows(self, kid: object) -> bool:
        """Tell whether a key of that id is here, retired or not."""
        return isinstance(kid, str) and kid in self._keys

    def public(self, now: datetime) -> list[dict[str, str]]:
        """Return the public parts of the keys that verify, those to come included (RFC 7517)."""
        return [
            {name: _text(value) for name, value in key.verifying.to_dict().items()} | {"kid": kid}
            for kid, key in self._keys.items()
            if is_alive(key, now)
        ]

    def sign(self, claims: Claims, now: datetime, life: timedelta) -> str:
        """Return an access token that is valid from `now` for `life`."""
        payload = {
            "iss": self._issuer,
            "aud": _AUDIENCE,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "school": str(claims.school_id),
            "iat": int(now.timestamp()),
            "exp": int((now + life).timestamp()),
            "jti": new_id().hex,
        }
        key = signer([*self._keys.values()], now)
        return str(jwt.encode(payload, key.signing, _ALGORITHM, headers={"kid": key.kid}))

    def verify(self, token: str) -> Claims:
        """Return what a token says; raises `InvalidAccessToken`, `UnknownKey`.

        A signature is verified once, for a client sends its token with every request; that the
        token lasts and its key is alive is asked each time.
        """
        now = clock.now()
        known = self._verified.get(token)
        if known and now.timestamp() < known.ends_at and is_alive(self._keys[known.kid], now):
            return known.claims
        found = self._read(token, now)
        if len(self._verified) >= _MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]  # the oldest
        self._verified[token] = found
        return found.claims

    def _read(self, token: str, now: datetime) -> _Verified:
        try:
            header = jwt.get_unverified_header(token)
            if _REFUSED_HEADERS & header.keys() or header.get("alg") != _ALGORITHM:
                raise InvalidAccessToken
            if not self.knows(header.get("kid")):
                raise UnknownKey
            key = self._keys[header["kid"]]
            if not is_alive(key, now):
                raise InvalidAccessToken
            payload = jwt.decode(
                token,
                key.verifying,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=self._issuer,
                options={f"require_{claim}": True for claim in ("exp", "iss", "aud", "iat")},
            )
            if any(claim not in payload for claim in _REQUIRED):
                raise InvalidAccessToken
            claims = Claims(UUID(payload["sub"]), UUID(payload["sid"]), UUID(payload["school"]))
            return _Verified(key.kid, claims, int(payload["exp"]))
        except (
            JOSEError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,  # a header of ten thousand brackets
        ) as error:
            raise InvalidAccessToken from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _box(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key(secret, "signing-keys")))


def sha256(text: str) -> bytes:
    """Return the hash under which a random token is stored."""
    return hashlib.sha256(text.encode()).digest()
