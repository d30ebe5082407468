"""Read CODA version 2: the order of the records, and the arithmetic of the whole.

A statement is given only when its counts, totals and balances agree (Febelfin CODA 2.6). What is
merely unusual becomes a finding. This module knows nothing of the program's data.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

from itschool_api.banking.coda import collector
from itschool_api.banking.coda.columns import is_number
from itschool_api.banking.coda.errors import CodaError
from itschool_api.banking.coda.frame import (
    APPLICATION,
    EURO,
    Opening,
    application_of,
    check_header,
    check_same_account,
    known_day,
    read_opening,
    read_trailer,
    signed_milli,
)
from itschool_api.banking.coda.layout import records_of
from itschool_api.banking.coda.lines import Days
from itschool_api.banking.coda.model import NO_SEPARATE_APPLICATION, Finding, Statement
from itschool_api.banking.coda.movements import Movements

RECORDS: Final = frozenset("0123489")
_TRAILER_CODES: Final = {
    "1": "the trailer announces a further statement, but the file ends",
    "2": "the trailer announces the end of the file, but a statement follows",
}


def parse(data: bytes) -> list[Statement]:
    """Read all statements of a CODA file, or refuse it as a whole.

    Raises:
        CodaError: at the first place where the file breaks the standard or its own arithmetic.
    """
    with collector.paused():
        records, had_nul = records_of(data)
        records.append("")  # the end: no record begins like this, so no loop runs past it
        days = Days()
        statements: list[Statement] = []
        at = 0
        while records[at]:
            reader = _StatementReader(records, at, days)
            if had_nul and not statements:
                reader.find("nul-characters", "NUL characters were read as blanks", 1)
            statements.append(reader.read())
            at = reader.at
        return statements


class _StatementReader:
    """One statement while it is being read.

    ``at`` is the index of the next record, and so the line number of the one just taken.
    """

    def __init__(self, records: list[str], at: int, days: Days) -> None:
        self.records = records
        self.at = at
        self.days = days
        self.findings: list[Finding] = []

    def find(self, code: str, message: str, line: int) -> None:
        """Note what is unusual."""
        self.findings.append(Finding(code, message, line))

    def read(self) -> Statement:
        """Read records 0, 1, the movements, 8, 4 and 9, in this order (1)."""
        header = self._next("0", "a statement begins with record 0")
        created_on = check_header(header, self.at)
        application = application_of(header)
        is_separate = application != NO_SEPARATE_APPLICATION
        first_line = self.at
        if header[14:16] != APPLICATION:
            code = header[14:16]
            self.find("application-code", f"the application code is {code}, not 05", first_line)

        record = self._next("1", "record 1, the old balance, comes after record 0")
        opening = read_opening(record, self.at)
        if opening.is_guessed:
            message = f"the account structure is blank and was read as {opening.structure}"
            self.find("account-structure", message, self.at)

        body = Movements(
            self.records,
            self.at,
            self.days,
            is_euro=opening.currency == EURO,
            is_separate=is_separate,
        )
        self.at = body.read()
        self.findings += body.findings

        closing, closing_milli, closing_on = self._closing(record, opening, body)
        counted, line = self.at - first_line, self.at
        messages = tuple(self._messages())
        expected_milli = opening.milli + body.credit_milli - body.debit_milli
        if is_separate:
            message = f"a part of the account's movements ({application}): no balance check"
            self.find("separate-application", message, first_line)
        elif closing_milli != expected_milli:
            raise CodaError(
                line,
                42 if closing else 43,
                _amount(closing_milli),
                _amount(expected_milli),
                "old balance and movements do not make the new balance",
            )
        self._check_trailer(counted, body)
        return Statement(
            account=opening.account,
            account_structure=opening.structure,
            currency=opening.currency,
            holder=record[64:90].rstrip(),
            description=record[90:125].rstrip(),
            bank_bic=header[60:71].rstrip(),
            company_number=header[71:82].rstrip(),
            created_on=created_on,
            is_duplicate=header[16] == "D",
            file_reference=header[24:34].rstrip(),
            separate_application=application,
            number=opening.number,
            paper_number=record[2:5].rstrip(),
            opening_milli=opening.milli,
            opening_on=opening.on,
            closing_milli=closing_milli,
            closing_on=closing_on,
            movements=tuple(body.movements),
            messages=messages,
            findings=tuple(self.findings),
            balance_records=(record, closing) if closing else (record,),
        )

    def _next(self, kind: str, reason: str) -> str:
        """Take the next record, which must be of this kind."""
        record = self.records[self.at]
        if record[:1] != kind:
            if record and record[0] not in RECORDS:
                reason = "the kind of record is unknown"
            found = record[:1] or "the end of the file"
            raise CodaError(self.at + 1, 1, found, f"record {kind}", reason)
        self.at += 1
        return record

    def _closing(self, record: str, opening: Opening, body: Movements) -> tuple[str, int, date]:
        """Read record 8 (page 26); a statement without movements may have none."""
        if self.records[self.at][:1] in {"4", "9"} and not body.movements:
            opened_on = known_day(record, self.at, 58, "the only date")
            return "", opening.milli, opened_on
        closing = self._next("8", "record 8, the new balance, comes after the movements")
        check_same_account(closing, opening, self.at)
        milli = signed_milli(closing, self.at, 41, opening.currency, "the new balance")
        return closing, milli, known_day(closing, self.at, 57, "the new balance's date")

    def _messages(self) -> Iterator[str]:
        """Read the free messages (page 27): one text for each sequence number."""
        parts: list[str] = []
        sequence = ""
        while (record := self.records[self.at])[:1] == "4":
            if not is_number(record[2:10]):
                reason = "the message's number is no number"
                raise CodaError(self.at + 1, 3, record[2:10], "8 digits", reason)
            if parts and record[2:6] != sequence:
                yield "".join(parts).rstrip()
                parts = []
            sequence = record[2:6]
            parts.append(record[32:112])
            self.at += 1
        if parts:
            yield "".join(parts).rstrip()

    def _check_trailer(self, counted: int, body: Movements) -> None:
        """Compare the counts and totals of record 9 with what was read (page 28)."""
        record = self._next("9", "record 9 ends a statement")
        trailer = read_trailer(record, self.at)
        for column, read, actual, width, reason in (
            (17, trailer.records, counted, 6, "records are missing or too many"),
            (23, trailer.debit_milli, body.debit_milli, 15, "the debits do not add up"),
            (38, trailer.credit_milli, body.credit_milli, 15, "the credits do not add up"),
        ):
            if read != actual:
                raise CodaError(self.at, column, f"{read:0{width}d}", f"{actual:0{width}d}", reason)
        if trailer.code != ("1" if self.records[self.at] else "2"):
            message = _TRAILER_CODES.get(
                trailer.code, "the trailer does not say whether a statement follows"
            )
            self.find("multiple-file-code", message, self.at)


def _amount(milli: int) -> str:
    """Write an amount as the record has it: sign and fifteen digits."""
    return f"{'1' if milli < 0 else '0'}{abs(milli):015d}"
