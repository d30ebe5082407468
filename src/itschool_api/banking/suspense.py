"""Movements of the bank afterwards: where their money went, and the settling of what waits."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination, trail
from itschool_api.auth.caller import Caller
from itschool_api.banking import news
from itschool_api.banking.matching import Cause, State
from itschool_api.banking.models import BankTransaction
from itschool_api.banking.repository import TRANSACTION_ORDERS, Transactions
from itschool_api.banking.schemas import BankTransaction as BankTransactionDocument
from itschool_api.banking.schemas import (
    BankTransactionDetails,
    BankTransactionPage,
    BankTransactionSort,
    NewAllocation,
    NewAllocations,
    TransactionAllocation,
)
from itschool_api.database import new_id
from itschool_api.invoices import service as invoices
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Posting
from itschool_api.money import Cents, euros
from itschool_api.pagination import Slice
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets


class BankTransactionNotFound(errors.NotFound):
    """There is no such bank transaction."""


class NotInSuspense(errors.Conflict):
    """The transaction does not wait for a decision."""


class DebitNotAllocatable(errors.Unprocessable):
    """Money that left the account cannot be given to anybody."""


class AllocationsDoNotAddUp(errors.Unprocessable):
    """The parts do not make up the transaction's amount."""


async def list_transactions(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    state: State | None,
    cause: Cause | None,
    statement_id: UUID | None,
    sort: BankTransactionSort,
) -> BankTransactionPage:
    """Return transactions."""
    query = Transactions(session, caller.school_id).selected(
        state=state, cause=cause, statement_id=statement_id
    )
    rows, following = await pagination.rows(session, query, TRANSACTION_ORDERS[sort], wanted)
    return BankTransactionPage(
        items=[BankTransactionDocument.model_validate(row[0]) for row in rows], next=following
    )


async def read_transaction(
    session: AsyncSession, caller: Caller, transaction_id: UUID
) -> BankTransactionDetails:
    """Return a transaction and where its money went; raises `BankTransactionNotFound`."""
    rows = Transactions(session, caller.school_id)
    query = rows.selected().where(BankTransaction.id == transaction_id)
    transaction = (
        await session.execute(query.execution_options(populate_existing=True))
    ).scalar_one_or_none()
    if transaction is None:
        raise BankTransactionNotFound
    return BankTransactionDetails(
        **BankTransactionDocument.model_validate(transaction).model_dump(),
        allocations=[
            TransactionAllocation(
                account="wallet" if row.wallet_id else "invoice",
                wallet_id=row.wallet_id,
                invoice_id=row.invoice_id,
                amount_cents=row.amount_cents,
                allocated_by=row.allocated_by,
                allocated_at=row.allocated_at,
            )
            for row in await rows.allocations(transaction_id)
        ],
    )


async def allocate(
    session: AsyncSession, caller: Caller, transaction_id: UUID, form: NewAllocations
) -> BankTransactionDetails:
    """Settle a transaction that waits, over wallets and invoices; one decision wins.

    Raises `BankTransactionNotFound`, `NotInSuspense`, `DebitNotAllocatable`,
    `AllocationsDoNotAddUp`, `WalletNotFound`, `InvoiceNotFound`, and what `ledger.post` raises.
    """
    school_id = caller.school_id
    rows = Transactions(session, school_id)
    transaction = await rows.locked(transaction_id)
    if transaction is None:
        raise BankTransactionNotFound
    if transaction.state != State.SUSPENSE:
        raise NotInSuspense
    if transaction.amount_cents < 0:
        raise DebitNotAllocatable
    total = Cents(sum(part.amount_cents for part in form.allocations))
    if total != transaction.amount_cents:
        raise AllocationsDoNotAddUp(
            f"They make {euros(total)}; the transaction is of {euros(transaction.amount_cents)}."
        )
    targets = [await _account_of(session, caller, part) for part in form.allocations]
    locked = await ledger.lock(session, school_id, targets)
    today = await schools.today(session, school_id)
    postings = [
        Posting(
            source_id=locked.chart.suspense,
            target_id=target,
            amount_cents=Cents(part.amount_cents),
            cause=f"allocation:{new_id()}",
            booked_on=today,
            id=new_id(),
        )
        for part, target in zip(form.allocations, targets, strict=True)
    ]
    await ledger.post(session, locked, postings)
    await rows.mark_paid(transaction_id)
    await rows.allocate(
        [(transaction_id, each.id) for each in postings if each.id], caller.name, clock.now()
    )
    await news.tell_of_allocation(session, school_id, transaction, form.allocations)
    trail.about(
        session,
        wallet=[part.wallet_id for part in form.allocations if part.wallet_id],
        invoice=[part.invoice_id for part in form.allocations if part.invoice_id],
    )
    return await read_transaction(session, caller, transaction_id)


async def _account_of(session: AsyncSession, caller: Caller, part: NewAllocation) -> UUID:
    if part.wallet_id is not None:
        return await wallets.account_of(session, caller, part.wallet_id)
    if part.invoice_id is None:
        raise LookupError("an allocation names a wallet or an invoice")
    return await invoices.account_of(session, caller, part.invoice_id)
