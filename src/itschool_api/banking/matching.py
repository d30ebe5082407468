"""Which payment belongs to whom. Pure: statements and a picture of the books in, a plan out.

Each movement is *paid*, waits in *suspense* with a cause, or is *ignored* with a cause; nothing
is ever guessed. A payment names its wallet or invoice by a reference that the school issued; that
of an invoice pays it first, then the family's other open invoices, the oldest due first, and what
is left goes to the general wallet of the first line's student.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from itschool_api import references
from itschool_api.banking.coda import NO_SEPARATE_APPLICATION, DirectDebit, Movement, Statement
from itschool_api.banking.coda.structured import BELGIAN_TYPES, DIRECT_DEBIT
from itschool_api.money import Cents

MILLI_PER_CENT: Final = 10
# A reference in its frame, whatever its check digits.
_FRAMED: Final = re.compile(r"[+*]{3} ?\d{3}[ /.\-]?\d{4}[ /.\-]?\d{5} ?[+*]{3}")

# Positions and numbers of transaction codes: Febelfin CODA 2.6, annex II.
_FAMILY: Final = slice(1, 3)
_TRANSACTION: Final = slice(3, 5)
_CHARGES: Final = ("37", "87")
_CHARGES_FAMILY: Final = "80"
_CLOSING_FAMILY: Final = "35"
_TRANSFERS: Final = ("01", "02", "41")
_OWN_TRANSFERS: Final = ("64", "66")
_MONEY_BACK: Final = "54"
_CORRECTIONS: Final = ("49", "99")
# Record 2.2, column 113 (page 19): reject, return, refund, reversal, cancellation. Old files have
# other things there.
_R_TRANSACTIONS: Final = ("1", "2", "3", "4", "5")
_REFUNDED_COLLECTIONS: Final = ("03", "05", "58")


class State(StrEnum):
    """What became of a movement."""

    PAID = "paid"
    SUSPENSE = "suspense"
    IGNORED = "ignored"


class Cause(StrEnum):
    """Why a movement waits, or is ignored."""

    NO_REFERENCE = "no_reference"
    UNKNOWN_REFERENCE = "unknown_reference"
    BAD_CHECK_DIGITS = "bad_check_digits"
    AMBIGUOUS_REFERENCE = "ambiguous_reference"
    CLOSED_ACCOUNT = "closed_account"
    TOTAL_WITHOUT_DETAILS = "total_without_details"
    RETURNED_PAYMENT = "returned_payment"

    OUTGOING_PAYMENT = "outgoing_payment"
    BANK_CHARGES = "bank_charges"
    INTEREST = "interest"
    OWN_TRANSFER = "own_transfer"
    NO_AMOUNT = "no_amount"
    SEPARATE_APPLICATION = "separate_application"
    DETAIL_OF_ANOTHER_FILE = "detail_of_another_file"


# These say nothing of money that moved on the account: they never post.
NEVER_POSTED: Final = frozenset(
    {Cause.NO_AMOUNT, Cause.SEPARATE_APPLICATION, Cause.DETAIL_OF_ANOTHER_FILE}
)


class Line(NamedTuple):
    """A movement that is decided on by itself, with all references that it may mean."""

    statement: int
    """Index of its statement in the file."""
    ordinal: int
    movement: Movement
    amount_cents: Cents
    booked_on: date
    fixed: tuple[State, Cause] | None
    """Decided already, whatever the reference."""
    marked: str | None
    """The reference that the payer or the bank marked as one."""
    candidates: tuple[str, ...]
    """What may be a reference in its texts; counts only if it was issued."""


@dataclass(frozen=True, slots=True)
class Books:
    """The picture of the books that a plan needs; every balance is held by the transaction."""

    account_of: Mapping[str, UUID]
    """Issued reference → account."""
    remaining_cents: Mapping[UUID, Cents]
    """What is still due on each invoice's account."""
    billed: Mapping[UUID, tuple[UUID, UUID]]
    """Account of an invoice → its family and its first line's student."""
    open_of_family: Mapping[UUID, Sequence[UUID]]
    """Family → accounts of its open invoices, the oldest due first."""
    general_wallet: Mapping[UUID, UUID]
    """Student → account of the general wallet."""
    closed: frozenset[UUID]
    spread_excess: bool


class Planned(NamedTuple):
    """A line and what is to become of it."""

    line: Line
    state: State
    cause: Cause | None
    reference: str | None
    parts: tuple[tuple[UUID, Cents], ...] = ()
    """Accounts of the parents' side that get the money of a paid line, and how much."""


def lines_of(statements: Sequence[Statement], wanted: Iterable[int]) -> list[Line]:
    """Flatten the statements at the `wanted` indexes into the lines that are decided on."""
    lines: list[Line] = []
    for index in wanted:
        statement = statements[index]
        for ordinal, (movement, fixed) in enumerate(_booked(statement), start=1):
            lines.append(_line(index, ordinal, movement, statement.closing_on, fixed))
    return lines


def references_in(lines: Iterable[Line]) -> set[str]:
    """Return all that may be a reference, for one look-up of a whole file."""
    wanted: set[str] = set()
    for line in lines:
        if line.fixed is None:
            if line.marked is not None:
                wanted.add(line.marked)
            wanted.update(line.candidates)
    return wanted


def plan(lines: Iterable[Line], books: Books) -> list[Planned]:
    """Decide on every line, in the order of the file: what one pays, the next finds paid."""
    remaining = dict(books.remaining_cents)
    return [_decided(line, books, remaining) for line in lines]


def _booked(statement: Statement) -> Iterator[tuple[Movement, tuple[State, Cause] | None]]:
    """Yield what the statement books, with what is decided by its place in the file alone."""
    if statement.separate_application != NO_SEPARATE_APPLICATION:
        for movement in statement.movements:
            yield movement, (State.IGNORED, Cause.SEPARATE_APPLICATION)
        return
    for movement in statement.movements:
        if movement.itemised:
            for detail in movement.details:
                yield detail, None
        elif movement.type in "12" and movement.amount_milli > 0:
            yield movement, (State.SUSPENSE, Cause.TOTAL_WITHOUT_DETAILS)
        elif movement.type in "0123":
            yield movement, None
        else:
            yield movement, (State.IGNORED, Cause.DETAIL_OF_ANOTHER_FILE)


def _line(
    index: int,
    ordinal: int,
    movement: Movement,
    closing_on: date,
    fixed: tuple[State, Cause] | None,
) -> Line:
    milli = movement.amount_milli
    fixed = fixed or _by_code(
        movement.transaction_code, (milli > 0) - (milli < 0), movement.return_code
    )
    return Line(
        index,
        ordinal,
        movement,
        # Exact: a third decimal that is not 0 was refused when the file was read.
        Cents(milli // MILLI_PER_CENT),
        movement.entry_on or closing_on,
        fixed,
        None if fixed else movement.reference,
        () if fixed else _candidates(movement),
    )


@lru_cache(maxsize=1024)  # a file has few codes, and very many movements of each
def _by_code(code: str, sign: int, return_code: str) -> tuple[State, Cause] | None:
    """Decide what the transaction code decides; None: the reference does."""
    family, transaction = code[_FAMILY], code[_TRANSACTION]
    if sign == 0:
        return State.IGNORED, Cause.NO_AMOUNT
    if family == _CHARGES_FAMILY or transaction in _CHARGES:
        return State.IGNORED, Cause.BANK_CHARGES
    if family == _CLOSING_FAMILY:
        cause = Cause.INTEREST if sign > 0 else Cause.BANK_CHARGES
        return State.IGNORED, cause
    if return_code in _R_TRANSACTIONS or transaction in _CORRECTIONS:
        return State.SUSPENSE, Cause.RETURNED_PAYMENT
    if family == "05" and transaction in _REFUNDED_COLLECTIONS:
        return State.SUSPENSE, Cause.RETURNED_PAYMENT
    if sign < 0:
        return State.IGNORED, Cause.OUTGOING_PAYMENT
    if family in _TRANSFERS and transaction == _MONEY_BACK:
        return State.SUSPENSE, Cause.RETURNED_PAYMENT
    if family in _TRANSFERS and transaction in _OWN_TRANSFERS:
        return State.IGNORED, Cause.OWN_TRANSFER
    return None


def _candidates(movement: Movement) -> tuple[str, ...]:
    """Return what may be a reference in texts that a payer wrote; raw payloads are none."""
    found: list[str] = []
    if not movement.communication_type:
        found += references.candidates(movement.communication)
    elif movement.communication_type == DIRECT_DEBIT:
        debit = movement.structured and movement.structured.decoded
        if isinstance(debit, DirectDebit):
            found += references.candidates(debit.communication)
    if movement.customer_reference:
        found += references.candidates(movement.customer_reference)
    for information in movement.information:
        if not information.communication_type:
            found += references.candidates(information.communication)
    return tuple(found)


def _decided(line: Line, books: Books, remaining: dict[UUID, Cents]) -> Planned:
    if line.fixed is not None:
        state, cause = line.fixed
        return Planned(line, state, cause, line.movement.reference)
    account_of = books.account_of
    if line.marked is not None:
        account = account_of.get(line.marked)
        if account is not None:
            return _paid(line, line.marked, account, books, remaining)
        if line.movement.communication_type:
            return Planned(line, State.SUSPENSE, Cause.UNKNOWN_REFERENCE, line.marked)
    elif line.movement.communication_type in BELGIAN_TYPES:
        return Planned(line, State.SUSPENSE, Cause.BAD_CHECK_DIGITS, None)
    issued = {text: account_of[text] for text in line.candidates if text in account_of}
    targets = set(issued.values())
    if len(targets) == 1:
        reference, account = next(iter(issued.items()))
        return _paid(line, reference, account, books, remaining)
    if targets:
        return Planned(line, State.SUSPENSE, Cause.AMBIGUOUS_REFERENCE, None)
    if line.marked is not None:
        return Planned(line, State.SUSPENSE, Cause.UNKNOWN_REFERENCE, line.marked)
    if _FRAMED.search(line.movement.communication):
        return Planned(line, State.SUSPENSE, _cause_of_frame(line), None)
    return Planned(line, State.SUSPENSE, Cause.NO_REFERENCE, None)


def _cause_of_frame(line: Line) -> Cause:
    """Tell a framed reference that is nobody's from one that was mistyped."""
    return Cause.UNKNOWN_REFERENCE if line.candidates else Cause.BAD_CHECK_DIGITS


def _paid(
    line: Line, reference: str, account: UUID, books: Books, remaining: dict[UUID, Cents]
) -> Planned:
    """Share a payment out by rule 8; where a part has no place to go, all of it waits."""
    if account in books.closed:
        return Planned(line, State.SUSPENSE, Cause.CLOSED_ACCOUNT, reference)
    billed = books.billed.get(account)
    if billed is None:
        return Planned(line, State.PAID, None, reference, ((account, line.amount_cents),))
    family, student = billed
    parts: list[tuple[UUID, Cents]] = []
    left = int(line.amount_cents)
    others = books.open_of_family.get(family, ()) if books.spread_excess else ()
    for invoice in (account, *(other for other in others if other != account)):
        part = min(left, remaining.get(invoice, 0))
        if part > 0:
            parts.append((invoice, Cents(part)))
            left -= part
    if left:
        wallet = books.general_wallet.get(student)
        if wallet is None or wallet in books.closed:
            return Planned(line, State.SUSPENSE, Cause.CLOSED_ACCOUNT, reference)
        parts.append((wallet, Cents(left)))
    for invoice, part in parts:
        if invoice in remaining:
            remaining[invoice] = Cents(remaining[invoice] - part)
    return Planned(line, State.PAID, None, reference, tuple(parts))


@dataclass(slots=True)
class Tally:
    """A count and a sum in cents, signed."""

    count: int = 0
    cents: int = 0

    def add(self, cents: int) -> None:
        """Count one more."""
        self.count += 1
        self.cents += cents


@dataclass(slots=True)
class Tallies:
    """A plan in figures: what is paid, what waits and what is ignored, by cause."""

    paid: Tally = field(default_factory=Tally)
    suspense: dict[Cause, Tally] = field(default_factory=dict)
    ignored: dict[Cause, Tally] = field(default_factory=dict)


def tally(planned: Iterable[Planned]) -> Tallies:
    """Count a plan."""
    tallies = Tallies()
    for each in planned:
        if each.cause is None:
            tallies.paid.add(each.line.amount_cents)
        else:
            causes = tallies.suspense if each.state is State.SUSPENSE else tallies.ignored
            causes.setdefault(each.cause, Tally()).add(each.line.amount_cents)
    return tallies
