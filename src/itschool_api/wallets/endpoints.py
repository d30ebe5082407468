"""HTTP: wallets, their history, and how to top them up."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from itschool_api import errors
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.pagination import InvalidCursor, Wanted, Words, sorted_by
from itschool_api.schools.service import NoBankAccount
from itschool_api.wallets import payable, service
from itschool_api.wallets.schemas import (
    OperationPage,
    PaymentDetails,
    Wallet,
    WalletPage,
    WalletSort,
)

router = APIRouter(prefix="/v1/wallets", tags=["wallets"])

WalletReader = Annotated[Caller, Security(authenticate, scopes=[Scope.WALLETS_READ])]


@router.get("", responses=errors.responses(InvalidCursor))
async def list_wallets(
    session: Transaction,
    caller: WalletReader,
    wanted: Wanted,
    student: Annotated[UUID | None, Query(description="Of this student only.")] = None,
    search: Words = "",
    sort: Annotated[
        WalletSort,
        sorted_by(
            "`student`: last name, first name. A wallet whose balance changes between two parts can be missed, or come twice."
        ),
    ] = "student",
) -> WalletPage:
    """List wallets, by default by student: a parent's children's, or all of the school's for its office."""
    return await service.list_wallets(
        session, caller, wanted, sort=sort, student_id=student, search=search
    )


@router.get("/{wallet_id}", responses=errors.responses(service.WalletNotFound))
async def read_wallet(session: Transaction, caller: WalletReader, wallet_id: UUID) -> Wallet:
    """Read a wallet and its balance."""
    return await service.read_wallet(session, caller, wallet_id)


@router.get(
    "/{wallet_id}/operations", responses=errors.responses(InvalidCursor, service.WalletNotFound)
)
async def list_wallet_operations(
    session: Transaction, caller: WalletReader, wallet_id: UUID, wanted: Wanted
) -> OperationPage:
    """List what happened in a wallet, newest first, with the balance after each."""
    return await service.list_operations(session, caller, wallet_id, wanted)


@router.get(
    "/{wallet_id}/top-up",
    response_model=PaymentDetails,
    responses={
        **payable.RESPONSES,
        **errors.responses(errors.NotAcceptable, service.WalletNotFound, NoBankAccount),
    },
)
async def read_wallet_top_up(
    request: Request, session: Transaction, caller: WalletReader, wallet_id: UUID
) -> Response:
    """Read how to top a wallet up by transfer; its reference stays the same for ever.

    Ask for `image/svg+xml` or `image/png` to get the EPC QR code that banking apps scan.
    """
    details = await service.top_up_details(session, caller, wallet_id)
    return payable.respond(request, details)
