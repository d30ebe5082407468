"""What is logged carries ids and facts: no secret, no name, no address (SEC-10, SEC-34)."""

import io
import json
import secrets
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI
from pgqueuer.types import QueueExecutionMode
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import worker
from itschool_api.auth.caller import Role
from itschool_api.banking.coda.builders import payment
from itschool_api.mail.delivery import SmtpDelivery
from itschool_api.money import Cents
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in, redeem, refresh
from tests.kit import PAYER, School, client_of, ok, once
from tests.mail.test_delivery import Inbox, serving
from tests.outbox.post import Mailbox, token_in

pytestmark = pytest.mark.anyio


async def do_all_jobs(app: FastAPI, settings: Settings, database_url: str, delivery: Any) -> None:
    """Work as `itschool worker` does."""
    plain = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    working = worker.Worker(settings, app.state.sessions, app.state.authority, delivery)
    queue = worker.queue_of(working, connection)
    await queue.run(dequeue_timeout=timedelta(seconds=0.1), mode=QueueExecutionMode.drain)
    await connection.close()


async def test_no_log_line_of_a_whole_journey_names_a_person_or_a_secret(  # noqa: PLR0915 - a journey is long
    app: FastAPI,
    school: School,
    settings: Settings,
    database_url: str,
    owner: AsyncEngine,
    log: io.StringIO,
) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("TRUNCATE pgqueuer"))
    canaries = {
        "child": f"Canarina{secrets.token_hex(4)}",
        "surname": f"Serinus{secrets.token_hex(4)}",
        "email": f"canary.{secrets.token_hex(6)}@example.org",
        "password": f"pass phrase {secrets.token_hex(6)}",
        "wrong": f"wrong phrase {secrets.token_hex(6)}",
        "search": f"search{secrets.token_hex(6)}",
        "payer": f"PAYER {secrets.token_hex(4)}".upper(),
        "garbage": f"garbage{secrets.token_hex(6)}",
    }
    child = await school.child(first_name=canaries["child"], last_name=canaries["surname"])
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={
                "first_name": "An",
                "last_name": canaries["surname"],
                "email": canaries["email"],
            },
        ),
        201,
    )
    invited = ok(await school.manager.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
    canaries["user name"] = invited["user_name"]
    box = Mailbox(refusals=1)
    await do_all_jobs(app, settings, database_url, box)
    canaries["login token"] = token_in(box.messages[0])

    async with client_of(app) as client:
        pair = ok(await redeem(client, canaries["login token"]))
        canaries["restricted token"] = pair["access_token"]
        async with client_of(app, pair["access_token"]) as restricted:
            form = {"new_password": canaries["password"]}
            pair = ok(await restricted.put("/v1/me/password", json=form))
        await log_in(client, invited["user_name"], canaries["wrong"])
        await log_in(client, canaries["garbage"], canaries["wrong"])
        await redeem(client, canaries["garbage"])
        await refresh(client, canaries["garbage"])
        again = ok(await refresh(client, pair["refresh_token"]))
        canaries |= {
            "refresh token": pair["refresh_token"],
            "its successor": again["refresh_token"],
            "access token": again["access_token"],
        }
        async with owner.begin() as connection:
            await connection.execute(
                text("UPDATE refresh_tokens SET used_at = used_at - interval '1 hour'")
            )
        await refresh(client, pair["refresh_token"])
        await client.post("/v1/auth/login-tokens", json={"email": canaries["email"]})
    # A server that refuses quotes the recipient in its answer.
    refusing = Inbox(RCPT=[f"550 no such user {canaries['email']}"] * 3)
    async with serving(refusing) as port:
        await do_all_jobs(app, settings, database_url, SmtpDelivery("127.0.0.1", port, tls="none"))

    admin = await school.as_(Role.ADMIN)
    made = ok(
        await admin.post("/v1/api-keys", json={"label": "x", "scopes": ["wallets:read"]}), 201
    )
    canaries["api key"] = made["key"].split("_")[3]
    async with client_of(app, made["key"]) as office:
        ok(await office.get("/v1/wallets", params={"search": canaries["search"]}))
        await office.get("/v1/students")
    async with client_of(app, f"its_{canaries['garbage']}") as stranger:
        await stranger.get("/v1/wallets")
    payer = type(PAYER)(PAYER.account, PAYER.currency, PAYER.bic, canaries["payer"])
    await school.post_coda(school.coda(payment(child.reference, Cents(50_00), payer)))
    invoice = await school.invoice(child, 5_00)
    ok(
        await child.parent.post(
            f"/v1/invoices/{invoice['id']}/payments",
            json={"wallet_id": child.wallet_id},
            headers=once(),
        ),
        201,
    )
    ok(await child.parent.get("/v1/wallets"))
    await child.parent.get(f"/v1/students/{canaries['garbage']}")

    lines = log.getvalue().splitlines()
    assert len([line for line in lines if '"request.done"' in line]) > 20
    assert any('"mail.sent"' in line for line in lines)
    assert any('"mail.not_delivered"' in line for line in lines)
    assert any('"refresh.reused"' in line for line in lines)
    assert any('"login.failed"' in line for line in lines)
    found = {what: line for what, canary in canaries.items() for line in lines if canary in line}
    assert found == {}
    async with owner.connect() as connection:
        rows = await connection.execute(text("SELECT l::text FROM pgqueuer_log l"))
        kept = [row[0] for row in rows]
    assert {what for what, canary in canaries.items() for row in kept if canary in row} == set()


async def test_a_statement_that_fails_is_logged_without_its_values(
    app: FastAPI, owner: AsyncEngine, school: School, log: io.StringIO
) -> None:
    """The database's own words quote the row that it refuses."""
    canary = f"Canarina{secrets.token_hex(4)}"
    async with owner.begin() as connection:
        await connection.execute(
            text(
                "ALTER TABLE students ADD CONSTRAINT ck_students_spoiled CHECK (birth_date IS NULL) NOT VALID"
            )
        )
    try:
        answer = await school.manager.post(
            "/v1/students",
            json={"first_name": canary, "last_name": "x", "birth_date": "2017-05-12"},
        )
    finally:
        async with owner.begin() as connection:
            await connection.execute(
                text("ALTER TABLE students DROP CONSTRAINT ck_students_spoiled")
            )

    assert answer.status_code == 500
    assert app is school.app
    told = log.getvalue()
    crash = next(json.loads(line) for line in told.splitlines() if "request.crashed" in line)
    assert crash["error"] == "IntegrityError"
    assert canary not in told
