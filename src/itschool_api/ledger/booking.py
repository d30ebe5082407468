"""What a list of transfers does to the balances it touches. Pure: it knows no database."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from itschool_api.money import Cents


class Unbookable(Exception):
    """A transfer that an account does not allow; `account_id` says which."""

    def __init__(self, account_id: UUID, message: str) -> None:
        super().__init__(message)
        self.account_id = account_id


class BelowFloor(Unbookable):
    """The source does not hold that much."""


class AboveCeiling(Unbookable):
    """The target does not take that much."""


class Closed(Unbookable):
    """One side is closed."""


class Posting(NamedTuple):
    """Money to move: `cause` is unique in the school, readable, and names no person.

    This and what is made of it are tuples because an import makes a hundred thousand of them.
    """

    source_id: UUID
    target_id: UUID
    amount_cents: Cents
    cause: str
    booked_on: date
    reverses_id: UUID | None = None
    id: UUID | None = None
    """The transfer's, where something else has to name it; otherwise it is made when written."""


class Balance(NamedTuple):
    """An account of the parents' side, as it stands."""

    balance_cents: Cents
    floor_cents: Cents | None
    ceiling_cents: Cents | None
    entries: int
    closed: bool = False


class Booked(NamedTuple):
    """A posting, with what it leaves on each side whose balance is kept."""

    posting: Posting
    source: Balance | None
    target: Balance | None


def book(
    balances: Mapping[UUID, Balance], postings: Iterable[Posting]
) -> tuple[list[Booked], dict[UUID, Balance]]:
    """Apply `postings` in their order; return them and the balances that changed.

    Sides that `balances` does not hold are the school's and have no limit.

    Raises `BelowFloor`, `AboveCeiling`, `Closed`, and `ValueError` for an amount that is not
    positive or that goes nowhere.
    """
    now = dict(balances)
    changed: dict[UUID, Balance] = {}
    booked = []
    for posting in postings:
        source_id, target_id, cents = posting.source_id, posting.target_id, posting.amount_cents
        if cents <= 0 or source_id == target_id:
            raise ValueError(f"not a transfer: {posting.cause}")
        source = now.get(source_id)
        if source is not None:
            source = now[source_id] = changed[source_id] = _after(source, source_id, -cents)
        target = now.get(target_id)
        if target is not None:
            target = now[target_id] = changed[target_id] = _after(target, target_id, cents)
        booked.append(Booked(posting, source, target))
    return booked, changed


def _after(before: Balance, account_id: UUID, change: int) -> Balance:
    balance_cents, floor_cents, ceiling_cents, entries, closed = before
    if closed:
        raise Closed(account_id, "the account is closed")
    cents = Cents(balance_cents + change)
    # Only a movement towards a limit is held to it: an overdraft may always be reduced.
    if change < 0 and floor_cents is not None and cents < floor_cents:
        raise BelowFloor(account_id, "there is not that much in the account")
    if change > 0 and ceiling_cents is not None and cents > ceiling_cents:
        raise AboveCeiling(account_id, "the account does not take that much")
    return Balance(cents, floor_cents, ceiling_cents, entries + 1)
