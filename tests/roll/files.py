"""Rolls to send: what a school's office would have typed."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import openpyxl
from httpx2 import AsyncClient, Response

from tests.kit import School, ok, problem

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Row = Mapping[str, Any]

NOOR: Final[Row] = {
    "student_key": "S1",
    "student_first_name": "Noor",
    "student_last_name": "Peeters",
    "birth_date": "2017-05-12",
    "class_group": "3B",
    "guardian_key": "G1",
    "guardian_first_name": "An",
    "guardian_last_name": "Peeters",
    "email": "an@example.org",
    "phone": "+32 477 12 34 56",
    "language": "nl",
    "family_key": "F1",
    "family_name": "Famille Peeters",
    "street": "Rue de la Loi 1",
    "postal_code": "1000",
    "city": "Bruxelles",
}
TOM: Final[Row] = {
    **NOOR,
    "guardian_key": "G2",
    "guardian_first_name": "Tom",
    "guardian_last_name": "Claes",
    "email": "tom@example.org",
    "phone": "",
    "language": "fr",
    "family_key": "F2",
    "family_name": "Famille Claes",
    "street": "Kerkstraat 2",
    "postal_code": "9000",
    "city": "Gent",
}
# The two of them share their child's costs.
SEPARATED: Final[tuple[Row, ...]] = ({**NOOR, "share": "60"}, {**TOM, "share": "40"})
LARS: Final[Row] = {
    **NOOR,
    "student_key": "S2",
    "student_first_name": "Lars",
    "class_group": "1A",
    "birth_date": "03/04/2019",
}
INVOICE: Final[Row] = {
    "family_key": "F1",
    "student_key": "S1",
    "label": "Garderie octobre",
    "number": "202303",
    "issued_on": "2025-10-31",
    "due_on": "2025-11-30",
    "amount": "34,50",
    "reference": "+++010/8068/17183+++",
}


def many(count: int) -> list[Row]:
    """Return rows of `count` students, each second of whom has a sibling's family."""
    return [
        {
            **NOOR,
            "student_key": f"S{place}",
            "student_first_name": f"Noor{place}",
            "class_group": f"{place % 12}A",
            "guardian_key": f"G{place // 2}",
            "email": f"an{place // 2}@example.org",
            "family_key": f"F{place // 2}",
            "family_name": f"Famille {place // 2}",
        }
        for place in range(count)
    ]


def csv(*rows: Row, delimiter: str = ";", encoding: str = "utf-8") -> bytes:
    """Write rows under all headings that they have together."""
    headings = [*dict.fromkeys(heading for row in rows for heading in row)]
    lines = [headings, *([str(row.get(heading, "")) for heading in headings] for row in rows)]
    return "\r\n".join(delimiter.join(line) for line in lines).encode(encoding)


def xlsx(**sheets: Sequence[Row]) -> bytes:
    """Write a workbook with a sheet for each name."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        headings = [*dict.fromkeys(heading for row in rows for heading in row)]
        sheet.append(headings)
        for row in rows:
            sheet.append([row.get(heading) for heading in headings])
    return saved(workbook)


def saved(workbook: openpyxl.Workbook) -> bytes:
    """Return a workbook's bytes."""
    data = io.BytesIO()
    workbook.save(data)
    return data.getvalue()


async def send(client: AsyncClient, data: bytes, **parameters: Any) -> Response:
    """Post a roll."""
    kind = XLSX if data.startswith(b"PK") else CSV
    return await client.post(
        "/v1/roll", content=data, params=parameters, headers={"Content-Type": kind}
    )


async def take(school: School, data: bytes, *, status: int = 201, **parameters: Any) -> Any:
    """Post a roll as the school's manager, and return the report."""
    return ok(await send(school.manager, data, **parameters), status)


async def refused(school: School, data: bytes) -> dict[str, dict[str, str]]:
    """Post a roll with errors, and return them by code."""
    document = problem(await send(school.manager, data), 422, "roll-has-errors")
    return {each["code"]: each for each in document["errors"]}


def codes(report: Any, severity: str = "warning") -> list[str]:
    """Return the codes of a report's findings."""
    return [each["code"] for each in report["findings"] if each["severity"] == severity]


async def students(school: School) -> dict[str, Any]:
    """Return the school's students by key."""
    found = ok(await school.manager.get("/v1/students", params={"limit": 200}))["items"]
    return {each["external_key"]: each for each in found}


async def guardians(school: School) -> dict[str, Any]:
    """Return the school's guardians by first name."""
    found = ok(await school.manager.get("/v1/guardians", params={"limit": 200}))["items"]
    return {each["first_name"]: each for each in found}


async def families(school: School) -> dict[str, Any]:
    """Return the school's families by name."""
    found = ok(await school.manager.get("/v1/families", params={"limit": 200}))["items"]
    return {each["name"]: each for each in found}


async def links(school: School, student_id: str) -> list[Any]:
    """Return a student's guardianships."""
    found = ok(await school.manager.get("/v1/guardianships", params={"student": student_id}))
    listed: list[Any] = found["items"]
    return listed


async def everything(school: School) -> Any:
    """Return all people of a school as the API shows them."""
    found = [await students(school), await guardians(school), await families(school)]
    shown = ok(await school.manager.get("/v1/guardianships", params={"limit": 200}))
    wallets = ok(await school.manager.get("/v1/wallets", params={"limit": 200}))
    return [*found, shown["items"], wallets["items"]]
