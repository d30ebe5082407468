"""What is not kept: swept away by night, once, in batches, and only when it is old."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
import typer
from fastapi import FastAPI
from pgqueuer.models import Schedule
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from itschool_api import clock, worker
from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment
from itschool_api.cli.privacy import cleared
from itschool_api.money import Cents
from itschool_api.privacy import erasure, leavers, retention
from itschool_api.privacy.retention import Sweeper
from itschool_api.settings import Settings
from itschool_api.worker import Worker
from tests.kit import PAYER, School, books_are_clean, ok
from tests.outbox.post import Mailbox, Post

pytestmark = pytest.mark.anyio

_SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
# Table, what a row says beside its times, its time, how many days it is kept.
_KEPT: tuple[tuple[str, dict[str, str], str, int], ...] = (
    ("login_token_requests", {"id": ":id", "email": "'a@b.example'"}, "created_at", 1),
    ("rate_counters", {"key": ":key", "hits": "1"}, "window_at", 1),
    (
        "login_tokens",
        {
            "id": ":id",
            "user_id": ":user",
            "token_sha256": ":bytes",
            "created_at": "now()",
            "expires_at": "now() + interval '1 day'",
        },
        "used_at",
        30,
    ),
    (
        "sessions",
        {
            "id": ":id",
            "user_id": ":user",
            "school_id": ":school",
            "restricted": "false",
            "in_cookie": "false",
            "last_used_at": "now()",
            "created_at": "now()",
            "expires_at": "now() + interval '1 day'",
        },
        "revoked_at",
        30,
    ),
    ("known_origins", {"user_id": ":user", "origin_sha256": ":bytes"}, "last_seen_at", 365),
    (
        "membership_offers",
        {
            "id": ":id",
            "user_id": ":user",
            "school_id": ":school",
            "guardian_id": ":id",
            "offered_at": "now()",
        },
        "answered_at",
        30,
    ),
    (
        "membership_offers",
        {"id": ":id", "school_id": ":school", "guardian_id": ":id"},
        "offered_at",
        60,
    ),
    (
        "signing_keys",
        {"kid": ":key", "encrypted_key": ":bytes", "created_at": "now()", "signs_from": "now()"},
        "retired_at",
        30,
    ),
    (
        "idempotency_keys",
        {"school_id": ":school", "caller": "'x'", "key": ":key", "request_sha256": ":bytes"},
        "stored_at",
        1,
    ),
    (
        "mails",
        {
            "school_id": ":school",
            "id": ":id",
            "user_id": ":user",
            "kind": "'offer'",
            "recipient": "'a@b.example'",
            "language": "'fr'",
            "status": "'sent'",
            "attempts": "1",
        },
        "queued_at",
        90,
    ),
    (
        "pgqueuer_log",
        {"job_id": "1", "status": "'successful'", "priority": "0", "entrypoint": ":key"},
        "created",
        30,
    ),
    (
        "pgqueuer",
        {"priority": "0", "status": "'failed'", "entrypoint": ":key", "payload": ":bytes"},
        "updated",
        30,
    ),
)


def sweeper(settings: Settings, app: FastAPI, **changes: Any) -> Sweeper:
    changed = settings.model_copy(update=changes)
    office = erasure.office_of(changed, app.state.storage)
    return Sweeper(changed, app.state.sessions, office)


async def test_a_row_goes_when_it_is_old_and_not_before(
    app: FastAPI,
    school: School,
    settings: Settings,
    owner: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SEC-35: of every table, and more of them than fit into a batch."""
    monkeypatch.setattr(retention, "_BATCH", 2)
    user_id, _, _ = await school.user(Role.GUARDIAN)
    now = datetime.now(UTC)
    async with owner.begin() as connection:
        for table, columns, time, days in _KEPT:
            await _age(connection, school, user_id, table, columns, time, days, now)

    first = await sweeper(settings, app).sweep()
    again = await sweeper(settings, app).sweep()

    for table, _, time, days in _KEPT:
        name = "jobs" if table.startswith("pgqueuer") else table
        assert first[name] >= 5, table
        assert again[name] == 0, table
        async with owner.connect() as connection:
            old = f"SELECT count(*) FROM {table} WHERE {time} < :time"  # noqa: S608
            left = f"SELECT count(*) FROM {table} WHERE {time} > :time"  # noqa: S608
            before = {"time": now - timedelta(days=days)}
            assert await connection.scalar(text(old), before) == 0, table
            assert (await connection.scalar(text(left), before) or 0) >= 2, table


async def _age(
    connection: AsyncConnection,
    school: School,
    user_id: UUID,
    table: str,
    columns: dict[str, str],
    time: str,
    days: int,
    now: datetime,
) -> None:
    """Add five rows that are an hour too old, and two that are not yet."""
    hour = timedelta(hours=1)
    names = ", ".join([*columns, time])
    values = ", ".join([*columns.values(), ":time"])
    query = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608
    for age in [timedelta(days=days) + hour] * 5 + [timedelta(days=days) - hour] * 2:
        given: dict[str, Any] = {
            "id": uuid4(),
            "key": secrets.token_urlsafe(12),
            "bytes": uuid4().bytes,
            "user": user_id,
            "school": school.id,
            "time": now - age,
        }
        used = {name: value for name, value in given.items() if f":{name}" in query}
        await connection.execute(text(query), used)


async def test_a_sessions_refresh_tokens_go_with_it_and_those_of_a_living_one_stay(
    app: FastAPI, school: School, settings: Settings, owner: AsyncEngine
) -> None:
    """SEC-16: a used token of a living session is how theft is noticed."""
    users = [await school.user(Role.GUARDIAN) for _ in range(2)]
    ended, living = (each[0] for each in users)
    async with owner.begin() as connection:
        await connection.execute(
            text("UPDATE sessions SET revoked_at = now() - interval '31 days' WHERE user_id = :id"),
            {"id": ended},
        )
        await connection.execute(
            text(
                "UPDATE refresh_tokens SET used_at = '2001-01-01', created_at = '2001-01-01'"
                " WHERE session_id IN (SELECT id FROM sessions WHERE user_id = ANY(:ids))"
            ),
            {"ids": [ended, living]},
        )

    await sweeper(settings, app).sweep()

    query = text(
        "SELECT count(t.token_sha256) FROM sessions s"
        " LEFT JOIN refresh_tokens t ON t.session_id = s.id WHERE s.user_id = :id"
    )
    async with owner.connect() as connection:
        assert await connection.scalar(query, {"id": living}) == 1
        gone = text("SELECT count(*) FROM sessions WHERE user_id = :id")
        assert await connection.scalar(gone, {"id": ended}) == 0
    assert (await users[1][2].get("/v1/me")).status_code == 200


async def test_a_step_that_fails_leaves_the_others_to_be_done_and_says_no_words(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    words = "Noor Peeters"

    async def broken(*_: Any) -> int:
        raise ValueError(words)

    monkeypatch.setattr(Sweeper, "_remove_jobs", broken)

    done = await sweeper(settings, app).sweep()

    assert "jobs" not in done
    assert "mails" in done
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (failed,) = [line for line in lines if line["event"] == "retention.failed"]
    assert (failed["step"], failed["error"]) == ("jobs", "ValueError")
    assert words not in log.getvalue()


async def test_of_several_workers_one_sweeps(post: Post, owner: AsyncEngine) -> None:
    """As the role without rights: it needs what migration 0003 grants it."""
    sweeps: list[str] = []

    class Counting(Worker):
        async def sweep(self, _: Schedule) -> None:
            sweeps.append("swept")

    plain = post.worker(Mailbox())
    counting = Counting(plain.settings, plain.sessions, plain.authority, plain.delivery)
    async with post.connection() as one, post.connection() as two:
        queues = [worker.queue_of(counting, connection) for connection in (one, two)]
        registry = queues[0].sm.registry
        await queues[0].sm.queries.insert_schedule({k: v.next_in() for k, v in registry.items()})
        async with owner.begin() as connection:
            due = "UPDATE pgqueuer_schedules SET next_run = now() - interval '1 second', status = 'queued'"
            await connection.execute(text(f"{due} WHERE entrypoint = 'sweep'"))
        running = [asyncio.create_task(queue.sm.run()) for queue in queues]
        async with asyncio.timeout(20):
            while not sweeps:  # noqa: ASYNC110 - nobody signals it
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)  # the other has looked as well
        for queue in queues:
            queue.sm.shutdown.set()
        await asyncio.gather(*running)

    assert sweeps == ["swept"]


async def test_a_failed_job_keeps_no_words_in_the_queue_or_the_log(
    post: Post, school: School, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    """SEC-34, SEC-35: what an exception says may name people."""
    admin = await school.as_(Role.ADMIN)
    child = await school.child()
    ok(await admin.post("/v1/exports", json={"student_id": child.student_id}), 202)

    address = "noor@example.org"

    async def broken(*_: Any, **__: Any) -> None:
        raise ValueError(address)

    monkeypatch.setattr("itschool_api.privacy.making.around", broken)
    monkeypatch.setattr(worker, "_MOST_ATTEMPTS", 0)
    await post.collect(Mailbox())

    async with owner.connect() as connection:
        told = (
            await connection.execute(text("SELECT traceback::text FROM pgqueuer_log"))
        ).scalars()
        said = "".join(each or "" for each in told)
        held = await connection.scalar(
            text("SELECT count(*) FROM pgqueuer WHERE status = 'failed'")
        )
    assert held == 1
    assert "JobFailed" in said
    assert address not in said
    assert address not in log.getvalue()
    assert "ValueError" in log.getvalue()


async def test_leavers_who_owe_nothing_are_erased_after_their_months(
    app: FastAPI, school: School, settings: Settings
) -> None:
    """With the parent who has no other child here; off unless the operator says so."""
    admin = await school.as_(Role.ADMIN)
    gone = await school.child(first_name="Noor")
    with_sibling = await school.child(first_name="Emma")
    await school.sibling(with_sibling)
    owing = await school.child(first_name="Lou")
    await school.post_coda(school.coda(payment(owing.reference, Cents(5_00), PAYER)))
    for child in (gone, with_sibling, owing):
        left = {"left_on": clock.today("Europe/Brussels").isoformat()}
        ok(await school.manager.put(f"/v1/students/{child.student_id}/departure", json=left))

    async def names() -> set[str]:
        students = ok(await school.manager.get("/v1/students"))["items"]
        parents = ok(await school.manager.get("/v1/guardians"))["items"]
        return {each["first_name"] for each in (*students, *parents)}

    # This step alone: a whole sweep of another day would end the sessions of other tests.
    office = erasure.office_of(settings, app.state.storage)
    assert (await sweeper(settings, app).sweep())["leavers"] == 0
    with time_machine.travel(datetime.now(UTC) + timedelta(days=400), tick=True):
        counts = [
            await leavers.erase_leavers(school.sessions, office, school.id, months)
            for months in (None, 24, 12, 12)
        ]

    assert counts == [0, 0, 3, 0]  # two children, one parent
    assert await names() == {"Élève", "Responsable", "Lou", "Lars", "An"}
    acts = ok(await admin.get("/v1/audit-events", params={"action": "erase_leaver"}))["items"]
    assert len(acts) == 3
    await books_are_clean(school)


def test_months_end_where_a_month_is_shorter() -> None:
    assert leavers.months_before(date(2026, 11, 24), 12) == date(2025, 11, 24)
    assert leavers.months_before(date(2026, 1, 15), 1) == date(2025, 12, 15)
    assert leavers.months_before(date(2026, 3, 31), 1) == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("retention_accounting_years", 6), ("retention_export_days", 31), ("retention_mail_days", 0)],
)
def test_what_the_law_does_not_allow_is_refused_at_start(name: str, value: int) -> None:
    """CDE III.86 and III.88: seven years, whatever the operator wishes."""
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({"secret_key": _SECRET, "environment": "development", name: value})


async def test_the_operator_sweeps_and_ends_retention(
    tmp_path: Path, school: School, owner_url: str, database_url: str, owner: AsyncEngine
) -> None:
    child = await school.child()
    invoice = await school.invoice(child, 5_00)
    await school.post_coda(school.coda(payment(invoice["reference"], Cents(5_00), PAYER)))
    async with owner.begin() as connection:
        for query in (
            "UPDATE invoices SET issued_on = '2001-01-01' WHERE school_id = :id",
            "UPDATE bank_transactions SET booked_on = '2001-01-01' WHERE school_id = :id",
            "UPDATE bank_statements SET closing_on = '2001-01-01' WHERE school_id = :id",
        ):
            await connection.execute(text(query), {"id": school.id})

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", "from itschool_api.cli import app; app()", *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "ITSCHOOL_SECRET_KEY": _SECRET, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    swept = run("privacy", "sweep", DATABASE_URL=database_url)
    ended = run(
        "privacy",
        "end-retention",
        "--yes",
        DATABASE_URL=database_url,
        DATABASE_OWNER_URL=owner_url,
    )

    assert (swept.returncode, "mails: " in swept.stdout) == (0, True)
    assert ended.returncode == 0, ended.stderr
    assert "1 invoices, 1 payments, 1 files" in ended.stdout
    shown = ok(await school.manager.get(f"/v1/invoices/{invoice['id']}"))
    assert (shown["label"], shown["total_cents"]) == ("—", 5_00)
    async with owner.connect() as connection:
        action = await connection.scalar(
            text("SELECT actor FROM audit_events WHERE school_id = :id AND action = :action"),
            {"id": school.id, "action": "end_retention"},
        )
    assert action == "operator"
    await books_are_clean(school)


async def test_only_the_tables_owner_ends_retention(
    settings: Settings, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        await cleared(settings, database_url)
    assert "DATABASE_OWNER_URL" in capsys.readouterr().err
