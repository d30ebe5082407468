"""One attack by schemathesis: how it is set up, and what it found.

All of its checks are on. What is not a failure although a check says so stands in `_is_rule`, and
what is not sent in `_as_clients_write_it`, each with its reason.
"""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import schemathesis
from schemathesis import auths
from schemathesis.auths import AuthContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData
from schemathesis.schemas import BaseSchema

from itschool_api import openapi
from tests.access.requests import Request
from tests.access.test_foreign_ids import named_places
from tests.access.world import World
from tests.fuzz.target import Target, callers_of

PROBLEM: Final = "application/problem+json"
SLOWEST_SECONDS: Final = 30.0  # a hang, and no busy machine
_HOW_OFTEN_REAL: Final = 0.8


@dataclass
class Findings:
    """What an attack found, and how far it came."""

    failures: dict[str, str] = field(default_factory=dict)
    """The first of each kind, with what reproduces it."""
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0

    @property
    def successes(self) -> int:
        """How many requests came through."""
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    def __bool__(self) -> bool:
        return bool(self.failures)

    def __str__(self) -> str:
        return "\n\n".join(f"{kind}\n{text}" for kind, text in self.failures.items())


def operations(document: Any) -> Iterator[tuple[str, str, str, Any]]:
    """Give id, method, path and description of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), path, operation


@schemathesis.check
def refusals_are_documented(_: Any, response: Any, case: Case[Any]) -> None:
    """Every kind of refusal is told with its status, so that a client can know it."""
    if not 400 <= response.status_code < 500 or response.status_code == 405:
        return
    code = _problem(response).get("type", "").removeprefix("/problems/")
    told = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if f"`{code}`:" not in told.get("description", ""):
        raise AssertionError(f"{response.status_code} `{code}` is not documented")


class Attack:
    """The phases of schemathesis that are sent to a target, over whichever operations.

    Its own warnings, such as that an operation never succeeded, are its command line's alone; the
    tests assert what they warn of. Those of Python stay errors, as everywhere in the suite.
    """

    def __init__(self, target: Target, *, examples: int, seed: int, phases: Sequence[str]) -> None:
        self._target = target
        self._examples, self._seed, self._phases = examples, seed, phases
        self._world: World | None = None
        self._schema: BaseSchema | None = None

    def on(self, *operation_ids: str) -> Findings:
        """Send what is made of these operations' description, and judge the answers."""
        findings = Findings()
        schema = self._prepared().include(operation_id=list(operation_ids))
        for event in from_schema(schema).execute():
            match event:
                case events.ScenarioFinished():
                    _note(findings, event)
                case events.NonFatalError():
                    findings.failures.setdefault(f"{event.label}: error", str(event.info.message))
                case events.FatalError():
                    raise event.exception
        return findings

    def _prepared(self) -> BaseSchema:
        """Return what knows the document and the ids of the world, which are read once."""
        world = self._target.world()
        if self._schema is None or world is not self._world:
            self._world = world
            document = openapi.document(self._target.app)
            self._schema = schemathesis.openapi.from_dict(
                copy.deepcopy(document), config=self._config(world)
            )
            self._schema.app = self._target
            takes_turns = "stateful" not in self._phases
            _Hooks(self._target, document, takes_turns=takes_turns).install(self._schema)
        return self._schema

    def _config(self, world: World) -> SchemathesisConfig:
        # What is there, ours and the other school's, which must be as if it were not.
        ids = {kind: [ours, world.theirs.ids[kind]] for kind, ours in world.ours.ids.items()}
        places = {f"path.{kind}_id": kind for kind in ids}
        places |= {f"query.{kind}": kind for kind in ids}
        for _, place in named_places(self._target.app):
            kind = re.sub(r"s?(_ids?)?$", "", place.removesuffix("/0").split("/")[-1])
            if kind in ids:
                places["body." + place.replace("/0", "[*]").replace("/", ".")] = kind
        return SchemathesisConfig.from_dict(
            {
                "seed": self._seed,
                "continue-on-failure": True,
                "checks": {
                    "max_response_time": SLOWEST_SECONDS,
                    # A change that does not say what it was made from: 428 (RFC 6585).
                    "missing_required_header": {
                        "expected-statuses": [400, 401, 403, 404, 406, 422, 428]
                    },
                },
                "generation": {
                    "max-examples": self._examples,
                    "no-shrink": True,
                    "database": "none",
                },
                "phases": {
                    phase: {"enabled": phase in self._phases} for phase in ("coverage", "fuzzing")
                }
                # What follows from what is what the document's links say, and no guess of its own.
                | {
                    "stateful": {
                        "enabled": "stateful" in self._phases,
                        "inference": {"algorithms": []},
                    }
                }
                # Those of `known_good` need a place, also where the document has no example.
                | {"examples": {"enabled": "examples" in self._phases, "fill-missing": True}},
                "dictionaries": {kind: {"values": values} for kind, values in ids.items()},
                "parameters": {
                    place: {"dictionary": kind, "probability": _HOW_OFTEN_REAL}
                    for place, kind in places.items()
                },
            }
        )


class _Hooks:
    """Who asks, what is sent besides, and which refusals are right."""

    def __init__(self, target: Target, document: Any, *, takes_turns: bool) -> None:
        self._target = target
        self._takes_turns = takes_turns
        self._paths = {name: path for name, _, path, _ in operations(document)}
        self._turn = 0

    def install(self, schema: BaseSchema) -> None:
        """Register with a schema."""
        hooks = self

        class Callers:
            def get(self, case: Case[Any], _: AuthContext) -> str | None:
                return hooks.bearer(case)

            def set(self, case: Case[Any], data: str, _: AuthContext) -> None:
                case.headers["Authorization"] = data

        schema.auth(refresh_interval=None)(Callers)

        @schema.hook
        def before_add_examples(context: HookContext, examples: list[Case[Any]]) -> None:
            assert context.operation
            for case in self.known_good(context.operation):
                auths.set_on_case(case, AuthContext(context.operation, schema.app), schema.auth)
                examples.append(case)  # the last one is sent first

        @schema.hook
        def map_body(_: HookContext, body: Any) -> Any:
            return _as_clients_write_it(body)

        @schema.hook
        def filter_failure(
            _: HookContext, failure: Failure, case: Case[Any], response: Any
        ) -> bool:
            if isinstance(failure, EnsureResourceAvailability):
                # Whoever was made need not have what lies below them, such as a login.
                return str(case.operation.path).endswith("}")
            return not (isinstance(failure, RejectedPositiveData) and _is_rule(case, response))

    def bearer(self, case: Case[Any]) -> str | None:
        """Return whose request it is.

        The callers take turns, but not where one request follows from another: what an admin made
        is not a parent's to see.
        """
        callers = callers_of(_name(case.operation))
        if not self._takes_turns:
            callers = callers[-2:-1] or callers
        self._turn += 1
        return f"Bearer {callers[self._turn % len(callers)]}" if callers else None

    def known_good(self, operation: Any) -> list[Case[Any]]:
        """Return requests that succeed, one for each caller, so that every success is seen."""
        name = _name(operation)
        path = self._paths[name]
        return [
            _case(operation, self._target.request(name, path), path)
            for _ in callers_of(name) or [None]
        ]


def _name(operation: Any) -> str:
    return str(operation.definition.raw["operationId"])


def _case(operation: Any, request: Request, path: str) -> Case[Any]:
    names = re.findall(r"\{(\w+)\}", path)
    pattern = re.sub(r"\{\w+\}", "([^/]+)", path)
    found = re.fullmatch(pattern, request["url"])
    assert found
    more: dict[str, Any] = {}
    headers = dict(request.get("headers", {}))
    if "json" in request:
        more = {"body": request["json"], "media_type": "application/json"}
    elif "content" in request:
        more = {"body": request["content"], "media_type": headers.pop("Content-Type")}
    case: Case[Any] = operation.Case(
        path_parameters=dict(zip(names, found.groups(), strict=True)), headers=headers, **more
    )
    return case


def _as_clients_write_it(value: Any) -> Any:
    """Write whole numbers without a point.

    To JSON Schema 49.0 is an integer. Here an amount is written as one: a client that computes
    cents in floating point shall hear of it before the day on which it sends 48.99.
    """
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _as_clients_write_it(each) for key, each in value.items()}
        case list():
            return [_as_clients_write_it(each) for each in value]
    return value


def _is_rule(case: Case[Any], response: Any) -> bool:
    """Tell whether a well-formed request was refused by a rule that no schema can tell.

    Such a rule has a code of its own (which `refusals_are_documented` holds to the document), or
    it concerns several fields together, and its fault points at what holds them. And what follows
    from an answer is no request at all where the answer's field is null.
    """
    if None in case.path_parameters.values():
        return True
    problem = _problem(response)
    code = problem.get("type", "").removeprefix("/problems/")
    if code == "validation-failed":
        return all(
            fault["code"] in {"exactly_one_of", "not_before", "too_much_money"}
            and fault["location"] == "body"
            and isinstance(_at(case.body, fault["pointer"]), dict)
            for fault in problem["errors"]
        )
    return bool(code) and code not in {"bad-request", "not-found"}


def _at(body: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        body = body[int(key)] if isinstance(body, list) else body[key]
    return body


def _problem(response: Any) -> Any:
    if response.headers.get("content-type", [""])[0] != PROBLEM:
        return {}
    return json.loads(response.content)


def _note(findings: Findings, event: events.ScenarioFinished) -> None:
    recorder = event.recorder
    for interaction in recorder.interactions.values():
        findings.requests += 1
        if interaction.response is not None:
            findings.statuses[int(interaction.response.status_code)] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            kind = f"{recorder.label}: {check.name}: {failure.title}"
            answer = recorder.interactions[case_id].response
            seen = answer.content[:600].decode(errors="replace") if answer else ""
            findings.failures.setdefault(
                kind, f"{failure.message}\n{check.failure_info.code_sample}\n{seen}"
            )
