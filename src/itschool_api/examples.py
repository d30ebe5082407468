"""Examples of what is sent and answered, put together from those of the fields.

One school's day is told throughout: the Peeters family at the École Saint-Exupéry. A field's own
example comes first; what a field's name says comes second; its schema decides the rest.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from itschool_api import errors

_JSON: Final = ("application/json", "application/x-www-form-urlencoded")
_DEEPEST: Final = 8
# By the name of the field or parameter, where its schema shows none.
_BY_NAME: Final[dict[str, Any]] = {
    "amount_cents": 48_50,
    "birth_date": "2016-04-23",
    "booked_on": "2026-11-20",
    "city": "Namur",
    "client_id": "web-app",
    "closing_cents": 2_345_60,
    "closing_on": "2026-11-20",
    "communication": "+++090/9337/55493+++",
    "counterparty_account": "BE71096123456769",
    "counterparty_name": "AN PEETERS",
    "email": "an.peeters@example.org",
    "ends_on": "2027-07-02",
    "enterprise_number": "0403.200.393",
    "epc_payload": "BCD\n002\n1\nSCT\nGKCCBEBB\nEcole Saint-Exupery\nBE68539007547034\nEUR48.50\n\n"
    "+++090/9337/55493+++\n",
    "imported_until": "2026-11-20",
    "left_on": "2026-06-30",
    "number": 231,
    "opening_cents": 1_998_10,
    "opening_on": "2026-11-19",
    "ordinal": 1,
    "otp": "492039",
    "password": "cheval correct pile agrafe",
    "phone": "+32 81 12 34 56",
    "postal_code": "5000",
    "refresh_token": "4f3K0mUQd2l7cZ8nq1yXvA",
    "request_id": "0198c0de4f79774ea9ec9783a07d653b",
    "starts_on": "2026-09-01",
    "street": "Rue de Fer 12",
    "transactions": 14,
    "user_name": "an.peeters",
}
_BY_FORMAT: Final = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T08:15:00Z",
    "email": "an.peeters@example.org",
    "password": "cheval correct pile agrafe",
}


def illustrate(document: dict[str, Any]) -> None:
    """Give every body of a document an example, and every identifier in an address."""
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        for shown in schema.get("examples", []):
            _restore_nulls(shown, schema, schemas)
    for path in document["paths"].values():
        for operation in path.values():
            for each in operation.get("parameters", []):
                if each["in"] == "path":
                    each["example"] = example_of(each["schema"], schemas, each["name"])
            _illustrate_body(operation.get("requestBody", {}), schemas)
            for status, answer in operation["responses"].items():
                _illustrate_body(answer, schemas)
                refusal = answer.get("content", {}).get(errors.MEDIA_TYPE)
                if refusal is not None:
                    refusal["example"] = _problem(int(status), answer["description"])


def _illustrate_body(carrier: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    for media_type, media in carrier.get("content", {}).items():
        if media_type in _JSON and "schema" in media:
            media["example"] = example_of(media["schema"], schemas)


def example_of(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0
) -> Any:
    """Return something that fits a schema and could have happened."""
    if "$ref" in schema:
        name = name or schema["$ref"].rpartition("/")[2].lower()
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, depth)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        if choice.get("type") != "null":
            return None if depth > _DEEPEST else example_of(choice, schemas, name, depth + 1)
    match schema.get("type"):
        case "object":
            return {
                field: example_of(each, schemas, field, depth + 1)
                for field, each in schema.get("properties", {}).items()
            }
        case "array":
            one = example_of(schema["items"], schemas, name.removesuffix("s"), depth + 1)
            return [one] if schema.get("maxItems", 1) else []
    return _plain(schema, name)


def _restore_nulls(shown: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    """Put nulls back into an example: FastAPI leaves them out wherever they are."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if isinstance(shown, list):
        for each in shown:
            _restore_nulls(each, schema.get("items", {}), schemas)
    elif isinstance(shown, dict):
        for field, each in schema.get("properties", {}).items():
            if field in schema.get("required", ()) and {"type": "null"} in each.get("anyOf", ()):
                shown.setdefault(field, None)
            _restore_nulls(shown.get(field), each, schemas)


def _plain(schema: Mapping[str, Any], name: str) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    match schema.get("type"):
        case "boolean":
            return False
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "string" if schema.get("format") == "uuid":
            return str(uuid5(NAMESPACE_URL, name.removesuffix("_id")))
        case "string" if "sha256" in name:
            return "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        case "string":
            return _BY_FORMAT.get(schema.get("format", ""), name.replace("_", " ") or "…")
    return None


def _problem(status: int, description: str) -> dict[str, Any]:
    """Return the first of the problems that an answer tells of, as `errors.responses` wrote it."""
    code, _, title = description.partition("\n")[0].removeprefix("`").partition("`: ")
    return {
        "type": f"/problems/{code}",
        "title": title,
        "status": HTTPStatus(status).value,
        "request_id": _BY_NAME["request_id"],
    }
