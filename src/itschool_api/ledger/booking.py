"""What a list of transfers does to the balances it touches. Pure: it knows no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from uuid_utils.compat import uuid7

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


@dataclass(frozen=True, slots=True)
class Posting:
    """Money to move: `cause` is unique in the school, readable, and names no person."""

    source_id: UUID
    target_id: UUID
    amount_cents: Cents
    cause: str
    booked_on: date
    reverses_id: UUID | None = None
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class Balance:
    """An account of the parents' side, as it stands."""

    balance_cents: Cents
    floor_cents: Cents | None
    ceiling_cents: Cents | None
    entries: int
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
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
        if posting.amount_cents <= 0 or posting.source_id == posting.target_id:
            raise ValueError(f"not a transfer: {posting.cause}")
        source = _after(now, posting.source_id, -posting.amount_cents)
        if source is not None:
            now[posting.source_id] = changed[posting.source_id] = source
        target = _after(now, posting.target_id, posting.amount_cents)
        if target is not None:
            now[posting.target_id] = changed[posting.target_id] = target
        booked.append(Booked(posting, source, target))
    return booked, changed


def _after(balances: Mapping[UUID, Balance], account_id: UUID, change: int) -> Balance | None:
    before = balances.get(account_id)
    if before is None:
        return None
    if before.closed:
        raise Closed(account_id, "the account is closed")
    cents = Cents(before.balance_cents + change)
    # Only a movement towards a limit is held to it: an overdraft may always be reduced.
    if change < 0 and before.floor_cents is not None and cents < before.floor_cents:
        raise BelowFloor(account_id, "there is not that much in the account")
    if change > 0 and before.ceiling_cents is not None and cents > before.ceiling_cents:
        raise AboveCeiling(account_id, "the account does not take that much")
    return replace(before, balance_cents=cents, entries=before.entries + 1)
