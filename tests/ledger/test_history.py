"""An account's history costs the same, however long it is."""

from uuid import UUID

import pytest
from sqlalchemy import text

from itschool_api import pagination
from itschool_api.database import new_id, school_transaction
from itschool_api.ledger import service as ledger
from itschool_api.pagination import Order
from tests.kit import School

pytestmark = pytest.mark.anyio


async def test_a_page_is_merged_from_two_indexes(school: School) -> None:
    """Else each page reads and sorts all that ever happened on the account."""
    account: UUID = new_id()
    async with school_transaction(school.sessions, school.id) as session:
        history = ledger.history(session, school.id, account)
        order = Order((history.selected_columns["entry"],), descending=True)
        page = pagination.listing(history, order).statement.params(page_rows=51)
        sql = page.compile(
            dialect=session.get_bind().dialect, compile_kwargs={"literal_binds": True}
        )
        # A few rows are sorted as fast: what counts is whether it is possible.
        await session.execute(text("SET LOCAL enable_sort = off"))
        await session.execute(text("SET LOCAL enable_bitmapscan = off"))
        explained = (await session.connection()).exec_driver_sql(f"EXPLAIN {sql}")
        plan = "\n".join((await explained).scalars())

    assert "Merge Append" in plan, plan
    assert plan.count("Index Scan Backward using ix_transfers_") == 2, plan
    assert "Sort  (" not in plan, plan
