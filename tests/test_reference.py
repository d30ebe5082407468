"""The document as a page: whole, escaped, and under a policy that lets nothing run."""

import re

import pytest
from fastapi import FastAPI

from itschool_api import openapi, reference
from tests.kit import client_of

_POLICY = {"default-src 'none'", "style-src 'self'", "img-src data:", "form-action 'none'"}


@pytest.mark.anyio
async def test_every_operation_and_schema_has_its_place(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/reference")
    places = re.findall(r' id="([^"]+)"', answer.text)
    document = openapi.document(app)
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert {each["operationId"] for each in operations} <= set(places)
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= set(places)
    assert len(places) == len(set(places))


@pytest.mark.anyio
async def test_nothing_runs_on_it_and_nothing_comes_from_elsewhere(app: FastAPI) -> None:
    async with client_of(app) as client:
        answer = await client.get("/reference")
    policy = set(answer.headers["Content-Security-Policy"].split("; "))
    assert policy >= _POLICY
    assert not [rule for rule in policy if "script-src" in rule or "unsafe" in rule]
    assert "<script" not in answer.text
    assert set(re.findall(r' (?:src|href)="(https?:[^"]*)"', answer.text)) <= {
        "https://www.standardwebhooks.com"
    }


def test_what_the_document_says_is_text() -> None:
    hostile = "<script>1</script>"
    page = reference.page(
        {
            "info": {
                "title": hostile,
                "version": "1",
                "description": f"* `{hostile}`\n* [a]({hostile})",
            },
            "tags": [{"name": hostile, "description": hostile}],
            "paths": {
                f"/{hostile}": {
                    "get": {
                        "tags": [hostile],
                        "summary": hostile,
                        "operationId": "read_it",
                        "parameters": [
                            {"name": hostile, "in": "query", "schema": {"enum": [hostile]}}
                        ],
                        "responses": {"200": {"description": hostile}},
                    }
                }
            },
            "components": {"schemas": {hostile: {"properties": {hostile: {"type": hostile}}}}},
        }
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
