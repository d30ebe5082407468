"""Fields that a form does not have are refused, whatever they are called (SEC-04)."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from itschool_api import openapi
from tests.access.requests import request_for
from tests.access.test_matrix import operations
from tests.access.world import World

pytestmark = pytest.mark.anyio

FORBIDDEN = {
    "role": "admin",
    "roles": ["admin"],
    "school_id": "00000000-0000-7000-8000-000000000000",
    "id": "00000000-0000-7000-8000-000000000000",
    "user_id": "00000000-0000-7000-8000-000000000000",
    "balance_cents": 1_000_000_00,
    "paid_cents": 1,
    "restricted": False,
    "created_by": "user:nobody",
    "__proto__": {},
}
# Without a session, so the matrix knows no request for them.
PUBLIC_FORMS = {
    "request_login_token": {"email": "nobody@example.org"},
    "redeem_login_token": {"token": "ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEFGH"},
}


def json_operations(app: FastAPI) -> list[tuple[str, str, str]]:
    """Return the operations that take a JSON form."""
    return [
        (name, method, path)
        for name, method, path, operation in operations(app)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def nested(body: Any) -> list[list[str | int]]:
    """Return the way to every object within a body, itself first."""
    ways: list[list[str | int]] = [[]] if isinstance(body, dict) else []
    inner = body.items() if isinstance(body, dict) else enumerate(body)
    for key, value in inner:
        if isinstance(value, (dict, list)):
            ways += [[key, *way] for way in nested(value)]
    return ways


async def test_no_form_takes_a_field_that_it_does_not_have(app: FastAPI, world: World) -> None:
    tried = 0
    for name, method, path in json_operations(app):
        request = await request_for(name, world, path)
        request.setdefault("json", PUBLIC_FORMS.get(name))
        assert request["json"] is not None, f"{name} needs its request"
        client = world.callers["admin"]
        for way in nested(request["json"]):
            body = copy.deepcopy(request["json"])
            place = body
            for step in way:
                place = place[step]
            extra = {key: value for key, value in FORBIDDEN.items() if key not in place}
            place.update(extra)
            answer = await client.request(method, **(request | {"json": body}))
            assert answer.status_code == 422, (name, way, answer.text)
            pointers = {fault["pointer"] for fault in answer.json()["errors"]}
            prefix = "".join(f"/{step}" for step in way)
            assert pointers == {f"{prefix}/{key}" for key in extra}, name
            tried += 1
    assert tried > 20


def within(node: Any, schemas: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """Give every schema of an object that a form leads to, and what it is called."""
    if isinstance(node, dict):
        name = str(node.get("$ref", "")).split("/")[-1]
        if name and name not in seen:
            seen.add(name)
            yield name, schemas[name]
            yield from within(schemas[name], schemas, seen)
        for key, value in node.items():
            if value is not None and key not in {"examples", "default", "enum"}:
                yield from within(value, schemas, seen)
    elif isinstance(node, list):
        for value in node:
            yield from within(value, schemas, seen)


async def test_the_document_says_that_forms_are_closed(app: FastAPI) -> None:
    """Those within a form too, whether a request of ours has them or not."""
    schemas = openapi.document(app)["components"]["schemas"]
    seen: set[str] = set()
    for name, _, _, operation in operations(app):
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if media != "application/json":
                continue
            assert "$ref" in content["schema"], name
            for form, schema in within(content["schema"], schemas, seen):
                if "enum" not in schema:
                    assert schema.get("additionalProperties") is False, (name, form)
    assert len(seen) > 25
