"""Records 2.1 to 3.3: one movement with all that belongs to it, except its details.

This is the hot path: a field is a slice, the digits of a record are checked in one go, and only a
record that fails is looked at closely, to say precisely what is wrong.
"""

from datetime import date
from typing import Final

from itschool_api import references
from itschool_api.banking.coda.columns import is_number, read_date
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.model import NOBODY, Counterparty, Information, Movement
from itschool_api.banking.coda.structured import Structured

NUMERIC_FIELDS: Final = (
    (2, 6, "the sequence number"),
    (6, 10, "the detail number"),
    (31, 32, "the sign"),
    (32, 47, "the amount"),
    (47, 53, "the value date"),
    (53, 61, "the transaction code"),
    (61, 62, "the communication type"),
    (115, 121, "the entry date"),
)
TYPES: Final = frozenset("012356789")
_NO_REASONS: Final = " " * 13
_ZONE_22: Final = 53


class Days(dict[str, date | None]):
    """Dates as they are written, each read once."""

    def __missing__(self, text: str) -> date | None:
        """Read a date that has not been met before."""
        day = self[text] = read_date(text)
        return day


def read_movement(
    records: list[str], at: int, ordinal: int, days: Days, *, is_euro: bool
) -> tuple[Movement, int]:
    """Read the movement at an index, with its records 2.2 to 3.3; give it and the next index.

    Raises:
        CodaError: when one of its records breaks the standard (pages 17 to 25).
    """
    record = records[at]
    key = record[2:10]
    numbers = record[31:62]
    entry = record[115:121]
    digits = key + numbers + entry
    sign, kind = numbers[0], numbers[22]
    if (
        not (digits.isdecimal() and digits.isascii())
        or sign > "1"
        or numbers[30] > "1"
        or kind not in TYPES
        or (is_euro and numbers[15] != "0")
    ):
        raise _bad_movement(record, at + 1, is_euro=is_euro)
    try:
        value_on = days[numbers[16:22]]
        entry_on = days[entry]
    except ValueError:
        raise _bad_date(record, at + 1) from None
    text = record[62:115]
    customer_reference = return_code = return_reason = category_purpose = purpose = ""
    account = currency = bic = name = ""

    end = at + 1
    following = records[end]
    if following[:2] == "22":
        if following[2:10] != key:
            raise _stray(following, end + 1, key)
        text += following[10:63]
        customer_reference = following[63:98].rstrip(" ")
        bic = following[98:109].rstrip(" ")
        if following[112:125] != _NO_REASONS:
            return_code = following[112].rstrip(" ")
            return_reason = following[113:117].rstrip(" ")
            category_purpose = following[117:121].rstrip(" ")
            purpose = following[121:125].rstrip(" ")
        end += 1
        following = records[end]
    if following[:2] == "23":
        if following[2:10] != key:
            raise _stray(following, end + 1, key)
        if end == at + 1 and numbers[30] == "1":
            text = text.ljust(2 * _ZONE_22)  # the payload's columns count, also without a 2.2
        text += following[82:125]
        account, currency = _counterparty_account(following[10:47])
        name = following[47:82].rstrip(" ")
        end += 1
        following = records[end]

    structured: Structured | None
    if numbers[30] == "1":
        structured = Structured(text[:3], text[3:].rstrip(" "))
        communication = structured.payload
        reference = structured.reference
    else:
        structured = None
        communication = text.rstrip(" ")
        reference = references.delimited(communication)

    information: tuple[Information, ...] = ()
    if following[:2] == "31":
        information, end = _read_information(records, end, key)
    return (
        Movement(
            ordinal,
            int(key[:4]),
            int(key[4:]),
            -int(numbers[1:16]) if sign == "1" else int(numbers[1:16]),
            value_on,
            entry_on,
            numbers[22:30],
            record[10:31].rstrip(" "),
            communication,
            structured,
            reference,
            customer_reference,
            Counterparty(account, currency, bic, name) if account or bic or name else NOBODY,
            return_code,
            return_reason,
            category_purpose,
            purpose,
            information,
            (),
            at + 1,
            tuple(records[at:end]),
        ),
        end,
    )


def _counterparty_account(field: str) -> tuple[str, str]:
    """Tell account and currency apart (7.5: the account keeps the shape of the payment).

    A blank thirteenth column means twelve columns of Belgian account number before the currency;
    otherwise there are 34.
    """
    if field[12] == " ":
        return field[:12].rstrip(" "), field[13:16].rstrip(" ")
    return field[:34].rstrip(" "), field[34:37].rstrip(" ")


def _read_information(
    records: list[str], at: int, key: str
) -> tuple[tuple[Information, ...], int]:
    """Read all groups of records 3.1 to 3.3 of one movement (pages 22 to 25)."""
    groups = []
    while (record := records[at])[:2] == "31":
        own_key = record[2:10]
        if own_key[:4] != key[:4]:
            raise _stray(record, at + 1, key[:4])
        if not (is_number(own_key) and record[39] in "01"):
            raise _bad_information(record, at + 1)
        text = record[40:113]
        at += 1
        following = records[at]
        if following[:2] == "32":
            if following[2:10] != own_key:
                raise _stray(following, at + 1, own_key)
            text += following[10:115]
            at += 1
            following = records[at]
        if following[:2] == "33":
            if following[2:10] != own_key:
                raise _stray(following, at + 1, own_key)
            text += following[10:100]
            at += 1
        structured = None
        if record[39] == "1":
            structured = Structured(text[:3], text[3:].rstrip(" "))
        groups.append(
            Information(
                int(own_key[4:]),
                record[31:39].rstrip(" "),
                text.rstrip(" ") if structured is None else structured.payload,
                structured,
            )
        )
    return tuple(groups), at


def _bad_movement(record: str, line: int, *, is_euro: bool) -> CodaError:
    """Find out which column of a record 2.1 is wrong."""
    for start, end, what in NUMERIC_FIELDS:
        if not is_number(record[start:end]):
            return CodaError(
                line, start + 1, record[start:end], f"{end - start} digits", f"{what} is no number"
            )
    if record[31] > "1":
        return CodaError(line, 32, record[31], "0 (credit) or 1 (debit)", "the sign is unknown")
    if record[61] > "1":
        return CodaError(
            line, 62, record[61], "0 (free) or 1 (structured)", "the communication type is unknown"
        )
    if record[53] not in TYPES:
        return CodaError(
            line, 54, record[53], "0 to 3 or 5 to 9", "the transaction type is unknown"
        )
    if is_euro and record[46] != "0":
        return third_decimal(line, 33, record[32:47])
    return CodaError(line, 1, record[:2], "a record 2.1", "the record cannot be read")


def third_decimal(line: int, column: int, amount: str) -> CodaError:
    """Refuse thousandths of a euro: there is no such money, and rounding would lose some."""
    return CodaError(
        line, column, amount, "a third decimal 0", "the amount has a fraction of a cent"
    )


def _bad_date(record: str, line: int) -> CodaError:
    try:
        read_date(record[47:53])
    except ValueError:
        return CodaError(line, 48, record[47:53], "a day DDMMYY", "the value date does not exist")
    return CodaError(line, 116, record[115:121], "a day DDMMYY", "the entry date does not exist")


def _stray(record: str, line: int, expected: str) -> CodaError:
    return CodaError(
        line,
        3,
        record[2 : 2 + len(expected)],
        expected,
        f"record {record[0]}.{record[1]} belongs to another movement",
    )


def _bad_information(record: str, line: int) -> CodaError:
    if not is_number(record[2:10]):
        return CodaError(line, 3, record[2:10], "8 digits", "the record's number is no number")
    return CodaError(
        line, 40, record[39], "0 (free) or 1 (structured)", "the communication type is unknown"
    )
