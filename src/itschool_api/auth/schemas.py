"""What clients send to and receive from the ways in."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from itschool_api.auth import passwords
from itschool_api.auth.caller import KEY_SCOPES, Scope
from itschool_api.contract import Document, Email, Form, Name, printable
from itschool_api.pagination import Page

Password = Annotated[
    str,
    # Blanks at the ends belong to a password: it is taken as it was typed.
    StringConstraints(
        strip_whitespace=False, min_length=passwords.SHORTEST, max_length=passwords.LONGEST
    ),
]
UserName = Annotated[str, StringConstraints(max_length=254), AfterValidator(printable)]


def _for_keys(scope: Scope) -> Scope:
    if scope not in KEY_SCOPES:
        raise ValueError("is for people only")
    return scope


class TokenPair(Document):
    """An access token and, unless the session is restricted, the means to renew it."""

    access_token: str = Field(
        max_length=2000, description="Send it as `Authorization: Bearer …`.", examples=["eyJhbGc…"]
    )
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Life of the access token, in seconds.", examples=[600])
    refresh_token: str | None = Field(
        max_length=200,
        description="Use once, for the next pair. Null in a restricted session.",
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

    token: Annotated[str, StringConstraints(min_length=8, max_length=100)] = Field(
        examples=["ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567"]
    )


class NewPassword(Form):
    """The password to have from now on."""

    new_password: Password = Field(examples=["trois petits chats"])
    current_password: Password | None = Field(
        None, description="Asked for unless a login token opened the session.", examples=[None]
    )


class NewApiKey(Form):
    """The key to make."""

    label: Name = Field(description="What it is for.", examples=["CODA upload, school server"])
    scopes: list[Annotated[Scope, AfterValidator(_for_keys)]] = Field(
        min_length=1, max_length=len(Scope), examples=[["bank-statements:write"]]
    )
    expires_at: AwareDatetime | None = Field(
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
