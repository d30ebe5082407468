"""What is to end: told in the OpenAPI document, and in each answer of what ends.

`Deprecation` (RFC 9745) says since when there is something better, `Sunset` (RFC 8594) from when on
the old may be gone; docs/versioning.md is the policy.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.types import Scope

from itschool_api.compatibility.documents import SUNSET

SHORTEST: Final = timedelta(days=365)
_SINCE: Final = "x-deprecated-since"
_EXPLANATION: Final = '</docs>; rel="deprecation"; type="text/html"'
HEADERS: Final[Mapping[str, Any]] = {
    "Deprecation": {
        "description": "Since when there is something better: `@`, and a Unix time (RFC 9745).",
        "schema": {"type": "string", "maxLength": 20, "pattern": "^@[0-9]+$"},
        "example": "@1798761600",
    },
    "Sunset": {
        "description": "From when on it may be gone (RFC 8594).",
        "schema": {"type": "string", "maxLength": 29},
        "example": "Sat, 01 Jan 2028 00:00:00 GMT",
    },
    "Link": {
        "description": "Where it says what to use, `rel=deprecation`.",
        "schema": {"type": "string", "maxLength": 100},
        "example": _EXPLANATION,
    },
}

Dates = dict[str, Any]
_Ending = tuple[date, date]


def ending(*, since: date, until: date) -> Dates:
    """Return what the document says beside `deprecated=True`: from when, and until when at least.

    It is `openapi_extra` of an operation and `json_schema_extra` of a query's parameter.
    """
    if until - since < SHORTEST:
        message = f"clients have {SHORTEST.days} days at the least, from {since} on"
        raise ValueError(message)
    return {_SINCE: since.isoformat(), SUNSET: until.isoformat()}


class Endings:
    """What each operation has that ends, read once."""

    def __init__(self) -> None:
        self._of: dict[str, Mapping[str | None, _Ending]] = {}

    def headers(self, scope: Scope) -> Mapping[str, str]:
        """Return what an answer must say: of its operation, or of the parameters that were sent."""
        route = scope.get("route")
        if not isinstance(route, APIRoute):
            return {}
        known = self._of.get(route.name)
        if known is None:
            known = self._of[route.name] = dict(_endings(route))
        if not known:
            return {}
        query = scope["query_string"].decode("latin-1")
        sent = {None, *(name for name, _ in parse_qsl(query, keep_blank_values=True))}
        met = [each for name, each in known.items() if name in sent]
        if not met:
            return {}
        since, until = min(since for since, _ in met), min(until for _, until in met)
        return {
            "Deprecation": f"@{int(_midnight(since).timestamp())}",
            "Sunset": format_datetime(_midnight(until), usegmt=True),
            "Link": _EXPLANATION,
        }


def ends(operation: Mapping[str, Any]) -> bool:
    """Tell whether an operation of the document, or a parameter of it, is to end."""
    parameters = operation.get("parameters", ())
    return any(each.get("deprecated") for each in (operation, *parameters))


def _endings(route: APIRoute) -> Iterator[tuple[str | None, _Ending]]:
    """Give the days of a route, under None, and of its parameters, under their names."""
    told: list[tuple[str | None, Any]] = [(None, route.openapi_extra)]
    fields: list[Any] = get_flat_params(route.dependant)
    told += [
        (each.alias, each.field_info.json_schema_extra)
        for each in fields
        if isinstance(each.field_info, Query)
    ]
    for name, dates in told:
        if isinstance(dates, dict) and SUNSET in dates:
            yield name, (date.fromisoformat(dates[_SINCE]), date.fromisoformat(dates[SUNSET]))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
