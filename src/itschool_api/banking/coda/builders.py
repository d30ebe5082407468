"""Make single movements and whole statements: the source of every fixture and of the demo.

A builder gives a movement without number or entry date; :func:`statement` numbers, dates and adds
up, and returns what a reader would read. Transaction codes are those of the standard's annex II
(pages 29 to 53). Amounts are positive cents; the builder knows the direction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from itschool_api.banking.coda.columns import write_date
from itschool_api.banking.coda.frame import EURO
from itschool_api.banking.coda.model import (
    NO_SEPARATE_APPLICATION,
    AccountStructure,
    Counterparty,
    Information,
    Movement,
    Statement,
)
from itschool_api.banking.coda.movements import LAST_SEQUENCE
from itschool_api.banking.coda.reader import parse
from itschool_api.banking.coda.writer import write
from itschool_api.money import Cents

CREDIT_TRANSFER: Final = "00150000"
NOBODY: Final = Counterparty()
NOTHING: Final = Cents(0)
_MILLI: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that a statement is of."""

    number: str
    bic: str = ""
    holder: str = ""
    description: str = "Compte a vue"
    company_number: str = ""
    currency: str = EURO
    structure: AccountStructure = AccountStructure.BELGIAN_IBAN


def payment(
    reference: str,
    amount_cents: Cents,
    payer: Counterparty,
    *,
    code: str = CREDIT_TRANSFER,
    is_reconstituted: bool = False,
) -> Movement:
    """Receive a transfer whose structured communication is this reference (101, 102; RF: 100)."""
    kind = "102" if is_reconstituted else "101"
    if reference.startswith("RF"):
        kind = "100"
    return _line(amount_cents, code, payer, reference, kind)


def transfer(
    text: str, amount_cents: Cents, payer: Counterparty, *, code: str = CREDIT_TRANSFER
) -> Movement:
    """Receive a transfer with a free text, which may hold a reference or none."""
    return _line(amount_cents, code, payer, text)


def foreign_payment(reference: str, amount_cents: Cents, payer: Counterparty) -> Movement:
    """Receive an international transfer: the reference stands inside a communication 105."""
    amount = f"{amount_cents * _MILLI:015d}"
    payload = f"{amount}{amount}{100_000_000:012d}EUR{reference:12}FR{amount}"
    return _line(amount_cents, "04150000", payer, payload, "105")


def outgoing(text: str, amount_cents: Cents, payee: Counterparty) -> Movement:
    """Pay somebody by transfer."""
    return _line(-amount_cents, "00101000", payee, text)


def charges(text: str, net_cents: Cents, vat_cents: Cents) -> Movement:
    """Pay the bank's costs, with the net amount and the VAT as details (3 → 8)."""
    details = (
        _line(-net_cents, "88037013", NOBODY, ""),
        _line(-vat_cents, "88037011", NOBODY, ""),
    )
    return _line(-net_cents - vat_cents, "38037000", NOBODY, text)._replace(details=details)


def card_total(text: str, gross_cents: Cents, fee_cents: Cents) -> Movement:
    """Receive the day's card payments as one amount without details."""
    return _line(gross_cents - fee_cents, "20450000", NOBODY, text)


def bank_total(text: str, payments: Sequence[Movement]) -> Movement:
    """Receive payments that the bank has totalled: details of type 6, or 7 where they have 9s."""
    details = tuple(
        item._replace(
            transaction_code=("7" if item.details else "6") + item.transaction_code[1:],
            details=tuple(
                part._replace(transaction_code="9" + part.transaction_code[1:])
                for part in item.details
            ),
        )
        for item in payments
    )
    return _total("20150000", text, details)


def customer_total(text: str, payments: Sequence[Movement]) -> Movement:
    """Receive what the account holder has collected as one batch: details of type 5."""
    details = tuple(
        item._replace(transaction_code="5" + item.transaction_code[1:]) for item in payments
    )
    return _total("10550000", text, details)


def direct_debit(
    mandate: str, text: str, amount_cents: Cents, payer: Counterparty, settled_on: date
) -> Movement:
    """Collect from a payer by SEPA direct debit (127)."""
    payload = (
        f"{write_date(settled_on)}100{'BE69ZZZ0123456789':35}{mandate:35}{text:62}"  # paid, core
        f"0"
    )
    return _line(amount_cents, "00550000", payer, payload, "127")


def returned_transfer(amount_cents: Cents, payee: Counterparty, reason: str = "AC01") -> Movement:
    """Get back a transfer that could not be executed, with the ISO reason."""
    text = "Virement non execute - niet uitgevoerde overschrijving"
    line = _line(amount_cents, "00154000", payee, text)
    return line._replace(return_code="2", return_reason=reason)


def recalled_payment(
    reference: str, amount_cents: Cents, payer: Counterparty, reason: str = "FRAD"
) -> Movement:
    """Give back a payment that the payer's bank has recalled: a debit with its reference."""
    line = _line(-amount_cents, "00149000", payer, reference, "101")
    return line._replace(return_code="2", return_reason=reason)


def with_address(movement: Movement, street: str, locality: str) -> Movement:
    """Add the other side's address, as banks do in an information record of type 001."""
    payload = f"{movement.counterparty_name:70}{street:35}{locality}"
    information = Information(0, movement.transaction_code, "001", payload)
    return movement._replace(information=(*movement.information, information))


def statement(
    account: Account,
    movements: Sequence[Movement],
    *,
    on: date,
    number: int,
    opening_cents: Cents = NOTHING,
    opening_on: date | None = None,
    messages: Sequence[str] = (),
    is_duplicate: bool = False,
    separate_application: str = NO_SEPARATE_APPLICATION,
) -> Statement:
    """Make the statement of one bank day: numbered, dated, added up, and as a reader reads it.

    A movement without entry date gets the statement's day for its two dates.
    """
    lines = tuple(
        numbered(movement, index, on) for index, movement in enumerate(movements, start=1)
    )
    change_milli = sum(line.amount_milli for line in lines)
    if separate_application != NO_SEPARATE_APPLICATION:
        opening_cents, change_milli = NOTHING, 0  # its balances are zero (7.2.1)
    draft = Statement(
        account=account.number,
        account_structure=account.structure,
        currency=account.currency,
        holder=account.holder,
        description=account.description,
        bank_bic=account.bic,
        company_number=account.company_number,
        created_on=on,
        is_duplicate=is_duplicate,
        file_reference=f"{on:%y%m%d}{number:04d}",
        separate_application=separate_application,
        number=number,
        paper_number=f"{number % 1000:03d}",
        opening_milli=opening_cents * _MILLI,
        opening_on=opening_on or on - timedelta(days=1),
        closing_milli=opening_cents * _MILLI + change_milli,
        closing_on=on,
        movements=lines,
        messages=tuple(messages),
    )
    return parse(write([draft]))[0]


def _line(
    amount_cents: int, code: str, other: Counterparty, communication: str, kind: str = ""
) -> Movement:
    return Movement(
        ordinal=0,
        sequence=0,
        detail=0,
        amount_milli=amount_cents * _MILLI,
        value_on=None,
        entry_on=None,
        transaction_code=code,
        communication_type=kind,
        communication=communication.rstrip(),
        counterparty_account=other.account,
        counterparty_currency=other.currency or (EURO if other.account else ""),
        counterparty_bic=other.bic,
        counterparty_name=other.name,
    )


def _total(code: str, text: str, details: tuple[Movement, ...]) -> Movement:
    total_milli = sum(item.amount_milli for item in details)
    line = _line(0, code, NOBODY, text)
    return line._replace(amount_milli=total_milli, details=details)


def numbered(movement: Movement, ordinal: int, on: date) -> Movement:
    """Give a movement its numbers: details and information count in the order of the file (6)."""
    sequence = ordinal % (LAST_SEQUENCE + 1)
    numbers = iter(range(LAST_SEQUENCE + 1))

    def number(line: Movement) -> Movement:
        detail = next(numbers)
        return line._replace(
            ordinal=ordinal,
            sequence=sequence,
            detail=detail,
            value_on=on if line.entry_on is None else line.value_on,
            entry_on=line.entry_on or on,
            bank_reference=line.bank_reference or f"{on:%y%m%d}{ordinal:06d}",
            information=tuple(_counted(line.information, numbers)),
            details=tuple([number(item) for item in line.details]),
        )

    return number(movement)


def _counted(information: Sequence[Information], numbers: Iterator[int]) -> Iterator[Information]:
    for item in information:
        yield item._replace(detail=next(numbers))
