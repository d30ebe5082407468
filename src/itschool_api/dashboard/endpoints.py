"""HTTP: the first page."""

from typing import Annotated

from fastapi import APIRouter, Security

from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.dashboard import service
from itschool_api.dashboard.schemas import Dashboard
from itschool_api.database import Transaction

router = APIRouter(prefix="/v1/dashboard", tags=["dashboard"])

DashboardReader = Annotated[
    Caller,
    Security(authenticate, scopes=[Scope.EVENTS_READ, Scope.INVOICES_READ, Scope.WALLETS_READ]),
]


@router.get("")
async def read_dashboard(session: Transaction, caller: DashboardReader) -> Dashboard:
    """Read all that the first page shows: events, wallets, what there is to pay.

    A parent gets what is theirs; the school's office gets the school's events and sums.
    """
    return await service.read_dashboard(session, caller)
