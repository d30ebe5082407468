"""The first page: what several packages know, put together."""

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.caller import Caller, Scope
from itschool_api.dashboard.schemas import MOST_EVENTS, Dashboard
from itschool_api.events import service as events
from itschool_api.invoices import service as invoices
from itschool_api.pagination import LARGEST_LIMIT
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets
from itschool_api.wallets.schemas import Wallet


async def read_dashboard(session: AsyncSession, caller: Caller) -> Dashboard:
    """Return the caller's first page: one statement for each of its parts."""
    return Dashboard(
        events=list(await events.upcoming(session, caller, MOST_EVENTS)),
        wallets=await _own_wallets(session, caller),
        invoices=await invoices.summarise(session, caller),
        imported_until=await schools.imported_until(session, caller.school_id),
    )


async def _own_wallets(session: AsyncSession, caller: Caller) -> list[Wallet]:
    if caller.sees_school(Scope.WALLETS_READ):
        return []
    return list(await wallets.own_wallets(session, caller, LARGEST_LIMIT))
