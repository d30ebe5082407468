"""A family's invoices and wallet, beside a model of them that a child would understand."""

import asyncio
import os
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from itschool_api import clock
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.money import Cents
from tests.kit import PAYER, Child, School, books_are_clean, ok, once, open_school

pytestmark = pytest.mark.anyio
LONG = bool(os.environ.get("ITSCHOOL_LONG"))
# A bank numbers up to 999 statements, and the books are proved after each family.
FAMILIES_A_SCHOOL = 15
DAY = clock.today("Europe/Brussels")


async def balance(child: Child) -> int:
    return int(ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))["balance_cents"])


@dataclass
class Model:
    """A family's money, as a child would count it."""

    wallet: int = 0
    due: list[int] = field(default_factory=list)
    """What remains of each invoice, the first due first."""
    waiting: list[int] = field(default_factory=list)

    def pay(self, invoice: int, cents: int) -> None:
        for place in (invoice, *range(len(self.due))):
            part = min(cents, self.due[place])
            self.due[place] -= part
            cents -= part
        self.wallet += cents


class Family(RuleBasedStateMachine):
    """A family of its own in one school, over HTTP, beside the model."""

    school: School
    parent: Child
    loop: asyncio.AbstractEventLoop
    families = 0

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(60)

    @initialize(bills=st.lists(st.integers(5_00, 20_00), min_size=3, max_size=3))
    def begin(self, bills: list[int]) -> None:
        Family.families += 1
        if Family.families % FAMILIES_A_SCHOOL == 0:
            Family.school = self.run(open_school(self.school.app))
            Family.parent = self.run(self.school.child())
        self.model = Model()
        self.invoices: list[Any] = []
        self.files: list[bytes] = []
        self.child: Child = self.run(
            self.school.child(parent=self.parent.parent, guardian_id=self.parent.guardian_id)
        )
        for cents in bills:
            self.bill(cents)
        self.bank([(-1, 20_00)], again=False)

    @precondition(lambda self: len(self.invoices) < 4)
    @rule(cents=st.integers(1, 20_00))
    def bill(self, cents: int) -> None:
        due_on = DAY + timedelta(days=len(self.invoices))
        self.invoices.append(self.run(self.school.invoice(self.child, cents, due_on=due_on)))
        self.model.due.append(cents)

    @rule(
        arriving=st.lists(st.tuples(st.integers(-2, 3), st.integers(1, 25_00)), max_size=4),
        again=st.booleans(),
    )
    def bank(self, arriving: list[tuple[int, int]], again: bool) -> None:
        movements = []
        for to, cents in arriving:
            if to == -2:
                movements.append(transfer("merci", Cents(cents), PAYER))
                self.model.waiting.append(cents)
            elif to == -1 or to >= len(self.invoices):
                movements.append(payment(self.child.reference, Cents(cents), PAYER))
                self.model.wallet += cents
            else:
                movements.append(payment(self.invoices[to]["reference"], Cents(cents), PAYER))
                self.model.pay(to, cents)
        self.files.append(self.school.coda(*movements))
        first = self.run(self.school.post_coda(self.files[-1]))
        if again:
            assert self.run(self.school.post_coda(self.files[-1], status=200)) == first

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def bank_again(self, data: st.DataObject) -> None:
        file = data.draw(st.sampled_from(self.files))
        self.run(self.school.post_coda(file, status=200))

    @precondition(lambda self: self.invoices)
    @rule(invoice=st.integers(0, 3), cents=st.integers(1, 8_00), times=st.just(2))
    def spend(self, invoice: int, cents: int, times: int) -> None:
        invoice %= len(self.invoices)
        url = f"/v1/invoices/{self.invoices[invoice]['id']}/payments"
        form = {"wallet_id": self.child.wallet_id, "amount_cents": cents}
        answers = self.twice(self.child.parent, url, form, times)
        if cents <= self.model.due[invoice] and cents <= self.model.wallet:
            self.model.due[invoice] -= cents
            self.model.wallet -= cents
            assert {each.status_code for each in answers} == {201}
        else:
            assert {each.status_code for each in answers} == {409}

    @precondition(lambda self: self.model.waiting)
    @rule(to=st.integers(-1, 3), times=st.just(2))
    def settle(self, to: int, times: int) -> None:
        waiting = self.run(
            self.school.manager.get(
                "/v1/bank-transactions", params={"state": "suspense", "limit": 200}
            )
        ).json()["items"]
        movement, cents = waiting[0]["id"], waiting[0]["amount_cents"]
        fits = to < 0 or to >= len(self.invoices) or cents <= self.model.due[to]
        target = (
            {"wallet_id": self.child.wallet_id}
            if to < 0 or to >= len(self.invoices)
            else {"invoice_id": self.invoices[to]["id"]}
        )
        form = {"allocations": [{**target, "amount_cents": cents}]}
        url = f"/v1/bank-transactions/{movement}/allocations"
        answers = self.twice(self.school.manager, url, form, times)
        assert {each.status_code for each in answers} == {201 if fits else 409}
        if fits:
            self.model.waiting.remove(cents)
            if "wallet_id" in target:
                self.model.wallet += cents
            else:
                self.model.due[to] -= cents

    def twice(self, client: AsyncClient, url: str, form: Any, times: int) -> list[Response]:
        """Send the same under one key, and take equal answers for a success."""
        headers = once()
        answers = [self.run(client.post(url, json=form, headers=headers)) for _ in range(times)]
        if answers[0].status_code == 201:
            assert len({each.content for each in answers}) == 1
        return answers

    @invariant()
    def is_what_the_model_says(self) -> None:
        if not hasattr(self, "child"):
            return
        assert self.run(balance(self.child)) == self.model.wallet
        query: dict[str, str | int] = {"family": self.child.family_id, "limit": 200}
        listed = self.run(self.school.manager.get("/v1/invoices", params=query)).json()["items"]
        shown = {each["id"]: each for each in listed}
        for invoice, due in zip(self.invoices, self.model.due, strict=True):
            found = shown[invoice["id"]]
            assert found["remaining_cents"] == due
            assert found["paid_cents"] + found["remaining_cents"] == found["total_cents"]
            assert (found["status"] == "paid") == (due == 0)

    def teardown(self) -> None:
        """Leave nothing that waits, for the next family begins with nothing."""
        while getattr(self, "model", None) and self.model.waiting:
            self.settle(to=-1, times=1)
        self.run(books_are_clean(self.school))


async def test_a_familys_money_is_what_a_plain_model_says(
    school: School, chance: random.Random
) -> None:
    """REL-21, REL-06, REL-08: random bills, files, payments and decisions; some of them twice."""
    Family.school, Family.parent = school, await school.child()
    Family.loop = asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        seed(chance.randrange(10**6))(Family),
        settings=settings(
            max_examples=10_000 if LONG else 8,
            stateful_step_count=50 if LONG else 15,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
