"""Rows of the books: SQL, and no decisions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Uuid,
    column,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.database import Selection, insert_many, insert_rows, new_id
from itschool_api.ledger.booking import Balance, Booked
from itschool_api.ledger.models import Account, Books, PaymentReference, Transfer
from itschool_api.money import Cents
from itschool_api.references import Reference

PARENTS_SIDE = ("wallet", "invoice")


class Accounts:
    """Accounts, transfers, and references."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def lock_books(self) -> None:
        """Wait until no other import or issue of references runs in this school."""
        await self._session.execute(
            select(Books.school_id).where(Books.school_id == self._school_id).with_for_update()
        )

    async def reserve_references(self, count: int) -> int:
        """Reserve `count` numbers for references and return the first."""
        query = (
            update(Books)
            .where(Books.school_id == self._school_id)
            .values(next_reference=Books.next_reference + count)
            .returning(Books.next_reference)
        )
        return (await self._session.execute(query)).scalar_one() - count

    async def add(
        self, kind: str, accounts: Sequence[tuple[UUID, Cents | None, Cents | None]]
    ) -> None:
        """Insert empty accounts, each with its floor and ceiling, in one batch."""
        await insert_many(
            self._session,
            Account,
            [
                {
                    "school_id": self._school_id,
                    "id": account_id,
                    "kind": kind,
                    "balance_cents": 0,
                    "floor_cents": floor_cents,
                    "ceiling_cents": ceiling_cents,
                    "entries": 0,
                    "closed_at": None,
                }
                for account_id, floor_cents, ceiling_cents in accounts
            ],
        )

    async def add_references(self, pairs: Iterable[tuple[UUID, Reference]], now: datetime) -> None:
        """Insert references that pay into accounts, in one batch."""
        await insert_many(
            self._session,
            PaymentReference,
            [
                {
                    "school_id": self._school_id,
                    "reference": reference,
                    "account_id": account_id,
                    "created_at": now,
                }
                for account_id, reference in pairs
            ],
        )

    async def school_side(self) -> Sequence[tuple[UUID, str]]:
        """Return the school's own accounts with their kinds."""
        query = select(Account.id, Account.kind).where(
            Account.school_id == self._school_id, Account.kind.not_in(PARENTS_SIDE)
        )
        return [(row.id, row.kind) for row in await self._session.execute(query)]

    async def locked(self, ids: Iterable[UUID]) -> dict[UUID, Balance]:
        """Lock accounts of the parents' side in the order of their ids, and return them.

        An UPDATE alone, even a sorted one, deadlocks under concurrency; locking first does not.
        """
        query = (
            select(
                Account.id,
                Account.balance_cents,
                Account.floor_cents,
                Account.ceiling_cents,
                Account.entries,
                Account.closed_at,
            )
            .where(
                Account.school_id == self._school_id,
                Account.id == func.any(_ids(ids)),
                Account.kind.in_(PARENTS_SIDE),
            )
            .order_by(Account.id)
            .with_for_update(key_share=True)
        )
        return {
            row.id: Balance(
                row.balance_cents,
                row.floor_cents,
                row.ceiling_cents,
                row.entries,
                closed=row.closed_at is not None,
            )
            for row in await self._session.execute(query)
        }

    async def add_transfers(self, booked: Sequence[Booked], now: datetime) -> None:
        """Insert transfers in one batch."""
        await insert_rows(
            self._session,
            Transfer,
            (
                *("id", "source_id", "target_id", "amount_cents", "cause", "booked_on"),
                *("reverses_id", "source_balance_cents", "target_balance_cents"),
                *("source_entry", "target_entry"),
            ),
            [
                (
                    posting.id or new_id(),
                    posting.source_id,
                    posting.target_id,
                    posting.amount_cents,
                    posting.cause,
                    posting.booked_on,
                    posting.reverses_id,
                    source and source.balance_cents,
                    target and target.balance_cents,
                    source and source.entries,
                    target and target.entries,
                )
                for posting, source, target in booked
            ],
            school_id=self._school_id,
            recorded_at=now,
        )

    async def store(self, balances: Mapping[UUID, Balance]) -> None:
        """Write balances in one statement; their rows are locked already."""
        values = (
            func.unnest(
                _ids(balances),
                _numbers(balance.balance_cents for balance in balances.values()),
                _numbers(balance.entries for balance in balances.values()),
            )
            .table_valued(
                column("id", Uuid),
                column("balance_cents", BigInteger),
                column("entries", BigInteger),
            )
            .render_derived(name="changed")
        )
        await self._session.execute(
            update(Account)
            .where(Account.school_id == self._school_id, Account.id == values.c.id)
            .values(balance_cents=values.c.balance_cents, entries=values.c.entries)
            .execution_options(synchronize_session=False)
        )

    async def close(self, ids: Iterable[UUID], now: datetime) -> None:
        """Mark accounts as closed, those that are not; their rows are locked already."""
        await self._session.execute(
            update(Account)
            .where(
                Account.school_id == self._school_id,
                Account.id == func.any(_ids(ids)),
                Account.closed_at.is_(None),
            )
            .values(closed_at=now)
            .execution_options(synchronize_session=False)
        )

    async def by_reference(self, references: Iterable[str]) -> dict[str, UUID]:
        """Return the account that each of the known references pays into."""
        query = select(PaymentReference.reference, PaymentReference.account_id).where(
            PaymentReference.school_id == self._school_id,
            PaymentReference.reference == func.any(list(references)),
        )
        return {row.reference: row.account_id for row in await self._session.execute(query)}

    async def caused_by(self, causes: Iterable[str]) -> Sequence[Transfer]:
        """Return the transfers with these causes."""
        query = select(Transfer).where(
            Transfer.school_id == self._school_id, Transfer.cause == func.any(list(causes))
        )
        return (await self._session.execute(query)).scalars().all()

    async def transfers(self, ids: Iterable[UUID]) -> Sequence[Transfer]:
        """Return transfers in the order in which they were made."""
        query = (
            select(Transfer)
            .where(Transfer.school_id == self._school_id, Transfer.id == func.any(_ids(ids)))
            .order_by(Transfer.id)
        )
        return (await self._session.execute(query)).scalars().all()

    def history(self, account_id: UUID) -> Selection:
        """Select an account's entries: number, change, balance after, and the transfer.

        Each side is put in the order of a history, newest first, so that PostgreSQL merges two
        indexes; without it, it would read and sort all that ever happened, for each page.
        """
        leaving = select(
            Transfer.source_entry.label("entry"),
            (-Transfer.amount_cents).label("amount_cents"),
            Transfer.source_balance_cents.label("balance_cents"),
            *_FACTS,
        ).where(Transfer.school_id == self._school_id, Transfer.source_id == account_id)
        leaving = leaving.order_by(Transfer.source_entry.desc())
        coming = select(
            Transfer.target_entry,
            Transfer.amount_cents,
            Transfer.target_balance_cents,
            *_FACTS,
        ).where(Transfer.school_id == self._school_id, Transfer.target_id == account_id)
        coming = coming.order_by(Transfer.target_entry.desc())
        return select(union_all(leaving, coming).subquery("history"))


_FACTS = (Transfer.id, Transfer.cause, Transfer.booked_on, Transfer.recorded_at)


def _ids(ids: Iterable[UUID]) -> Any:
    return literal(list(ids), ARRAY(Uuid))


def _numbers(numbers: Iterable[int]) -> Any:
    return literal(list(numbers), ARRAY(BigInteger))
