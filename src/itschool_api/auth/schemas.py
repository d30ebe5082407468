"""What clients send to and receive from the ways in."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from itschool_api.auth import passwords
from itschool_api.auth.caller import KEY_SCOPES, Scope
from itschool_api.contract import LINE, Document, Email, Form, Instant, Name, line, told_as
from itschool_api.pagination import Page


class Transport(StrEnum):
    """How a refresh token travels."""

    BODY = "body"
    COOKIE = "cookie"


def _more_than_blanks(password: str) -> str:
    if not password.strip():
        raise PydanticCustomError("blank", "must be more than blanks")
    return password


Password = Annotated[
    str,
    # Blanks at the ends belong to a password: it is taken as it was typed.
    StringConstraints(min_length=passwords.SHORTEST, max_length=passwords.LONGEST),
    AfterValidator(_more_than_blanks),
    told_as(r"\S"),
]
Otp = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")]
UserName = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(line),
    told_as(LINE),
]
# As it was typed: what reads it leaves blanks and dashes out.
MailedToken = Annotated[str, StringConstraints(min_length=8, max_length=100)]


def _for_keys(scope: Scope) -> Scope:
    if scope not in KEY_SCOPES:
        raise PydanticCustomError("for_people_only", "is for people only")
    return scope


KeyScope = Annotated[
    Scope,
    AfterValidator(_for_keys),
    WithJsonSchema({"type": "string", "enum": sorted(KEY_SCOPES)}),
]


class TokenPair(Document):
    """An access token and, unless the session is restricted, the means to renew it."""

    access_token: str = Field(
        max_length=2000, description="Send it as `Authorization: Bearer …`.", examples=["eyJhbGc…"]
    )
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Life of the access token, in seconds.", examples=[600])
    refresh_token: str | None = Field(
        max_length=200,
        description="Use once, for the next pair. Null in a restricted session, and where a "
        "cookie carries it.",
        examples=["0T0wm2vTKsVwGCbBI8p5TzzYPM0u9A1FZQ7hWaXAJ6k"],
    )
    scope: str = Field(
        max_length=1000,
        description="What the access token may do, separated by blanks.",
        examples=["invoices:read wallets:read"],
    )
    school_id: UUID = Field(description="The school that the tokens are for.")


class LoginTokenRequest(Form):
    """Whom to send a login token to."""

    email: Email = Field(examples=["an.peeters@example.org"])


class LoginTokenRedemption(Form):
    """A login token, as it came in the e-mail."""

    token: MailedToken = Field(examples=["ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567"])


class NewPassword(Form):
    """The password to have from now on."""

    new_password: Password = Field(examples=["trois petits chats"])
    current_password: Password | None = Field(
        None, description="Asked for unless a login token opened the session.", examples=[None]
    )
    otp: Otp | None = Field(
        None,
        description="Asked for where you have a second factor: a code of it, or a recovery code.",
        examples=[None],
    )
    label: Name | None = Field(
        None,
        description="What to call the new session; without it, as the present one.",
        examples=["An's phone"],
    )
    transport: Transport | None = Field(
        None,
        description="How the new refresh token travels; without it, as the present one's does.",
        examples=[None],
    )


class PublicKey(Document):
    """The public part of a key that signs access tokens (RFC 7517, RFC 7518 6.2)."""

    kid: str = Field(max_length=64, examples=["01936f9a4c1e7b0f8a5d3c2b1a09f8e7"])
    kty: Literal["EC"] = Field(examples=["EC"])
    crv: Literal["P-256"] = Field(examples=["P-256"])
    alg: Literal["ES256"] = Field(examples=["ES256"])
    use: Literal["sig"] = Field("sig", examples=["sig"])
    x: str = Field(max_length=64, examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])
    y: str = Field(max_length=64, examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"])


class KeySet(Document):
    """The keys that access tokens are verified with."""

    keys: list[PublicKey] = Field(max_length=100)


class Session(Document):
    """A login: on one device, in one browser, for one school at a time."""

    id: UUID
    school_id: UUID = Field(description="The school that it is for at present.")
    label: str | None = Field(
        max_length=120, description="What you call it.", examples=["An's phone"]
    )
    current: bool = Field(description="Whether it is the one that asks.", examples=[True])
    in_browser: bool = Field(
        description="Whether a browser's cookie holds its refresh token.", examples=[False]
    )
    restricted: bool = Field(
        description="Whether a login token opened it: it may only set the password.",
        examples=[False],
    )
    created_at: datetime = Field(description="When you logged in.")
    last_used_at: datetime = Field(description="When it was last opened or refreshed.")
    expires_at: datetime


class SessionPage(Page[Session]):
    """A part of your sessions."""


class SessionChanges(Form):
    """What to change in a session."""

    label: Name | None = Field(
        description="What to call it; null: nothing in particular.", examples=["An's phone"]
    )


class Proof(Form):
    """What shows that it is you who changes this, and not who found your phone unlocked."""

    current_password: Password = Field(examples=["correct horse battery staple"])
    otp: Otp = Field(
        description="A code of your second factor, or a recovery code.", examples=["123456"]
    )


class NewSecondFactorRequest(Form):
    """What shows that it is you who sets up a second factor."""

    current_password: Password = Field(examples=["correct horse battery staple"])
    otp: Otp | None = Field(
        None,
        description="To replace a second factor: a code of the present one, or a recovery code.",
        examples=[None],
    )


class NewSecondFactor(Document):
    """A secret for an authenticator app; this is the only time that it is shown."""

    secret: str = Field(
        max_length=100,
        description="To type into the app: base32.",
        examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"],
    )
    uri: str = Field(
        max_length=2000,
        description="To open in the app, on the same phone, or to draw a QR code of.",
        examples=["otpauth://totp/iT-School:an.peeters?secret=JBSWY3DPEHPK3PXP&issuer=iT-School"],
    )
    qr_code: str = Field(
        max_length=100_000,
        description="The same as a QR code for the app's camera: an SVG as a `data:` URI.",
        examples=["data:image/svg+xml;charset=utf-8,%3Csvg…"],
    )
    expires_at: datetime = Field(description="Until when a first code can confirm it.")


class SecondFactorConfirmation(Form):
    """A first code of the new secret."""

    otp: Otp = Field(description="What the app shows now.", examples=["123456"])


class FreshRecoveryCodes(Document):
    """Codes for the day on which the phone is lost; this is the only time that they are shown."""

    recovery_codes: list[str] = Field(
        max_length=20,
        description="Each works once, in place of a code. They are stored as hashes: keep them.",
        examples=[["MFZG-63LB-NRUW-4ZLS-ORSW-45BA"]],
    )


class SecondFactor(Document):
    """Your second factor, without its secret."""

    state: Literal["none", "pending", "confirmed"] = Field(
        description="`pending`: shown, and not in force before a first code confirms it."
    )
    confirmed_at: datetime | None = Field(description="Since when it is in force.")
    recovery_codes_left: int = Field(description="How many are unused.", examples=[10])
    required: bool = Field(description="Whether a school of yours asks it of you.")


class NewApiKey(Form):
    """The key to make."""

    label: Name = Field(description="What it is for.", examples=["CODA upload, school server"])
    scopes: list[KeyScope] = Field(
        min_length=1, max_length=len(Scope), examples=[["bank-statements:write"]]
    )
    expires_at: Instant | None = Field(
        None, description="When it ends to be valid; null: never.", examples=[None]
    )


class ApiKey(Document):
    """An API key, without its secret."""

    id: UUID
    label: str = Field(max_length=120, examples=["CODA upload, school server"])
    scopes: list[str] = Field(max_length=100, examples=[["bank-statements:write"]])
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the nearest minute.")
    revoked_at: datetime | None


class ApiKeyPage(Page[ApiKey]):
    """A part of the school's API keys."""


class CreatedApiKey(ApiKey):
    """A new API key; this is the only time that it is shown."""

    key: str = Field(
        max_length=200,
        description="The key itself. It is stored as a hash: keep it now.",
        examples=["its_0198c0de…_0198c0df…_5d41402a…"],
    )
