"""Schools' own systems are told what happens: signed, at least once, and nobody else is."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import clock, openapi
from itschool_api.auth.caller import Scope
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.database import school_transaction
from itschool_api.money import Cents
from itschool_api.privacy import erasure
from itschool_api.privacy.retention import Sweeper
from itschool_api.webhooks import deliveries, patience, sending, service, signing
from tests.kit import ANY_STATE, PAYER, School, counted_statements, ok, once, problem
from tests.outbox.post import Mailbox, Post
from tests.webhooks.receiver import NotAuthentic, Receiver, receiving, verified

pytestmark = pytest.mark.anyio

ALL = ["invoice.issued", "payment.matched", "payment.in_suspense", "wallet.low"]


@dataclass
class Hook:
    """An endpoint of a school, and what the worker does for it."""

    school: School
    post: Post
    id: str
    secret: str

    async def deliver(self, job_id: int = 1) -> datetime | None:
        """Do the endpoint's job once."""
        return await sending.deliver(
            self.school.sessions,
            service.sealing_of(self.post.settings),
            self.school.id,
            UUID(self.id),
            job_id=job_id,
        )

    async def log(self, **filters: Any) -> Any:
        """Return the endpoint's deliveries, newest first."""
        params = {"endpoint": self.id, **filters}
        return ok(await self.school.manager.get("/v1/webhook-deliveries", params=params))["items"]

    async def shown(self) -> Any:
        return ok(await self.school.manager.get(f"/v1/webhook-endpoints/{self.id}"))

    async def test(self) -> Any:
        return ok(await self.school.manager.post(f"/v1/webhook-endpoints/{self.id}/test"), 202)

    async def age(self, owner: AsyncEngine, by: timedelta) -> None:
        """Let time pass for what waits here."""
        async with owner.begin() as connection:
            await connection.execute(
                text(
                    "UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at - age,"
                    " queued_at = queued_at - age, created_at = created_at - age"
                    " FROM (SELECT CAST(:by AS interval) AS age) WHERE endpoint_id = :id"
                ),
                {"by": by, "id": self.id},
            )


async def hooked(
    school: School, post: Post, url: str, *event_types: str, description: str = "test"
) -> Hook:
    """Let a receiver be told."""
    form = {"url": url, "event_types": event_types or ALL, "description": description}
    made = ok(await school.manager.post("/v1/webhook-endpoints", json=form), 201)
    return Hook(school, post, made["id"], made["secret"])


async def low_at(school: School, cents: int | None) -> None:
    """Say from where on the general compartment's wallets are low."""
    (general,) = ok(await school.manager.get("/v1/compartments"))["items"]
    url = f"/v1/compartments/{general['id']}"
    changed = ok(await school.manager.patch(url, json={"low_cents": cents}, headers=ANY_STATE))
    assert changed == general | {"low_cents": cents}


async def pay(school: School, invoice: Any, wallet_id: str, cents: int | None = None) -> None:
    form = {"wallet_id": wallet_id, "amount_cents": cents}
    url = f"/v1/invoices/{invoice['id']}/payments"
    ok(await school.manager.post(url, json=form, headers=once()), 201)


def messages(hook: Hook, receiver: Receiver) -> list[Any]:
    """Return what came, each verified."""
    return [verified(hook.secret, each.headers, each.body) for each in receiver.received]


async def test_each_thing_that_happens_is_told_once_signed_and_as_described(  # noqa: PLR0915 - a journey is long
    app: FastAPI, school: School, other_school: School, post: Post
) -> None:
    child = await school.child()
    await low_at(school, 20_00)
    async with receiving() as receiver, receiving() as stranger:
        hook = await hooked(school, post, receiver.url())
        theirs = await hooked(other_school, post, stranger.url())
        some = await hooked(school, post, receiver.url("localhost"), "wallet.low")
        invoice = await school.invoice(child, 15_00, 30_00)
        report = await school.post_coda(
            school.coda(
                payment(child.reference, Cents(50_00), PAYER), transfer("don", Cents(7_00), PAYER)
            )
        )
        params = {"statement": report["statements"][0]["id"], "state": "suspense"}
        (waiting,) = ok(await school.manager.get("/v1/bank-transactions", params=params))["items"]
        parts = [
            {"wallet_id": child.wallet_id, "amount_cents": 3_00},
            {"invoice_id": invoice["id"], "amount_cents": 4_00},
        ]
        url = f"/v1/bank-transactions/{waiting['id']}/allocations"
        ok(await school.manager.post(url, json={"allocations": parts}, headers=once()), 201)
        await pay(school, invoice, child.wallet_id)
        await post.collect(Mailbox())

    told = {}
    for each in receiver.received:
        assert each.line == "POST /hook?from=school HTTP/1.1"
        assert each.headers["content-type"] == "application/json"
        which = some if each.headers["host"].startswith("localhost") else hook
        message = verified(which.secret, each.headers, each.body)
        told[message["type"], which.id, message["data"].get("matched_by")] = message
    assert len(told) == len(receiver.received) == 6
    # One event for whoever listens to it, with one id.
    lows = [each.id for each in receiver.received if b"wallet.low" in each.body]
    assert len(lows) == 2
    assert len(set(lows)) == 1
    assert told.pop(("wallet.low", some.id, None)) == told["wallet.low", hook.id, None]
    data = {kind: message["data"] for (kind, _, _), message in told.items()}
    assert data["invoice.issued"] == {
        "number": invoice["number"],
        "invoice_id": invoice["id"],
        "family_id": child.family_id,
        "total_cents": 45_00,
        "issued_on": invoice["issued_on"],
        "due_on": invoice["due_on"],
    }
    matched = told["payment.matched", hook.id, "import"]["data"]
    to_wallet = {"wallet_id": child.wallet_id, "invoice_id": None}
    assert matched["parts"] == [to_wallet | {"amount_cents": 50_00}]
    assert matched["statement_id"] == params["statement"]
    decided = told["payment.matched", hook.id, "allocation"]["data"]
    assert decided["transaction_id"] == waiting["id"]
    assert decided["parts"] == [
        to_wallet | {"amount_cents": 3_00},
        {"wallet_id": None, "invoice_id": invoice["id"], "amount_cents": 4_00},
    ]
    assert data["payment.in_suspense"]["cause"] == "no_reference"
    assert data["payment.in_suspense"]["amount_cents"] == 7_00
    low = data["wallet.low"]
    assert (low["wallet_id"], low["student_id"]) == (child.wallet_id, child.student_id)
    # 53 € were in it, and of the invoice's 45 € 4 € were paid by the decision.
    assert (low["balance_cents"], low["low_cents"]) == (12_00, 20_00)
    assert stranger.received == []
    assert await theirs.log() == []

    document = openapi.document(app)
    for (kind, _, _), message in told.items():
        body = document["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
        schema = body["schema"] | {"components": document["components"]}
        jsonschema_rs.validate(schema, message)
    assert {*document["webhooks"]} == {*ALL, "webhook.test"}
    (entry, *_) = await hook.log(status="succeeded")
    assert entry["attempts"] == 1
    assert entry["response_status"] == 204
    assert entry["reason"] is None
    assert await hook.log(status="pending") == []


async def test_where_nobody_listens_nothing_is_written_and_nothing_more_is_asked(
    app: FastAPI, school: School, post: Post, owner: AsyncEngine
) -> None:
    """A file costs one query more; with a listener as many statements for 340 as for 140."""
    child = await school.child()

    async def statements(count: int) -> list[str]:
        file = school.coda(
            *(payment(child.reference, Cents(1_00), PAYER) for _ in range(count)),
            *(transfer("don", Cents(1_00), PAYER) for _ in range(count)),
        )
        with counted_statements(app) as found:
            await school.post_coda(file)
        return found

    await statements(1)
    # In each case whole statements of 64 rows, and one by one what is left.
    alone = [await statements(70), await statements(170)]
    for each in alone:
        assert sum("webhook" in one for one in each) == 1
    assert len(alone[0]) == len(alone[1])
    async with owner.connect() as connection:
        query = text("SELECT count(*) FROM webhook_events WHERE school_id = :id")
        assert await connection.scalar(query, {"id": school.id}) == 0

    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        heard = [await statements(70), await statements(170)]
        assert len(heard[0]) == len(heard[1])
        # One job, however many: it sends whatever is due.
        async with post.connection() as connection:
            found = await connection.fetch(
                "SELECT payload FROM pgqueuer WHERE entrypoint = 'webhooks'"
            )
        ids = {"school": str(school.id), "endpoint": hook.id}
        assert [json.loads(each["payload"]) for each in found] == [ids] * 2
        assert await hook.deliver() is None
    assert len({each.id for each in receiver.received}) == 480
    assert receiver.connections < 50  # kept open from one to the next


async def test_a_preview_a_second_time_and_a_refusal_tell_nothing(
    school: School, post: Post
) -> None:
    child = await school.child()
    hook = await hooked(school, post, "https://hooks.example.org/")
    file = school.coda(payment(child.reference, Cents(1_00), PAYER))
    await school.post_coda(file, preview=True, status=200)
    assert await hook.log() == []
    await school.post_coda(file)
    await school.post_coda(file, status=200)
    invoice = await school.invoice(child, 500_00)
    url = f"/v1/invoices/{invoice['id']}/payments"
    form = {"wallet_id": child.wallet_id}
    answer = await school.manager.post(url, json=form, headers=once())
    problem(answer, 409, "insufficient-funds")
    assert [each["event_type"] for each in await hook.log()] == [
        "invoice.issued",
        "payment.matched",
    ]


async def test_a_wallet_is_low_once_until_it_is_above_again(school: School, post: Post) -> None:
    child = await school.child()
    hook = await hooked(school, post, "https://hooks.example.org/", "wallet.low")
    invoice = await school.invoice(child, 500_00)

    async def fill(cents: int) -> None:
        await school.post_coda(school.coda(payment(child.reference, Cents(cents), PAYER)))

    async def told() -> list[int]:
        found = []
        for each in await hook.log():
            url = f"/v1/webhook-deliveries/{each['id']}"
            message = ok(await school.manager.get(url))["message"]
            found.append(message["data"]["balance_cents"])
        return found[::-1]

    await fill(30_00)
    await pay(school, invoice, child.wallet_id, 25_00)
    assert await told() == []  # no threshold yet
    await low_at(school, 10_00)
    await pay(school, invoice, child.wallet_id, 1_00)
    assert await told() == []  # it was below before
    await fill(6_00)
    await pay(school, invoice, child.wallet_id, 1)
    await pay(school, invoice, child.wallet_id, 1_00)
    assert await told() == [9_99]
    await fill(1_01)
    await pay(school, invoice, child.wallet_id, 10_00)
    assert await told() == [9_99, 0]
    await fill(20_00)
    await low_at(school, None)
    await pay(school, invoice, child.wallet_id, 20_00)
    assert await told() == [9_99, 0]


async def test_what_fails_is_tried_again_with_the_same_id_and_a_new_signature(
    school: School, post: Post, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        # The clock stands: however slow the machine, the wait is not over before it is asked for.
        now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: now)
        delivery = await hook.test()
        receiver.answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nlater"
        due = await hook.deliver()
        assert due is not None
        assert timedelta(seconds=4) < due - now < timedelta(seconds=6)
        (failed,) = await hook.log()
        assert (failed["status"], failed["attempts"]) == ("pending", 1)
        assert (failed["response_status"], failed["reply"]) == (503, "later")
        assert failed["reason"] == "It answered 503."
        assert (await hook.shown())["failing_since"] is not None
        assert await hook.deliver() == due  # not before its time
        assert len(receiver.received) == 1

        await hook.age(owner, timedelta(seconds=10))
        receiver.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        later = now + timedelta(seconds=100)
        monkeypatch.setattr(clock, "now", lambda: later)
        assert await hook.deliver() is None
    first, second = receiver.received
    assert first.id == second.id == delivery["event_id"]
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
    assert messages(hook, receiver)[0]["data"] == {"endpoint_id": hook.id}
    (arrived,) = await hook.log()
    assert (arrived["status"], arrived["attempts"], arrived["reason"]) == ("succeeded", 2, None)
    assert (await hook.shown())["failing_since"] is None


def test_waits_grow_and_end_after_three_days() -> None:
    waits = [patience.wait_after(attempts) for attempts in range(1, len(patience.WAITS) + 2)]
    assert waits.pop() is None
    assert list(patience.WAITS) == sorted(patience.WAITS)
    total = sum(patience.WAITS, timedelta(0))
    assert timedelta(days=2, hours=12) < total < patience.LONGEST
    for wait, planned in zip(waits, patience.WAITS, strict=True):
        assert wait is not None
        assert planned * 0.9 <= wait <= planned * 1.1


async def test_who_never_answers_fails_in_the_end_and_can_be_told_again(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        await hook.test()
        await hook.test()
        receiver.answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
        for wait in patience.WAITS:
            await hook.deliver()
            (pending, *_) = await hook.log()
            url = f"/v1/webhook-deliveries/{pending['id']}/redelivery"
            problem(await school.manager.post(url), 409, "webhook-delivery-pending")
            await hook.age(owner, wait * 1.2)
        await hook.deliver()
        assert [each["status"] for each in await hook.log()] == ["failed"] * 2
        assert await hook.deliver() is None
        tries = len(receiver.received)

        receiver.answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
        again = ok(await school.manager.post(url), 202)
        assert (again["status"], again["attempts"]) == ("pending", 0)
        await hook.deliver()
        (one, other) = await hook.log()
        assert (one["status"], other["status"]) == ("succeeded", "failed")
        ok(await school.manager.post(url), 202)  # what arrived, too
        await hook.deliver()
        assert receiver.received[-1].id == receiver.received[-2].id == again["event_id"]

        since = {"since": (clock.now() + timedelta(hours=1)).isoformat()}
        url = f"/v1/webhook-endpoints/{hook.id}/redeliveries"
        assert ok(await school.manager.post(url, json=since), 202) == {"queued": 0}
        since = {"since": (clock.now() - timedelta(days=9)).isoformat()}
        assert ok(await school.manager.post(url, json=since), 202) == {"queued": 1}
        await hook.deliver()
    assert [each["status"] for each in await hook.log()] == ["succeeded"] * 2
    assert len(receiver.received) == tries + 3


async def test_an_endpoint_that_is_down_costs_a_few_tries_however_much_waits(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    child = await school.child()
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        gifts = [transfer("don", Cents(1_00), PAYER) for _ in range(60)]
        await school.post_coda(school.coda(payment(child.reference, Cents(1_00), PAYER), *gifts))
        receiver.answer = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
        due = await hook.deliver()
        assert due is not None
        assert due > clock.now()
        assert len(receiver.received) == 20
        # What is too old is given up without a try.
        await hook.age(owner, timedelta(days=3, minutes=1))
        await hook.deliver()
        assert len(receiver.received) == 20
    failed = await hook.log(status="failed", limit=200)
    assert len(failed) == 61
    assert failed[0]["reason"] == "It could not be delivered for too long."


@pytest.mark.parametrize(
    ("answer", "days", "reason"),
    [(b"500 Oops", 4, None), (b"500 Oops", 6, "failing"), (b"410 Gone", 0, "gone")],
)
async def test_who_fails_for_days_or_is_gone_is_disabled_until_enabled(
    school: School,
    post: Post,
    owner: AsyncEngine,
    answer: bytes,
    days: int,
    reason: str | None,
) -> None:
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE webhook_endpoints SET failing_since = :at WHERE id = :id"),
                {"at": clock.now() - timedelta(days=days), "id": hook.id},
            )
        receiver.answer = b"HTTP/1.1 " + answer + b"\r\ncontent-length: 0\r\n\r\n"
        await hook.test()
        await hook.deliver()
        shown = await hook.shown()
        assert shown["disabled_reason"] == reason
        assert shown["enabled"] == (reason is None)
        if reason is None:
            return
        assert [each["status"] for each in await hook.log()] == ["failed"]
        await school.invoice(await school.child(), 5_00)
        assert len(await hook.log()) == 1  # what happens meanwhile is not told later
        url = f"/v1/webhook-endpoints/{hook.id}"
        problem(await school.manager.post(f"{url}/test"), 409, "webhook-endpoint-disabled")
        async with owner.connect() as connection:
            query = text(
                "SELECT actor FROM audit_events WHERE action = 'disable_webhook_endpoint'"
                " AND subject_ids @> ARRAY[CAST(:id AS uuid)]"
            )
            assert (await connection.execute(query, {"id": hook.id})).scalars().all() == ["worker"]
        mails = ok(await school.manager.get("/v1/mails"))["items"]
        assert [(each["kind"], each["about_id"]) for each in mails] == [
            ("webhook_disabled", hook.id)
        ]

        form = {"enabled": True}
        changed = ok(await school.manager.patch(url, json=form, headers=ANY_STATE))
        assert (changed["disabled_reason"], changed["failing_since"]) == (None, None)
        receiver.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        await hook.test()
        await hook.deliver()
        assert (await hook.log())[0]["status"] == "succeeded"


async def test_a_new_secret_signs_at_once_and_the_former_for_a_day(
    school: School, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        url = f"/v1/webhook-endpoints/{hook.id}"
        made = ok(await school.manager.post(f"{url}/secret-rotations", json={}), 201)
        assert made["secret"] != hook.secret
        shown = await hook.shown()
        assert shown["previous_secret_until"] == made["previous_secret_until"]
        assert hook.secret not in json.dumps(shown)
        await hook.test()
        await hook.deliver()
        both = receiver.received[-1]
        for secret in (hook.secret, made["secret"]):
            assert verified(secret, both.headers, both.body)["type"] == "webhook.test"

        tomorrow = clock.now() + timedelta(hours=24, seconds=1)
        monkeypatch.setattr(clock, "now", lambda: tomorrow)
        await hook.test()
        await hook.deliver()
        new = receiver.received[-1]
        assert verified(made["secret"], new.headers, new.body, tolerance=100_000)
        with pytest.raises(NotAuthentic):
            verified(hook.secret, new.headers, new.body, tolerance=100_000)
        monkeypatch.undo()

        form = {"previous_valid_hours": 0}
        last = ok(await school.manager.post(f"{url}/secret-rotations", json=form), 201)
        assert last["previous_secret_until"] is None
        await hook.test()
        await hook.deliver()
        leaked = receiver.received[-1]
        assert verified(last["secret"], leaked.headers, leaked.body)
        with pytest.raises(NotAuthentic):
            verified(made["secret"], leaked.headers, leaked.body)


async def test_no_row_of_the_database_holds_a_secret(
    school: School, post: Post, owner: AsyncEngine
) -> None:
    """SEC-34: a copy of the database cannot sign."""
    hook = await hooked(school, post, "https://hooks.example.org/")
    async with owner.connect() as connection:
        rows = [
            str((await connection.execute(text(f"SELECT * FROM {table}"))).all())  # noqa: S608
            for table in ("webhook_endpoints", "webhook_events", "audit_events", "pgqueuer")
        ]
    assert hook.id in rows[0]
    assert not any(hook.secret.removeprefix("whsec_")[:20] in each for each in rows)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://169.254.169.254/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org:22/",
    ],
)
async def test_a_url_that_may_not_be_sent_to_is_refused_at_once(school: School, url: str) -> None:
    form = {"url": url, "event_types": ALL}
    answer = await school.manager.post("/v1/webhook-endpoints", json=form)
    code = "validation-failed" if "@" in url else "webhook-url-refused"
    problem(answer, 422, code)


async def test_a_school_has_twenty_endpoints_at_most(school: School, post: Post) -> None:
    for _ in range(service.MOST_ENDPOINTS):
        await hooked(school, post, "https://hooks.example.org/")
    form = {"url": "https://hooks.example.org/", "event_types": ALL}
    answer = await school.manager.post("/v1/webhook-endpoints", json=form)
    problem(answer, 409, "too-many-webhook-endpoints")


async def test_those_who_add_endpoints_at_once_add_no_more_than_there_can_be(
    school: School,
) -> None:
    form = {"url": "https://hooks.example.org/", "event_types": ["wallet.low"]}
    made = await asyncio.gather(
        *(school.manager.post("/v1/webhook-endpoints", json=form) for _ in range(30))
    )
    assert sorted(each.status_code for each in made) == [201] * 20 + [409] * 10


async def test_a_program_of_the_school_can_register_itself_and_leave(
    school: School, post: Post
) -> None:
    key = await school.api_key(Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE)
    form = {"url": "https://hooks.example.org/", "event_types": ["wallet.low", "wallet.low"]}
    made = ok(await key.post("/v1/webhook-endpoints", json=form), 201)
    assert made.pop("secret").startswith("whsec_")
    assert made["event_types"] == ["wallet.low"]
    assert ok(await key.get("/v1/webhook-endpoints"))["items"] == [made]
    hook = Hook(school, post, made["id"], "")
    await hook.test()
    # While it is disabled nothing waits for it.
    url = f"/v1/webhook-endpoints/{made['id']}"
    ok(await key.patch(url, json={"enabled": False}, headers=ANY_STATE))
    (given_up,) = await hook.log()
    assert given_up["reason"] == "The endpoint was disabled."
    assert await hook.deliver() is None
    ok(await key.delete(url), 204)
    assert await hook.log() == []
    answer = await key.get(url)
    problem(answer, 404, "webhook-endpoint-not-found")
    assert await hook.deliver() is None


@contextmanager
def working(post: Post, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `itschool worker` as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from itschool_api.cli import app; app()", "worker"],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": post.database_url,
            "ITSCHOOL_ENVIRONMENT": "development",
            "ITSCHOOL_SECRET_KEY": post.settings.secret_key.get_secret_value(),
            "ITSCHOOL_WEBHOOK_LOOPBACK": "true",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_worker_killed_between_delivery_and_recording_sends_the_same_id_again(
    school: School, post: Post, owner: AsyncEngine, tmp_path: Path
) -> None:
    """REL-20: kill -9 after the receiver has it, before the row says so."""
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        await hook.test()

        async def kill(_: Any) -> None:
            process.kill()

        receiver.meanwhile = kill
        with working(post, tmp_path) as process:
            await asyncio.to_thread(process.wait)
        receiver.meanwhile = None
        assert len(receiver.received) == 1
        (waiting,) = await hook.log()
        assert (waiting["status"], waiting["attempts"]) == ("pending", 0)
        async with owner.begin() as connection:
            # Its heart stopped; half a minute later another worker would take its job.
            await connection.execute(
                text("UPDATE pgqueuer SET heartbeat = heartbeat - interval '1 minute'")
            )
        await post.collect(Mailbox())
    first, second = receiver.received
    assert first.id == second.id
    assert first.body == second.body
    (arrived,) = await hook.log()
    assert (arrived["status"], arrived["attempts"]) == ("succeeded", 1)


async def test_two_jobs_for_one_endpoint_send_nothing_twice_and_wait_for_nobody(
    school: School, post: Post
) -> None:
    async with receiving() as receiver:
        hook = await hooked(school, post, receiver.url())
        for _ in range(2):
            await hook.test()

        async def slow(_: Any) -> None:
            await asyncio.sleep(0.2)

        receiver.meanwhile = slow
        assert await asyncio.gather(*(hook.deliver(job) for job in (1, 2, 3))) == [None] * 3
    assert len(receiver.received) == len({each.id for each in receiver.received}) == 2


async def test_what_lost_its_job_is_revived(school: School, post: Post, owner: AsyncEngine) -> None:
    hook = await hooked(school, post, "https://hooks.example.org/")
    await hook.test()
    async with school_transaction(school.sessions, school.id) as session:
        assert await deliveries.revive(session, school.id, set()) == 0
    await hook.age(owner, timedelta(minutes=11))
    async with school_transaction(school.sessions, school.id) as session:
        assert await deliveries.revive(session, school.id, {UUID(hook.id)}) == 0
        assert await deliveries.revive(session, school.id, {uuid4()}) == 1


async def test_what_was_told_is_forgotten_after_thirty_days(
    app: FastAPI, school: School, post: Post, owner: AsyncEngine
) -> None:
    """SEC-35: deliveries, then their events; not what is younger."""
    hook = await hooked(school, post, "https://hooks.example.org/")
    old = await hook.test()
    await hook.age(owner, timedelta(days=30, hours=1))
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "UPDATE webhook_events SET occurred_at = now() - interval '31 days' WHERE id = :id"
            ),
            {"id": old["event_id"]},
        )
    young = await hook.test()
    office = erasure.office_of(post.settings, app.state.storage)
    done = await Sweeper(post.settings, school.sessions, office).sweep()
    assert done["webhook_deliveries"] == done["webhook_events"] == 1
    assert [each["id"] for each in await hook.log()] == [young["id"]]


def test_the_page_for_receivers_verifies_what_we_sign() -> None:
    """What people copy from docs/webhooks.md, against our own signature."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    receiver: dict[str, Any] = {}
    exec(code, receiver)  # noqa: S102 - our own page
    secret, other = (signing.secret(b"k" * 32, UUID(int=1), version) for version in (1, 2))
    body = b'{"type":"webhook.test"}'
    headers = signing.headers(UUID(int=2), clock.now(), body, [other, secret])
    assert receiver["verified"](secret, headers, body) == {"type": "webhook.test"}
    for spoiled in (
        (secret, headers, body + b" "),
        (secret, headers | {"webhook-id": str(UUID(int=3))}, body),
        (secret, headers | {"webhook-timestamp": "1"}, body),
        (signing.secret(b"k" * 32, UUID(int=9), 1), headers, body),
    ):
        with pytest.raises(ValueError, match=r"too old|not authentic"):
            receiver["verified"](*spoiled)
