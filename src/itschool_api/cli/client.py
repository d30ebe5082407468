"""Speaking HTTP to a school's API: for commands that need no database.

What they send is idempotent, so whatever is in doubt is simply sent again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

import httpx2
import typer
from pydantic import ValidationError

from itschool_api.cli import runtime
from itschool_api.errors import Problem

UNREACHABLE: Final = 3
WAITS_SECONDS: Final = [1, 3, 9]
_LONGEST_WAIT_SECONDS: Final = 60
# A large file takes the server its time, more so when others are before it.
_TIMEOUT: Final = httpx2.Timeout(10, read=300, write=60)
_NO_API: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_ACCESS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_OF_NO_ROUTE: Final = ("/problems/not-found", "/problems/method-not-allowed", "about:blank")


class Unreachable(Exception):
    """The server cannot be reached, or does not work; the message says how."""


class NoApi(Exception):
    """Something answers, and it is not this API."""


class NoAccess(Exception):
    """The API key does not open this door; the message says why."""


@contextmanager
def client_of(url: str, api_key: str) -> Iterator[httpx2.Client]:
    """Give a client of an API, after a look at what cannot be right."""
    key = api_key.strip()
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("it begins with https:// or http://", param_hint="--url")
    if not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("this is no API key", param_hint="--api-key")
    # The command line speaks English; so shall what it quotes.
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
    with httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_TIMEOUT) as client:
        yield client


@contextmanager
def told(url: str) -> Iterator[None]:
    """Make one line and an exit code of what goes wrong between here and the server."""
    try:
        yield
    except NoAccess as error:
        runtime.refuse(f"the API key does not serve: {error}", runtime.MISUSED)
    except NoApi:
        runtime.refuse(
            f"there is no such API at {url}: give the address without a path", runtime.MISUSED
        )
    except Unreachable as error:
        runtime.refuse(f"{url} does not answer: {error}", UNREACHABLE)


def answered(send: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Send until the server has an answer; raises `NoAccess`, `NoApi`, `Unreachable`."""
    reason = ""
    for wait_seconds in (*WAITS_SECONDS, None):
        asked_seconds = 0
        try:
            response = send()
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
        else:
            is_later = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
            if not (is_later or response.is_server_error):
                return _let_in(response)
            reason = f"{response.status_code} {response.reason_phrase}"
            asked = response.headers.get("Retry-After", "")
            asked_seconds = int(asked) if asked.isdecimal() else 0
        if wait_seconds is not None:
            time.sleep(min(max(wait_seconds, asked_seconds), _LONGEST_WAIT_SECONDS))
    raise Unreachable(reason)


def problem_of(response: httpx2.Response) -> Problem:
    """Return why the server refused, as far as it says."""
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        title = f"{response.status_code} {response.reason_phrase}"
        return Problem(type="about:blank", title=title, status=max(400, response.status_code))


def why(problem: Problem) -> str:
    """Say a refusal in one line."""
    return " ".join(filter(None, (problem.title, problem.detail)))


def _let_in(response: httpx2.Response) -> httpx2.Response:
    if response.status_code in _ACCESS:
        raise NoAccess(why(problem_of(response)))
    # A school year that is not there is 404 too, and no reason to doubt the address.
    if response.status_code in _NO_API and problem_of(response).type in _OF_NO_ROUTE:
        raise NoApi
    return response
