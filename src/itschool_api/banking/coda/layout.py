"""From bytes to records of 128 characters, whatever the line ends and the character set.

The standard names neither; what banks and the programs in between produce is told in
``docs/decisions/0002-coda-is-a-package.md``. Nothing here knows what a record means.
"""

from typing import Final

from itschool_api.banking.coda.errors import CodaError

WIDTH: Final = 128
"""Characters in a record (Febelfin CODA 2.6, 1)."""

CHARSET: Final = "cp1252"

_END_OF_FILE: Final = b"\r\n\x1a"
# A control character that slipped into a text holds its column, but neither a database nor a
# terminal wants it. A line feed ends a record and stays.
_BLANK_CONTROLS: Final = bytes(
    ord(" ") if (byte < ord(" ") and byte != ord("\n")) or byte == 0x7F else byte  # noqa: PLR2004
    for byte in range(256)
)
# cp1252 leaves five bytes undefined; as Latin-1 they are harmless controls and keep their column.
_CP1252: Final = "".join(
    bytes([byte]).decode(CHARSET, errors="ignore") or chr(byte) for byte in range(256)
)


def records_of(data: bytes) -> tuple[list[str], bool]:
    """Cut a file into records of exactly 128 characters, and tell whether it had control bytes.

    UTF-8 is recognised by its records being 128 characters; everything else is read as cp1252.

    Raises:
        CodaError: when a record has another length, or when there is nothing at all.
    """
    body = data.removeprefix(b"\xef\xbb\xbf").rstrip(_END_OF_FILE)
    if not body:
        raise CodaError(1, 1, "", "a record 0", "the file is empty")
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    clean = body.translate(_BLANK_CONTROLS)
    if clean.isascii():
        records = _cut(clean.decode("ascii"))
    else:
        records = _cut_utf8(clean) or _cut(_decode_cp1252(clean))
    if set(map(len, records)) != {WIDTH}:
        raise _wrong_length(records)
    return records, clean != body


def encoded(records: list[str]) -> bytes:
    """Join records with CRLF as cp1252, or as UTF-8 where a text needs more than cp1252 has."""
    text = "\r\n".join([*records, ""])
    try:
        return text.encode(CHARSET)
    except UnicodeEncodeError:
        return text.encode("utf-8")


def _cut(text: str) -> list[str]:
    if "\n" in text:
        return text.split("\n")
    return [text[start : start + WIDTH] for start in range(0, len(text), WIDTH)]


def _cut_utf8(body: bytes) -> list[str] | None:
    """Cut as UTF-8, or give nothing when that does not yield whole records."""
    try:
        records = _cut(body.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    return records if set(map(len, records)) == {WIDTH} else None


def _decode_cp1252(body: bytes) -> str:
    try:
        return body.decode(CHARSET)
    except UnicodeDecodeError:
        return body.decode("latin-1").translate(_CP1252)


def _wrong_length(records: list[str]) -> CodaError:
    for line, record in enumerate(records, start=1):
        if len(record) != WIDTH:
            return CodaError(
                line,
                min(len(record), WIDTH) + 1,
                f"{len(record)} characters",
                f"{WIDTH} characters",
                "a record has the wrong length",
            )
    raise LookupError  # pragma: no cover  (only called where there is such a record)
