"""The refusals and their form on the wire: RFC 9457 problem documents.

The tree, of which every package grows its own leaves::

    Refusal
    ├── BadRequest          400
    ├── Unauthenticated     401
    ├── Forbidden           403
    ├── NotFound            404
    ├── MethodNotAllowed    405
    ├── NotAcceptable       406
    ├── Conflict            409
    ├── TooLarge            413
    ├── UnsupportedMedia    415
    ├── Unprocessable       422
    │   └── ValidationFailed
    ├── TooManyRequests     429
    ├── InternalError       500
    └── Unavailable         503

A leaf's docstring is the problem's title in English, its name in kebab-case the problem's code;
titles in other languages, what each problem means and what to do stand in `wording`. Nothing here
knows what a school is.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from structlog.contextvars import get_contextvars

from itschool_api import languages, wording
from itschool_api.languages import Language

MEDIA_TYPE = "application/problem+json"
_Form = TypeVar("_Form", bound=BaseModel)
Location = Literal["body", "query", "path", "header"]
_MOST_FAULTS = 1000
_LONGEST_POINTER = 500
_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


def _pointed(text: str) -> str:
    """Return a pointer as it is shown: it may repeat a name that a client made up.

    The document promises that it has an end, and that no text has a NUL.
    """
    return text[:_LONGEST_POINTER].replace("\0", "\ufffd")


class Fault(BaseModel):
    """One thing that is wrong with a request, and where."""

    model_config = ConfigDict(frozen=True)

    location: Location = Field(description="Which part of the request.", examples=["body"])
    pointer: Annotated[str, BeforeValidator(_pointed)] = Field(
        max_length=_LONGEST_POINTER,
        description="JSON Pointer (RFC 6901) into the body, or the parameter's name.",
        examples=["/amount_cents"],
    )
    code: str = Field(max_length=100, description="Stable code.", examples=["greater_than"])
    detail: str = Field(
        max_length=1000, description="For people.", examples=["This must be more than 0."]
    )


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(
        max_length=200,
        description="URI reference of the kind of problem; its last part is a stable code.",
        examples=["/problems/wallet-not-found"],
    )
    title: str = Field(
        max_length=300,
        description="The kind of problem, for people, in the language of `Content-Language`.",
        examples=["There is no such wallet, or it is not yours to see."],
    )
    status: int = Field(ge=400, le=599, description="HTTP status code.", examples=[404])
    detail: str | None = Field(
        None, max_length=2000, description="This occurrence, for people.", examples=[None]
    )
    errors: list[Fault] | None = Field(
        None, max_length=_MOST_FAULTS, description="What is wrong with the request, piece by piece."
    )
    request_id: str | None = Field(
        None, max_length=100, description="Tell it to us when you ask for help; see `X-Request-Id`."
    )
    error: str | None = Field(
        None, max_length=100, description="Token requests only: RFC 6749 section 5.2 code."
    )
    error_description: str | None = Field(
        None,
        max_length=500,
        description="Token requests only: RFC 6749 section 5.2 text, in English.",
    )


class Refusal(Exception):
    """A request that is understood and not granted."""

    status: ClassVar[HTTPStatus]
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail or self.title())
        self.detail = detail
        self.members = members

    @classmethod
    def code(cls) -> str:
        """Return the stable code, which ends the problem's `type`."""
        return _WORD_STARTS.sub("-", cls.__name__).lower()

    @classmethod
    def title(cls) -> str:
        """Return the first line of the docstring, which is written for the caller."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


class BadRequest(Refusal):
    """The request cannot be understood."""

    status = HTTPStatus.BAD_REQUEST


class Unauthenticated(Refusal):
    """Who you are is not established: send a valid access token or API key."""

    status = HTTPStatus.UNAUTHORIZED
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}


class Forbidden(Refusal):
    """You may not do this."""

    status = HTTPStatus.FORBIDDEN


class NotFound(Refusal):
    """There is no such thing, or it is not yours to see."""

    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(Refusal):
    """This address does not know that method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED


class Conflict(Refusal):
    """The request contradicts what is there."""

    status = HTTPStatus.CONFLICT


class TooLarge(Refusal):
    """The body is larger than what is taken here."""

    status = HTTPStatus(413)  # the name of this member differs between Python versions


class UnsupportedMedia(Refusal):
    """The body's media type is not taken here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class NotAcceptable(Refusal):
    """None of the media types that you accept can be made here."""

    status = HTTPStatus.NOT_ACCEPTABLE


class Unprocessable(Refusal):
    """The request is well formed, and what it asks for cannot be done."""

    status = HTTPStatus(422)


class TooManyRequests(Refusal):
    """Too many requests: wait, then try again."""

    status = HTTPStatus.TOO_MANY_REQUESTS


class Unavailable(Refusal):
    """The service cannot answer now: try again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class ValidationFailed(Unprocessable):
    """The request does not have the form that is asked for here."""


class InternalError(Refusal):
    """Something went wrong on our side."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR


_BY_STATUS: dict[int, type[Refusal]] = {
    refusal.status.value: refusal
    for refusal in (BadRequest, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, TooLarge)
}


def response(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """Return the problem document of a refusal, in the caller's language."""
    language = languages.current()
    faults: list[Fault] = refusal.members.get("errors", [])
    problem = Problem(
        type=f"/problems/{refusal.code()}",
        title=wording.title(refusal.code(), refusal.title(), language),
        status=refusal.status,
        detail=wording.detail(refusal.detail, language) if refusal.detail else None,
        request_id=get_contextvars().get("request_id"),
        **refusal.members | {"errors": [_translated(fault, language) for fault in faults] or None},
    )
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=refusal.status,
        media_type=MEDIA_TYPE,
        headers={
            "Content-Language": language,
            "Vary": languages.VARY,
            **refusal.headers,
            **(headers or {}),
        },
    )


def responses(*kinds: type[Refusal]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries for the refusals that an operation may answer with."""
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status.value, []).append(f"`{kind.code()}`: {kind.title()}")
    return {
        status: {
            "description": "\n\n".join(texts),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, texts in titles.items()
    }


def fault(
    location: Location,
    place: Sequence[str | int],
    code: str,
    facts: Mapping[str, Any],
) -> Fault:
    """Return what is wrong at a place, in the caller's language.

    The place is a parameter's name, or the way into a body: members' names and items' numbers.
    """
    if location == "body":
        escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in place)
        pointer = "".join(f"/{part}" for part in escaped)
    else:
        pointer = str(place[0]) if place else ""
    detail = wording.fault(code, facts, languages.current())
    return Fault(location=location, pointer=pointer, code=code, detail=detail[:1000])


def filled_in(form: type[_Form], facts: Mapping[str, Any]) -> _Form:
    """Return a form filled in with facts of which a client sent some; raises `ValidationFailed`."""
    try:
        return form.model_validate(facts)
    except ValidationError as error:
        faults = [_fault({**each, "loc": ("body", *each["loc"])}) for each in error.errors()]
        raise ValidationFailed(errors=faults) from error


def install(app: FastAPI) -> None:
    """Make every refusal of `app` a problem document."""

    @app.exception_handler(Refusal)
    async def _refused(_: Request, refusal: Refusal) -> Response:
        return response(refusal)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_: Request, error: RequestValidationError) -> Response:
        told = [_fault(each) for each in error.errors()[:_MOST_FAULTS]]
        return response(ValidationFailed(errors=told))

    @app.exception_handler(StarletteHTTPException)
    async def _framework(_: Request, error: StarletteHTTPException) -> Response:
        refusal = _BY_STATUS.get(error.status_code, BadRequest)
        return response(refusal(), headers=error.headers)


def _translated(fault: Fault, language: Language) -> Fault:
    return fault.model_copy(update={"detail": wording.detail(fault.detail, language)})


def _fault(error: Mapping[str, Any]) -> Fault:
    # The input itself is left out: it may be a password.
    first, *rest = error["loc"]
    location: Location = first if first in get_args(Location) else "body"
    if error["type"] == "json_invalid":
        rest = []  # the place is a byte's, not a member's
    return fault(location, rest, error["type"], error.get("ctx", {}))
