"""Access tokens: the only module that knows python-jose.

ES256, signed by a key that the database holds encrypted; the claims name user, session and school.
python-jose accepts a token without `exp` or `aud`, so both are asked for here by hand.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jose import jwk, jwt
from jose.constants import ALGORITHMS
from jose.exceptions import JOSEError

from itschool_api import errors
from itschool_api.database import new_id

_ALGORITHM: Final = ALGORITHMS.ES256
_AUDIENCE: Final = "itschool-api"
_REQUIRED: Final = ("exp", "iss", "aud", "sub", "iat", "jti", "sid", "school")
# Headers that would let a token bring its own key (RFC 8725, section 3.1 and 3.10).
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


class KeyRing:
    """The keys that sign and verify; the newest signs."""

    def __init__(self, secret: str, issuer: str, keys: Sequence[tuple[str, bytes]]) -> None:
        """Take the keys as `(kid, encrypted)`, oldest first; raises `WrongSecretKey`."""
        self._issuer = issuer
        self._signing: dict[str, Any] = {}
        self._verifying: dict[str, Any] = {}
        box = _box(secret)
        for kid, encrypted in keys:
            try:
                pem = box.decrypt(encrypted).decode()
            except InvalidToken as error:
                raise WrongSecretKey(WrongSecretKey.__doc__) from error
            # Key objects, not PEM: parsing it at each request doubles the cost.
            signing = jwk.construct(pem, _ALGORITHM)
            self._signing[kid] = signing
            self._verifying[kid] = signing.public_key()
        self._newest = keys[-1][0]

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
        key = self._signing[self._newest]
        return str(jwt.encode(payload, key, _ALGORITHM, headers={"kid": self._newest}))

    def verify(self, token: str) -> Claims:
        """Return what a token says; raises `InvalidAccessToken`."""
        try:
            header = jwt.get_unverified_header(token)
            if _REFUSED_HEADERS & header.keys() or header.get("alg") != _ALGORITHM:
                raise InvalidAccessToken
            payload = jwt.decode(
                token,
                self._verifying[header["kid"]],
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=self._issuer,
                options={f"require_{claim}": True for claim in ("exp", "iss", "aud", "iat")},
            )
            if any(claim not in payload for claim in _REQUIRED):
                raise InvalidAccessToken
            return Claims(UUID(payload["sub"]), UUID(payload["sid"]), UUID(payload["school"]))
        except (
            JOSEError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,  # a header of ten thousand brackets
        ) as error:
            raise InvalidAccessToken from error


def _box(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key(secret, "signing-keys")))


def sha256(text: str) -> bytes:
    """Return the hash under which a random token is stored."""
    return hashlib.sha256(text.encode()).digest()
