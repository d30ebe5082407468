"""Records 2.1 to 3.3: one movement with all that belongs to it, except its details.

This is the hot path: a field is a slice, the digits of a record are checked in one go, and only a
record that fails is looked at closely, to say precisely what is wrong.
"""

from datetime import date
from operator import itemgetter
from typing import Final

from itschool_api import references
from itschool_api.banking.coda.columns import is_number, read_date
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.model import Information, Movement
from itschool_api.banking.coda.structured import reference_in

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

# One call that cuts a record into its fields is faster than as many slices.
_FIELDS_21: Final = itemgetter(
    slice(2, 10),  # sequence and detail number
    slice(10, 31),  # bank reference
    31,  # sign
    slice(32, 47),  # amount
    slice(47, 53),  # value date
    slice(53, 61),  # transaction code
    61,  # communication type
    slice(62, 115),  # communication
    slice(115, 121),  # entry date
    slice(31, 62),  # all digits from sign to communication type
)
_FIELDS_22: Final = itemgetter(
    slice(2, 10),
    slice(10, 63),  # communication
    slice(63, 98),  # customer reference
    slice(98, 109),  # BIC
    slice(112, 125),  # return and purpose codes
)
_FIELDS_23: Final = itemgetter(
    slice(2, 10),
    slice(10, 22),  # account, where the next column is blank
    22,
    slice(23, 26),  # its currency
    slice(47, 82),  # name
    slice(82, 125),  # communication
)
_FIELDS_31: Final = itemgetter(
    slice(2, 10),
    slice(31, 39),  # transaction code
    39,  # communication type
    slice(40, 113),  # communication
)
# What a NamedTuple's constructor comes down to, without its price.
_new: Final = tuple.__new__
_NO_CODES: Final = " " * 13
_TWO_ZONES: Final = 106


class Days(dict[str, date | None]):
    """Dates as they are written, each read once."""

    def __missing__(self, text: str) -> date | None:
        """Read a date that has not been met before."""
        day = self[text] = read_date(text)
        return day


def read_movement(  # noqa: C901, PLR0915  (the hot path stays in one frame)
    records: list[str], at: int, ordinal: int, days: Days, is_euro: bool
) -> tuple[Movement, int]:
    """Read the movement at an index, with its records 2.2 to 3.3; give it and the next index.

    Raises:
        CodaError: when one of its records breaks the standard (pages 17 to 25).
    """
    record = records[at]
    key, bank_reference, sign, amount, value, code, form, text, entry, digits = _FIELDS_21(record)
    if (
        not (key.isdecimal() and digits.isdecimal())
        or not (record.isascii() or (key + digits).isascii())
        or sign > "1"
        or form > "1"
        or (is_euro and amount[14] != "0")
    ):
        _check_movement(record, at + 1, is_euro=is_euro)
    try:
        value_on = days[value]
        entry_on = days[entry]
    except ValueError:
        raise _bad_date(record, at + 1) from None
    amount_milli = -int(amount) if sign == "1" else int(amount)
    sequence, detail = divmod(int(key), 10_000)
    customer_reference = bic = account = currency = name = ""
    return_code = return_reason = category_purpose = purpose = ""

    end = at + 1
    following = records[end]
    kind = following[:2]
    if kind == "22":
        own_key, zone, customer_reference, bic, codes = _FIELDS_22(following)
        if own_key != key:
            raise _stray(following, end + 1, key)
        text += zone
        customer_reference = customer_reference.rstrip()
        bic = bic.rstrip()
        if codes != _NO_CODES:
            return_code, return_reason = codes[0].rstrip(), codes[1:5].rstrip()
            category_purpose, purpose = codes[5:9].rstrip(), codes[9:13].rstrip()
        end += 1
        following = records[end]
        kind = following[:2]
    if kind == "23":
        own_key, account, divider, currency, name, zone = _FIELDS_23(following)
        if own_key != key:
            raise _stray(following, end + 1, key)
        if divider != " ":
            # The account keeps the shape of the payment (7.5): twelve columns of Belgian account
            # number and a blank before the currency, or else 34.
            account, currency = following[10:44], following[44:47]
        account = account.rstrip()
        currency = currency.rstrip()
        name = name.rstrip()
        # A payload's columns count, also where no 2.2 was sent.
        text = text.ljust(_TWO_ZONES) + zone if form == "1" else text + zone
        end += 1
        following = records[end]
        kind = following[:2]

    if form == "1":
        form, communication = text[:3], text[3:].rstrip()
        reference = reference_in(form, communication)
    else:
        form, communication = "", text.rstrip()
        reference = references.delimited(communication)
    information: tuple[Information, ...] = ()
    if kind == "31":
        information, end = _read_information(records, end, key)
    return _new(
        Movement,
        (
            ordinal,
            sequence,
            detail,
            amount_milli,
            value_on,
            entry_on,
            code,
            bank_reference.rstrip(),
            form,
            communication,
            reference,
            customer_reference,
            account,
            currency,
            bic,
            name,
            return_code,
            return_reason,
            category_purpose,
            purpose,
            information,
            (),
            at + 1,
            tuple(records[at:end]),
        ),
    ), end


def _read_information(records: list[str], at: int, key: str) -> tuple[tuple[Information, ...], int]:
    """Read all groups of records 3.1 to 3.3 of one movement (pages 22 to 25)."""
    groups = []
    sequence = key[:4]
    record = records[at]
    while record[:2] == "31":
        own_key, code, form, text = _FIELDS_31(record)
        if own_key[:4] != sequence:
            raise _stray(record, at + 1, sequence)
        if not is_number(own_key) or form not in "01":
            raise _bad_information(record, at + 1)
        at += 1
        record = records[at]
        if record[:2] == "32":
            if record[2:10] != own_key:
                raise _stray(record, at + 1, own_key)
            text += record[10:115]
            at += 1
            record = records[at]
        if record[:2] == "33":
            if record[2:10] != own_key:
                raise _stray(record, at + 1, own_key)
            text += record[10:100]
            at += 1
            record = records[at]
        if form == "1":
            form, text = text[:3], text[3:]
        else:
            form = ""
        groups.append(_new(Information, (int(own_key[4:]), code.rstrip(), form, text.rstrip())))
    return tuple(groups), at


def _check_movement(record: str, line: int, *, is_euro: bool) -> None:
    """Refuse the column of a record 2.1 that is wrong; only a text may be beyond ASCII."""
    for start, end, what in NUMERIC_FIELDS:
        if not is_number(record[start:end]):
            raise CodaError(
                line, start + 1, record[start:end], f"{end - start} digits", f"{what} is no number"
            )
    if record[31] > "1":
        raise CodaError(line, 32, record[31], "0 (credit) or 1 (debit)", "the sign is unknown")
    if record[61] > "1":
        raise CodaError(
            line, 62, record[61], "0 (free) or 1 (structured)", "the communication type is unknown"
        )
    if is_euro and record[46] != "0":
        raise third_decimal(line, 33, record[32:47])


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
