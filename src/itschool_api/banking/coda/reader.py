"""Read CODA version 2: the records around the movements, and the arithmetic of the whole.

A statement is given only when its counts, totals and balances agree (Febelfin CODA 2.6). What is
merely unusual becomes a finding. This module knows nothing of the program's data.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final

from itschool_api.banking.coda.columns import is_number, read_date
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.layout import records_of
from itschool_api.banking.coda.lines import Days, third_decimal
from itschool_api.banking.coda.model import (
    NO_SEPARATE_APPLICATION,
    AccountStructure,
    Finding,
    Statement,
)
from itschool_api.banking.coda.movements import Movements

EURO: Final = "EUR"
RECORDS: Final = frozenset("0123489")
_NEITHER_CODE: Final = "the trailer does not say whether a statement follows"


def parse(data: bytes) -> list[Statement]:
    """Read all statements of a CODA file, or refuse it as a whole.

    Raises:
        CodaError: at the first place where the file breaks the standard or its own arithmetic.
    """
    with _collector_paused():
        return _statements(*records_of(data))


def _statements(records: list[str], had_nul: bool) -> list[Statement]:
    records.append("")  # the end: no record begins like this, so no loop runs past it
    days = Days()
    statements: list[Statement] = []
    at = 0
    while records[at]:
        reader = _StatementReader(records, at, days)
        if had_nul and not statements:
            reader.find("nul-characters", "NUL characters were read as blanks", at)
        statements.append(reader.read())
        at = reader.at
    return statements


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cyclic garbage collector still: it would walk all movements again and again.

    Nothing here makes a cycle, and the walks take a third of the time of a large file.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _StatementReader:
    """One statement while it is being read; ``at`` is the index of the next record."""

    def __init__(self, records: list[str], at: int, days: Days) -> None:
        self.records = records
        self.at = at
        self.days = days
        self.findings: list[Finding] = []

    def find(self, code: str, message: str, index: int) -> None:
        self.findings.append(Finding(code, message, index + 1))

    def read(self) -> Statement:
        """Read records 0, 1, the movements, 8, 4 and 9, in this order (1)."""
        start = self.at
        header = self._next("0", "a statement begins with record 0")
        created_on = self._check_header(header)
        application = header[83:88].strip(" ") or NO_SEPARATE_APPLICATION

        opening = self._next("1", "record 1, the old balance, comes after record 0")
        structure = self._structure(opening)
        account, currency = _account_of(opening[5:42], structure)
        if not account or not currency.isalpha():
            raise CodaError(
                self.at, 6, opening[5:42].rstrip(), "account and currency", "there is no account"
            )
        opening_milli = self._signed(opening, 42, currency, "the old balance")
        opening_on = self._day(opening, 58, "the old balance's date")
        if not is_number(opening[125:128]):
            raise CodaError(
                self.at, 126, opening[125:128], "3 digits", "the statement number is no number"
            )

        body = Movements(
            self.records,
            self.at,
            self.days,
            is_euro=currency == EURO,
            is_separate=application != NO_SEPARATE_APPLICATION,
        )
        self.at = body.read()
        self.findings += body.findings
        closing, closing_milli, closing_on = self._closing(
            opening, opening_milli, opening_on, currency, has_movements=bool(body.movements)
        )
        counted = self.at - start - 1
        messages = tuple(self._messages())
        if application != NO_SEPARATE_APPLICATION:
            self.find("separate-application", f"application {application}: no balance check", start)
        elif opening_milli + body.credit_milli - body.debit_milli != closing_milli:
            expected = opening_milli + body.credit_milli - body.debit_milli
            raise CodaError(
                start + counted + 1,
                42 if closing else 43,
                _amount_text(closing_milli),
                _amount_text(expected),
                "old balance and movements do not make the new balance",
            )
        self._check_trailer(counted, body.debit_milli, body.credit_milli)
        return Statement(
            account=account,
            account_structure=structure,
            currency=currency,
            holder=opening[64:90].rstrip(),
            description=opening[90:125].rstrip(),
            bank_bic=header[60:71].rstrip(),
            company_number=header[71:82].rstrip(),
            created_on=created_on,
            is_duplicate=header[16] == "D",
            file_reference=header[24:34].rstrip(),
            separate_application=application,
            number=int(opening[125:128]),
            paper_number=opening[2:5].rstrip(),
            opening_milli=opening_milli,
            opening_on=opening_on,
            closing_milli=closing_milli,
            closing_on=closing_on,
            movements=tuple(body.movements),
            messages=messages,
            findings=tuple(self.findings),
            balance_records=(opening, closing) if closing else (opening,),
        )

    def _next(self, kind: str, reason: str) -> str:
        record = self.records[self.at]
        if record[:1] != kind:
            if record and record[0] not in RECORDS:
                reason = "the kind of record is unknown"
            raise CodaError(
                self.at + 1, 1, record[:1] or "the end of the file", f"record {kind}", reason
            )
        self.at += 1
        return record

    def _check_header(self, header: str) -> date:
        """Check record 0 (page 14) and give the date of creation."""
        line = self.at
        if header[127] != "2":
            reason = (
                "this is CODA version 1, which banks no longer send; ask for version 2"
                if header[127] == "1"
                else "the version is unknown"
            )
            raise CodaError(line, 128, header[127], "version 2", reason)
        if header[1:5] != "0000":
            raise CodaError(line, 2, header[1:5], "0000", "this is no CODA header")
        if header[14:16] != "05":
            self.find(
                "application-code", f"the application code is {header[14:16]}, not 05", line - 1
            )
        created_on = self._day(header, 5, "the date of creation")
        if created_on is None:
            raise CodaError(line, 6, header[5:11], "a day DDMMYY", "the date of creation is zero")
        return created_on

    def _structure(self, opening: str) -> AccountStructure:
        """Read the account structure (7.5), or tell it by the account where it is left blank."""
        code = opening[1]
        if code == " ":
            structure = _guess_structure(opening[5:42])
            self.find(
                "account-structure",
                f"the account structure is blank and was read as {structure.value}",
                self.at - 1,
            )
            return structure
        if code not in "0123":
            raise CodaError(self.at, 2, code, "0 to 3", "the account structure is unknown")
        return AccountStructure(code)

    def _closing(
        self,
        opening: str,
        opening_milli: int,
        opening_on: date | None,
        currency: str,
        *,
        has_movements: bool,
    ) -> tuple[str, int, date]:
        """Read record 8 (page 26); a file without movements may have none."""
        if self.records[self.at][:1] in "49" and self.records[self.at] and not has_movements:
            if opening_on is None:
                raise CodaError(
                    self.at, 59, "000000", "a day DDMMYY", "a statement without any date"
                )
            return "", opening_milli, opening_on
        closing = self._next("8", "record 8, the new balance, comes after the movements")
        if closing[4:41] != opening[5:42]:
            raise CodaError(
                self.at,
                5,
                " ".join(closing[4:41].split()),
                " ".join(opening[5:42].split()),
                "the new balance is of another account than the old balance",
            )
        closing_milli = self._signed(closing, 41, currency, "the new balance")
        closing_on = self._day(closing, 57, "the new balance's date")
        if closing_on is None:
            raise CodaError(
                self.at, 58, closing[57:63], "a day DDMMYY", "the new balance's date is zero"
            )
        return closing, closing_milli, closing_on

    def _messages(self) -> Iterator[str]:
        """Read the free messages (page 27): one text for each sequence number."""
        parts: list[str] = []
        sequence = ""
        while (record := self.records[self.at])[:1] == "4":
            if not is_number(record[2:10]):
                raise CodaError(
                    self.at + 1, 3, record[2:10], "8 digits", "the message's number is no number"
                )
            if parts and record[2:6] != sequence:
                yield "".join(parts).rstrip()
                parts = []
            sequence = record[2:6]
            parts.append(record[32:112])
            self.at += 1
        if parts:
            yield "".join(parts).rstrip()

    def _check_trailer(self, counted: int, debit_milli: int, credit_milli: int) -> None:
        """Check the counts and totals of record 9 (page 28)."""
        trailer = self._next("9", "record 9 ends a statement")
        for start, end, what in (
            (16, 22, "the number of records"),
            (22, 37, "the total of debits"),
            (37, 52, "the total of credits"),
        ):
            if not is_number(trailer[start:end]):
                raise CodaError(
                    self.at,
                    start + 1,
                    trailer[start:end],
                    f"{end - start} digits",
                    f"{what} is no number",
                )
        if int(trailer[16:22]) != counted:
            raise CodaError(
                self.at, 17, trailer[16:22], f"{counted:06d}", "records are missing or too many"
            )
        if int(trailer[22:37]) != debit_milli:
            raise CodaError(
                self.at, 23, trailer[22:37], f"{debit_milli:015d}", "the debits do not add up"
            )
        if int(trailer[37:52]) != credit_milli:
            raise CodaError(
                self.at, 38, trailer[37:52], f"{credit_milli:015d}", "the credits do not add up"
            )
        follows = "1" if self.records[self.at] else "2"
        if trailer[127] != follows:
            message = {
                "1": "the trailer announces a further statement, but the file ends",
                "2": "the trailer announces the end of the file, but a statement follows",
            }.get(trailer[127], _NEITHER_CODE)
            self.find("multiple-file-code", message, self.at - 1)

    def _signed(self, record: str, start: int, currency: str, what: str) -> int:
        """Read a sign and fifteen digits, in thousandths."""
        sign, digits = record[start], record[start + 1 : start + 16]
        if sign not in "01":
            raise CodaError(
                self.at, start + 1, sign, "0 (credit) or 1 (debit)", f"{what} has no sign"
            )
        if not is_number(digits):
            raise CodaError(self.at, start + 2, digits, "15 digits", f"{what} is no number")
        if currency == EURO and digits[14] != "0":
            raise third_decimal(self.at, start + 2, digits)
        return -int(digits) if sign == "1" else int(digits)

    def _day(self, record: str, start: int, what: str) -> date | None:
        text = record[start : start + 6]
        try:
            return read_date(text)
        except ValueError:
            raise CodaError(
                self.at, start + 1, text, "a day DDMMYY", f"{what} does not exist"
            ) from None


def _account_of(field: str, structure: AccountStructure) -> tuple[str, str]:
    """Give account and currency of records 1 and 8, the account without blanks (7.5)."""
    if structure is AccountStructure.BELGIAN_BBAN:
        return field[:12].rstrip(), field[13:16]
    width = 31 if structure is AccountStructure.BELGIAN_IBAN else 34
    return field[:width].replace(" ", ""), field[34:37]


def _guess_structure(field: str) -> AccountStructure:
    if is_number(field[:12]) and field[12] == " ":
        return AccountStructure.BELGIAN_BBAN
    if field[:2].isalpha() and is_number(field[2:4]):
        return AccountStructure.BELGIAN_IBAN if field[:2] == "BE" else AccountStructure.FOREIGN_IBAN
    return AccountStructure.FOREIGN_BBAN


def _amount_text(milli: int) -> str:
    return f"{'1' if milli < 0 else '0'}{abs(milli):015d}"
