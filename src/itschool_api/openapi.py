"""The OpenAPI document: what FastAPI makes, brought to our contract, as bytes to commit."""

import json
import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from itschool_api import (
    deprecation,
    errors,
    examples,
    links,
    parameters,
    preconditions,
    tightening,
)
from itschool_api.audit import actions
from itschool_api.auth.authenticate import InsufficientScope, InvalidApiKey, PasswordNotSet
from itschool_api.auth.throttle import RateLimited
from itschool_api.auth.tokens import InvalidAccessToken

DESCRIPTION = """
Wallets, invoices and events of Belgian schools, and the bank's CODA file that pays them.

* **Money** is integer cents, in euro, in every field that ends in `_cents`.
* **Days** are `YYYY-MM-DD`, in the school's time zone; **instants** are RFC 3339, in UTC.
* **HEAD** is answered wherever `GET` is, with the same headers and no body.
* **Lists** are pages: send `next` as `cursor` until it is null. Many take `sort`: a field, and `-`
  before it for the highest first. A cursor goes on in its own order alone.
* **Parameters** that an operation does not know are refused (400), and so are unknown fields (422).
* **Changes** (`PATCH`) need `If-Match`: the `ETag` of what you read, or `*` for whatever is there.
  Fields that you leave out stay.
* **Refusals** are `application/problem+json` (RFC 9457); the last part of `type` is a stable code.
* What is not yours to see is 404.
* Every answer carries `X-Request-Id`: tell it to us when you ask for help.

People log in with **Authorize**; a school's programs send an API key as the bearer token.
"""

_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')
_TAGS = [
    {"name": "access", "description": "Getting in, staying in, getting out; API keys."},
    {"name": "school", "description": "Who you are, and the school's years."},
    {
        "name": "people",
        "description": "Students, class groups, guardians, families; the next school year.",
    },
    {"name": "members", "description": "Who can log in to the school, and as what."},
    {"name": "wallets", "description": "Students' prepaid money."},
    {"name": "invoices", "description": "What families owe."},
    {"name": "bank", "description": "The bank's files and what became of their money."},
    {"name": "events", "description": "What happens at the school."},
    {"name": "mails", "description": "What the school wrote to people, and whether it left."},
    {"name": "webhooks", "description": "Telling the school's own systems what happens."},
    {"name": "audit", "description": "Who did what."},
    {"name": "privacy", "description": "What is known of a person: exported, erased."},
    {"name": "dashboard", "description": "The first page, in one call."},
    {"name": "health", "description": "For load balancers and watchdogs."},
]


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function, which is unique in the whole API."""
    return route.name


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of `app`."""
    if app.openapi_schema is None:
        plain = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            webhooks=app.webhooks.routes,
            tags=_TAGS,
            license_info=app.license_info,
        )
        schemas = plain.setdefault("components", {}).setdefault("schemas", {})
        _add_problem(schemas)
        for path in plain["paths"].values():
            for method, operation in path.items():
                _add_conditions(method, operation)
                _complete(operation)
        for path in plain.get("webhooks", {}).values():
            for operation in path.values():
                # Receivers answer as they like; this is no refusal of ours.
                operation["responses"].pop("422", None)
                operation["responses"].pop("200", None)
        _name_forms(plain, schemas)
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        used = set(_REFERENCE.findall(json.dumps(plain)))
        for unused in schemas.keys() - used:
            del schemas[unused]
        actions.illustrate(plain)
        tightening.tighten(plain)
        _tell_endings(plain)
        examples.illustrate(plain)
        links.add(plain)
        app.openapi_schema = plain
    return app.openapi_schema


def as_text(app: FastAPI) -> str:
    """Return the document as it is committed: stable, readable in a diff."""
    return json.dumps(document(app), indent=2, ensure_ascii=False, sort_keys=False) + "\n"


def _add_problem(schemas: dict[str, Any]) -> None:
    problem = errors.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem


def _complete(operation: dict[str, Any]) -> None:
    """Add the refusals that the framework and authentication can give anywhere."""
    responses = operation["responses"]
    responses.pop("422", None) if _is_framework_422(responses.get("422")) else None
    always: list[type[errors.Refusal]] = [parameters.InvalidParameters]
    if operation.get("security"):
        always += [
            errors.Unauthenticated,
            InvalidAccessToken,
            InvalidApiKey,
            InsufficientScope,
            PasswordNotSet,
        ]
    if operation.get("parameters") or operation.get("requestBody"):
        always.append(errors.ValidationFailed)
    if operation.get("requestBody"):
        always += [errors.BadRequest, errors.TooLarge]
    if tightening.counts(operation):
        always.append(RateLimited)
    always.append(errors.Unavailable)
    for status, response in errors.responses(*always).items():
        known = responses.get(str(status))
        if known is None:
            responses[str(status)] = response
        else:
            known["description"] += "\n\n" + response["description"]


def _tell_endings(plain: dict[str, Any]) -> None:
    """Add the headers by which each answer of an operation tells that something ends."""
    for path in plain["paths"].values():
        for operation in filter(deprecation.ends, path.values()):
            for response in operation["responses"].values():
                response["headers"] |= deprecation.HEADERS


def _add_conditions(method: str, operation: dict[str, Any]) -> None:
    """Add what `preconditions` does around operations."""
    answer = operation["responses"].get("200")
    if answer is None or method not in {"get", "patch"}:
        return
    answer.setdefault("headers", {})["ETag"] = {
        "description": "This answer's state.",
        "schema": {"type": "string", "maxLength": 200},
        "example": '"Yq0bGm7Zk1v2uJ4cT9xWdA"',
    }
    parameters = operation.setdefault("parameters", [])
    if method == "get":
        parameters.append(
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": "`ETag` of the answer that you have: if it is the same still, "
                "304 comes without a body.",
                "schema": {"type": "string", "maxLength": preconditions.LONGEST},
            }
        )
        operation["responses"]["304"] = {
            "description": "It is what you have.",
            "headers": dict(answer["headers"]),
        }
    for each in parameters:
        if each["name"] == "If-Match":
            each["required"] = True


def _is_framework_422(response: dict[str, Any] | None) -> bool:
    content = (response or {}).get("content", {}).get("application/json", {})
    return str(content.get("schema", {}).get("$ref", "")).endswith("HTTPValidationError")


def _name_forms(plain: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give urlencoded bodies a name that is a word: `Body_create_token` → `TokenRequest`."""
    for old, new in (("Body_create_token", "TokenRequest"),):
        if old in schemas:
            schemas[new] = {**schemas.pop(old), "title": new}
            for path in plain["paths"].values():
                for operation in path.values():
                    for media in operation.get("requestBody", {}).get("content", {}).values():
                        if media["schema"].get("$ref") == f"#/components/schemas/{old}":
                            media["schema"] = {"$ref": f"#/components/schemas/{new}"}
