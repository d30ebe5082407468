"""Breaks between OpenAPI documents: each seeded one is found, and nothing that only adds is one."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from itschool_api.cli import openapi as command
from itschool_api.compatibility.documents import breaks
from tests.documents import ROOT

Edit = Callable[[Any], object]

_REAL = json.loads((ROOT / "openapi" / "openapi.json").read_text("utf-8"))
_PATHS = [
    "/.well-known/jwks.json",
    "/v1/auth/token",
    "/v1/bank-statements",
    "/v1/guardians",
    "/v1/invoices",
    "/v1/invoices/{invoice_id}/pdf",
    "/v1/students",
    "/v1/students/{student_id}",
    "/v1/wallets",
]
_TODAY = date(2026, 11, 24)
_TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        "shape": {
            "oneOf": [
                {"allOf": [{"$ref": "#/components/schemas/Round"}, {"required": ["radius"]}]},
                {"type": "object", "required": ["side"], "properties": {"side": {"const": 4}}},
            ]
        },
        "state": {"type": "string", "enum": ["green", "dry"], "x-open-enum": True},
    },
    "required": ["name"],
}
_HOOK = {
    "operationId": "tree_fell",
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}},
    },
    "responses": {"204": {"description": "Heard."}, "410": {"description": "Enough."}},
}


def _before() -> str:
    """Return a part of our own document, with what other documents have: webhooks, `allOf`, trees.

    A part, for time: the make target's test reads the whole.
    """
    made = copy.deepcopy(_REAL)
    made["paths"] = {path: made["paths"][path] for path in _PATHS}
    radius = {"type": "object", "properties": {"radius": {"type": "integer", "nullable": True}}}
    made["components"]["schemas"] |= {"Tree": _TREE, "Round": radius}
    made["webhooks"] = {"tree.fell": {"post": _HOOK}}
    return json.dumps(made)


def _document() -> Any:
    return json.loads(_BEFORE)


_BEFORE = _before()


def _schema(made: Any, name: str) -> Any:
    return made["components"]["schemas"][name]


def _fields(made: Any, name: str) -> Any:
    return _schema(made, name)["properties"]


def _get(made: Any, path: str, method: str = "get") -> Any:
    return made["paths"][path][method]


def _parameter(made: Any, name: str, path: str = "/v1/students") -> Any:
    return next(each for each in _get(made, path)["parameters"] if each["name"] == name)


def _content(made: Any, path: str, method: str, status: str = "") -> Any:
    operation = _get(made, path, method)
    return (operation["responses"][status] if status else operation["requestBody"])["content"]


def _moved(made: Any, path: str, new: str) -> object:
    made["paths"][new] = made["paths"].pop(path)
    return made


def _required(made: Any, name: str, field: str) -> object:
    _schema(made, name).setdefault("required", []).append(field)
    return made


def _without_null(schema: Any) -> None:
    schema["anyOf"].remove({"type": "null"})


def _with_null(schema: Any) -> None:
    schema["anyOf"] = [{"type": schema.pop("type")}, {"type": "null"}]


# Name: what is done to the document, and a part of the line that tells of it.
_BREAKS: dict[str, tuple[Edit, str]] = {
    "a path is gone": (lambda d: d["paths"].pop("/v1/students"), "~1v1~1students/get: the op"),
    "a path is renamed": (lambda d: _moved(d, "/v1/students", "/v1/pupils"), "operation is gone"),
    "a method is gone": (lambda d: d["paths"]["/v1/students"].pop("get"), "operation is gone"),
    "an operationId is another one": (
        lambda d: _get(d, "/v1/students").update(operationId="list_pupils"),
        "operationId is 'list_pupils'",
    ),
    "a success is another one": (
        lambda d: _get(d, "/v1/students", "post")["responses"].update(
            {"202": _get(d, "/v1/students", "post")["responses"].pop("201")}
        ),
        "responses/201: the answer is gone",
    ),
    "a second success": (
        lambda d: _get(d, "/v1/students")["responses"].update({"202": {"description": "x"}}),
        "responses/202: an answer that clients do not expect",
    ),
    "a refusal is gone": (
        lambda d: _get(d, "/v1/students/{student_id}")["responses"].pop("404"),
        "responses/404: the answer is gone",
    ),
    "a response field is gone": (
        lambda d: _fields(d, "Student").pop("left_on"),
        "#/components/schemas/Student/properties/left_on: the field is gone",
    ),
    "a response field may be missing": (
        lambda d: _schema(d, "Student")["required"].remove("left_on"),
        "Student/properties/left_on: the field may be missing",
    ),
    "a response field may be null": (
        lambda d: _with_null(_fields(d, "Student")["first_name"]),
        "Student/properties/first_name: it may be null now",
    ),
    "a response field is of another type": (
        lambda d: _fields(d, "Wallet")["balance_cents"].update(type="string"),
        "balance_cents: it may be string now",
    ),
    "a response field's integer is a number": (
        lambda d: _fields(d, "Wallet")["balance_cents"].update(type="number"),
        "balance_cents: it may be number now",
    ),
    "a response field's format is gone": (
        lambda d: _fields(d, "Student")["id"].pop("format"),
        "Student/properties/id: format is another one",
    ),
    "a response's value is new": (
        lambda d: _schema(d, "InvoiceStatus")["enum"].append("void"),
        "InvoiceStatus: it may be 'void' now",
    ),
    "a response's values are open": (
        lambda d: _schema(d, "Outcome").pop("enum"),
        "Outcome: any value may come",
    ),
    "a response's list is a text": (
        lambda d: _fields(d, "StudentPage").update(items={"type": "string"}),
        "StudentPage/properties/items: it may be string now",
    ),
    "a response header is gone": (
        lambda d: _get(d, "/v1/students")["responses"]["200"]["headers"].pop("ETag"),
        "headers/ETag: the header is gone",
    ),
    "a response's media type is gone": (
        lambda d: _content(d, "/v1/invoices/{invoice_id}/pdf", "get", "200").clear(),
        "content/application~1pdf: the media type is gone",
    ),
    "an optional request field must be sent": (
        lambda d: _required(d, "NewStudent", "birth_date"),
        "NewStudent/properties/birth_date: the field must be sent",
    ),
    "a new request field must be sent": (
        lambda d: (
            _fields(d, "NewStudent").update(nickname={"type": "string"}),
            _required(d, "NewStudent", "nickname"),
        ),
        "NewStudent/properties/nickname: the field must be sent",
    ),
    "a request field is gone": (
        lambda d: _fields(d, "NewStudent").pop("external_key"),
        "NewStudent/properties/external_key: the field is gone",
    ),
    "a request field takes no null": (
        lambda d: _without_null(_fields(d, "NewStudent")["birth_date"]),
        "NewStudent/properties/birth_date/anyOf/1: null is not taken any more",
    ),
    "a request field's value is gone": (
        lambda d: _schema(d, "LoggedIn")["enum"].remove("ever"),
        "LoggedIn: 'ever' is not taken any more",
    ),
    "a request field is shorter": (
        lambda d: _fields(d, "NewStudent")["first_name"].update(maxLength=60),
        "first_name: maxLength is 60 now",
    ),
    "a request's list is shorter": (
        lambda d: _fields(d, "NewInvoice")["lines"].update(maxItems=100),
        "lines: maxItems is 100 now",
    ),
    "a request field has another pattern": (
        lambda d: _fields(d, "NewInvoice")["series"].update(pattern="^[A-Z]{1,10}$"),
        "series: pattern is another one",
    ),
    "a request's default is another one": (
        lambda d: _fields(d, "NewInvoice")["series"].update(default="G"),
        "series: the default was 'F', and is 'G' now",
    ),
    "a request's number has a limit": (
        lambda d: _parameter(d, "limit")["schema"].update(maximum=100),
        "the most is 100 now",
    ),
    "a request's media type is gone": (
        lambda d: _content(d, "/v1/bank-statements", "post").pop("text/plain"),
        "requestBody/content/text~1plain: the media type is gone",
    ),
    "a form takes no other fields any more": (
        lambda d: _schema(d, "TokenRequest").update(additionalProperties=False),
        "TokenRequest/additionalProperties: other fields are gone",
    ),
    "a body must be sent": (
        lambda d: _get(d, "/v1/students", "get").update(
            requestBody={"required": True, "content": {}}
        ),
        "requestBody: it must be sent",
    ),
    "a parameter is gone": (
        lambda d: _get(d, "/v1/students")["parameters"].pop(0),
        "the parameter class_group is gone",
    ),
    "a parameter is renamed": (
        lambda d: _parameter(d, "search").update(name="words"),
        "the parameter search is gone",
    ),
    "a parameter is moved": (
        lambda d: _parameter(d, "search").update({"in": "header"}),
        "the parameter search moved from query to header",
    ),
    "a parameter must be sent": (
        lambda d: _parameter(d, "search").update(required=True),
        "parameters/2: it must be sent",
    ),
    "a new parameter must be sent": (
        lambda d: _get(d, "/v1/students")["parameters"].append(
            {"name": "year", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
        "the parameter year (query) must be sent",
    ),
    "a parameter's default is another one": (
        lambda d: _parameter(d, "limit")["schema"].update(default=20),
        "the default was 50, and is 20 now",
    ),
    "a parameter of a path has another name": (
        lambda d: (
            _moved(d, "/v1/students/{student_id}", "/v1/students/{id}"),
            [
                each.update(name="id")
                for each in _get(d, "/v1/students/{id}")["parameters"]
                if each["name"] == "student_id"
            ],
        ),
        "the parameter student_id is gone",
    ),
    "one more scope": (
        lambda d: _get(d, "/v1/students")["security"][0]["person"].append("people:read"),
        "it was open, and needs person students:read people:read or api_key now",
    ),
    "a login where there was none": (
        lambda d: _get(d, "/.well-known/jwks.json").update(security=[{"person": []}]),
        "security: without login it was open, and needs person now",
    ),
    "a scope is gone": (
        lambda d: d["components"]["securitySchemes"]["person"]["flows"]["password"]["scopes"].pop(
            "events:read"
        ),
        "scopes/events:read: the scope is gone",
    ),
    "a webhook is gone": (lambda d: d["webhooks"].clear(), "webhooks/tree.fell/post: the op"),
    "a webhook's field is gone": (
        lambda d: _fields(d, "Tree").pop("below"),
        "Tree/properties/below: the field is gone",
    ),
    "a webhook's field may be missing": (
        lambda d: _schema(d, "Tree")["required"].clear(),
        "Tree/properties/name: the field may be missing",
    ),
    "an answer to a webhook is not heard": (
        lambda d: d["webhooks"]["tree.fell"]["post"]["responses"].pop("410"),
        "post/responses/410: the answer is gone",
    ),
    "one of several shapes may lack something": (
        lambda d: _fields(d, "Tree")["shape"]["oneOf"][0]["allOf"].pop(),
        "properties/radius: the field may be missing",
    ),
    "a shape is new": (
        lambda d: _fields(d, "Tree")["shape"]["oneOf"].append({"type": "string"}),
        "shape: it may be string now",
    ),
    "a word that is not understood": (
        lambda d: _fields(d, "Tree")["name"].update({"not": {"const": ""}}),
        "name: not changed, which cannot be judged here",
    ),
}
_ADDITIONS: dict[str, Edit] = {
    "nothing": lambda d: d,
    "a path": lambda d: d["paths"].update({"/v1/pupils": d["paths"]["/v1/students"]}),
    "a method": lambda d: d["paths"]["/v1/students"].update(
        patch=_get(d, "/v1/students/{student_id}", "patch")
    ),
    "an optional parameter": lambda d: _get(d, "/v1/students")["parameters"].append(
        {"name": "year", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "an optional request field": lambda d: _fields(d, "NewStudent").update(
        nickname={"type": "string", "maxLength": 10}
    ),
    "a response field": lambda d: (
        _fields(d, "Student").update(nickname={"type": "string"}),
        _required(d, "Student", "nickname"),
    ),
    "a refusal": lambda d: _get(d, "/v1/students")["responses"].update(
        {"409": _get(d, "/v1/students")["responses"]["400"]}
    ),
    "a request's value": lambda d: _schema(d, "LoggedIn")["enum"].append("often"),
    "a value of a list that was told to be open": lambda d: _fields(d, "Tree")["state"][
        "enum"
    ].append("fallen"),
    "a longer field, in requests and answers": lambda d: [
        _fields(d, name)["first_name"].update(maxLength=200)
        for name in ("NewStudent", "StudentChanges", "Student")
    ],
    "an optional request field that was needed": lambda d: _schema(d, "NewStudent")[
        "required"
    ].remove("last_name"),
    "a response field that is never null any more": lambda d: _without_null(
        _fields(d, "Student")["left_on"]
    ),
    "a request field that may be null": lambda d: _with_null(_fields(d, "TokenRequest")["scope"]),
    "a media type of requests": lambda d: _content(d, "/v1/bank-statements", "post").update(
        {"text/x-coda": {"schema": {"type": "string"}}}
    ),
    "a media type of answers": lambda d: _content(d, "/v1/students", "get", "200").update(
        {"text/csv": {"schema": {"type": "string"}}}
    ),
    "a response header": lambda d: _get(d, "/v1/students")["responses"]["200"]["headers"].update(
        {"X-Total": {"schema": {"type": "integer"}}}
    ),
    "fewer scopes": lambda d: _get(d, "/v1/students")["security"][0].update(person=[]),
    "one more way to log in": lambda d: _get(d, "/v1/students")["security"].append({"key": []}),
    "other words": lambda d: (
        d["info"].update(description="x", version="0.2.0"),
        _get(d, "/v1/students").update(summary="x", description="y", tags=["x"], deprecated=True),
        _fields(d, "Student")["first_name"].update(description="z", examples=["Noor"], title="z"),
    ),
    "a schema of another name": lambda d: (
        d["components"]["schemas"].update(Pupil=_schema(d, "Student")),
        _fields(d, "StudentPage")["items"].update(items={"$ref": "#/components/schemas/Pupil"}),
    ),
    "a schema in place of its reference": lambda d: _fields(d, "NewInvoice")["lines"].update(
        items=_schema(d, "NewInvoiceLine")
    ),
    "null, written as a type": lambda d: _fields(d, "Student").update(
        external_key=_fields(d, "Student")["external_key"]["anyOf"][0]
        | {"type": ["string", "null"]}
    ),
    "a path's other order, and a parameter's": lambda d: (
        d.update(paths=dict(reversed(d["paths"].items()))),
        _get(d, "/v1/students")["parameters"].reverse(),
    ),
    "a webhook, and more in one": lambda d: (
        d["webhooks"].update({"tree.grew": d["webhooks"]["tree.fell"]}),
        _fields(d, "Tree").update(height={"type": "integer"}),
    ),
}


def told(edit: Edit) -> list[str]:
    """Return what an edit of the document breaks, as lines."""
    edited = _document()
    edit(edited)
    return [str(each) for each in breaks(_document(), edited, _TODAY)]


@pytest.mark.parametrize("name", _BREAKS)
def test_a_break_is_found(name: str) -> None:
    edit, line = _BREAKS[name]
    found = told(edit)

    assert any(line in each for each in found), found
    assert all(each.startswith("#/") for each in found)


@pytest.mark.parametrize("name", _ADDITIONS)
def test_what_only_adds_breaks_nothing(name: str) -> None:
    assert told(_ADDITIONS[name]) == []


@pytest.mark.parametrize(
    ("day", "is_over"), [("2026-11-24", True), ("2026-11-25", False), (None, False)]
)
def test_what_was_to_end_may_be_gone_from_its_day_on(day: str | None, *, is_over: bool) -> None:
    old = _document()
    ending = [_get(old, "/v1/students"), _parameter(old, "overdue", "/v1/invoices")["schema"]]
    for each in ending if day else ():
        each.update({"deprecated": True, "x-sunset": day})
    new = _document()
    del new["paths"]["/v1/students"]["get"]
    parameters = _get(new, "/v1/invoices")["parameters"]
    parameters.remove(_parameter(new, "overdue", "/v1/invoices"))

    assert len(breaks(old, new, _TODAY)) == (0 if is_over else 2)


def test_the_command_tells_each_break_in_a_line(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    edited = _document()
    del edited["paths"]["/v1/students"]["get"]
    old.write_text(json.dumps(_document()), "utf-8")
    new.write_text(json.dumps(edited), "utf-8")

    broken = CliRunner().invoke(command.app, ["changes", str(old), str(new)])
    fine = CliRunner().invoke(command.app, ["changes", str(new), str(old)])

    assert broken.exit_code == 1
    assert broken.stdout == "#/paths/~1v1~1students/get: the operation is gone\n"
    assert fine.exit_code == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")
def test_the_step_of_the_checks_says_that_nothing_is_released_and_later_compares(
    tmp_path: Path,
) -> None:
    """With an environment that is there already, so that none is made."""
    venv, released = tmp_path / "venv", tmp_path / "released.json"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    for name in (".uv", ".app", ".dev"):
        (venv / name).touch()

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            ["make", "breaks", f"VENV={venv}", f"RELEASED={released}"],  # noqa: S607
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    none = run()
    promised = copy.deepcopy(_REAL)
    _fields(promised, "Student")["nickname"] = {"type": "string"}
    released.write_text(json.dumps(promised), "utf-8")
    broken = run()

    assert (none.returncode, "Nothing is released yet" in none.stdout) == (0, True)
    assert broken.returncode != 0
    assert "Student/properties/nickname: the field is gone" in broken.stdout
