"""Write statements as CODA version 2, so that reading them gives the same statements again.

Counts and totals of the trailer are computed; balances are written as the statement has them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from itschool_api.banking.coda.columns import write_date
from itschool_api.banking.coda.layout import WIDTH, encoded
from itschool_api.banking.coda.model import (
    AccountStructure,
    Counterparty,
    Information,
    Movement,
    Statement,
)

_HIGHEST_MILLI: Final = 10**15 - 1
_MESSAGE_WIDTH: Final = 80


class Unwritable(ValueError):
    """The value does not fit in the columns of a CODA record."""


def write(statements: Sequence[Statement]) -> bytes:
    """Write statements one after the other, with CRLF, as cp1252 (or UTF-8 where that is needed).

    Raises:
        Unwritable: when a text, number or amount does not fit in its columns.
    """
    records: list[str] = []
    for index, statement in enumerate(statements, start=1):
        records += _statement(statement, is_last=index == len(statements))
    return encoded(records)


def _statement(statement: Statement, *, is_last: bool) -> Iterator[str]:
    yield _header(statement)
    account = _account(statement)
    opening = (
        f"1{statement.account_structure}{_text(statement.paper_number, 3)}{account}"
        f"{_amount(statement.opening_milli)}{write_date(statement.opening_on)}"
        f"{_text(statement.holder, 26)}{_text(statement.description, 35)}"
        f"{_number(statement.number, 3)}"
    )
    body = [opening]
    credit_milli = debit_milli = 0
    for movement in statement.movements:
        for line in movement.walk():
            if line.detail == 0 and line.amount_milli >= 0:
                credit_milli += line.amount_milli
            elif line.detail == 0:
                debit_milli -= line.amount_milli
        body += _with_details(movement, statement.paper_number)
    messages = [
        record for n, text in enumerate(statement.messages, start=1) for record in _message(n, text)
    ]
    body.append(
        f"8{_text(statement.paper_number, 3)}{account}{_amount(statement.closing_milli)}"
        f"{write_date(statement.closing_on)}{'':64}{1 if messages else 0}"
    )
    yield from body
    for record in messages[:-1]:
        yield f"{record}1"
    for record in messages[-1:]:
        yield f"{record}0"
    yield (
        f"9{'':15}{_number(len(body), 6)}{_number(debit_milli, 15)}{_number(credit_milli, 15)}"
        f"{'':75}{2 if is_last else 1}"
    )


def _header(statement: Statement) -> str:
    return (
        f"00000{write_date(statement.created_on)}00005{'D' if statement.is_duplicate else ' '}"
        f"{'':7}{_text(statement.file_reference, 10)}{_text(statement.holder, 26)}"
        f"{_text(statement.bank_bic, 11)}{_text(statement.company_number, 11)} "
        f"{_text(statement.separate_application, 5)}{'':39}2"
    )


def _account(statement: Statement) -> str:
    """Lay out account and currency, 37 columns (7.5)."""
    currency = _text(statement.currency, 3)
    if statement.account_structure is AccountStructure.BELGIAN_BBAN:
        return f"{_text(statement.account, 12)} {currency}0BE{'':18}"
    if statement.account_structure is AccountStructure.BELGIAN_IBAN:
        return f"{_text(statement.account, 31)}   {currency}"
    return f"{_text(statement.account, 34)}{currency}"


def _with_details(movement: Movement, paper_number: str) -> Iterator[str]:
    """Write a movement and its details; a group's first and last record carry its level (5.4)."""
    lines = list(movement.walk())
    last = len(lines) - 1
    for index, line in enumerate(lines):
        yield from _movement(line, paper_number, "1" if last and index in (0, last) else "0")


def _movement(movement: Movement, paper_number: str, group: str) -> Iterator[str]:
    """Write records 2.1, 2.2 and 2.3, each only where it says something, and the 3.x."""
    number = _number(movement.sequence, 4) + _number(movement.detail, 4)
    reference = _text(movement.bank_reference, 21)
    text = _communication(movement, 149)
    tail = (
        movement.return_code,
        movement.return_reason,
        movement.category_purpose,
        movement.purpose,
    )
    other = movement.counterparty
    has_third = bool(text[106:].rstrip() or other.account or other.currency or other.name)
    has_second = has_third or bool(
        text[53:106].rstrip() or movement.customer_reference or other.bic or any(tail)
    )
    link = 1 if movement.information else 0
    yield (
        f"21{number}{reference}{_amount(movement.amount_milli)}{write_date(movement.value_on)}"
        f"{_text(movement.transaction_code, 8)}{1 if movement.communication_type else 0}"
        f"{text[:53]}{write_date(movement.entry_on)}{_text(paper_number, 3)}{group}"
        f"{1 if has_second else 0} {0 if has_second else link}"
    )
    if has_second:
        yield (
            f"22{number}{text[53:106]}{_text(movement.customer_reference, 35)}"
            f"{_text(other.bic, 11)}   {_text(tail[0], 1)}"
            f"{''.join(_text(code, 4) for code in tail[1:])}"
            f"{1 if has_third else 0} {0 if has_third else link}"
        )
    if has_third:
        yield (
            f"23{number}{_counterparty_account(other)}{_text(other.name, 35)}{text[106:]}0 {link}"
        )
    for index, information in enumerate(movement.information, start=1):
        is_last = index == len(movement.information)
        yield from _information(information, movement, is_last=is_last)


def _counterparty_account(other: Counterparty) -> str:
    """Lay out 37 columns so that the thirteenth tells which of the two shapes it is."""
    if len(other.account) <= 12:  # noqa: PLR2004  (a Belgian account number without IBAN)
        return f"{_text(other.account, 12)} {_text(other.currency, 3)}{'':21}"
    if other.account[12] == " ":
        raise Unwritable(f"the account {other.account!r} has a blank where a CODA may not have one")
    return f"{_text(other.account, 34)}{_text(other.currency, 3)}"


def _information(information: Information, movement: Movement, *, is_last: bool) -> Iterator[str]:
    number = _number(movement.sequence, 4) + _number(information.detail, 4)
    text = _communication(information, 268)
    second, third = text[73:178], text[178:]
    has_third = bool(third.rstrip())
    has_second = has_third or bool(second.rstrip())
    link = 0 if is_last else 1
    yield (
        f"31{number}{_text(movement.bank_reference, 21)}{_text(information.transaction_code, 8)}"
        f"{1 if information.communication_type else 0}{text[:73]}{'':12}"
        f"{1 if has_second else 0} {0 if has_second else link}"
    )
    if has_second:
        yield (f"32{number}{second}{'':10}{1 if has_third else 0} {0 if has_third else link}")
    if has_third:
        yield f"33{number}{third}{'':25}0 {link}"


def _message(number: int, text: str) -> Iterator[str]:
    """Write a free message over as many records 4 as it needs, without their link code."""
    for detail, start in enumerate(range(0, len(text) or 1, _MESSAGE_WIDTH)):
        part = text[start : start + _MESSAGE_WIDTH]
        record = f"4 {_number(number, 4)}{_number(detail, 4)}{'':22}{_text(part, _MESSAGE_WIDTH)}"
        yield record.ljust(WIDTH - 1)


def _communication(of: Movement | Information, width: int) -> str:
    return of.communication_type + _text(of.communication, width - len(of.communication_type))


def _text(text: str, width: int) -> str:
    if len(text) > width:
        raise Unwritable(f"{text!r} is longer than {width} characters")
    return text.ljust(width)


def _number(number: int, width: int) -> str:
    digits = f"{number:0{width}d}"
    if number < 0 or len(digits) > width:
        raise Unwritable(f"{number} does not fit in {width} digits")
    return digits


def _amount(milli: int) -> str:
    if abs(milli) > _HIGHEST_MILLI:
        raise Unwritable(f"{milli} thousandths do not fit in 15 digits")
    return f"{'1' if milli < 0 else '0'}{abs(milli):015d}"
