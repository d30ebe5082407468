"""Login tokens, recovery codes, refresh tokens and API keys: how they are made and read. Pure.

All carry at least 120 random or keyed bits, so a plain SHA-256 is enough to store them by
(OWASP ASVS 5.0, 6.5.2, 6.5.5 and 11.4.2).
"""

import base64
import hmac
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

API_KEY_PREFIX: Final = "its_"
_LOGIN_TOKEN_BYTES: Final = 20
_RECOVERY_CODE_BYTES: Final = 15


def login_token(key: bytes, token_id: UUID) -> str:
    """Return the token of an id: 32 letters and digits in groups of 8 (160 bits).

    It follows from the id, so that a mail job carries the id alone and a retry sends the same.
    """
    mac = hmac.digest(key, token_id.bytes, "sha256")[:_LOGIN_TOKEN_BYTES]
    return _grouped(base64.b32encode(mac).decode(), 8)


def address_code(key: bytes, mail_id: UUID, address: str) -> str:
    """Return the code that proves that its mail was read at an address: it looks like a token."""
    return login_token(key, uuid5(mail_id, address))


def normalised_login_token(typed: str) -> str:
    """Return a token as it was made: people copy blanks along and lose the dashes."""
    return _grouped(_bare(typed), 8)


def new_recovery_code() -> str:
    """Return a code of 24 letters and digits in groups of 4 (120 random bits), to be printed."""
    return _grouped(base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode(), 4)


def normalised_recovery_code(typed: str) -> str:
    """Return a code as it was made; on paper, people take 0 and 1 for letters of base32."""
    return _grouped(_bare(typed).replace("0", "O").replace("1", "I"), 4)


def new_refresh_token() -> str:
    """Return a refresh token of 256 random bits."""
    return secrets.token_urlsafe(32)


def refresh_successor(key: bytes, token: str) -> str:
    """Return the token that follows `token`: always the same, known to nobody without the key.

    So two tabs that refresh together get one successor, and none needs to be stored.
    """
    mac = hmac.digest(key, token.encode(), "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """An API key, taken apart."""

    school_id: UUID
    key_id: UUID
    secret: str

    def __str__(self) -> str:
        """Return the key as its owner holds it."""
        return f"{API_KEY_PREFIX}{self.school_id.hex}_{self.key_id.hex}_{self.secret}"


def new_api_key(school_id: UUID, key_id: UUID) -> ApiKeyText:
    """Return a key with a secret of 256 random bits."""
    return ApiKeyText(school_id, key_id, secrets.token_hex(32))


def read_api_key(text: str) -> ApiKeyText | None:
    """Take a key apart, or return None where it is none."""
    parts = text.removeprefix(API_KEY_PREFIX).split("_")
    try:
        school, key, secret = parts
        return ApiKeyText(UUID(hex=school), UUID(hex=key), secret)
    except ValueError:
        return None


def _bare(typed: str) -> str:
    # Of ASCII alone: no token has more, and `hmac.compare_digest` takes no more.
    return "".join(each for each in typed.upper() if each.isascii() and each.isalnum())


def _grouped(text: str, size: int) -> str:
    return "-".join(text[place : place + size] for place in range(0, len(text), size))
