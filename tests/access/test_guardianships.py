"""What a guardianship shows, and that its end counts at once (SEC-01, SEC-06)."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from itschool_api import clock
from itschool_api.auth.caller import Caller, Role, Scope
from itschool_api.banking.coda.builders import payment
from itschool_api.database import school_transaction
from itschool_api.families import service as families
from itschool_api.money import Cents
from tests.access.policy import RULES
from tests.access.requests import request_for
from tests.access.test_matrix import NEEDS_NEWCOMER, operations
from tests.access.world import build
from tests.kit import ANY_STATE, PAYER, Child, School, ok, once

pytestmark = pytest.mark.anyio


@dataclass
class Separated:
    """A child of two parents who live apart: each in a family of their own."""

    school: School
    mother: Child
    father: AsyncClient
    fathers_family: str
    fathers_link: str
    mothers_invoice: Any
    fathers_invoice: Any

    async def change(self, *, sees_money: bool, ends_on: date | None) -> None:
        """Change the father's link to the child."""
        ok(
            await self.school.manager.patch(
                f"/v1/guardianships/{self.fathers_link}",
                headers=ANY_STATE,
                json={"sees_money": sees_money, "ends_on": ends_on and ends_on.isoformat()},
            )
        )


@pytest.fixture
async def separated(school: School) -> Separated:
    mother = await school.child(first_name="Noor")
    family = ok(
        await school.manager.post(
            "/v1/families",
            json={
                "name": "Famille Dubois",
                "street": "Rue Cachée 7",
                "postal_code": "4000",
                "city": "Liège",
                "students": [{"student_id": mother.student_id, "share_bp": 5000}],
            },
        ),
        201,
    )
    user_id, _, father = await school.user(Role.GUARDIAN)
    guardian_id = await school.guardian(user_id, "Dubois")
    link = ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": guardian_id,
                "student_id": mother.student_id,
                "family_id": family["id"],
            },
        ),
        201,
    )
    fathers = Child(**(vars(mother) | {"family_id": family["id"]}))
    return Separated(
        school=school,
        mother=mother,
        father=father,
        fathers_family=family["id"],
        fathers_link=link["id"],
        mothers_invoice=await school.invoice(mother, 10_00),
        fathers_invoice=await school.invoice(fathers, 20_00),
    )


async def seen(client: AsyncClient, url: str) -> set[str]:
    """Return the ids of a list."""
    return {each["id"] for each in ok(await client.get(url))["items"]}


async def test_each_separated_parent_sees_the_child_and_its_wallet(separated: Separated) -> None:
    for parent in (separated.mother.parent, separated.father):
        assert await seen(parent, "/v1/students") == {separated.mother.student_id}
        assert await seen(parent, "/v1/wallets") == {separated.mother.wallet_id}


async def test_each_separated_parent_sees_the_invoices_of_their_own_family_only(
    separated: Separated,
) -> None:
    mothers, fathers = separated.mothers_invoice["id"], separated.fathers_invoice["id"]

    assert await seen(separated.mother.parent, "/v1/invoices") == {mothers}
    assert await seen(separated.father, "/v1/invoices") == {fathers}
    for parent, others in ((separated.mother.parent, fathers), (separated.father, mothers)):
        for rest in ("", "/payment", "/pdf"):
            assert (await parent.get(f"/v1/invoices/{others}{rest}")).status_code == 404
        paid = await parent.post(
            f"/v1/invoices/{others}/payments",
            json={"wallet_id": separated.mother.wallet_id},
            headers=once(),
        )
        assert paid.status_code == 404


async def test_no_separated_parent_learns_the_others_name_address_or_family(
    separated: Separated,
) -> None:
    mother = separated.mother.parent
    for url in ("/v1/students", "/v1/wallets", "/v1/invoices", "/v1/dashboard", "/v1/me"):
        answer = await mother.get(url)
        assert answer.status_code == 200
        for secret in ("Dubois", "Cachée", "4000", "Liège", separated.fathers_family):
            assert secret not in answer.text, url
    for url in ("/v1/families", "/v1/guardians", "/v1/guardianships", "/v1/class-groups"):
        assert (await mother.get(url)).status_code == 403


async def test_money_shows_only_where_the_link_says_so_from_the_next_request(
    separated: Separated,
) -> None:
    """SEC-06."""
    father, invoice = separated.father, separated.fathers_invoice["id"]
    await separated.change(sees_money=False, ends_on=None)

    assert await seen(father, "/v1/students") == {separated.mother.student_id}
    assert await seen(father, "/v1/wallets") == set()
    assert await seen(father, "/v1/invoices") == set()
    assert ok(await father.get("/v1/invoices/summary"))["count"] == 0
    dashboard = ok(await father.get("/v1/dashboard"))
    assert (dashboard["wallets"], dashboard["invoices"]["remaining_cents"]) == ([], 0)
    for url in (
        f"/v1/wallets/{separated.mother.wallet_id}",
        f"/v1/wallets/{separated.mother.wallet_id}/operations",
        f"/v1/wallets/{separated.mother.wallet_id}/top-up",
        f"/v1/invoices/{invoice}",
        f"/v1/invoices/{invoice}/payment",
        f"/v1/invoices/{invoice}/pdf",
    ):
        assert (await father.get(url)).status_code == 404, url


async def test_who_sees_no_money_reads_no_amount_anywhere(app: FastAPI) -> None:
    """SEC-01: over every operation that a parent may ask for."""
    world = await build(app)
    ours = world.ours
    user_id, _, other = await ours.school.user(Role.GUARDIAN)
    guardian_id = await ours.school.guardian(user_id, "Moneyless")
    link = {"guardian_id": guardian_id, "sees_money": False}
    link |= {"student_id": ours.ids["student"], "family_id": ours.ids["family"]}
    ok(await ours.school.manager.post("/v1/guardianships", json=link), 201)
    assert await seen(other, "/v1/students") == {ours.ids["student"]}
    # What the parent who sees it reads: the balance, the invoice, and where to pay them.
    wallet = ok(await ours.child.parent.get(f"/v1/wallets/{ours.ids['wallet']}"))
    money = {str(wallet["balance_cents"]), "50000", ours.child.reference, ours.school.iban}
    money |= {ours.ids["wallet"], ours.ids["invoice"]}
    words = re.compile(rf"(?<![0-9a-f-])({'|'.join(money)})(?![0-9a-f-])")
    shown = []
    for name, method, path, _ in operations(app):
        if name not in RULES or RULES[name].statuses["parent A"] >= 400 or name in NEEDS_NEWCOMER:
            continue
        request = await request_for(name, world, path)
        answer = await other.request(method, **request)
        assert not words.search(answer.text), name
        if name in {"read_wallet", "read_invoice", "read_invoice_pdf", "pay_invoice"}:
            assert answer.status_code == 404, name
        shown += [name] if words.search((await ours.child.parent.get(request["url"])).text) else []
    # The words are those that the other parent reads.
    assert {"read_wallet", "list_wallets", "read_wallet_top_up", "read_dashboard"} <= {*shown}


@pytest.mark.parametrize(
    ("starts_in", "ends_in", "shows"),
    [(0, None, True), (1, None, False), (-9, 0, True), (-9, -1, False), (0, 0, True)],
)
async def test_a_guardianship_counts_from_its_first_day_to_its_last(
    school: School, starts_in: int, ends_in: int | None, shows: bool
) -> None:
    """SEC-06: both days are within it, where the school is."""
    child = await school.child()
    user_id, _, parent = await school.user(Role.GUARDIAN)
    guardian_id = await school.guardian(user_id, "Bounded")
    today = clock.today("Europe/Brussels")
    ends_on = None if ends_in is None else (today + timedelta(days=ends_in)).isoformat()
    link = {
        "guardian_id": guardian_id,
        "student_id": child.student_id,
        "family_id": child.family_id,
        "starts_on": (today + timedelta(days=starts_in)).isoformat(),
        "ends_on": ends_on,
    }
    ok(await school.manager.post("/v1/guardianships", json=link), 201)

    for url in ("/v1/students", "/v1/wallets"):
        assert bool(await seen(parent, url)) is shows, url


async def test_an_ended_guardianship_shows_nothing_from_the_next_request(
    separated: Separated,
) -> None:
    """SEC-06."""
    father = separated.father
    event = ok(
        await separated.school.manager.post(
            "/v1/events",
            json={
                "title": "Excursion",
                "begins_on": "2031-05-01",
                "ends_on": "2031-05-01",
                "audience": {"student_ids": [separated.mother.student_id]},
            },
        ),
        201,
    )["id"]
    assert (await father.get(f"/v1/events/{event}")).status_code == 200
    today = date.today()  # noqa: DTZ011  (a day away from any midnight)
    await separated.change(sees_money=True, ends_on=today - timedelta(days=2))

    for url in ("/v1/students", "/v1/wallets", "/v1/invoices", "/v1/events"):
        assert await seen(father, url) == set(), url
    for url in (
        f"/v1/students/{separated.mother.student_id}",
        f"/v1/wallets/{separated.mother.wallet_id}",
        f"/v1/invoices/{separated.fathers_invoice['id']}",
        f"/v1/events/{event}",
    ):
        assert (await father.get(url)).status_code == 404, url
    assert await seen(separated.mother.parent, "/v1/students") == {separated.mother.student_id}


async def test_an_ended_guardianship_replays_no_payment(separated: Separated) -> None:
    """SEC-06: nor does the answer to a payment that was made before."""
    school, father = separated.school, separated.father
    await school.post_coda(school.coda(payment(separated.mother.reference, Cents(50_00), PAYER)))
    url = f"/v1/invoices/{separated.fathers_invoice['id']}/payments"
    form, key = {"wallet_id": separated.mother.wallet_id}, once()
    ok(await father.post(url, json=form, headers=key), 201)
    today = date.today()  # noqa: DTZ011
    await separated.change(sees_money=True, ends_on=today - timedelta(days=2))

    assert (await father.post(url, json=form, headers=key)).status_code == 404


async def test_a_guardianship_that_has_not_begun_shows_nothing_yet(school: School) -> None:
    child = await school.child()
    user_id, _, later = await school.user(Role.GUARDIAN)
    guardian_id = await school.guardian(user_id, "Later")
    today = date.today()  # noqa: DTZ011
    ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": guardian_id,
                "student_id": child.student_id,
                "family_id": child.family_id,
                "starts_on": (today + timedelta(days=3)).isoformat(),
            },
        ),
        201,
    )

    assert await seen(later, "/v1/students") == set()
    assert (await later.get(f"/v1/wallets/{child.wallet_id}")).status_code == 404


async def test_whoever_is_no_user_has_no_guardianship(school: School) -> None:
    """A key is no user, and no guardian who was not invited yet is one either."""
    child = await school.child()
    uninvited = ok(
        await school.manager.post("/v1/guardians", json={"first_name": "Jo", "last_name": "Bos"}),
        201,
    )
    ok(
        await school.manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": uninvited["id"],
                "student_id": child.student_id,
                "family_id": child.family_id,
            },
        ),
        201,
    )
    nobody = Caller(school.id, "api-key:x", None, None, frozenset(), {})
    async with school_transaction(school.sessions, school.id) as session:
        for query in (
            families.visible_students(nobody, money=False),
            families.visible_families(nobody),
        ):
            assert (await session.execute(query)).all() == []
    key = await school.api_key(Scope.STUDENTS_READ)
    assert await seen(key, "/v1/students") == {child.student_id}
