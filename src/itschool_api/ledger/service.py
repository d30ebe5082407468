"""Moving money, and proving that none was lost.

The protocol: lock the accounts of the parents' side in the order of their ids, read their
balances, plan, write the transfers in one INSERT and the balances in one UPDATE. Too little money
is a refusal, not a race.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, references
from itschool_api.database import Selection, new_id, refusing
from itschool_api.ledger import booking
from itschool_api.ledger.booking import Balance, Posting
from itschool_api.ledger.models import Account, Books, Transfer
from itschool_api.ledger.repository import Accounts
from itschool_api.money import Cents
from itschool_api.references import Reference

__all__ = ["Balance", "Locked", "Posting"]

# Schools begin at different places, so that a payment to the wrong school finds nothing by chance.
_FIRST_REFERENCE = 1_000_000_000
_LAST_FIRST_REFERENCE = 8_999_999_999


class InsufficientFunds(errors.Conflict):
    """There is not that much money."""


class MoreThanDue(errors.Conflict):
    """This is more than what is still due."""


class AccountClosed(errors.Conflict):
    """The wallet or invoice is closed."""


class AccountNotEmpty(errors.Conflict):
    """There is still money in it, or owed on it."""


class AlreadyReversed(errors.Conflict):
    """This was undone before."""


class ReferenceTaken(errors.Conflict):
    """This reference pays into something else already."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The school's own accounts."""

    suspense: UUID
    revenue: UUID
    charges: UUID
    other: UUID
    opening: UUID
    all: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Locked:
    """Accounts of the parents' side that this transaction holds, with their balances."""

    school_id: UUID
    chart: Chart
    balances: Mapping[UUID, Balance]


async def open_books(session: AsyncSession, school_id: UUID) -> None:
    """Make the books of a new school."""
    first = _FIRST_REFERENCE + secrets.randbelow(_LAST_FIRST_REFERENCE - _FIRST_REFERENCE)
    session.add(Books(school_id=school_id, next_reference=first))
    for kind in ("suspense", "revenue", "charges", "other", "opening"):
        await open_account(session, school_id, kind)


async def open_account(session: AsyncSession, school_id: UUID, kind: str) -> UUID:
    """Open one account and return its id."""
    account = Account(
        school_id=school_id, id=new_id(), kind=kind, balance_cents=Cents(0), entries=0
    )
    session.add(account)
    await session.flush()
    return account.id


async def open_with_references(
    session: AsyncSession,
    school_id: UUID,
    kind: str,
    limits: Sequence[tuple[Cents | None, Cents | None]],
    *,
    avoiding: Collection[str] = (),
) -> list[tuple[UUID, Reference]]:
    """Open an account for each pair of floor and ceiling, each with a reference of its own.

    None of the references is one of `avoiding`, which will pay into something else.
    """
    if not limits:
        return []
    accounts = Accounts(session, school_id)
    free = await _free_references(accounts, len(limits), avoiding)
    opened = [(new_id(), reference) for reference in free]
    await accounts.add(
        kind,
        [
            (account_id, floor_cents, ceiling_cents)
            for (account_id, _), (floor_cents, ceiling_cents) in zip(opened, limits, strict=True)
        ],
    )
    await accounts.add_references(opened, clock.now())
    return opened


async def _free_references(
    accounts: Accounts, count: int, avoiding: Collection[str]
) -> list[Reference]:
    """Take the next references that pay into nothing: a former system's may be in the way."""
    free: list[Reference] = []
    while missing := count - len(free):
        first = await accounts.reserve_references(missing)
        following = [references.issue(first + place) for place in range(missing)]
        taken = {*await accounts.by_reference(following), *avoiding}
        free += [reference for reference in following if reference not in taken]
    return free


async def close(session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]) -> None:
    """Close accounts of the parents' side for good; their references then pay nothing any more.

    Raises `AccountNotEmpty`.
    """
    accounts = Accounts(session, school_id)
    balances = await accounts.locked(account_ids)
    if any(balance.balance_cents for balance in balances.values()):
        raise AccountNotEmpty
    await accounts.close(balances, clock.now())


async def add_reference(
    session: AsyncSession, school_id: UUID, account_id: UUID, reference: Reference
) -> None:
    """Let one more reference pay into an account; raises `ReferenceTaken`."""
    await add_references(session, school_id, [(account_id, reference)])


async def add_references(
    session: AsyncSession, school_id: UUID, pairs: Sequence[tuple[UUID, Reference]]
) -> None:
    """Let more references pay into accounts, all or none; raises `ReferenceTaken`."""
    with refusing("pk_payment_references", ReferenceTaken()):
        await Accounts(session, school_id).add_references(pairs, clock.now())


async def lock_books(session: AsyncSession, school_id: UUID) -> None:
    """Let one import at a time read and write this school's books."""
    await Accounts(session, school_id).lock_books()


async def accounts_by_reference(
    session: AsyncSession, school_id: UUID, wanted: Iterable[str]
) -> dict[str, UUID]:
    """Return the account behind each reference that was issued: one look-up for a whole file."""
    return await Accounts(session, school_id).by_reference(wanted)


async def posted(
    session: AsyncSession, school_id: UUID, causes: Iterable[str]
) -> dict[str, Transfer]:
    """Return what was posted for which of these causes: one look-up for a whole file."""
    return {
        transfer.cause: transfer
        for transfer in await Accounts(session, school_id).caused_by(causes)
    }


async def chart(session: AsyncSession, school_id: UUID) -> Chart:
    """Return the school's own accounts."""
    accounts = await Accounts(session, school_id).school_side()
    one = {kind: account_id for account_id, kind in accounts}
    return Chart(
        suspense=one["suspense"],
        revenue=one["revenue"],
        charges=one["charges"],
        other=one["other"],
        opening=one["opening"],
        all=frozenset(account_id for account_id, _ in accounts),
    )


async def lock(session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]) -> Locked:
    """Hold accounts of the parents' side until the transaction ends."""
    return Locked(
        school_id,
        await chart(session, school_id),
        await Accounts(session, school_id).locked(account_ids),
    )


async def post(
    session: AsyncSession, locked: Locked, postings: Sequence[Posting]
) -> Mapping[UUID, Balance]:
    """Move money, all of it or none; return the balances that changed, as they are now.

    Every side is either held by `locked` or one of the school's own accounts.

    Raises `InsufficientFunds`, `MoreThanDue`, `AccountClosed`, `AlreadyReversed`.
    """
    if not postings:
        return {}
    sides = {side for each in postings for side in (each.source_id, each.target_id)}
    if strangers := sides - locked.balances.keys() - locked.chart.all:
        raise LookupError(f"accounts that nobody locked: {sorted(map(str, strangers))}")
    try:
        booked, changed = booking.book(locked.balances, postings)
    except booking.BelowFloor as error:
        raise InsufficientFunds from error
    except booking.AboveCeiling as error:
        raise MoreThanDue from error
    except booking.Closed as error:
        raise AccountClosed from error
    accounts = Accounts(session, locked.school_id)
    with refusing("uq_transfers_reverses_id_school_id", AlreadyReversed()):
        await accounts.add_transfers(booked, clock.now())
    if changed:
        await accounts.store(changed)
    return changed


async def reverse(
    session: AsyncSession, school_id: UUID, transfer_ids: Sequence[UUID], booked_on: date
) -> None:
    """Undo transfers by their opposites, newest first; each can be undone once.

    Raises `AlreadyReversed`, and `InsufficientFunds` where the money has been spent since.
    """
    accounts = Accounts(session, school_id)
    transfers = await accounts.transfers(transfer_ids)
    if len(transfers) != len(set(transfer_ids)):
        raise LookupError("no such transfer")
    sides = {side for each in transfers for side in (each.source_id, each.target_id)}
    locked = await lock(session, school_id, sides)
    await post(
        session,
        locked,
        [
            Posting(
                source_id=each.target_id,
                target_id=each.source_id,
                amount_cents=each.amount_cents,
                cause=f"reversal:{each.id}",
                booked_on=booked_on,
                reverses_id=each.id,
            )
            for each in reversed(transfers)
        ],
    )


def history(session: AsyncSession, school_id: UUID, account_id: UUID) -> Selection:
    """Select an account's entries, in the order given under its lock."""
    return Accounts(session, school_id).history(account_id)
