"""From bytes to records of 128 characters, whatever the line ends and the character set.

The standard names neither; what banks and the programs in between produce is told in
``docs/decisions/0002-coda-is-a-package.md``. Nothing here knows what a record means.
"""

import codecs
from typing import Final

from itschool_api.banking.coda.charset import WINDOWS, charset_of
from itschool_api.banking.coda.errors import CodaError

WIDTH: Final = 128
"""Characters in a record (Febelfin CODA 2.6, 1)."""

# The beginning mostly tells that a file is not UTF-8; to find out on all of it costs a copy.
_BEGINNING: Final = 64 * 1024
# So many tell the character set.
_MOST_RECORDS: Final = 1_000
# What may stand behind the last record; the last one is what CP/M and DOS ended files with.
_END_OF_FILE: Final = "\r\n\x1a"


def records_of(data: bytes) -> tuple[list[str], bool]:
    """Cut a file into records of exactly 128 characters, and tell whether NULs became blanks.

    UTF-8 is recognised by its records being 128 characters; everything else is read as cp1252, or
    as CP850 where its letters make more sense so.
    A NUL fills columns in some old files, and no database takes one in a text.

    Raises:
        CodaError: when a record has another length, or when there is nothing at all.
    """
    had_nul = b"\0" in data
    if had_nul:
        data = data.replace(b"\0", b" ")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data[:_BEGINNING])
        records = _cut(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        records = []
    if not _is_whole(records):
        records = _cut_bytes(data)
        if not _is_whole(records):
            raise _wrong_length(records)
    return records, had_nul


def encoded(records: list[str]) -> bytes:
    """Join records with CRLF as cp1252, or as UTF-8.

    UTF-8 where a text needs more than cp1252 has, or would be taken for CP850.
    """
    text = "\r\n".join([*records, ""])
    try:
        data = text.encode(WINDOWS)
    except UnicodeEncodeError:
        return text.encode("utf-8")
    return data if charset_of(data) == WINDOWS else text.encode("utf-8")


def _cut(text: str) -> list[str]:
    """Cut at line ends, or every 128 characters where there are none; leave out an empty end."""
    if "\n" not in text:
        text = text.rstrip(_END_OF_FILE)
        return [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]
    has_crlf = text[WIDTH : WIDTH + 2] == "\r\n"
    records = text.split("\r\n" if has_crlf else "\n")
    is_mixed = text.count("\n") >= len(records) if has_crlf else "\r\n" in text
    if is_mixed:
        records = text.replace("\r\n", "\n").split("\n")
    while records and not records[-1].strip(_END_OF_FILE):
        records.pop()
    if records:
        records[-1] = records[-1].rstrip(_END_OF_FILE)
    return records


def _is_whole(records: list[str]) -> bool:
    return set(map(len, records)) == {WIDTH}


def _cut_bytes(data: bytes) -> list[str]:
    """Cut as Latin-1, which is fastest and all that most records need, then mend the others."""
    records = _cut(data.decode("latin-1"))
    strange = [place for place, record in enumerate(records) if not record.isascii()]
    some = "\n".join(records[place] for place in strange[:_MOST_RECORDS])
    charset = charset_of(some.encode("latin-1"))
    for place in strange:
        records[place] = _mended(records[place], charset)
    return records


def _mended(record: str, charset: str) -> str:
    """Read a record in its character set that was read as Latin-1.

    cp1252 leaves five bytes undefined; as the controls that they are in Latin-1 they are harmless.
    """
    try:
        return record.encode("latin-1").decode(charset)
    except UnicodeDecodeError:
        return record


def _wrong_length(records: list[str]) -> CodaError:
    """Say where the first record of another length is."""
    for line, record in enumerate(records, start=1):
        if len(record) != WIDTH:
            return CodaError(
                line,
                min(len(record), WIDTH) + 1,
                f"{len(record)} characters",
                f"{WIDTH} characters",
                "a record has the wrong length",
            )
    return CodaError(1, 1, "", "a record 0", "the file is empty")
