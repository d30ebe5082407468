"""Plant a fault in a good CODA file, to see that it is found.

Only files of :func:`~itschool_api.banking.coda.writer.write` are expected here: CRLF, one byte a
character. Faults are planted in the first statement, which needs a movement.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

_Records = list[bytes]
_CRLF: Final = b"\r\n"


class Fault(StrEnum):
    """What can be wrong with a file."""

    WRONG_TRAILER_COUNT = "wrong-trailer-count"
    WRONG_TRAILER_DEBIT = "wrong-trailer-debit"
    WRONG_TRAILER_CREDIT = "wrong-trailer-credit"
    WRONG_OPENING_BALANCE = "wrong-opening-balance"
    WRONG_CLOSING_BALANCE = "wrong-closing-balance"
    CHANGED_AMOUNT = "changed-amount"
    CHANGED_SIGN = "changed-sign"
    NON_DIGIT_AMOUNT = "non-digit-amount"
    THIRD_DECIMAL = "third-decimal"
    BAD_DATE = "bad-date"
    ACCOUNT_MISMATCH = "account-mismatch"
    CURRENCY_MISMATCH = "currency-mismatch"
    VERSION_1 = "version-1"
    SKIPPED_SEQUENCE = "skipped-sequence"
    REPEATED_MOVEMENT = "repeated-movement"
    WRONG_ORDER = "wrong-order"
    STRAY_RECORD = "stray-record"
    UNKNOWN_RECORD = "unknown-record"
    UNKNOWN_TYPE = "unknown-type"
    TRUNCATED_LINE = "truncated-line"
    TRUNCATED_FILE = "truncated-file"
    MISSING_HEADER = "missing-header"
    MISSING_OLD_BALANCE = "missing-old-balance"
    MISSING_NEW_BALANCE = "missing-new-balance"
    MISSING_TRAILER = "missing-trailer"
    GARBAGE = "garbage"
    EMPTY = "empty"


def plant(data: bytes, fault: Fault) -> bytes:
    """Spoil a file in the way that the fault is called.

    Raises:
        ValueError: when the file has no record of the kind to spoil.
    """
    records = data.split(_CRLF)
    return _CRLF.join(_PLANTERS[fault](records))


def _index(records: _Records, kind: bytes) -> int:
    for index, record in enumerate(records):
        if record.startswith(kind):
            return index
    raise ValueError(f"there is no record {kind.decode()} to spoil")


def _put(kind: bytes, column: int, text: bytes) -> Callable[[_Records], _Records]:
    """Overwrite columns of the first record of a kind."""

    def planter(records: _Records) -> _Records:
        at = _index(records, kind)
        start = column - 1
        record = records[at]
        spoiled = record[:start] + text + record[start + len(text) :]
        return [*records[:at], spoiled, *records[at + 1 :]]

    return planter


def _turn(kind: bytes, column: int) -> Callable[[_Records], _Records]:
    """Change one digit of the first record of a kind into the next one, 1 into 0 and 9 into 8."""

    def planter(records: _Records) -> _Records:
        digit = records[_index(records, kind)][column - 1 : column]
        other = b"%d" % (int(digit) ^ 1)
        return _put(kind, column, other)(records)

    return planter


def _without(kind: bytes) -> Callable[[_Records], _Records]:
    def planter(records: _Records) -> _Records:
        at = _index(records, kind)
        return records[:at] + records[at + 1 :]

    return planter


def _with(kind: bytes, record: bytes) -> Callable[[_Records], _Records]:
    """Put a record in front of the first one of a kind."""

    def planter(records: _Records) -> _Records:
        at = _index(records, kind)
        return [*records[:at], record.ljust(128), *records[at:]]

    return planter


def _repeated(records: _Records) -> _Records:
    at = _index(records, b"21")
    return [*records[: at + 1], *records[at:]]


def _swapped(records: _Records) -> _Records:
    """Put the new balance in front of the movements."""
    at, end = _index(records, b"21"), _index(records, b"8")
    return [*records[:at], records[end], *records[at:end], *records[end + 1 :]]


def _truncated_line(records: _Records) -> _Records:
    at = _index(records, b"21")
    return [*records[:at], records[at][:100], *records[at + 1 :]]


_PLANTERS: Final[dict[Fault, Callable[[_Records], _Records]]] = {
    Fault.WRONG_TRAILER_COUNT: _turn(b"9", 22),
    Fault.WRONG_TRAILER_DEBIT: _turn(b"9", 36),
    Fault.WRONG_TRAILER_CREDIT: _turn(b"9", 51),
    Fault.WRONG_OPENING_BALANCE: _turn(b"1", 57),
    Fault.WRONG_CLOSING_BALANCE: _turn(b"8", 56),
    Fault.CHANGED_AMOUNT: _turn(b"21", 46),
    Fault.CHANGED_SIGN: _turn(b"21", 32),
    Fault.NON_DIGIT_AMOUNT: _put(b"21", 46, b"O"),
    Fault.THIRD_DECIMAL: _put(b"21", 47, b"5"),
    Fault.BAD_DATE: _put(b"21", 48, b"310226"),
    Fault.ACCOUNT_MISMATCH: _turn(b"8", 20),
    Fault.CURRENCY_MISMATCH: _put(b"8", 39, b"USD"),
    Fault.VERSION_1: _put(b"0", 128, b"1"),
    Fault.SKIPPED_SEQUENCE: _put(b"21", 3, b"0007"),
    Fault.REPEATED_MOVEMENT: _repeated,
    Fault.WRONG_ORDER: _swapped,
    Fault.STRAY_RECORD: _with(b"21", b"2200010000"),
    Fault.UNKNOWN_RECORD: _with(b"8", b"7"),
    Fault.UNKNOWN_TYPE: _put(b"21", 54, b"4"),
    Fault.TRUNCATED_LINE: _truncated_line,
    Fault.TRUNCATED_FILE: lambda records: records[: _index(records, b"21") + 1],
    Fault.MISSING_HEADER: _without(b"0"),
    Fault.MISSING_OLD_BALANCE: _without(b"1"),
    Fault.MISSING_NEW_BALANCE: _without(b"8"),
    Fault.MISSING_TRAILER: _without(b"9"),
    Fault.GARBAGE: lambda _: [b'{"this is": "not a bank file"}', b""],
    Fault.EMPTY: lambda _: [b""],
}
