"""Files that are not what they say, or that want to hurt."""

import io
import os
import random
import time
import zipfile
from collections.abc import Callable

import openpyxl
import pytest

from itschool_api.roll import reading
from itschool_api.roll.tables import MOST_ROWS, TooMuch, Unreadable
from tests.kit import School, ok, problem
from tests.roll.files import CSV, LARS, NOOR, XLSX, csv, saved, send, students, xlsx

pytestmark = pytest.mark.anyio
MUTATIONS = 3_000 if os.environ.get("ITSCHOOL_LONG") else 150
SOUND = xlsx(roll=[NOOR, LARS])


def rezipped(change: Callable[[str, bytes], bytes | None], **more: bytes) -> bytes:
    """Return a sound workbook with changed or additional parts."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(SOUND)) as source,
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            if (content := change(name, source.read(name))) is not None:
                target.writestr(name, content)
        for name, content in more.items():
            target.writestr(name, content)
    return data.getvalue()


def sheet_of(body: str) -> bytes:
    """Return a workbook whose sheet is this XML."""
    xml = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"{body}</worksheet>"
    )
    return rezipped(lambda name, data: xml.encode() if "worksheets/" in name else data)


def bomb() -> bytes:
    """Much more than is taken, in a few kilobytes."""
    return rezipped(lambda _, data: data, **{"xl/media/big.xml": bytes(65 * 1024**2)})


def lying_bomb() -> bytes:
    """The same with an announced size of ten bytes."""
    data = bytearray(rezipped(lambda _, data: data, **{"xl/big.xml": bytes(10**7)}))
    entry = data.rindex(b"xl/big.xml") - 46  # its place in the directory at the end
    data[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def billion_laughs() -> bytes:
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    xml = f'<?xml version="1.0"?><!DOCTYPE w [{lol}]><worksheet>&l9;</worksheet>'
    return rezipped(lambda name, data: xml.encode() if "worksheets/" in name else data)


def external_entity() -> bytes:
    xml = '<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><worksheet>&x;</worksheet>'
    return rezipped(lambda name, data: xml.encode() if "worksheets/" in name else data)


def disguised(body: bytes) -> bytes:
    """Return a workbook whose sheet is in a part that is called no XML, as its manifest says."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(SOUND)) as source,
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name).replace(b"sheet1.xml", b"sheet1.png")
            is_sheet = "worksheets/" in name
            target.writestr(name.replace("sheet1.xml", "sheet1.png"), body if is_sheet else content)
    return data.getvalue()


HOSTILE = {
    "bomb": (bomb, TooMuch),
    "lying bomb": (lying_bomb, Unreadable),
    "billion laughs": (billion_laughs, Unreadable),
    "external entity": (external_entity, Unreadable),
    "far row": (
        lambda: sheet_of('<sheetData><row r="99999999999"><c r="A1"/></row></sheetData>'),
        TooMuch,
    ),
    "far column": (
        lambda: sheet_of('<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData>'),
        TooMuch,
    ),
    "wide row": (
        lambda: sheet_of(f'<sheetData><row r="1">{"<c/>" * 500_000}</row></sheetData>'),
        TooMuch,
    ),
    "disguised deep": (lambda: disguised(b" \n" + b"<a>" * 10_000 + b"</a>" * 10_000), TooMuch),
    "disguised wide row": (
        lambda: disguised(
            b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            b"<sheetData><row>" + b"<c/>" * 4_000_000 + b"</row></sheetData></worksheet>"
        ),
        TooMuch,
    ),
    "disguised blanks": (lambda: disguised(b" " * 10**7 + b"<a/>"), TooMuch),
    "disguised UTF-16": (
        lambda: disguised(('<?xml version="1.0"?>' + "<a>" * 10_000).encode("utf-16")),
        TooMuch,
    ),
    "rows backwards": (
        lambda: sheet_of('<sheetData><row r="2"/><row r="1"/></sheetData>'),
        Unreadable,
    ),
    "cells backwards": (
        lambda: sheet_of('<sheetData><row r="1"><c r="B1"/><c r="A1"/></row></sheetData>'),
        Unreadable,
    ),
    "too many rows": (
        lambda: sheet_of(f"<sheetData>{'<row/>' * (MOST_ROWS + 1)}</sheetData>"),
        TooMuch,
    ),
    "merged cells": (
        lambda: sheet_of(f"<mergeCells>{'<mergeCell/>' * 60_000}</mergeCells>"),
        TooMuch,
    ),
    "deep": (lambda: sheet_of("<a>" * 10_000 + "</a>" * 10_000), TooMuch),
    "long text": (
        lambda: sheet_of(
            f'<sheetData><row><c t="inlineStr"><is><t>{"x" * 10**7}</t></is></c></row></sheetData>'
        ),
        TooMuch,
    ),
    "long tag": (lambda: sheet_of(f'<a {" " * 10**7} b="1"/>'), TooMuch),
    "long comment": (lambda: sheet_of(f"<!--{'x' * 10**7}-->"), TooMuch),
    "many parts": (
        lambda: rezipped(lambda _, data: data, **{f"xl/{n}.bin": b"" for n in range(1100)}),
        TooMuch,
    ),
    "macros": (
        lambda: rezipped(lambda _, data: data, **{"xl/vbaProject.bin": b"x"}),
        Unreadable,
    ),
    "macro type": (
        lambda: rezipped(
            lambda _, data: data.replace(
                b"openxmlformats-officedocument.spreadsheetml.sheet.main",
                b"ms-excel.sheet.macroEnabled.main",
            )
        ),
        Unreadable,
    ),
    "no manifest": (
        lambda: rezipped(lambda name, data: None if name == "[Content_Types].xml" else data),
        Unreadable,
    ),
    "no sheets": (
        lambda: rezipped(lambda name, data: None if name == "xl/workbook.xml" else data),
        Unreadable,
    ),
    "old workbook": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), Unreadable),
    "no zip": (lambda: b"PK\x03\x04" + bytes(1000), Unreadable),
    "csv as workbook": (lambda: b"student_key\nS1", Unreadable),
}


def test_parts_that_are_no_xml_do_no_harm() -> None:
    """Folders, pictures, and what a spreadsheet remembers of its printer."""
    parts = {"xl/media/": b"", "xl/media/a.png": b"\x89PNG", "xl/printer.bin": bytes(100)}
    data = rezipped(lambda _, data: data, **parts)

    assert len(reading.read(data, is_workbook=True).rows) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_workbook_is_refused_within_a_second(name: str) -> None:
    """SEC-25."""
    make, kind = HOSTILE[name]
    data = make()
    began = time.process_time()

    with pytest.raises(kind):
        reading.read(data, is_workbook=True)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"student_key\n\0", Unreadable),
        (b'student_key\n"S1', Unreadable),
        (b'student_key\n"S1"x\n', Unreadable),
        (b"student_key\n\x81\x8d", Unreadable),
        (b"student_key\n" + b"x" * 1001, TooMuch),
        (b"student_key" + b";" * 300, TooMuch),
        (b"student_key\n" + b"x\n" * MOST_ROWS, TooMuch),
        (b"\xff\xfes", Unreadable),
    ],
)
def test_a_csv_that_is_none_is_refused(data: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        reading.read(data, is_workbook=False)


def test_long_headings_take_no_time() -> None:
    """SEC-29: a heading is matched by a pattern, which must not go back and forth."""
    data = b"student_key" + (b";a" + b" " * 998 + b"b") * 150
    began = time.process_time()

    roll = reading.read(data, is_workbook=False)

    assert time.process_time() - began < 1
    assert len(roll.findings.first(200)) == 151


async def test_refusals_reach_the_sender_as_problems(school: School) -> None:
    problem(await send(school.manager, HOSTILE["bomb"][0]()), 413, "roll-too-long")
    macros = problem(await send(school.manager, HOSTILE["macros"][0]()), 422, "unreadable-roll")
    assert "macros" in macros["detail"]
    problem(await send(school.manager, b"student_key\n\0"), 422, "unreadable-roll")
    assert await students(school) == {}


async def test_no_bytes_make_it_fail_or_hang(school: School) -> None:
    """SEC-29, for rolls."""
    chance = random.Random(20)
    sources = [
        (csv(NOOR, LARS), CSV),
        (csv(NOOR, LARS, delimiter=","), CSV),
        (csv(NOOR, encoding="utf-16"), CSV),
        (SOUND, XLSX),
        (unzipped(SOUND), XLSX),
    ]
    seen: set[int] = set()
    for _ in range(MUTATIONS):
        data, kind = chance.choice(sources)
        began = time.process_time()
        answer = await school.manager.post(
            "/v1/roll",
            content=mutated(chance, data),
            params={"preview": "true"},
            headers={"Content-Type": kind},
        )
        assert answer.status_code in {200, 400, 413, 422}, answer.text
        assert time.process_time() - began < 1
        seen.add(answer.status_code)
    assert seen >= {200, 422}
    assert ok(await school.manager.get("/v1/students"))["items"] == []


def unzipped(data: bytes) -> bytes:
    """Return a workbook stored without compression, so that a change reaches its XML."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return made.getvalue()


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Change, remove, repeat or insert a few bytes; of a zip, keep the checksums right."""
    if data.startswith(b"PK") and chance.random() < 0.8:
        made = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(data)) as source,
            zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            spoiled = chance.choice(source.namelist())
            for name in source.namelist():
                content = source.read(name)
                target.writestr(name, _bent(chance, content) if name == spoiled else content)
        return made.getvalue()
    return _bent(chance, data)


def _bent(chance: random.Random, data: bytes) -> bytes:
    bent = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(bent) + 1)
        match chance.randrange(4):
            case 0:
                bent[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del bent[place : place + chance.randint(1, 30)]
            case 2:
                bent[place:place] = bent[place : place + chance.randint(1, 60)]
            case _:
                bent[place:place] = chance.choice([b'"', b";", b"\n", b"<", b"&", b"\xff", b"-1"])
    return bytes(bent)


def test_hidden_sheets_are_not_read_and_told() -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(SOUND))
    workbook.create_sheet("secret").append(["student_key"])
    workbook["secret"].sheet_state = "veryHidden"

    roll = reading.read(saved(workbook), is_workbook=True)

    assert len(roll.rows) == 2
    assert [(each.code, each.sheet) for each in roll.findings.first(9)] == [
        ("hidden-sheet", "secret")
    ]


def test_what_a_workbook_says_of_its_size_is_not_believed() -> None:
    def lie(name: str, data: bytes) -> bytes:
        if "worksheets/" not in name:
            return data
        start, end = data.index(b"<dimension"), data.index(b"/>", data.index(b"<dimension")) + 2
        return data[:start] + b'<dimension ref="A1:XFD1048576"/>' + data[end:]

    began = time.process_time()

    roll = reading.read(rezipped(lie), is_workbook=True)

    assert [row.number for row in roll.rows] == [2, 3]
    assert time.process_time() - began < 1
