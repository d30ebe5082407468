"""A CSV file as a table: as programs and offices save it, in whatever form. Pure.

UTF-8 with or without a byte order mark, UTF-16 with one (a spreadsheet's "Unicode text"), or
Windows-1252; columns apart by semicolon, comma or tab.
"""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from itschool_api.roll import columns
from itschool_api.roll.cells import LONGEST_CELL
from itschool_api.roll.tables import Table, TooMuch, Unreadable, numbered

_DELIMITERS: Final = (";", ",", "\t")
_SAID: Final = "sep="


def read(data: bytes) -> Table:
    """Return the file's one table; raises `Unreadable`, `TooMuch`."""
    text = _decoded(data)
    if "\0" in text:
        raise Unreadable("This is no CSV file: it holds NUL characters.")
    delimiter = _delimiter(text)
    return Table(None, numbered(_rows(text, delimiter)))


def _decoded(data: bytes) -> str:
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encodings = ("utf-16",) if is_utf16 else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            return data.decode(encoding)
    raise Unreadable("This is neither UTF-8 nor Windows-1252 text: save it as CSV UTF-8.")


def _delimiter(text: str) -> str:
    """Choose what makes most known columns of the first line that says something."""
    lines = iter(text.splitlines())
    first = next((line for line in lines if line.strip()), "")
    if first.lower().startswith(_SAID) and first[len(_SAID) :] in _DELIMITERS:
        return first[len(_SAID) :]
    if first.strip().lower() == "sep=":
        return "\t"

    def known(delimiter: str) -> tuple[int, int]:
        cells = first.split(delimiter)
        named = sum(columns.recognised(cell.strip().strip('"')) is not None for cell in cells)
        return named, len(cells)

    return max(_DELIMITERS, key=known)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if any(len(cell) > LONGEST_CELL for cell in row):
                raise TooMuch(
                    f"A cell of row {number} holds more than {LONGEST_CELL} characters: "
                    "is a quotation mark missing?"
                )
            is_instruction = number == 1 and len(row) > 0 and row[0].lower().startswith(_SAID)
            yield [] if is_instruction else [cell.strip() for cell in row]
    except csv.Error as error:
        raise Unreadable(f"Row {number + 1} is no row of a CSV file: {error}.") from error
