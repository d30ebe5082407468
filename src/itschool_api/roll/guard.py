"""What a workbook may be before anything reads it: a bounded zip of plain, bounded XML. Pure.

Everything is looked at as a stream, so a small file that unfolds into a huge one is refused at what
is taken, not at what it holds. Document types and entities are refused by defusedxml.
"""

import re
import zipfile
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser
from openpyxl.utils import column_index_from_string
from openpyxl.xml.constants import SHEET_MAIN_NS

from itschool_api.roll.tables import MOST_COLUMNS, MOST_ROWS, TooMuch, Unreadable

_MOST_PARTS: Final = 1_000
_MOST_BYTES: Final = 64 * 1024**2
_MOST_ELEMENTS: Final = 1_000_000
# Styles, links, merged cells: what is in no row and no text of a cell.
_MOST_ELEMENTS_AROUND: Final = 50_000
_LONGEST_TEXT: Final = 32_767
_DEEPEST: Final = 64
_CHUNK_BYTES: Final = 64 * 1024
# One tag or comment of this length holds nothing that a roll needs.
_MOST_SILENT_CHUNKS: Final = 4
# Byte order marks and blanks, of UTF-16 too.
_BEFORE_XML: Final = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_MANIFEST: Final = "[Content_Types].xml"
_ROW: Final = f"{{{SHEET_MAIN_NS}}}row"
_CELL: Final = f"{{{SHEET_MAIN_NS}}}c"
_STRING: Final = f"{{{SHEET_MAIN_NS}}}si"
_COORDINATE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")


def check(archive: zipfile.ZipFile) -> None:
    """Let a workbook pass that can be read with little time and memory, and runs no macros.

    Raises `Unreadable`, `TooMuch`.
    """
    parts = archive.infolist()
    if len(parts) > _MOST_PARTS:
        raise TooMuch(f"The workbook has {len(parts)} parts; at most {_MOST_PARTS} are taken.")
    # No more than a part announces is ever unpacked, so what they announce is what they cost.
    if sum(part.file_size for part in parts) > _MOST_BYTES:
        raise TooMuch(f"Unpacked, the workbook has more than {_MOST_BYTES // 1024**2} MiB.")
    names = {part.filename for part in parts}
    if _MANIFEST not in names:
        raise Unreadable("This is no workbook: save it as .xlsx.")
    has_macros = any(name.lower().endswith("vbaproject.bin") for name in names)
    if has_macros or b"macroEnabled" in archive.read(_MANIFEST):
        raise Unreadable("The workbook holds macros: save it as .xlsx, without them.")
    budget = _Budget()
    for part in parts:
        if _may_be_xml(archive, part):
            _scan(archive, part, budget)


def _may_be_xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Tell whether a part may be read as XML: the manifest may call one of any name a sheet."""
    if part.filename.lower().endswith((".xml", ".rels")):
        return True
    with archive.open(part) as stream:
        chunk = stream.read(_CHUNK_BYTES)
    words = chunk.lstrip(_BEFORE_XML)
    return words.startswith(b"<") if words else len(chunk) == _CHUNK_BYTES


class _Budget:
    """How many elements the whole workbook may still hold."""

    def __init__(self) -> None:
        self.elements = _MOST_ELEMENTS


def _scan(archive: zipfile.ZipFile, part: zipfile.ZipInfo, budget: _Budget) -> None:
    watch = _Watch(budget)
    parser = XMLParser(target=watch, forbid_dtd=True)
    silent = seen = 0
    try:
        with archive.open(part) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                parser.feed(chunk)
                silent = silent + 1 if watch.events == seen else 0
                seen = watch.events
                if silent >= _MOST_SILENT_CHUNKS:
                    raise TooMuch(f"A part of the workbook, {part.filename}, has an endless tag.")
        parser.close()
    except (ParseError, DefusedXmlException) as error:
        raise Unreadable(f"A part of the workbook, {part.filename}, is no plain XML.") from error


class _Watch:
    """Follows one part, and keeps nothing of it but counts."""

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget
        self.events = 0
        self._around = 0
        self._depth = 0
        self._inside = ""
        self._row = self._column = 0
        self._text = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Hear of an element's beginning."""
        self.events += 1
        self._text = 0
        self._depth += 1
        self._budget.elements -= 1
        if self._budget.elements < 0 or self._depth > _DEEPEST:
            raise TooMuch(f"The workbook has more than {_MOST_ELEMENTS} elements, or very deep.")
        if self._inside:
            if tag == _CELL and self._inside == _ROW:
                self._cell(attributes.get("r"))
        elif tag in {_ROW, _STRING}:
            self._inside = tag
            if tag == _ROW:
                self._begin_row(attributes.get("r"))
        else:
            self._around += 1
            if self._around > _MOST_ELEMENTS_AROUND:
                raise TooMuch("The workbook holds far more than cells: copy them into a new one.")

    def end(self, tag: str) -> None:
        """Hear of an element's end."""
        self.events += 1
        self._depth -= 1
        if tag == self._inside:
            self._inside = ""

    def data(self, text: str) -> None:
        """Hear of a text, or of a part of it."""
        self.events += 1
        self._text += len(text)
        if self._text > _LONGEST_TEXT:
            raise TooMuch(f"A text in the workbook has more than {_LONGEST_TEXT} characters.")

    def close(self) -> None:
        """End."""

    def _begin_row(self, number: str | None) -> None:
        # Rows that go back would be lost on the way, and a far one costs as much as all before it.
        row = int(number) if number and number.isdecimal() else self._row + 1
        if row <= self._row:
            raise Unreadable(f"Row {row} comes after row {self._row}.")
        if row > MOST_ROWS:
            raise TooMuch(f"At most {MOST_ROWS} rows are taken at once; there is a row {row}.")
        self._row, self._column = row, 0

    def _cell(self, coordinate: str | None) -> None:
        column = self._column + 1
        if coordinate is not None:
            place = _COORDINATE.fullmatch(coordinate)
            if place is None or int(place[2]) != self._row:
                raise Unreadable(f"Row {self._row} has a cell {coordinate[:20]!r}.")
            column = column_index_from_string(place[1])
        if column <= self._column:
            raise Unreadable(f"The cells of row {self._row} are not in their order.")
        if column > MOST_COLUMNS:
            raise TooMuch(f"At most {MOST_COLUMNS} columns are taken; row {self._row} has more.")
        self._column = column
