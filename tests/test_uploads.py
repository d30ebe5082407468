"""Files in forms: as good as files in bodies, one at a time, and no byte too many (SEC-23)."""

import tempfile
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import pytest
from fastapi import FastAPI

from itschool_api import uploads
from itschool_api.auth.caller import Scope
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, School, ok, open_school, problem
from tests.roll.files import csv, xlsx

BOUNDARY = "----border"
ROW = {"student_key": "S1", "student_first_name": "Noor", "student_last_name": "Claes"}
pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def school_of_module(app: FastAPI) -> School:
    return await open_school(app)


def part(name: str = "file", data: bytes = b"x", more: str = '; filename="a.cod"') -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def test_a_bank_file_in_a_form_is_the_same_file(school: School) -> None:
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))

    first = await school.manager.post("/v1/bank-statements", files={"file": ("a.cod", data)})
    again = await school.post_coda(data, status=200)

    assert ok(first, 201)["paid"] == {"count": 1, "cents": 5_00}
    assert again == first.json()


@pytest.mark.parametrize("media_type", ["application/octet-stream", "application/vnd.ms-excel"])
@pytest.mark.parametrize("data", [csv(ROW), xlsx(roll=[ROW])], ids=["csv", "xlsx"])
async def test_a_roll_in_a_form_is_known_by_its_content(
    school_of_module: School, data: bytes, media_type: str
) -> None:
    answer = await school_of_module.manager.post(
        "/v1/roll", files={"file": ("roll", data, media_type)}, params={"preview": "true"}
    )

    assert ok(answer)["students"]["new"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "fault"),
    [
        (form(part(), part()), 422, "validation-failed", ("/file", "too_long")),
        (form(part(), part("note/1")), 422, "validation-failed", ("/note~11", "extra_forbidden")),
        (form(part("files")), 422, "validation-failed", ("/files", "extra_forbidden")),
        (form(part("")), 422, "validation-failed", ("/", "extra_forbidden")),
        (form(), 422, "validation-failed", ("/file", "missing")),
        (part(), 400, "unreadable-upload", None),
        (b"no form at all", 400, "unreadable-upload", None),
        (b"", 400, "unreadable-upload", None),
        (form(part(data=b"")), 400, "empty-bank-file", None),
        (form(part(more="; x=" + "y" * 5000)), 400, "unreadable-upload", None),
    ],
)
async def test_a_form_holds_one_file_and_nothing_else(
    school_of_module: School,
    body: bytes,
    status: int,
    code: str,
    fault: tuple[str, str] | None,
) -> None:
    answer = await school_of_module.manager.post(
        "/v1/bank-statements",
        content=body,
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )

    document = problem(answer, status, code)
    found = [(each["pointer"], each["code"]) for each in document.get("errors", [])]
    assert found == ([fault] if fault else [])


@pytest.mark.parametrize("kind", ["", "; boundary=", f"; boundary={'b' * 300}", "; boundary=é"])
async def test_a_form_without_a_boundary_is_refused(school_of_module: School, kind: str) -> None:
    answer = await school_of_module.manager.post(
        "/v1/bank-statements",
        content=form(part()),
        headers={b"Content-Type": f"multipart/form-data{kind}".encode("latin-1")},
    )

    problem(answer, 400, "unreadable-upload")


@pytest.mark.parametrize("where", ["in", "before", "after"])
async def test_a_form_beyond_the_limit_is_refused_while_it_streams(
    school_of_module: School, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-23: no more of it is read than the limit and a piece, and nothing goes to disk."""

    def spool(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a file was spooled")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, spool)
    limit = school_of_module.app.state.settings.bank_file_max_bytes
    piece, read = b"\r\n" * 2**19, 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        yield {"in": part()[:-2], "before": b"", "after": form(part())}[where]
        while read < 4 * limit:
            read += len(piece)
            yield piece

    key = await school_of_module.api_key(Scope.BANK_STATEMENTS_WRITE)
    answer = await key.post(
        "/v1/bank-statements",
        content=pieces(),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
    )

    problem(answer, 413, "too-large")
    assert read <= limit + 2 * len(piece)


async def test_the_largest_file_fits_with_its_envelope(school_of_module: School) -> None:
    """SEC-23: one byte decides, whichever way the file comes."""
    limit = school_of_module.app.state.settings.bank_file_max_bytes
    post = school_of_module.manager.post

    fits = await post("/v1/bank-statements", files={"file": b"x" * limit})
    not_so = await post("/v1/bank-statements", files={"file": b"x" * (limit + 1)})

    problem(fits, 422, "malformed-bank-file")
    problem(not_so, 413, "too-large")


def test_both_ways_are_described() -> None:
    content = uploads.described("A file.", ["text/csv"], 5)["requestBody"]["content"]

    assert set(content) == {"text/csv", "multipart/form-data"}
    schema = content["multipart/form-data"]["schema"]
    assert schema["required"] == ["file"]
    assert schema["additionalProperties"] is False
