"""An .xlsx workbook as tables. Pure; openpyxl reads what `guard` let pass.

Formulas are not evaluated, and what they once gave is not believed: such a cell is an error where
its column matters. Real days stay days; numbers are kept as they are shown.
"""

import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from datetime import time as time_of_day
from typing import Any, Final

import openpyxl
from openpyxl.cell.read_only import EMPTY_CELL

from itschool_api.roll import guard
from itschool_api.roll.cells import LONGEST_CELL, Cell, Number, Unusable
from itschool_api.roll.tables import Table, TooMuch, Unreadable, numbered

SIGNATURE: Final = b"PK\x03\x04"
_OLD_OR_LOCKED: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FORMULA: Final = Unusable("formula", "The cell is a formula: paste its value instead.")
_TIME: Final = Unusable("not-a-text", "The cell is a time of day: format the column as text.")
# A spreadsheet keeps fifteen digits of a number.
_SHOWN_DIGITS: Final = ".15g"


def read(data: bytes) -> tuple[list[Table], list[str]]:
    """Return the sheets that can be seen, and the names of those that are hidden.

    Raises `Unreadable`, `TooMuch`.
    """
    if data.startswith(_OLD_OR_LOCKED):
        raise Unreadable(
            "This is an old workbook (.xls) or one with a password: save it as .xlsx, without one."
        )
    if not data.startswith(SIGNATURE):
        raise Unreadable("This is no workbook: it does not begin like an .xlsx file.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            guard.check(archive)
        return _tables(data)
    except (Unreadable, TooMuch):
        raise
    except Exception as error:
        # zipfile and openpyxl raise whatever comes up.
        raise Unreadable(f"The workbook is damaged ({type(error).__name__}): save it anew.") from (
            error
        )


def _tables(data: bytes) -> tuple[list[Table], list[str]]:
    with warnings.catch_warnings():
        # What openpyxl leaves out (styles, validations, pictures) is no matter here.
        warnings.simplefilter("ignore")
        workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        try:
            seen: list[Table] = []
            hidden: list[str] = []
            for sheet in workbook.worksheets:
                if sheet.sheet_state != "visible":
                    hidden.append(sheet.title)
                    continue
                # What the file says of its own size is not believed.
                sheet.reset_dimensions()
                seen.append(Table(sheet.title, numbered(_rows(sheet))))
            return seen, hidden
        finally:
            workbook.close()


def _rows(sheet: Any) -> Iterator[Sequence[Cell]]:
    for row in sheet.iter_rows():
        yield [_cell(cell) for cell in row]


def _cell(cell: Any) -> Cell:
    value = cell.value
    if cell is EMPTY_CELL or value is None:
        return ""
    if cell.data_type == "f":
        return _FORMULA
    if cell.data_type == "e":
        return Unusable("error-value", f"The cell holds the error {str(value)[:20]}.")
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return value.date() if value.time() == time_of_day() else _TIME
    if isinstance(value, date):
        return value
    if isinstance(value, (int, float)):
        return _number(value, cell.number_format or "")
    if isinstance(value, str):
        if len(value) > LONGEST_CELL:
            raise TooMuch(f"A cell of row {cell.row} holds more than {LONGEST_CELL} characters.")
        return value.strip()
    return _TIME


def _number(value: float, form: str) -> Number:
    if "%" in form:
        return Number(f"{format(value * 100, _SHOWN_DIGITS)}%")
    return Number(str(value) if isinstance(value, int) else format(value, _SHOWN_DIGITS))
