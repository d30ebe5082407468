"""Wallets: who sees which, how to top one up, and what happened in it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import epc, errors, pagination
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Selection
from itschool_api.families import service as families
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.pagination import Order, Slice
from itschool_api.references import Reference, formatted
from itschool_api.schools import service as schools
from itschool_api.wallets import models
from itschool_api.wallets.repository import BY_STUDENT, ORDERS, Wallets
from itschool_api.wallets.schemas import (
    Operation,
    OperationKind,
    OperationPage,
    PaymentDetails,
    Wallet,
    WalletCompartment,
    WalletPage,
    WalletSort,
    WalletStudent,
)

# A transfer's cause begins with what made it; see the services that post.
_KINDS = {
    "bank-transaction": OperationKind.TOP_UP,
    "wallet-payment": OperationKind.PAYMENT,
    "reversal": OperationKind.REVERSAL,
    "opening": OperationKind.OPENING,
}


class WalletNotFound(errors.NotFound):
    """There is no such wallet, or it is not yours to see."""


async def open_missing(
    session: AsyncSession,
    school_id: UUID,
    student_ids: Sequence[UUID] | None = None,
    *,
    avoiding: Collection[str] = (),
) -> None:
    """Open the wallets that students lack, one for each compartment, each with its reference.

    None of the references is one of `avoiding`, which will pay into something else.
    """
    wallets = Wallets(session, school_id)
    pairs = await wallets.missing(student_ids)
    opened = await ledger.open_with_references(
        session,
        school_id,
        "wallet",
        [(pair.floor_cents, None) for pair in pairs],
        avoiding=avoiding,
    )
    await wallets.add(
        [
            (pair.student_id, pair.compartment_id, account_id)
            for pair, (account_id, _) in zip(pairs, opened, strict=True)
        ]
    )


async def of_students(
    session: AsyncSession, school_id: UUID, student_ids: Iterable[UUID]
) -> dict[tuple[UUID, UUID], models.Wallet]:
    """Return students' wallets by student and compartment."""
    found = await Wallets(session, school_id).of(student_ids)
    return {(each.student_id, each.compartment_id): each for each in found}


async def close(session: AsyncSession, school_id: UUID, student_id: UUID) -> None:
    """Close a leaver's wallets; what is still paid into them waits in suspense (rule 29).

    Raises `ledger.AccountNotEmpty`.
    """
    accounts = [each.account_id for each in await Wallets(session, school_id).of([student_id])]
    await ledger.close(session, school_id, accounts)


async def references(session: AsyncSession, school_id: UUID) -> dict[tuple[UUID, UUID], Reference]:
    """Return the shown reference of every wallet by student and compartment: for whole mailings."""
    rows = await Wallets(session, school_id).references()
    # The newest come first, so the first that a wallet had is what stays.
    return {(row.student_id, row.compartment_id): Reference(row.reference) for row in rows}


async def list_wallets(
    session: AsyncSession,
    caller: Caller,
    wanted: Slice,
    *,
    sort: WalletSort,
    student_id: UUID | None = None,
    search: str = "",
) -> WalletPage:
    """Return wallets: a parent's children's, or the school's for its office."""
    if caller.sees_school(Scope.WALLETS_READ) and student_id is None and not search:
        rows, following = await pagination.rows_of(
            session, Wallets.listing(sort), wanted, school_id=caller.school_id
        )
    else:
        query = _visible(session, caller, student_id=student_id, search=search)
        rows, following = await pagination.rows(session, query, ORDERS[sort], wanted)
    return WalletPage(items=[_wallet(row) for row in rows], next=following)


async def own_wallets(session: AsyncSession, caller: Caller, count: int) -> Sequence[Wallet]:
    """Return the wallets that matter to a parent now: a leaver's as long as it holds money."""
    query = Wallets(session, caller.school_id).selected(
        among=families.visible_students(caller, money=True),
        in_use_on=schools.today_there(caller.school_id),
    )
    rows, _ = await pagination.rows(session, query, BY_STUDENT, Slice(count))
    return [_wallet(row) for row in rows]


async def read_wallet(session: AsyncSession, caller: Caller, wallet_id: UUID) -> Wallet:
    """Return a wallet; raises `WalletNotFound`."""
    return _wallet(await _row(session, caller, wallet_id))


async def list_operations(
    session: AsyncSession, caller: Caller, wallet_id: UUID, wanted: Slice
) -> OperationPage:
    """Return a wallet's history, newest first; raises `WalletNotFound`."""
    wallet = await _row(session, caller, wallet_id)
    query = ledger.history(session, caller.school_id, wallet.account_id)
    order = Order((query.selected_columns["entry"],), descending=True)
    rows, following = await pagination.rows(session, query, order, wanted)
    return OperationPage(
        items=[
            Operation(
                id=row.id,
                booked_on=row.booked_on,
                recorded_at=row.recorded_at,
                kind=_KINDS.get(row.cause.split(":")[0], OperationKind.OTHER),
                amount_cents=row.amount_cents,
                balance_cents=row.balance_cents,
            )
            for row in rows
        ],
        next=following,
    )


async def top_up_details(session: AsyncSession, caller: Caller, wallet_id: UUID) -> PaymentDetails:
    """Return how to top a wallet up; raises `WalletNotFound`, `schools.NoBankAccount`."""
    wallet = await _row(session, caller, wallet_id)
    return await payment_details(session, caller.school_id, wallet.account_id, None)


async def payment_details(
    session: AsyncSession, school_id: UUID, account_id: UUID, amount_cents: Cents | None
) -> PaymentDetails:
    """Return how to pay into an account of the parents' side; raises `schools.NoBankAccount`."""
    bank = await schools.account_to_pay(session, school_id)
    reference = Reference(await Wallets(session, school_id).reference(account_id))
    return PaymentDetails(
        iban=bank.iban,
        bic=bank.bic,
        beneficiary=bank.holder,
        reference=reference,
        reference_display=formatted(reference),
        amount_cents=amount_cents,
        epc_payload=epc.payload(
            beneficiary=bank.holder,
            iban=bank.iban,
            bic=bank.bic or "",
            reference=reference,
            amount_cents=amount_cents,
        ),
        imported_until=bank.imported_until,
    )


async def account_of(session: AsyncSession, caller: Caller, wallet_id: UUID) -> UUID:
    """Return the ledger account of a wallet that the caller sees; raises `WalletNotFound`."""
    account_id: UUID = (await _row(session, caller, wallet_id)).account_id
    return account_id


async def ids(
    session: AsyncSession, school_id: UUID, account_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return the wallet of each account that is one's."""
    return await Wallets(session, school_id).ids(account_ids)


async def general_accounts(
    session: AsyncSession, school_id: UUID, student_ids: Iterable[UUID]
) -> dict[UUID, UUID]:
    """Return the account of each student's general wallet."""
    return await Wallets(session, school_id).general_accounts(student_ids)


def _visible(
    session: AsyncSession, caller: Caller, *, student_id: UUID | None = None, search: str = ""
) -> Selection:
    among = (
        None
        if caller.sees_school(Scope.WALLETS_READ)
        else families.visible_students(caller, money=True)
    )
    return Wallets(session, caller.school_id).selected(
        among=among, student_id=student_id, search=search
    )


async def _row(session: AsyncSession, caller: Caller, wallet_id: UUID) -> Any:
    query = _visible(session, caller).where(models.Wallet.id == wallet_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise WalletNotFound
    return row


def _wallet(row: Any) -> Wallet:
    return Wallet(
        id=row.id,
        student=WalletStudent(
            id=row.student_id, first_name=row.first_name, last_name=row.last_name
        ),
        compartment=WalletCompartment(id=row.compartment_id, name=row.compartment_name),
        balance_cents=row.balance_cents,
        floor_cents=row.floor_cents,
        closed=row.closed_at is not None,
        imported_until=row.imported_until,
    )
