"""Rows of the bank: SQL, and no decisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import pagination
from itschool_api.banking.coda import NO_SEPARATE_APPLICATION
from itschool_api.banking.matching import Planned, State
from itschool_api.banking.models import (
    Allocation,
    BankImport,
    BankStatement,
    BankTransaction,
)
from itschool_api.database import Selection, held, insert_rows, new_id
from itschool_api.invoices.models import Invoice
from itschool_api.ledger.models import Transfer
from itschool_api.schools.models import BankAccount
from itschool_api.wallets.models import Wallet

STATEMENT_ORDERS: Final = pagination.orders(
    {
        "id": (BankStatement.id,),
        "closing_on": (BankStatement.closing_on, BankStatement.id),
    }
)
TRANSACTION_ORDERS: Final = pagination.orders(
    {
        "id": (BankTransaction.id,),
        "booked_on": (BankTransaction.booked_on, BankTransaction.id),
        "amount_cents": (BankTransaction.amount_cents, BankTransaction.id),
    }
)


class Statements:
    """Imports and the statements that they brought."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def known(self, keys: Collection[str]) -> dict[tuple[UUID, str], BankStatement]:
        """Return the statements that are imported already, by bank account and key."""
        query = select(BankStatement).where(
            BankStatement.school_id == self._school_id,
            BankStatement.key == func.any(list(keys)),
            BankStatement.reversed_at.is_(None),
        )
        found = (await self._session.execute(query)).scalars()
        return {(each.bank_account_id, each.key): each for each in found}

    async def newest_before(
        self, first_days: Iterable[tuple[UUID, date]]
    ) -> dict[UUID, BankStatement]:
        """Return each account's newest statement that closed on or before its day."""
        query = (
            select(BankStatement)
            .ext(distinct_on(BankStatement.bank_account_id))
            .where(
                BankStatement.school_id == self._school_id,
                or_(
                    *(
                        (BankStatement.bank_account_id == account_id)
                        & (BankStatement.closing_on <= day)
                        for account_id, day in first_days
                    )
                ),
                BankStatement.reversed_at.is_(None),
                BankStatement.separate_application == NO_SEPARATE_APPLICATION,
            )
            .order_by(
                BankStatement.bank_account_id,
                BankStatement.closing_on.desc(),
                BankStatement.number.desc(),
            )
        )
        found = (await self._session.execute(query)).scalars()
        return {each.bank_account_id: each for each in found}

    async def report(self, import_id: UUID) -> str:
        """Return the report of an import, as it was given."""
        query = select(BankImport.report).where(
            BankImport.school_id == self._school_id, BankImport.id == import_id
        )
        return (await self._session.execute(query)).scalar_one()

    def selected(self) -> Selection:
        """Select statements with their account and import."""
        return (
            select(BankStatement, BankAccount.iban, BankImport.imported_at)
            .join(
                BankAccount,
                (BankAccount.school_id == BankStatement.school_id)
                & (BankAccount.id == BankStatement.bank_account_id),
            )
            .join(
                BankImport,
                (BankImport.school_id == BankStatement.school_id)
                & (BankImport.id == BankStatement.import_id),
            )
            .where(BankStatement.school_id == self._school_id, BankStatement.reversed_at.is_(None))
        )

    async def outcome(self, statement_id: UUID) -> Sequence[Any]:
        """Return counts and sums of a statement's transactions by state and cause."""
        query = (
            select(
                BankTransaction.state,
                BankTransaction.cause,
                func.count().label("count"),
                func.sum(BankTransaction.amount_cents).label("cents"),
            )
            .where(
                BankTransaction.school_id == self._school_id,
                BankTransaction.statement_id == statement_id,
            )
            .group_by(BankTransaction.state, BankTransaction.cause)
            .order_by(BankTransaction.state, BankTransaction.cause)
        )
        return (await self._session.execute(query)).all()


class Transactions:
    """Movements and where their money went."""

    def __init__(self, session: AsyncSession, school_id: UUID) -> None:
        self._session = session
        self._school_id = school_id

    async def add(
        self, planned: Iterable[tuple[UUID, Planned]], statement_ids: Mapping[int, UUID]
    ) -> None:
        """Insert transactions by their ids, in one batch."""
        await insert_rows(
            self._session,
            BankTransaction,
            (
                *("id", "statement_id", "ordinal", "amount_cents", "value_on", "booked_on"),
                *("transaction_code", "state", "cause", "reference", "communication"),
                *("counterparty_name", "counterparty_account", "raw"),
            ),
            [
                (
                    transaction_id,
                    statement_ids[line.statement],
                    line.ordinal,
                    line.amount_cents,
                    (movement := line.movement).value_on,
                    line.booked_on,
                    movement.transaction_code,
                    state,
                    cause,
                    reference,
                    movement.communication,
                    movement.counterparty_name,
                    movement.counterparty_account,
                    "\n".join(movement.records),
                )
                for transaction_id, (line, state, cause, reference, _) in planned
            ],
            school_id=self._school_id,
        )

    async def allocate(self, parts: Sequence[tuple[UUID, UUID]], by: str, now: datetime) -> None:
        """Insert which transfer settled which transaction."""
        await insert_rows(
            self._session,
            Allocation,
            ("id", "transaction_id", "transfer_id"),
            [(new_id(), transaction_id, transfer_id) for transaction_id, transfer_id in parts],
            school_id=self._school_id,
            allocated_by=by,
            allocated_at=now,
        )

    def selected(
        self,
        *,
        state: str | None = None,
        cause: str | None = None,
        statement_id: UUID | None = None,
    ) -> Selection:
        """Select transactions."""
        query = select(BankTransaction).where(BankTransaction.school_id == self._school_id)
        if state:
            query = query.where(BankTransaction.state == state)
        if cause:
            query = query.where(BankTransaction.cause == cause)
        return query.where(BankTransaction.statement_id == statement_id) if statement_id else query

    async def locked(self, transaction_id: UUID) -> BankTransaction | None:
        """Return a transaction, locked against a second decision."""
        return await held(self._session, BankTransaction, self._school_id, transaction_id)

    async def mark_paid(self, transaction_id: UUID) -> None:
        """Let a transaction wait no more."""
        await self._session.execute(
            update(BankTransaction)
            .where(
                BankTransaction.school_id == self._school_id, BankTransaction.id == transaction_id
            )
            .values(state=State.PAID.value, cause=None)
        )

    async def allocations(self, transaction_id: UUID) -> Sequence[Any]:
        """Return where a transaction's money went."""
        query = (
            select(
                Wallet.id.label("wallet_id"),
                Invoice.id.label("invoice_id"),
                Transfer.amount_cents,
                Allocation.allocated_by,
                Allocation.allocated_at,
            )
            .join(
                Transfer,
                (Transfer.school_id == Allocation.school_id)
                & (Transfer.id == Allocation.transfer_id),
            )
            .outerjoin(
                Wallet,
                (Wallet.school_id == Transfer.school_id)
                & (Wallet.account_id == Transfer.target_id),
            )
            .outerjoin(
                Invoice,
                (Invoice.school_id == Transfer.school_id)
                & (Invoice.account_id == Transfer.target_id),
            )
            .where(
                Allocation.school_id == self._school_id,
                Allocation.transaction_id == transaction_id,
            )
            .order_by(Allocation.id)
        )
        return (await self._session.execute(query)).all()
