"""The dashboard: one call, whatever a parent has."""

from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from itschool_api import clock
from itschool_api.auth.caller import Role, Scope
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.kit import PAYER, School, client_of, counted_statements, ok, problem

pytestmark = pytest.mark.anyio

BRUSSELS = "Europe/Brussels"


async def announce(school: School, day: date, title: str) -> Any:
    form = {
        "title": title,
        "begins_on": day.isoformat(),
        "ends_on": day.isoformat(),
        "audience": {"whole_school": True},
    }
    return ok(await school.manager.post("/v1/events", json=form), 201)


async def test_a_parent_gets_all_of_the_first_page(school: School) -> None:
    child = await school.child()
    stranger = await school.child()
    await school.invoice(stranger, 99_00)
    today = clock.today(BRUSSELS)
    due = today + timedelta(days=9)
    await school.invoice(child, 6_00, due_on=due)
    await school.invoice(child, 4_00, due_on=due + timedelta(days=1))
    await school.post_coda(school.coda(payment(child.reference, Cents(50_00), PAYER)))
    event = await announce(school, today + timedelta(days=1), "excursion")

    dashboard = ok(await child.parent.get("/v1/dashboard"))

    assert dashboard == {
        "events": [event],
        "wallets": ok(await child.parent.get("/v1/wallets"))["items"],
        "invoices": {
            "count": 2,
            "remaining_cents": 10_00,
            "next_due_on": due.isoformat(),
            "overdue_count": 0,
        },
        "imported_until": "2026-11-20",
    }
    assert [wallet["balance_cents"] for wallet in dashboard["wallets"]] == [50_00]


async def test_the_first_page_of_a_new_parent_is_empty(school: School) -> None:
    parent = await school.as_(Role.GUARDIAN)
    assert ok(await parent.get("/v1/dashboard")) == {
        "events": [],
        "wallets": [],
        "invoices": {
            "count": 0,
            "remaining_cents": 0,
            "next_due_on": None,
            "overdue_count": 0,
        },
        "imported_until": None,
    }


async def test_the_next_five_events_are_shown_and_none_that_is_over(school: School) -> None:
    child = await school.child()
    today = clock.today(BRUSSELS)
    for away in (5, 2, -2, 3, 7, 1, 4, 6):
        await announce(school, today + timedelta(days=away), str(away))
    for client in (child.parent, school.manager):
        dashboard = ok(await client.get("/v1/dashboard"))
        assert [event["title"] for event in dashboard["events"]] == ["1", "2", "3", "4", "5"]


async def test_the_office_gets_the_schools_sums_and_no_wallets(school: School) -> None:
    for cents in (6_00, 4_00):
        await school.invoice(await school.child(), cents)
    for role in (Role.ACCOUNTANT, Role.MANAGER, Role.ADMIN):
        dashboard = ok(await (await school.as_(role)).get("/v1/dashboard"))
        assert dashboard["wallets"] == []
        assert (dashboard["invoices"]["count"], dashboard["invoices"]["remaining_cents"]) == (
            2,
            10_00,
        )


async def test_a_guardian_who_does_not_see_money_gets_events_only(school: School) -> None:
    child = await school.child(sees_money=False)
    await school.invoice(child, 6_00)
    await announce(school, clock.today(BRUSSELS) + timedelta(days=1), "excursion")
    dashboard = ok(await child.parent.get("/v1/dashboard"))
    assert dashboard["wallets"] == []
    assert dashboard["invoices"]["count"] == 0
    assert [event["title"] for event in dashboard["events"]] == ["excursion"]


async def test_the_dashboard_asks_who_and_what_for(school: School) -> None:
    problem(await client_of(school.app).get("/v1/dashboard"), 401, "unauthenticated")
    teacher = await school.as_(Role.TEACHER)
    problem(await teacher.get("/v1/dashboard"), 403, "insufficient-scope")
    key = await school.api_key(Scope.EVENTS_READ, Scope.WALLETS_READ)
    problem(await key.get("/v1/dashboard"), 403, "insufficient-scope")


async def test_another_schools_dashboard_tells_nothing_of_this_one(
    school: School, other_school: School
) -> None:
    child = await school.child()
    await school.invoice(child, 6_00)
    await announce(school, clock.today(BRUSSELS) + timedelta(days=1), "excursion")
    stranger = await other_school.child()
    for client in (other_school.manager, stranger.parent):
        dashboard = ok(await client.get("/v1/dashboard"))
        assert dashboard["events"] == []
        assert dashboard["invoices"]["count"] == 0
        assert child.wallet_id not in {wallet["id"] for wallet in dashboard["wallets"]}


async def test_the_number_of_statements_is_the_same_for_one_child_and_for_ten(
    app: FastAPI, school: School
) -> None:
    one = await school.child()
    many = await school.child()
    await school.invoice(many, 6_00)
    for _ in range(9):
        await school.invoice(await school.sibling(many), 6_00)
    for away in range(1, 8):
        await announce(school, clock.today(BRUSSELS) + timedelta(days=away), str(away))

    with counted_statements(app) as for_one:
        dashboard = ok(await one.parent.get("/v1/dashboard"))
    assert len(dashboard["wallets"]) == 1
    with counted_statements(app) as for_many:
        dashboard = ok(await many.parent.get("/v1/dashboard"))
    assert len(dashboard["wallets"]) == 10
    assert dashboard["invoices"]["count"] == 10

    # Who calls, then one for each part of the page.
    assert len(for_one) == len(for_many) == 5
