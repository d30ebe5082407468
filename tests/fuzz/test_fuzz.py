"""schemathesis attacks every operation of the contract, with all of its checks.

In the suite a few examples of each; `make fuzz` sends EXAMPLES (200) of each, and before them
what lies on and beyond each bound that the document names.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Query, Security
from fastapi.security import HTTPBearer
from pydantic import Field
from schemathesis.python import asgi
from starlette.responses import JSONResponse

from itschool_api import errors
from itschool_api.app import create_app
from itschool_api.contract import Document, Form
from itschool_api.settings import Settings
from tests.fuzz.attack import Attack, operations
from tests.fuzz.conftest import REQUESTS
from tests.fuzz.target import Target, callers_of, is_in_reach

EXAMPLES = int(os.environ.get("EXAMPLES", "3"))
SEED = int(os.environ.get("SEED", "1"))
# The committed document, which is the code's (tests/test_contract.py).
NAMES = [
    name
    for name, *_ in operations(
        json.loads(
            (Path(__file__).parents[2] / "openapi" / "openapi.json").read_text(encoding="utf-8")
        )
    )
]
EVERYTHING = ("examples", "coverage", "fuzzing")
ALONE = EVERYTHING if "EXAMPLES" in os.environ else ("examples", "fuzzing")
# What they take comes by mail, or is a secret of its own: the tests of the ways in know how.
OUT_OF_REACH = {"create_token", "redeem_login_token"}


@pytest.fixture(scope="module")
def alone(target: Target) -> Attack:
    """One operation at a time."""
    return Attack(target, examples=EXAMPLES, seed=SEED, phases=ALONE)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_keeps_to_its_description(
    alone: Attack, name: str, record_property: Callable[[str, object], None]
) -> None:
    found = alone.on(name)
    record_property(REQUESTS, found.requests)

    assert not found, str(found)
    # Each caller came through at least once: what never succeeds proves little.
    if name not in OUT_OF_REACH and is_in_reach(name):
        assert found.successes >= (len(callers_of(name)) or 1), found.statuses


def test_what_follows_from_one_another_keeps_to_its_description(
    target: Target, record_property: Callable[[str, object], None]
) -> None:
    """What is made can be read, and what is deleted cannot."""
    found = Attack(target, examples=EXAMPLES, seed=SEED, phases=["stateful"]).on(*NAMES)
    record_property(REQUESTS, found.requests)

    assert not found, str(found)
    assert found.successes


class Number(Form):
    """What the spoiled operations take."""

    count: int = Field(ge=0, le=100)


class Answer(Form):
    """The same, read with too much good will."""

    sure: bool


class Kept(Document):
    """What they answer with."""

    count: int = Field(ge=0)


class OddWord(errors.Conflict):
    """A refusal that no document tells."""


@pytest.fixture(scope="module")
def spoiled(settings: Settings, database_url: str) -> Iterator[Target]:
    """An application with operations that have a defect each."""
    app = create_app(settings, database_url)

    @app.post("/v1/crash")
    async def crash_at_zero(form: Number) -> Kept:
        return Kept(count=1 // form.count)

    @app.post("/v1/yes")
    async def take_anything(form: Answer) -> Kept:
        return Kept(count=int(form.sure))

    @app.get("/v1/words")
    async def refuse_silently(word: Annotated[str, Query(max_length=100)]) -> Kept:
        if word:
            raise OddWord
        return Kept(count=0)

    @app.get("/v1/lies", response_model=Kept)
    async def answer_wrongly() -> JSONResponse:
        return JSONResponse({"count": "many"})

    @app.get("/v1/open", dependencies=[Security(HTTPBearer(auto_error=False))])
    async def forget_authentication() -> Kept:
        return Kept(count=0)

    target = Target(app)
    with asgi.get_client(target):  # type: ignore[arg-type]  # it knows dicts alone
        yield target
        target.close()


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("crash_at_zero", "not_a_server_error"),
        ("take_anything", "negative_data_rejection"),
        ("refuse_silently", "status_code_conformance"),
        ("refuse_silently", "refusals_are_documented"),
        ("answer_wrongly", "response_schema_conformance"),
        ("forget_authentication", "ignored_auth"),
    ],
)
def test_a_defect_is_found(spoiled: Target, name: str, check: str) -> None:
    """The gate above, seen to fail."""
    found = Attack(spoiled, examples=EXAMPLES, seed=SEED, phases=EVERYTHING).on(name)

    assert check in " ".join(found.failures)
