"""What the document shows is what it says: examples on every operation, valid against it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from itschool_api import errors, openapi
from itschool_api.app import create_app
from itschool_api.settings import Settings

_JSON = ("application/json", "application/x-www-form-urlencoded", errors.MEDIA_TYPE)


@pytest.fixture(scope="module")
def document(settings: Settings) -> Any:
    return openapi.document(create_app(settings))


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def bodies(operation: Any) -> Iterator[tuple[str, Any]]:
    """Give each body of an operation that is JSON or a form, with its place."""
    places = [("request", operation.get("requestBody", {})), *operation["responses"].items()]
    for place, carrier in places:
        for media_type, media in carrier.get("content", {}).items():
            if media_type in _JSON:
                yield place, media


def faults(schema: Any, example: Any, document: Any) -> list[str]:
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, validate_formats=True)
    return [f"{each.instance_path}: {each.message}" for each in validator.iter_errors(example)]


def test_every_body_has_an_example_that_is_valid(document: Any) -> None:
    wrong = [
        (name, place, faults(media["schema"], media["example"], document))
        for name, operation in operations(document)
        for place, media in bodies(operation)
        if "example" not in media or faults(media["schema"], media["example"], document)
    ]

    assert wrong == []


def test_every_example_of_a_schema_is_valid(document: Any) -> None:
    def walk(schema: Any, place: str) -> Iterator[str]:
        for example in schema.get("examples", []):
            yield from (f"{place} {each}" for each in faults(schema, example, document))
        for field, each in schema.get("properties", {}).items():
            yield from walk(each, f"{place}.{field}")

    schemas = document["components"]["schemas"]
    assert [each for name, schema in schemas.items() for each in walk(schema, name)] == []


def test_every_operation_is_described(document: Any) -> None:
    for name, operation in operations(document):
        assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", name), name
        assert operation["description"].strip(), name
        assert operation["tags"], name
        assert all(
            "example" in each for each in operation.get("parameters", []) if each["in"] == "path"
        ), name


def test_no_schema_is_empty_or_named_by_the_framework(document: Any) -> None:
    schemas = document["components"]["schemas"]
    odd = re.compile(r"Body_.*|.*-(Input|Output)|HTTPValidationError|ValidationError")

    def empty(schema: Any, place: str) -> Iterator[str]:
        if not ({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"} & set(schema)):
            yield place
        for field, each in schema.get("properties", {}).items():
            yield from empty(each, f"{place}.{field}")
        if isinstance(schema.get("items"), dict):
            yield from empty(schema["items"], f"{place}[]")

    assert [name for name in schemas if odd.fullmatch(name)] == []
    assert [each for name, schema in schemas.items() for each in empty(schema, name)] == []
    for name, operation in operations(document):
        for place, media in bodies(operation):
            assert list(empty(media["schema"], f"{name} {place}")) == []
