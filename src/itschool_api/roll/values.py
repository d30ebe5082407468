"""From a cell to the value that its column makes of it. Pure.

A spreadsheet keeps keys, postal codes, phone numbers and references as numbers where nobody told
it that they are texts, and loses their zeros; what is made of that is told.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from itschool_api import references
from itschool_api.contract import (
    BIGGEST_AMOUNT_CENTS,
    Email,
    ExternalKey,
    Name,
    Phone,
    ShortText,
)
from itschool_api.money import Cents, InvalidAmount, parse_euros
from itschool_api.roll.cells import BadCell, Cell, Number, Read, Unusable, unguarded
from itschool_api.roll.columns import Column
from itschool_api.roll.findings import told

_FIRST_DAY: Final = date(1900, 1, 1)
_LAST_DAY: Final = date(2199, 12, 31)
_FULL_SHARE_BP: Final = 10_000

_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_TEXT: Final[TypeAdapter[str]] = TypeAdapter(ShortText)
_KEY: Final[TypeAdapter[str]] = TypeAdapter(ExternalKey)
_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)
_PHONE: Final[TypeAdapter[str]] = TypeAdapter(Phone)

_LANGUAGES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("fr", "fra", "fre", "francais", "french", "frans", "franzosisch"), "fr"),
    **dict.fromkeys(("nl", "nld", "dut", "neerlandais", "dutch", "nederlands"), "nl"),
    **dict.fromkeys(("de", "deu", "ger", "allemand", "german", "duits", "deutsch"), "de"),
    **dict.fromkeys(("en", "eng", "anglais", "english", "engels"), "en"),
}
# Where most parents' addresses are; what is nearly one of them is mostly a typing error.
_PROVIDERS: Final = (
    "gmail.com", "hotmail.com", "hotmail.be", "outlook.com", "outlook.be", "live.be", "icloud.com",
    "yahoo.com", "yahoo.fr", "skynet.be", "telenet.be", "proximus.be", "voo.be", "scarlet.be",
)  # fmt: skip
_LOOKALIKES: Final = frozenset({"mail.com", "email.com", "ymail.com", "live.de", "live.nl"})
_YES: Final = frozenset({"yes", "y", "oui", "o", "ja", "j", "true", "vrai", "waar", "1", "x"})
_NO: Final = frozenset({"no", "n", "non", "nee", "nein", "false", "faux", "onwaar", "0"})

# Belgian phone numbers without the 0 in front: 8 digits of a house's, 9 of a mobile's.
_NATIONAL_DIGITS: Final = (8, 9)
_ISO_DAY: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_BELGIAN_DAY: Final = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", re.ASCII)
_SHARE: Final = re.compile(r"(\d{1,3})(?:[.,](\d{1,2})0*)?\s*%?", re.ASCII)
_THOUSANDS: Final = re.compile(r"-?\d{1,3}(?:[ .\u00a0\u202f]\d{3})+(?:,\d{1,2})?", re.ASCII)
_BLANKS: Final = re.compile(r"[ \u00a0\u202f]")


def read(column: Column, cell: Cell) -> Read:
    """Return the value of a cell; raises `BadCell`."""
    if isinstance(cell, Unusable):
        raise BadCell(cell.code, cell.message)
    if isinstance(cell, str):
        cell = unguarded(cell.strip()).strip()
        if not cell:
            return Read(None)
    return _READERS[column](cell)


def _checked(cell: Cell, kind: TypeAdapter[str], code: str, expected: str) -> Read:
    text = _text(cell)
    try:
        return Read(kind.validate_python(text))
    except ValidationError as error:
        first = error.errors()[0]
        # A pattern explains nothing to an office.
        is_pattern = first["type"] == "string_pattern_mismatch"
        reason = "" if is_pattern else f" ({first['msg']})"
        raise BadCell(
            code, told("Read {read!q}; expected {expected}.", read=text, expected=expected + reason)
        ) from error


def _text(cell: Cell) -> str:
    """Return a text or a number as text; a spreadsheet makes days of what looks like one (3-5)."""
    if isinstance(cell, Number):
        return cell.text
    if isinstance(cell, str):
        return cell
    what = "yes or no" if isinstance(cell, bool) else f"the day {cell}"
    raise BadCell("not-a-text", f"The cell is {what}; expected a text: format the column as text.")


def _name(cell: Cell) -> Read:
    return _checked(cell, _NAME, "invalid-text", "one line of at most 120 characters")


def _short_text(cell: Cell) -> Read:
    return _checked(cell, _TEXT, "invalid-text", "one line of at most 120 characters")


def _key(cell: Cell) -> Read:
    """Read a key; a number may have lost zeros that were before it."""
    found = _checked(cell, _KEY, "invalid-key", "a key of at most 64 characters")
    if not isinstance(cell, Number):
        return found
    if not cell.text.isdecimal():
        raise BadCell(
            "invalid-key",
            told(
                "Read the number {read!q}; expected a key: format the column as text.",
                read=cell.text,
            ),
        )
    return Read(found.value, ("number-for-text", _LOST_ZEROS))


_LOST_ZEROS: Final = (
    "Keys in this column are numbers: zeros before them would be lost. Format the column as text."
)


def _email(cell: Cell) -> Read:
    found = _checked(cell, _EMAIL, "invalid-email", "an e-mail address such as an@example.org")
    domain = str(found.value).rpartition("@")[2]
    if domain in _PROVIDERS or domain in _LOOKALIKES:
        return found
    meant = difflib.get_close_matches(domain, _PROVIDERS, n=1, cutoff=0.88)
    if not meant:
        return found
    return Read(
        found.value,
        ("email-typo", told("Is {read!q} meant to be {meant!q}?", read=domain, meant=meant[0])),
    )


def _phone(cell: Cell) -> Read:
    """Read a phone number, and give back what a spreadsheet took from it: 0 or + in front."""
    if isinstance(cell, Number):
        text = cell.text
        if not text.isdecimal():
            raise BadCell(
                "invalid-phone", told("Read the number {read!q}; expected a phone's.", read=text)
            )
        if len(text) in _NATIONAL_DIGITS:
            text = f"0{text}"
        elif text.startswith("32") and len(text) - 2 in _NATIONAL_DIGITS:
            text = f"+{text}"
        _checked(text, _PHONE, "invalid-phone", "a phone number: format the column as text")
        message = told(
            "The cell is the number {number!q}; read as {read!q}. Format the column as text.",
            number=cell.text,
            read=text,
        )
        return Read(text, ("number-for-text", message))
    return _checked(cell, _PHONE, "invalid-phone", "digits, with + / . - ( ) and blanks")


def _postal_code(cell: Cell) -> Read:
    found = _short_text(cell)
    least = 4
    if isinstance(cell, Number) and len(cell.text) < least:
        message = told(
            "The cell is the number {read!q}: zeros before it may be lost.", read=cell.text
        )
        return Read(found.value, ("number-for-text", message))
    return found


def _language(cell: Cell) -> Read:
    text = _text(cell)
    plain = unicodedata.normalize("NFKD", text.casefold())
    known = _LANGUAGES.get("".join(each for each in plain if not unicodedata.combining(each)))
    if known is None:
        raise BadCell(
            "invalid-language", told("Read {read!q}; expected fr, nl, de or en.", read=text)
        )
    return Read(known)


def _yes_or_no(cell: Cell) -> Read:
    if isinstance(cell, bool):
        return Read(cell)
    text = _text(cell).casefold()
    if text in _YES:
        return Read(True)
    if text in _NO:
        return Read(False)
    raise BadCell("not-yes-or-no", told("Read {read!q}; expected yes or no.", read=text))


def _day(cell: Cell) -> Read:
    """Read a day; of 03/04/2017 the first is the day, as everywhere in Belgium."""
    day = cell if isinstance(cell, date) else _written_day(_text(cell))
    if day is None:
        raise BadCell(
            "invalid-date",
            told("Read {read!q}; expected a day, YYYY-MM-DD or DD/MM/YYYY.", read=_text(cell)),
        )
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise BadCell(
            "invalid-date",
            told("Read {read}; expected a day from {first}.", read=day, first=_FIRST_DAY),
        )
    return Read(day)


def _written_day(text: str) -> date | None:
    try:
        if iso := _ISO_DAY.fullmatch(text):
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if belgian := _BELGIAN_DAY.fullmatch(text):
            return date(int(belgian[3]), int(belgian[2]), int(belgian[1]))
    except ValueError:
        return None
    return None


def _share(cell: Cell) -> Read:
    text = _text(cell)
    found = _SHARE.fullmatch(text)
    share_bp = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else -1
    if not 0 <= share_bp <= _FULL_SHARE_BP:
        raise BadCell(
            "invalid-share",
            told(
                "Read {read!q}; expected per cent, 0 to 100, with at most two decimals.", read=text
            ),
        )
    return Read(share_bp)


def _amount(cell: Cell) -> Read:
    """Read an amount in euro, with a decimal point or comma; nothing is rounded."""
    text = _text(cell).replace("€", "").strip()
    # A number has no thousands: the point of 12.345 is the spreadsheet's own.
    if not isinstance(cell, Number) and _THOUSANDS.fullmatch(text):
        text = text.replace(".", "")
    try:
        cents = parse_euros(_BLANKS.sub("", text).replace(",", "."))
    except InvalidAmount as error:
        raise BadCell(
            "invalid-amount",
            told("Read {read!q}; expected an amount in euro such as 12,50.", read=text),
        ) from error
    if abs(cents) > BIGGEST_AMOUNT_CENTS:
        raise BadCell(
            "invalid-amount", told("Read {read!q}: that is more than can be booked.", read=text)
        )
    return Read(cents)


def _owed(cell: Cell) -> Read:
    found = _amount(cell)
    if not isinstance(found.value, int) or found.value <= Cents(0):
        raise BadCell(
            "invalid-amount",
            told("Read {read!q}; expected what remains, more than 0.", read=_text(cell)),
        )
    return found


def _reference(cell: Cell) -> Read:
    """Read a structured reference; a digit is never corrected (rule 3)."""
    text = _text(cell)
    doubt = None
    if isinstance(cell, Number) and text.isdecimal() and len(text) < references.DIGITS:
        text = text.zfill(references.DIGITS)
        message = told(
            "The cell is the number {number!q}; read as {read!q}.", number=cell.text, read=text
        )
        doubt = ("number-for-text", message)
    try:
        return Read(references.normalise(text), doubt)
    except references.InvalidReference as error:
        raise BadCell(
            "invalid-reference",
            told(
                "{reference!q} is no structured reference, {flaw}: read {read!q}, expected {expected}.",
                reference=text,
                flaw=error.flaw.value.replace("-", " "),
                read=error.read,
                expected=error.expected,
            ),
        ) from error


_READERS: Final[Mapping[Column, Callable[[Any], Read]]] = {
    Column.STUDENT_KEY: _key,
    Column.STUDENT_FIRST_NAME: _name,
    Column.STUDENT_LAST_NAME: _name,
    Column.BIRTH_DATE: _day,
    Column.CLASS_GROUP: _name,
    Column.GUARDIAN_KEY: _key,
    Column.GUARDIAN_FIRST_NAME: _name,
    Column.GUARDIAN_LAST_NAME: _name,
    Column.EMAIL: _email,
    Column.PHONE: _phone,
    Column.LANGUAGE: _language,
    Column.SEES_MONEY: _yes_or_no,
    Column.FAMILY_KEY: _key,
    Column.FAMILY_NAME: _name,
    Column.FAMILY_LANGUAGE: _language,
    Column.STREET: _short_text,
    Column.POSTAL_CODE: _postal_code,
    Column.CITY: _short_text,
    Column.SHARE: _share,
    Column.REFERENCE: _reference,
    Column.OPENING_BALANCE: _amount,
    Column.LABEL: _name,
    Column.NUMBER: _short_text,
    Column.ISSUED_ON: _day,
    Column.DUE_ON: _day,
    Column.AMOUNT: _owed,
}
