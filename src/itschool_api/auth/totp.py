"""Time-based codes (RFC 6238): the only module that knows passlib.totp. Pure.

Six digits of SHA-1 every 30 seconds: authenticator apps ignore what else a URI asks of them.
"""

import re
import secrets
from base64 import b32encode, urlsafe_b64encode
from datetime import datetime
from typing import Final

import segno
from cryptography.fernet import Fernet
from passlib.exc import TokenError
from passlib.totp import TOTP

STEP_SECONDS: Final = 30
_SECRET_BYTES: Final = 20  # as long as the hash (RFC 4226, section 4, R6)
_CODE: Final = re.compile(r"[0-9]{6}")
_App: Final = TOTP.using(digits=6, alg="sha1", period=STEP_SECONDS)


def new_secret() -> bytes:
    """Return a secret of 160 random bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def as_text(secret: bytes) -> str:
    """Return a secret as people type it into an app: base32."""
    return b32encode(secret).decode()


def uri(secret: bytes, *, issuer: str, account: str) -> str:
    """Return the `otpauth:` address that apps understand; a colon would end a name in it."""
    return str(_app(secret).to_uri(account.replace(":", " "), issuer.replace(":", " ")))


def qr_code(address: str) -> str:
    """Draw an address for a phone's camera, as a `data:` URI of an SVG."""
    return str(segno.make_qr(address, error="m").svg_data_uri(scale=4, light="#fff"))


def is_code(typed: str) -> bool:
    """Tell whether `typed`, without its blanks, has the form of a code."""
    return _CODE.fullmatch(typed) is not None


def matched_counter(secret: bytes, code: str, now: datetime, after: int | None) -> int | None:
    """Return the step of time that `code` is of: this one, or the one before or after it.

    None where it is of no such step, or of none later than `after`: a code works once (RFC 6238,
    section 5.2).
    """
    try:
        match = _app(secret).match(code, int(now.timestamp()), STEP_SECONDS, last_counter=after)
    except TokenError:
        return None
    return int(match.counter)


def sealed(key: bytes, secret: bytes) -> bytes:
    """Encrypt a secret for the database: it must be known in clear to check a code."""
    return _box(key).encrypt(secret)


def opened(key: bytes, stored: bytes) -> bytes:
    """Decrypt what `sealed` encrypted."""
    return _box(key).decrypt(stored)


def _app(secret: bytes) -> TOTP:
    return _App(key=secret, format="raw")


def _box(key: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(key))
