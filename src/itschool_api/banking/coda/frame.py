"""Records 0, 1, 8 and 9: the frame around a statement's movements.

One function for each record; each checks its columns and gives what they say. The order of the
records and the arithmetic of the whole are the reader's.
"""

from datetime import date
from typing import Final, NamedTuple

from itschool_api.banking.coda.columns import is_number, read_date
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.lines import third_decimal
from itschool_api.banking.coda.model import NO_SEPARATE_APPLICATION, AccountStructure

EURO: Final = "EUR"
APPLICATION: Final = "05"


class Opening(NamedTuple):
    """What record 1 says."""

    account: str
    structure: AccountStructure
    is_guessed: bool
    currency: str
    milli: int
    on: date | None
    number: int


class Trailer(NamedTuple):
    """What record 9 says."""

    records: int
    debit_milli: int
    credit_milli: int
    code: str


def check_header(header: str, line: int) -> date:
    """Check record 0 (page 14), and give the day on which the file was made."""
    if header[127] == "1":
        reason = "this is CODA version 1, which banks no longer send; ask for version 2"
        raise CodaError(line, 128, "1", "2", reason)
    if header[127] != "2":
        raise CodaError(line, 128, header[127], "2", "the version is unknown")
    if header[1:5] != "0000":
        raise CodaError(line, 2, header[1:5], "0000", "this is no CODA header")
    return known_day(header, line, 5, "the date of creation")


def application_of(header: str) -> str:
    """Give the code of a separate application, 00000 for none."""
    return header[83:88].strip() or NO_SEPARATE_APPLICATION


def read_opening(record: str, line: int) -> Opening:
    """Read record 1, the old balance (page 15)."""
    field, code = record[5:42], record[1]
    if code not in "0123 ":
        raise CodaError(line, 2, code, "0 to 3", "the account structure is unknown")
    structure = _guess_structure(field) if code == " " else AccountStructure(code)
    account, currency = _account_of(field, structure)
    if not account or not currency.isalpha():
        raise CodaError(line, 6, field.rstrip(), "account and currency", "there is no account")
    milli = signed_milli(record, line, 42, currency, "the old balance")
    opened_on = _day(record, line, 58, "the old balance's date")
    number = record[125:128]
    if not is_number(number):
        raise CodaError(line, 126, number, "3 digits", "the statement number is no number")
    return Opening(account, structure, code == " ", currency, milli, opened_on, int(number))


def check_same_account(closing: str, opening: Opening, line: int) -> None:
    """Check that record 8 is of the account and currency of record 1 (page 26)."""
    account, currency = _account_of(closing[4:41], opening.structure)
    if (account, currency) != (opening.account, opening.currency):
        raise CodaError(
            line,
            5,
            f"{account} {currency}",
            f"{opening.account} {opening.currency}",
            "the new balance is of another account than the old balance",
        )


def read_trailer(record: str, line: int) -> Trailer:
    """Read record 9 (page 28)."""
    for start, end, what in (
        (16, 22, "the number of records"),
        (22, 37, "the total of debits"),
        (37, 52, "the total of credits"),
    ):
        if not is_number(record[start:end]):
            width = f"{end - start} digits"
            raise CodaError(line, start + 1, record[start:end], width, f"{what} is no number")
    return Trailer(int(record[16:22]), int(record[22:37]), int(record[37:52]), record[127])


def signed_milli(record: str, line: int, start: int, currency: str, what: str) -> int:
    """Read a sign and fifteen digits, in thousandths."""
    sign, digits = record[start], record[start + 1 : start + 16]
    if sign not in "01":
        raise CodaError(line, start + 1, sign, "0 (credit) or 1 (debit)", f"{what} has no sign")
    if not is_number(digits):
        raise CodaError(line, start + 2, digits, "15 digits", f"{what} is no number")
    if currency == EURO and digits[14] != "0":
        raise third_decimal(line, start + 2, digits)
    return -int(digits) if sign == "1" else int(digits)


def known_day(record: str, line: int, start: int, what: str) -> date:
    """Read a day that must be known."""
    day = _day(record, line, start, what)
    if day is None:
        raise CodaError(line, start + 1, "000000", "a day DDMMYY", f"{what} is zero")
    return day


def _day(record: str, line: int, start: int, what: str) -> date | None:
    text = record[start : start + 6]
    try:
        return read_date(text)
    except ValueError:
        raise CodaError(line, start + 1, text, "a day DDMMYY", f"{what} does not exist") from None


def _account_of(field: str, structure: AccountStructure) -> tuple[str, str]:
    """Give account and currency of records 1 and 8, the account without blanks (7.5)."""
    if structure is AccountStructure.BELGIAN_BBAN:
        return field[:12].rstrip(), field[13:16]
    width = 31 if structure is AccountStructure.BELGIAN_IBAN else 34
    return field[:width].replace(" ", ""), field[34:37]


def _guess_structure(field: str) -> AccountStructure:
    """Tell the structure by the account where a bank leaves it blank."""
    if is_number(field[:12]) and field[12] == " ":
        return AccountStructure.BELGIAN_BBAN
    if field[:2].isalpha() and is_number(field[2:4]):
        belgian = field[:2] == "BE"
        return AccountStructure.BELGIAN_IBAN if belgian else AccountStructure.FOREIGN_IBAN
    return AccountStructure.FOREIGN_BBAN
