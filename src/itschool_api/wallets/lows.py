"""Wallets that fell below their threshold, told to the school's systems.

Once for each crossing: what counts are the balances before and after a whole transaction, so
nothing needs to be remembered, and a wallet that is low already is not told of again.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.ledger.service import Balance, Locked
from itschool_api.wallets.repository import Wallets
from itschool_api.webhooks import telling
from itschool_api.webhooks.payloads import EventType, WalletLow


async def tell(session: AsyncSession, locked: Locked, changed: Mapping[UUID, Balance]) -> None:
    """Tell which wallets fell below their threshold by what `ledger.post` changed.

    Whoever takes money out of wallets calls this after posting; where no balance fell, it asks
    the database nothing.
    """
    before = locked.balances
    fallen = [
        account_id
        for account_id, now in changed.items()
        if now.balance_cents < before[account_id].balance_cents
    ]
    if not fallen:
        return
    listening = await telling.audience(session, locked.school_id, EventType.WALLET_LOW)
    if not listening:
        return
    rows = await Wallets(session, locked.school_id).with_thresholds(fallen)
    await telling.tell(
        session,
        listening,
        (
            WalletLow(
                wallet_id=row.id,
                student_id=row.student_id,
                compartment_id=row.compartment_id,
                balance_cents=changed[row.account_id].balance_cents,
                low_cents=row.low_cents,
            )
            for row in rows
            if changed[row.account_id].balance_cents
            < row.low_cents
            <= before[row.account_id].balance_cents
        ),
    )
