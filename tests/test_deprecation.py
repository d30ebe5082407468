"""What is to end says so, in the document and in each answer."""

from datetime import date
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Query

from itschool_api import deprecation, errors, middleware, openapi
from tests.kit import client_of

pytestmark = pytest.mark.anyio

_NOW = {
    "deprecation": "@1798761600",
    "sunset": "Sat, 01 Jan 2028 00:00:00 GMT",
    "link": '</docs>; rel="deprecation"; type="text/html"',
}
_LATER = _NOW | {"deprecation": "@1801440000", "sunset": "Wed, 01 Mar 2028 00:00:00 GMT"}


@pytest.fixture
def ending_app() -> FastAPI:
    """Return an application with an operation that ends, and one whose parameter does."""
    router = APIRouter()
    dates = deprecation.ending(since=date(2027, 1, 1), until=date(2028, 1, 1))
    later = deprecation.ending(since=date(2027, 2, 1), until=date(2028, 3, 1))

    @router.get("/old/{number}", deprecated=True, openapi_extra=dates)
    async def read_old(number: int) -> int:
        """Read what is old."""
        if not number:
            raise errors.NotFound
        return number

    @router.get("/words")
    async def list_words(
        search: Annotated[str, Query(max_length=9)] = "",
        word: Annotated[str, Query(deprecated=True, json_schema_extra=later, max_length=9)] = "",
    ) -> str:
        """List words."""
        return search or word

    app = FastAPI(generate_unique_id_function=openapi.operation_id)
    app.add_middleware(middleware.RequestContext)
    errors.install(app)
    app.include_router(router)
    return app


@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("/old/1", 200, _NOW),
        ("/old/0", 404, _NOW),
        ("/words", 200, {}),
        ("/words?search=a", 200, {}),
        ("/words?word=a", 200, _LATER),
        ("/words?word=", 200, _LATER),
        ("/nowhere", 404, {}),
    ],
)
async def test_an_answer_tells_that_something_ends(
    ending_app: FastAPI, url: str, status: int, told: dict[str, str]
) -> None:
    """RFC 9745, RFC 8594: refusals tell it too, and a parameter's end only who sends it."""
    async with client_of(ending_app) as client:
        answer = await client.get(url)

    assert answer.status_code == status
    assert {name: answer.headers[name] for name in _NOW if name in answer.headers} == told


def test_the_document_tells_that_something_ends(ending_app: FastAPI) -> None:
    paths: Any = openapi.document(ending_app)["paths"]
    old, words = paths["/old/{number}"]["get"], paths["/words"]["get"]
    search, word = (each for each in words["parameters"] if each["in"] == "query")

    assert (old["deprecated"], old["x-sunset"]) == (True, "2028-01-01")
    assert (word["deprecated"], word["schema"]["x-sunset"]) == (True, "2028-03-01")
    assert "deprecated" not in search
    for operation in (old, words):
        for answer in operation["responses"].values():
            assert {"Deprecation", "Sunset", "Link"} <= answer["headers"].keys()


def test_clients_have_a_year() -> None:
    with pytest.raises(ValueError, match="365 days"):
        deprecation.ending(since=date(2027, 1, 2), until=date(2028, 1, 1))
