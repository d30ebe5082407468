"""The roll as a file: everybody, in a form that changes nothing when it is read again."""

import csv as csv_module
import io
import os
from datetime import date, timedelta
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock
from itschool_api.auth.caller import Scope
from itschool_api.roll import reading, writing
from itschool_api.roll.columns import PEOPLE, Column, Heading
from tests.kit import ANY_STATE, School, ok, problem
from tests.roll.files import (
    CSV,
    LARS,
    NOOR,
    SEPARATED,
    XLSX,
    csv,
    everything,
    links,
    saved,
    send,
    students,
    take,
)

pytestmark = pytest.mark.anyio
EXAMPLES = 300 if os.environ.get("ITSCHOOL_LONG") else 25
TODAY = clock.today("Europe/Brussels")
# What a spreadsheet takes for a formula, and names that somebody may really have.
DANGEROUS = ("=1+1", "+32 477 12 34 56", "-5", "@SUM(A1)", "'=x", "''+x", "'s-Hertogenbosch", "=")
FORMULA_BEGINS = tuple("=+-@\t\r")


async def download(school: School, kind: str = CSV, **parameters: Any) -> bytes:
    answer = await school.manager.get("/v1/roll", params=parameters, headers={"Accept": kind})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(kind)
    return answer.content


def cells(data: bytes) -> list[list[str]]:
    """Read a file as a spreadsheet would, without knowing our reader."""
    if data.startswith(b"PK"):
        (sheet,) = openpyxl.load_workbook(io.BytesIO(data)).worksheets
        return [
            ["" if v is None else str(v) for v in row] for row in sheet.iter_rows(values_only=True)
        ]
    return [*csv_module.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")]


@pytest.mark.parametrize("kind", [CSV, XLSX])
async def test_what_is_exported_changes_nothing_when_it_is_imported(
    school: School, kind: str
) -> None:
    """Whoever came by a file, and whoever was entered by hand and has no key."""
    child = await school.child(first_name="Émile")
    await school.sibling(child)
    await take(school, csv(*SEPARATED, {**LARS, "sees_money": "no", "class_group": ""}))
    await take(
        school, csv({"student_key": "S9", "student_first_name": "A", "student_last_name": "B"})
    )
    before = await everything(school)

    data = await download(school, kind)
    report = await take(school, data, status=200)

    assert not report["changes"], report
    assert (report["errors"], report["students"]["unchanged"]) == (0, 5)
    assert await everything(school) == before
    assert cells(data)[0] == [*PEOPLE]
    assert len(cells(data)) == 7


async def test_a_school_without_anybody_gives_the_headings(school: School) -> None:
    assert cells(await download(school)) == [[*PEOPLE]]


async def test_only_those_of_today_are_in_it(school: School) -> None:
    await take(school, csv(*SEPARATED, LARS))
    found = await students(school)
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    await school.manager.put(
        f"/v1/students/{found['S2']['id']}/departure", json={"left_on": yesterday}
    )
    (first, _) = await links(school, found["S1"]["id"])
    form = {"sees_money": True, "ends_on": yesterday}
    ok(await school.manager.patch(f"/v1/guardianships/{first['id']}", json=form, headers=ANY_STATE))

    rows = cells(await download(school))[1:]

    assert [(row[0], row[5]) for row in rows] == [("S1", ""), ("S1", "G2")]
    # It is still in the family, and the file says so.
    report = await take(school, await download(school), status=200)
    assert not report["changes"]


async def test_another_schools_people_are_not_in_it(school: School, other_school: School) -> None:
    """SEC-02."""
    await take(school, csv(NOOR))
    await take(other_school, csv({**NOOR, "student_key": "theirs", "email": "c@example.org"}))

    assert b"theirs" not in await download(school)
    assert len(cells(await download(school))) == 2


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, CSV),
        ("*/*", CSV),
        ("text/*", CSV),
        ("application/*", XLSX),
        (f"{CSV};q=0.1, {XLSX};q=0.2", XLSX),
        (f"{XLSX}, {CSV}", XLSX),
        (f"*/*, {CSV};q=0", XLSX),
        ("application/json", None),
        (f"{CSV};q=0", None),
    ],
)
async def test_the_form_is_the_one_that_is_asked_for(
    school: School, accept: str | None, kind: str | None
) -> None:
    headers = {"Accept": accept} if accept else {}
    if accept is None:
        school.manager.headers.pop("accept", None)

    answer = await school.manager.get("/v1/roll", headers=headers)

    if kind is None:
        problem(answer, 406, "not-acceptable")
        return
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["content-disposition"].startswith('attachment; filename="roll.')
    assert "Accept" in answer.headers["vary"]


async def test_a_download_is_recorded(school: School, owner: AsyncEngine) -> None:
    """SEC-34: whoever takes everybody's data along leaves a trace."""
    await download(school, XLSX)
    async with owner.connect() as connection:
        query = text("SELECT actor, action FROM audit_events WHERE school_id = :school")
        found = (await connection.execute(query, {"school": school.id})).all()

    assert [each.action for each in found] == ["export_roll"]
    assert found[0].actor.startswith("user:")


async def test_it_takes_both_rights_to_read_everybody(school: School) -> None:
    """SEC-03."""
    for scope in (Scope.PEOPLE_READ, Scope.STUDENTS_READ):
        key = await school.api_key(scope)
        problem(await key.get("/v1/roll"), 403, "insufficient-scope")


# --- SEC-28 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CSV, XLSX])
async def test_no_cell_is_a_formula_and_each_is_read_as_it_was(school: School, kind: str) -> None:
    """SEC-28: what people may be called, out and in again."""
    for place, name in enumerate(DANGEROUS):
        form = {"first_name": name, "last_name": name, "external_key": f"{name}{place}"}
        student = ok(await school.manager.post("/v1/students", json=form), 201)
        family = {"name": name, "street": name, "students": [{"student_id": student["id"]}]}
        ok(await school.manager.post("/v1/families", json=family), 201)
    before = await everything(school)

    data = await download(school, kind)

    found = cells(data)
    assert [cell for row in found for cell in row if cell.startswith(FORMULA_BEGINS)] == []
    assert {row[1] for row in found[1:]} >= {"'=1+1", "'+32 477 12 34 56", "'s-Hertogenbosch"}
    if kind == XLSX:
        workbook = openpyxl.load_workbook(io.BytesIO(data))
        kinds = {cell.data_type for row in workbook.worksheets[0].iter_rows() for cell in row}
        assert "f" not in kinds
    report = await take(school, data, status=200)
    assert not report["changes"], report
    assert await everything(school) == before


async def test_an_apostrophe_before_a_formula_is_not_part_of_the_name(school: School) -> None:
    """SEC-28, the other way."""
    await take(school, csv({**NOOR, "phone": "'+32 2 555 01 23", "student_first_name": "'t Jan"}))

    found = await everything(school)

    assert found[1]["An"]["phone"] == "+32 2 555 01 23"
    assert found[0]["S1"]["first_name"] == "'t Jan"


async def test_a_formula_in_a_workbook_is_not_evaluated(school: School) -> None:
    """SEC-28: nor is what it gave once believed."""
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    sheet.append(["student_key", "student_first_name", "student_last_name", "note"])
    sheet.append(["S1", '=HYPERLINK("http://evil.example","Noor")', "Peeters", "=1+1"])

    document = problem(await send(school.manager, saved(workbook)), 422, "roll-has-errors")

    assert [(each["code"], each["pointer"]) for each in document["errors"]] == [
        ("formula", "/Sheet/2/student_first_name")
    ]


# --- what is written is what is read -------------------------------------------------------------

_TEXT = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Zl", "Zp"),
        exclude_characters="\ufffe\uffff",
    ),
    min_size=1,
    max_size=40,
).map(str.strip)
_NAMES = st.one_of(_TEXT.filter(bool), st.sampled_from(DANGEROUS))
_MAYBE = st.one_of(st.none(), _NAMES)
_LANGUAGE = st.sampled_from(["fr", "nl", "de", "en"])
_VALUES = {
    Column.BIRTH_DATE: st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2199, 12, 31))),
    Column.EMAIL: st.one_of(st.none(), st.sampled_from(["=a@b.be", "an@example.org", "+1@c.be"])),
    Column.PHONE: st.one_of(st.none(), st.sampled_from(["+32 2 1", "0477/12.34.56", "(02) 1"])),
    Column.LANGUAGE: _LANGUAGE,
    Column.FAMILY_LANGUAGE: _LANGUAGE,
    Column.SEES_MONEY: st.one_of(st.none(), st.booleans()),
    Column.SHARE: st.one_of(st.none(), st.integers(0, 10_000)),
}
_ROWS = st.lists(
    st.tuples(
        *(
            _VALUES.get(column, _MAYBE if column != Column.STUDENT_KEY else _NAMES)
            for column in PEOPLE
        )
    ),
    max_size=6,
)


@settings(max_examples=EXAMPLES)
@given(rows=_ROWS, is_workbook=st.booleans())
def test_what_is_written_is_what_is_read(rows: list[writing.Row], is_workbook: bool) -> None:
    data = writing.as_workbook(rows) if is_workbook else writing.as_csv(rows)

    roll = reading.read(data, is_workbook=is_workbook)

    assert not roll.findings.has_errors, roll.findings.first(5)
    found = [tuple(row.values[Heading(column)] for column in PEOPLE) for row in roll.rows]
    assert found == rows
