"""What stands after the question mark: an operation's own parameters, each once, and no others.

A misspelt filter that is passed over shows everything, and looks as if it had worked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from itschool_api import errors

_MOST_FAULTS: Final = 20


class InvalidParameters(errors.BadRequest):
    """The query has a parameter that this operation does not know, or one of them twice."""

    def __init__(self, faults: Sequence[errors.Fault]) -> None:
        super().__init__(errors=list(faults))


class KnownAlone:
    """The dependency of every operation that holds its query to its description."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, bool]] = {}  # by operation

    async def __call__(self, request: Request) -> None:
        """Raise `InvalidParameters` for what the operation's description does not name."""
        if not request.scope["query_string"]:
            return
        route: APIRoute = request.scope["route"]
        known = self._known.get(route.name) or self._known.setdefault(route.name, _named(route))
        given = [name for name, _ in request.query_params.multi_items()]
        faults = [
            _fault(name, "unknown_parameter", "This operation has no such parameter.")
            if name not in known
            else _fault(name, "repeated_parameter", "It may be given once.")
            for name in dict.fromkeys(given)
            if name not in known or (given.count(name) > 1 and not known[name])
        ]
        if faults:
            raise InvalidParameters(faults[:_MOST_FAULTS])


def _named(route: APIRoute) -> Mapping[str, bool]:
    """Return the names of a route's parameters, and whether it takes several values of each."""
    fields: list[Any] = get_flat_params(route.dependant)
    kinds = {
        each.alias: each.field_info.annotation
        for each in fields
        if isinstance(each.field_info, Query)
    }
    return {
        name: list in {get_origin(kind), *map(get_origin, get_args(kind))}
        for name, kind in kinds.items()
    }


def _fault(name: str, code: str, detail: str) -> errors.Fault:
    return errors.Fault(location="query", pointer=name, code=code, detail=detail)
