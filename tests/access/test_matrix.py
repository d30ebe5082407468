"""Who may do what: every operation of the contract by every kind of caller (SEC-01, SEC-02, SEC-03).

The operations come from the OpenAPI document, what is right from `policy.py`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Security
from httpx2 import AsyncClient

from itschool_api import openapi
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import KEY_SCOPES, Scope
from tests.access.policy import PUBLIC, RESTRICTED, RULES
from tests.access.requests import request_for
from tests.access.world import CALLERS, FOREIGN_KEY, FOREIGN_PERSON, World
from tests.kit import client_of

pytestmark = pytest.mark.anyio

# They end the session that asks for them, or others that later tests need, or depend on what
# their caller did before.
NEEDS_NEWCOMER = (
    "set_password",
    "log_out",
    "end_other_sessions",
    "begin_second_factor",
    "confirm_second_factor",
    "renew_recovery_codes",
    "remove_second_factor",
)


def operations(app: FastAPI) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Give id, method, path and description of every operation of the contract."""
    for path, methods in openapi.document(app)["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), path, operation


def unpoliced(app: FastAPI) -> list[str]:
    """Return the operations that no policy knows, and those whose protection is not the policy's."""
    found = []
    for name, _, _, operation in operations(app):
        protected = bool(operation.get("security"))
        if protected != (name in RULES) or (name in PUBLIC) == protected:
            found.append(name)
    return found


async def call(client: AsyncClient, method: str, request: dict[str, Any]) -> tuple[int, str]:
    """Return status and body."""
    answer = await client.request(method, **request)
    return answer.status_code, answer.text


async def test_every_operation_has_a_policy_and_every_policy_an_operation(app: FastAPI) -> None:
    assert unpoliced(app) == []
    assert {name for name, *_ in operations(app)} == set(RULES) | PUBLIC


async def test_a_new_route_without_a_policy_is_found(settings: Any) -> None:
    """SEC-03: the gate above, seen to fail."""
    from itschool_api.app import create_app  # noqa: PLC0415  (an application to spoil)

    spoiled = create_app(settings)

    @spoiled.get("/v1/forgotten", responses={})
    async def read_forgotten() -> None: ...

    @spoiled.get("/v1/unlisted", dependencies=[Security(authenticate, scopes=["wallets:read"])])
    async def read_unlisted() -> None: ...

    assert unpoliced(spoiled) == ["read_forgotten", "read_unlisted"]


async def test_every_route_is_in_the_contract_or_known_to_be_public(app: FastAPI) -> None:
    """SEC-03: a route that hides from the document would escape the matrix."""
    hidden = {route.path for route in routes(app.router) if not route.include_in_schema}

    readable = {"/docs", "/docs/{name}", "/problems", "/problems/{code}", "/reference"}
    assert hidden == {"/openapi.json", "/metrics"} | readable


def routes(router: Any) -> Iterator[Any]:
    """Give every route, those of the routers within a router too."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router)
        else:
            yield route


@pytest.mark.parametrize("name", [*RULES])
async def test_everybody_gets_what_the_policy_says(app: FastAPI, world: World, name: str) -> None:
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    rule = RULES[name]
    statuses, leaks = {}, {}
    for caller in CALLERS:
        client = world.callers[caller]
        if name in NEEDS_NEWCOMER and caller != FOREIGN_KEY:
            client = await world.newcomer(caller)
        request = await request_for(name, world, path)
        sent = str(request)
        statuses[caller], body = await call(client, method, request)
        # What may not show in the answer, unless the request named it.
        forbidden = {
            "parent B": [one for one in world.ours.ids.values() if one not in world.shared],
            FOREIGN_PERSON: [*world.ours.ids.values()],
            FOREIGN_KEY: [*world.ours.ids.values()],
        }.get(caller, [])
        leaks[caller] = [one for one in forbidden if one in body and one not in sent]

    assert statuses == rule.statuses
    assert {caller: found for caller, found in leaks.items() if found} == {}


@pytest.mark.parametrize("name", [*RULES])
async def test_nobody_gets_in_without_a_valid_token(app: FastAPI, world: World, name: str) -> None:
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    request = await request_for(name, world, path)
    for token in (None, "garbage", "a.b.c", f"its_{'0' * 32}_{'0' * 32}_{'0' * 64}"):
        async with client_of(app, token) as client:
            answer = await client.request(method, **request)
        assert answer.status_code == 401, token
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", [name for name in RULES if name not in RESTRICTED])
async def test_a_session_from_a_login_token_may_only_set_the_password(
    app: FastAPI, world: World, name: str
) -> None:
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    request = await request_for(name, world, path)

    status, body = await call(world.restricted, method, request)

    assert status == 403
    assert "/problems/password-not-set" in body


@pytest.mark.parametrize("name", [*RULES])
async def test_a_key_needs_all_scopes_of_an_operation_and_no_others(
    app: FastAPI, world: World, name: str
) -> None:
    method, path = next((m, p) for n, m, p, _ in operations(app) if n == name)
    rule = RULES[name]
    school = world.ours.school
    if rule.scopes is None:
        everything = await school.api_key(*KEY_SCOPES)
        request = await request_for(name, world, path)
        assert (await call(everything, method, request))[0] == 403
        return

    needed = {Scope(scope) for scope in rule.scopes}
    enough = await school.api_key(*(needed or {Scope.EVENTS_WRITE}))
    request = await request_for(name, world, path)
    assert (await call(enough, method, request))[0] == rule.success
    for missing in needed:
        key = await school.api_key(*(KEY_SCOPES - {missing}))
        request = await request_for(name, world, path)
        assert (await call(key, method, request))[0] == 403, missing


@pytest.mark.parametrize("name", [*RULES])
async def test_the_document_asks_for_the_scopes_of_the_policy(app: FastAPI, name: str) -> None:
    operation = next(each for found, _, _, each in operations(app) if found == name)
    asked = {scope for way in operation["security"] for scopes in way.values() for scope in scopes}

    if (scopes := RULES[name].scopes) is not None:
        assert asked == scopes
    else:
        assert asked
        assert not asked & KEY_SCOPES


async def test_a_parent_sees_no_draft(world: World) -> None:
    draft = await world.ours.fresh_draft()
    parent = world.ours.child.parent

    for rest in ("", "/payment", "/pdf"):
        assert (await parent.get(f"/v1/invoices/{draft}{rest}")).status_code == 404
    assert draft not in (await parent.get("/v1/invoices", params={"status": "draft"})).text
