"""What clients receive for their first page."""

from datetime import date

from pydantic import Field

from itschool_api.contract import Document
from itschool_api.events.schemas import Event
from itschool_api.invoices.schemas import InvoiceSummary
from itschool_api.pagination import LARGEST_LIMIT
from itschool_api.wallets.schemas import Wallet

MOST_EVENTS = 5


class Dashboard(Document):
    """What matters now."""

    events: list[Event] = Field(
        max_length=MOST_EVENTS, description="The next ones, and those that are going on."
    )
    wallets: list[Wallet] = Field(
        max_length=LARGEST_LIMIT,
        description="Those of a parent's children, and of a child who left the school as long as "
        "there is money; empty for the office, which lists or searches.",
    )
    invoices: InvoiceSummary
    imported_until: date | None = Field(
        description="Until which day the school has imported its bank statements: a transfer "
        "made since then does not show yet.",
        examples=["2026-11-23"],
    )
