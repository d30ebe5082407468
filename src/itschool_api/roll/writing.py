"""A roll as a file: CSV as Belgian offices open it, or a workbook. Pure.

No cell can be taken for a formula: `cells.harmless` puts an apostrophe before it, which reading
takes away again. What is written and read again is the same.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

import openpyxl
from openpyxl.cell import WriteOnlyCell

from itschool_api.roll.cells import Value, harmless
from itschool_api.roll.columns import PEOPLE, Kind

_BYTE_ORDER_MARK: Final = "\ufeff"
# No XML holds these, whoever typed them.
_NO_TEXT: Final = str.maketrans(dict.fromkeys("\ufffe\uffff", "\ufffd"))

Row = Sequence[Value]
"""A value for each of `columns.PEOPLE`."""


def as_csv(rows: Iterable[Row]) -> bytes:
    """Write UTF-8 with a byte order mark, semicolons and CRLF."""
    text = io.StringIO(newline="")
    text.write(_BYTE_ORDER_MARK)
    writer = csv.writer(text, delimiter=";")
    writer.writerow(PEOPLE)
    for row in rows:
        writer.writerow([_text(value) for value in row])
    return text.getvalue().encode()


def as_workbook(rows: Iterable[Row]) -> bytes:
    """Write a workbook of one sheet: texts as texts, days as days."""
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet(Kind.ROLL)
    sheet.freeze_panes = "A2"
    sheet.append([str(column) for column in PEOPLE])
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    data = io.BytesIO()
    workbook.save(data)
    return data.getvalue()


def _cell(sheet: Any, value: Value) -> Any:
    if value is None:
        return None
    if isinstance(value, date):
        day: Any = WriteOnlyCell(sheet)
        day.value = value
        day.number_format = "yyyy-mm-dd"
        return day
    cell = WriteOnlyCell(sheet, _text(value).translate(_NO_TEXT))
    # A spreadsheet asked for a text leaves keys and phone numbers as they are.
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        whole, rest = divmod(value, 100)
        return f"{whole},{rest:02d}" if rest else str(whole)
    return value.isoformat() if isinstance(value, date) else harmless(value)
