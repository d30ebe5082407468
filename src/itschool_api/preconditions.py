"""Conditional requests (RFC 9110, sections 8.8 and 13): nothing sent twice, nothing overwritten.

An ETag is a hash of an answer's bytes. A change says which state it was made from (`If-Match`), and
is held to it under the row's lock: of two people who edit the same thing, the second is told.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from itschool_api import errors

LONGEST: Final = 1000
_ENTITY_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')
_BYTES_OF_TAG: Final = 16
# What a 304 repeats of the answer that it stands for, and what belongs to the body that it has not.
_OF_THE_BODY: Final = ("content-length", "content-type", "content-disposition")


class PreconditionRequired(errors.Refusal):
    """Say which state your change was made from: send its ETag as `If-Match`, or `*` for any."""

    status = HTTPStatus.PRECONDITION_REQUIRED


class PreconditionFailed(errors.Refusal):
    """It has changed since you read it: read it again, and decide anew."""

    status = HTTPStatus.PRECONDITION_FAILED


def etag(body: bytes) -> str:
    """Return the strong entity tag of an answer's bytes."""
    digest = hashlib.sha256(body).digest()[:_BYTES_OF_TAG]
    return f'"{base64.urlsafe_b64encode(digest).decode().rstrip("=")}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """The state that a change was made from."""

    if_match: str | None

    def hold(self, present: BaseModel) -> None:
        """Hold it to the present state, which is locked.

        Raises `PreconditionRequired`, `PreconditionFailed`.
        """
        if self.if_match is None:
            raise PreconditionRequired
        if self.if_match.strip() == "*":
            return
        # A weak tag never matches here (RFC 9110, section 13.1.1).
        strong = [each[0] for each in _ENTITY_TAG.finditer(self.if_match)]
        if etag(present.model_dump_json().encode()) not in strong:
            raise PreconditionFailed


async def _made_from(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            max_length=LONGEST,
            description="`ETag` of the state that your change was made from; `*`: whichever it is.",
            examples=["*"],
        ),
    ] = None,
) -> Precondition:
    return Precondition(if_match)


MadeFrom = Annotated[Precondition, Depends(_made_from)]
REFUSALS: Final = (PreconditionRequired, PreconditionFailed)


class ConditionalAnswers:
    """Give what is read, and what a change made of it, an `ETag`; answer `If-None-Match` with 304.

    Only an answer that is whole in its first message has one: what streams is a download.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (or pass on what is not one)."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "PATCH"}:
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match") if scope["method"] == "GET" else None
        if known is not None and len(known) > LONGEST:
            await errors.response(_too_long())(scope, receive, send)
            return
        begun: Message | None = None

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                begun = message
                return
            if begun is not None:
                start, begun = begun, None
                if not message.get("more_body"):
                    tag = etag(message["body"])
                    headers = MutableHeaders(scope=start)
                    tag = headers.setdefault("ETag", tag)
                    headers.add_vary_header("Authorization")
                    if known is not None and _is_known(tag, known):
                        for name in _OF_THE_BODY:
                            del headers[name]
                        start["status"] = HTTPStatus.NOT_MODIFIED
                        message = {**message, "body": b""}
                await send(start)
            await send(message)

        await self._app(scope, receive, send_on)


def _is_known(tag: str, known: str) -> bool:
    # Compared weakly (RFC 9110, section 13.1.2): proxies that compress weaken tags.
    return known.strip() == "*" or tag in {each[1] for each in _ENTITY_TAG.finditer(known)}


def _too_long() -> errors.ValidationFailed:
    facts = {"max_length": LONGEST}
    return errors.ValidationFailed(
        errors=[errors.fault("header", ["If-None-Match"], "string_too_long", facts)]
    )
