"""Links of the OpenAPI document: from what an answer holds to what can be done with it next.

Derived, not written: whatever is answered by an address, or by one item of its list, is what the
addresses below it take (`POST /v1/students` → `GET /v1/students/{student_id}`), and an id of
something else, such as `family_id`, is what that thing's own addresses take.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

_SUCCESSES: Final = ("200", "201")
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_MOST: Final = 12
"""Links of an answer: those to itself come first."""


def add(document: dict[str, Any]) -> None:
    """Add the links of every operation to a document, in its place."""
    below = _by_only_parameter(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method == "delete":
                continue  # what is gone is nobody's next step
            for status in _SUCCESSES:
                answer = operation["responses"].get(status)
                schema = _schema(document, answer)
                if schema is not None:
                    links = _links(document, path, method, schema, below)
                    links.pop(operation["operationId"], None)
                    if links:
                        answer["links"] = dict(list(links.items())[:_MOST])


def _links(
    document: dict[str, Any],
    path: str,
    method: str,
    schema: Mapping[str, Any],
    below: Mapping[str, list[tuple[str, str]]],
) -> dict[str, Any]:
    fields = schema.get("properties", {})
    pointer = ""
    if method == "get" and "items" in fields:
        fields = _resolved(document, fields["items"]["items"]).get("properties", {})
        pointer = "/items/0"
    own = _PARAMETER.findall(path)
    near: dict[str, Any] = {}
    far: dict[str, Any] = {}
    for parameter, operations in below.items():
        collection, name = parameter.rsplit("/", 1)
        source, links = None, near
        if own == [name]:
            source = f"$request.path.{name}"
        elif path == collection:
            key = next((each for each in ("id", name) if each in fields), None)
            source = f"$response.body#{pointer}/{key}" if key else None
        elif _is_always_there(fields.get(name)):
            source, links = f"$response.body#{pointer}/{name}", far
        if source is None:
            continue
        for operation, what in operations:
            links[operation] = {
                "operationId": operation,
                "description": what,
                "parameters": {name: source},
            }
    return near | far


def _by_only_parameter(document: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Return operations whose address has one parameter, by its collection and name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path, methods in document["paths"].items():
        names = _PARAMETER.findall(path)
        if len(names) == 1:
            place = path[: path.index("{")] + names[0]
            for operation in methods.values():
                found.setdefault(place, []).append(
                    (operation["operationId"], operation.get("summary", ""))
                )
    return found


def _is_always_there(field: Mapping[str, Any] | None) -> bool:
    return field is not None and field.get("format") == "uuid"


def _schema(document: dict[str, Any], answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    content = (answer or {}).get("content", {}).get("application/json")
    return _resolved(document, content["schema"]) if content else None


def _resolved(document: dict[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found
