"""What the document says of every string, number and answer, so that nothing is left to guess.

Linters ask for it (`make openapi`), and generated clients check by it. All of it holds: bounds
are those of the formats and of what JSON carries exactly, headers are those that `middleware` sets.
"""

from collections.abc import Iterator
from typing import Any, Final

from itschool_api import errors

# RFC 8259, section 6: what every JSON parser reads exactly.
_EXACT: Final = 2**53 - 1
_INT32: Final = 2**31 - 1
# RFC 9562; RFC 3339 with a zone and nine decimals.
_LENGTHS: Final = {"uuid": 36, "date": 10, "date-time": 35}
# PostgreSQL stores no NUL, so no text has one, and no secret is found by one.
_LONGEST_WORD: Final = 100  # what has no bound of its own is a word of the program's
_TEXT: Final = r"^[^\u0000]*$"
_NAMED_SCHEMAS: Final = ("properties", "patternProperties", "$defs")
_SCHEMAS: Final = ("items", "additionalProperties", "contains", "propertyNames", "not")
_SCHEMA_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {
        "description": "The request's id: tell it to us when you ask for help.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$", "maxLength": 64},
    },
    "Access-Control-Allow-Origin": {
        "description": "The asking page's origin, if the operator lists it; otherwise absent.",
        "schema": {"type": "string", "format": "uri", "maxLength": 300},
    },
    "Content-Language": {
        "description": "The language of the words.",
        "schema": {"type": "string", "enum": ["fr", "nl", "de", "en"]},
    },
    "RateLimit-Policy": {
        "description": "How many requests you may make, and in how many seconds.",
        "schema": {"type": "string", "maxLength": 200},
        "example": '"requests";q=1200;w=60',
    },
    "RateLimit": {
        "description": "How many of them are left, and for how many seconds.",
        "schema": {"type": "string", "maxLength": 200},
        "example": '"requests";r=1187;t=42',
    },
    "Retry-After": {
        "description": "How many seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 0, "maximum": 86_400},
    },
}
_LATER: Final = ("429", "503")


def tighten(document: dict[str, Any]) -> None:
    """Complete a document in its place."""
    document["info"]["contact"] = {"name": "The operator of this server"}
    # Relative to where the document is: every operator has an address of their own.
    document["servers"] = [
        {
            "url": "/",
            "description": "Where this document comes from, be it production, staging or local.",
            "x-internal": False,
        }
    ]
    components = document["components"]
    components["headers"] = dict(_HEADERS)
    for path in document["paths"].values():
        for operation in path.values():
            _tighten_security(operation)
            _tighten_answers(operation)
            for each in operation.get("parameters", []):
                _tighten_schema(each["schema"])
    for webhook in document.get("webhooks", {}).values():
        webhook["post"].setdefault("security", [])  # a signature says who sends it
        for each in webhook["post"].get("parameters", []):
            _tighten_schema(each["schema"])
    for schema in [*components["schemas"].values(), *_inline(document)]:
        _tighten_schema(schema)


def counts(operation: dict[str, Any]) -> bool:
    """Tell whether a request counts for its caller's share: all but those of watchdogs do."""
    return "health" not in operation.get("tags", ())


def _tighten_security(operation: dict[str, Any]) -> None:
    """Name scopes once: what is no OAuth has none (OpenAPI 3.0), and needs the same as people."""
    operation["security"] = [
        {way: scopes if way == "person" else [] for way, scopes in each.items()}
        for each in operation.get("security", [])
    ]


def _tighten_answers(operation: dict[str, Any]) -> None:
    """Add what any answer may be, and the headers that it has."""
    answers = operation["responses"]
    for status, answer in errors.responses(errors.InternalError).items():
        answers.setdefault(str(status), answer)
    for status, answer in answers.items():
        names = ["X-Request-Id", "Access-Control-Allow-Origin"]
        names += ["Content-Language"] if errors.MEDIA_TYPE in answer.get("content", {}) else []
        names += ["RateLimit-Policy", "RateLimit"] if counts(operation) else []
        names += ["Retry-After"] if status in _LATER else []
        headers = answer.setdefault("headers", {})
        for name in names:
            headers[name] = {"$ref": f"#/components/headers/{name}"}


def _inline(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the schemas of bodies and headers that have no name."""
    for path in document["paths"].values():
        for operation in path.values():
            carriers = [operation.get("requestBody", {}), *operation["responses"].values()]
            for carrier in carriers:
                for media in carrier.get("content", {}).values():
                    yield media.get("schema", {})
                for header in carrier.get("headers", {}).values():
                    yield header.get("schema", {})
    for header in document["components"]["headers"].values():
        yield header["schema"]


def _tighten_schema(schema: dict[str, Any]) -> None:
    match schema.get("type"):
        case "string" if not {"enum", "const"} & set(schema):
            _tighten_string(schema)
        case "integer" if not {"enum", "const"} & set(schema):
            _tighten_integer(schema)
    for name in _NAMED_SCHEMAS:
        for each in schema.get(name, {}).values():
            _tighten_schema(each)
    for name in _SCHEMAS:
        if isinstance(schema.get(name), dict):
            _tighten_schema(schema[name])
    for name in _SCHEMA_LISTS:
        for each in schema.get(name, []):
            _tighten_schema(each)


def _tighten_string(schema: dict[str, Any]) -> None:
    length = _LENGTHS.get(schema.get("format", ""))
    if length is not None:
        schema.setdefault("maxLength", length)
        return
    schema.setdefault("maxLength", _LONGEST_WORD)
    if not {"format", "pattern"} & set(schema):
        schema["pattern"] = _TEXT


def _tighten_integer(schema: dict[str, Any]) -> None:
    if "exclusiveMinimum" not in schema:
        schema.setdefault("minimum", -_EXACT)
    if "exclusiveMaximum" not in schema:
        schema.setdefault("maximum", _EXACT)
    bounds = [schema.get(name, 0) for name in ("minimum", "maximum")]
    schema["format"] = "int32" if max(map(abs, bounds)) <= _INT32 else "int64"
