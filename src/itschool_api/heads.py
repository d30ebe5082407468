"""HEAD is answered wherever GET is: as GET, but without the body (RFC 9110, section 9.3.2).

The request goes a GET's whole way, through authentication, limits and the making of the body, so
that every header is what a GET's would be, `ETag` and `Content-Length` among them.
"""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ASKED: Final = "asked_method"


class HeadAnswers:
    """Serve HEAD as GET, and send nothing of the body.

    A body that streams is taken to its end, so that what it is read from is closed as usual.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass on what is not one)."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        # A copy: the server goes by its own whether a body is to follow.
        state = {**scope.get("state", {}), _ASKED: "HEAD"}
        scope = {**scope, "method": "GET", "state": state}

        async def send_on(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body"):
                await send({"type": "http.response.body", "body": b""})

        await self._app(scope, receive, send_on)


def asked_method(scope: Scope) -> str:
    """Return the method that the client sent."""
    method: str = scope.get("state", {}).get(_ASKED, scope["method"])
    return method


def hands_out(request: HTTPConnection) -> bool:
    """Tell whether the client gets the body: of a HEAD, no download is noted."""
    return asked_method(request.scope) != "HEAD"
