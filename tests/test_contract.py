"""The OpenAPI document: committed as the code says it, and fit to make clients from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from itschool_api import openapi
from itschool_api.app import create_app
from itschool_api.settings import Settings

_COMMITTED = Path(__file__).parents[1] / "openapi" / "openapi.json"
_OPERATION_ID = re.compile(r"[a-z]+(_[a-z0-9]+)+")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture(scope="module")
def document(settings: Settings) -> Any:
    return openapi.document(create_app(settings))


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    """Give each operation with its name for messages."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def endpoints(app: FastAPI) -> Iterator[Any]:
    """Give the functions behind the operations."""
    for included in app.router.routes:
        router = getattr(included, "original_router", None)
        for route in router.routes if router else ():
            if route.include_in_schema:
                yield route.endpoint


def test_the_committed_document_is_the_codes(settings: Settings) -> None:
    assert _COMMITTED.read_text(encoding="utf-8") == openapi.as_text(create_app(settings)), (
        "write it anew: itschool openapi write openapi/openapi.json"
    )


def test_operations_are_named_after_their_functions(settings: Settings, document: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]

    assert sorted(names) == sorted(each.__name__ for each in endpoints(create_app(settings)))
    assert len(set(names)) == len(names)
    assert [name for name in names if not _OPERATION_ID.fullmatch(name)] == []


def test_no_name_is_the_frameworks(document: Any) -> None:
    names = set(document["components"]["schemas"])
    framework = re.compile(r"Body_|.*-(Input|Output)$|HTTPValidationError|ValidationError$|.*\[")

    assert {name for name in names if framework.match(name)} == set()
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_refusal_is_the_one_problem(document: Any) -> None:
    for name, operation in operations(document):
        refusals = {
            status: response
            for status, response in operation["responses"].items()
            if not status.startswith(("2", "3"))
        }
        assert refusals, name
        for status, response in refusals.items():
            assert status.isdigit(), name
            assert list(response["content"]) == ["application/problem+json"], name
            assert response["content"]["application/problem+json"]["schema"] == _PROBLEM, name
            assert response["description"], name


def test_every_operation_tells_what_a_client_must_know(document: Any) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in operations(document):
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= tags, name
        assert operation["summary"], name
        assert operation["description"], name
        statuses = set(operation["responses"])
        assert "503" in statuses, name
        if operation.get("security"):
            assert {"401", "403"} <= statuses, name
        if operation.get("requestBody"):
            assert {"413", "422"} <= statuses, name
        if "{" in name:
            assert {"404", "422"} <= statuses or "/docs" in name, name


def test_what_is_deprecated_says_until_when_it_stays(document: Any) -> None:
    for name, operation in operations(document):
        assert operation.get("deprecated", False) == ("x-sunset" in operation), name
        for each in operation.get("parameters", []):
            told = "x-sunset" in each["schema"]
            assert each.get("deprecated", False) == told, (name, each["name"])


def test_every_reference_leads_somewhere(document: Any) -> None:
    text = json.dumps(document)
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', text))

    assert used == set(document["components"]["schemas"])


def schemas(node: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Give every schema within a part of the document."""
    if isinstance(node, dict):
        if "type" in node or "anyOf" in node or "$ref" in node:
            yield path, node
        for key, value in node.items():
            if key not in {"examples", "example", "default", "enum"}:
                yield from schemas(value, f"{path}/{key}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from schemas(value, f"{path}/{place}")


def test_what_clients_send_has_limits(document: Any) -> None:
    """An unbounded text or list is an invitation."""
    forms = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if schema.get("additionalProperties") is False or name == "TokenRequest"
    }
    assert len(forms) > 10
    unbounded = []
    for name, form in forms.items():
        for path, schema in schemas(form["properties"], name):
            kind = schema.get("type")
            bounded_text = {"maxLength", "format", "enum", "const", "pattern"} & schema.keys()
            if (kind == "string" and not bounded_text) or (
                kind == "array" and "maxItems" not in schema
            ):
                unbounded.append(path)
    assert unbounded == []
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            for _, schema in schemas(parameter["schema"]):
                if schema.get("type") == "string":
                    limited = {"maxLength", "format", "enum", "pattern"} & schema.keys()
                    assert limited, (name, parameter["name"])


def test_money_is_integer_cents_and_nothing_is_a_float(document: Any) -> None:
    """REL-02."""
    for name, schema in document["components"]["schemas"].items():
        for path, inner in schemas(schema, name):
            assert inner.get("type") != "number", path
        for field, inner in schema.get("properties", {}).items():
            if field.endswith("_cents") or field == "cents":
                kinds = {each.get("type") for each in inner.get("anyOf", [inner])}
                assert kinds <= {"integer", "null"}, (name, field)


def test_paths_are_kebab_case_under_the_version(document: Any) -> None:
    for path in document["paths"].keys() - {"/.well-known/jwks.json"}:  # RFC 8615 names it
        assert re.fullmatch(r"/(v1|health)(/[a-z0-9-]+|/\{[a-z_]+\})+", path), path


def test_fields_are_snake_case(document: Any) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert re.fullmatch(r"[a-z][a-z0-9_]*", field), (name, field)


def test_lists_are_pages(document: Any) -> None:
    for name, operation in operations(document):
        if not operation["operationId"].startswith("list_"):
            continue
        body = operation["responses"]["200"]["content"]["application/json"]["schema"]
        page = document["components"]["schemas"][body["$ref"].split("/")[-1]]
        assert set(page["properties"]) == {"items", "next"}, name
        assert "maxItems" in page["properties"]["items"], name
