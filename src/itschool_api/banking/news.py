"""What the bank's files and the office's decisions tell the school's systems."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.banking.matching import Planned, State
from itschool_api.banking.models import BankTransaction
from itschool_api.banking.schemas import NewAllocation
from itschool_api.invoices import service as invoices
from itschool_api.wallets import service as wallets
from itschool_api.webhooks import telling
from itschool_api.webhooks.payloads import (
    AllocatedPart,
    EventType,
    PaymentInSuspense,
    PaymentMatched,
)


async def tell_of_import(
    session: AsyncSession,
    school_id: UUID,
    identified: Sequence[tuple[UUID, Planned]],
    statement_ids: Mapping[int, UUID],
) -> None:
    """Tell which payments of a file were matched and which wait; one query where nobody listens."""
    listening = await telling.audience(
        session, school_id, EventType.PAYMENT_MATCHED, EventType.PAYMENT_IN_SUSPENSE
    )
    if not listening:
        return
    accounts = {account for _, each in identified for account, _ in each.parts}
    wallet_of = await wallets.ids(session, school_id, accounts)
    invoice_of = await invoices.ids(session, school_id, accounts)
    told = _payments(identified, statement_ids, wallet_of, invoice_of)
    await telling.tell(session, listening, told)


async def tell_of_allocation(
    session: AsyncSession,
    school_id: UUID,
    transaction: BankTransaction,
    parts: Iterable[NewAllocation],
) -> None:
    """Tell that a payment which waited was given to wallets and invoices."""
    listening = await telling.audience(session, school_id, EventType.PAYMENT_MATCHED)
    if not listening:
        return
    payload = PaymentMatched(
        transaction_id=transaction.id,
        statement_id=transaction.statement_id,
        amount_cents=transaction.amount_cents,
        booked_on=transaction.booked_on,
        matched_by="allocation",
        parts=[
            AllocatedPart(
                wallet_id=part.wallet_id,
                invoice_id=part.invoice_id,
                amount_cents=part.amount_cents,
            )
            for part in parts
        ],
    )
    await telling.tell(session, listening, [payload])


def _payments(
    identified: Iterable[tuple[UUID, Planned]],
    statement_ids: Mapping[int, UUID],
    wallet_of: Mapping[UUID, UUID],
    invoice_of: Mapping[UUID, UUID],
) -> Iterator[PaymentMatched | PaymentInSuspense]:
    for transaction_id, each in identified:
        line = each.line
        if each.state is State.PAID:
            yield PaymentMatched(
                transaction_id=transaction_id,
                statement_id=statement_ids[line.statement],
                amount_cents=line.amount_cents,
                booked_on=line.booked_on,
                matched_by="import",
                parts=[
                    AllocatedPart(
                        wallet_id=wallet_of.get(account),
                        invoice_id=invoice_of.get(account),
                        amount_cents=cents,
                    )
                    for account, cents in each.parts
                ],
            )
        elif each.state is State.SUSPENSE and each.cause is not None:
            yield PaymentInSuspense(
                transaction_id=transaction_id,
                statement_id=statement_ids[line.statement],
                amount_cents=line.amount_cents,
                booked_on=line.booked_on,
                cause=each.cause.value,
            )
