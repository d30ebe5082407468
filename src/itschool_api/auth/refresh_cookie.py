"""The cookie that carries a browser's refresh token, out of reach for scripts and other sites.

`__Host-` ties it to this host, to TLS and to no path (RFC 6265bis, 4.1.3.2). Whoever lets it be
set or used sends `X-Requested-With`, which a form of another site cannot.
"""

from datetime import datetime
from typing import Annotated, Final

from fastapi import Cookie, Header, Response

from itschool_api import clock
from itschool_api.auth.schemas import TokenPair
from itschool_api.auth.sessions import Issued

NAME: Final = "__Host-refresh"
HEADER: Final = "X-Requested-With"

RefreshCookie = Annotated[
    str | None,
    Cookie(
        alias=NAME,
        max_length=200,
        description="Where `transport=cookie` put the refresh token; `refresh_token` goes before.",
    ),
]
RequestedWith = Annotated[
    str | None,
    Header(
        alias=HEADER,
        max_length=100,
        description="Any value: needed where the cookie is set or used, for no form of another "
        "site can send it.",
        examples=["fetch"],
    ),
]


def answer(response: Response, issued: Issued) -> TokenPair:
    """Return the tokens, with the refresh token in the cookie where that was wished."""
    if not issued.in_cookie:
        return issued.pair
    _put(response, issued.pair.refresh_token or "", issued.expires_at)
    return issued.pair.model_copy(update={"refresh_token": None})


def clear(response: Response) -> None:
    """Let the browser forget the cookie."""
    response.delete_cookie(NAME, secure=True, httponly=True, samesite="strict")


def _put(response: Response, token: str, until: datetime) -> None:
    response.set_cookie(
        NAME,
        token,
        max_age=int((until - clock.now()).total_seconds()),
        secure=True,
        httponly=True,
        samesite="strict",
    )
