"""What `itschool coda import` makes of a server that does not do what it should."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from itschool_api.cli import client, posting

BUSY = httpx2.Response(503, headers={"Retry-After": "7"})
REFUSED = httpx2.Response(
    422, json={"type": "/problems/x", "title": "No.", "status": 422, "detail": "Line 3."}
)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    return waited


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.cod"
    path.write_bytes(b"whatever")
    return path


def server(*answers: httpx2.Response | Exception) -> httpx2.Client:
    following: Iterator[httpx2.Response | Exception] = iter(answers)

    def answer(_: httpx2.Request) -> httpx2.Response:
        each = next(following)
        if isinstance(each, Exception):
            raise each
        return each

    return httpx2.Client(base_url="https://api.test", transport=httpx2.MockTransport(answer))


def test_it_waits_and_tries_again_as_long_as_the_server_asks(
    waits: list[float], file: Path
) -> None:
    answers = (httpx2.ConnectError("no route"), BUSY, REFUSED)
    result = posting.post(server(*answers), file, preview=False)
    assert waits == [1, 7]
    assert posting.line(result) == f"{file}: refused: No. Line 3."


def test_it_gives_up_with_the_last_reason(waits: list[float], file: Path) -> None:
    with pytest.raises(client.Unreachable, match="503 Service Unavailable"):
        posting.post(server(BUSY, BUSY, BUSY, BUSY), file, preview=False)
    assert waits == [7, 7, 9]


def test_another_programs_answer_is_no_success(file: Path) -> None:
    with pytest.raises(client.Unreachable, match="not this API"):
        posting.post(server(httpx2.Response(200, html="<p>Hello")), file, preview=False)


def test_a_refusal_that_is_no_problem_document_is_told_by_its_status(file: Path) -> None:
    moved = httpx2.Response(301, headers={"Location": "/elsewhere"})
    result = posting.post(server(moved), file, preview=False)
    assert posting.line(result) == f"{file}: refused: 301 Moved Permanently"
