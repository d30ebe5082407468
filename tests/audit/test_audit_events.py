"""The audit trail: every act leaves one event, a refusal none, and no event says a name (SEC-34)."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api import trail
from itschool_api.auth.caller import Role, Scope
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from tests.access.world import files
from tests.auth.authenticator import Watch, protected
from tests.auth.ways_in import redeem
from tests.cli.test_operator import run
from tests.kit import ANY_STATE, PASSWORD, PAYER, School, client_of, ok, once, problem
from tests.outbox.post import Mailbox, Post, token_in
from tests.roll.files import SEPARATED, csv

pytestmark = pytest.mark.anyio


async def left_by(owner: AsyncEngine, response: Response) -> list[Row[Any]]:
    """Return the events that a request left, past all walls."""
    async with owner.connect() as connection:
        found = await connection.execute(
            text("SELECT * FROM audit_events WHERE request_id = :id"),
            {"id": response.headers["x-request-id"]},
        )
        return list(found.all())


async def test_a_preview_and_what_was_answered_before_leave_none(
    school: School, owner: AsyncEngine
) -> None:
    child = await school.child()
    data = school.coda(payment(child.reference, Cents(50_00), PAYER))
    post = school.manager.post
    answers = [
        await post("/v1/bank-statements", **files(data), params=parameters)
        for parameters in ({"preview": "true"}, {}, {})
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 200]
    assert [len(await left_by(owner, answer)) for answer in answers] == [0, 1, 0]

    invoice = await school.invoice(child, 5_00)
    key = once()
    paid = [
        await post(
            f"/v1/invoices/{invoice['id']}/payments",
            json={"wallet_id": child.wallet_id, "amount_cents": 1_00},
            headers=key,
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in paid] == [201, 201]
    assert [len(await left_by(owner, answer)) for answer in paid] == [1, 0]


async def test_an_act_and_its_event_are_there_together_or_not_at_all(
    school: School, owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-34: what cannot be told is not done."""

    async def taken() -> UUID:
        async with owner.connect() as connection:
            return UUID(
                str(
                    await connection.scalar(
                        text("SELECT id FROM audit_events WHERE school_id = :id"), {"id": school.id}
                    )
                )
            )

    ok(await school.manager.post("/v1/class-groups", json={"name": "1A"}), 201)
    event_id = await taken()
    with monkeypatch.context() as patched:
        patched.setattr(trail, "new_id", lambda: event_id)
        failed = await school.manager.post("/v1/class-groups", json={"name": "1B"})
    assert failed.status_code == 500

    names = [group["name"] for group in ok(await school.manager.get("/v1/class-groups"))["items"]]
    assert names == ["1A"]


async def test_no_event_holds_a_name_an_address_or_a_secret(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post
) -> None:
    """SEC-34: whatever people type or are given, a grep for it finds nothing."""
    canary = f"canary{secrets.token_hex(6)}"
    address = f"{canary}@example.org"
    admin = await school.as_(Role.ADMIN)
    child = await school.child(first_name=canary.title(), last_name=canary.title())
    guardian = ok(
        await school.manager.post(
            "/v1/guardians",
            json={
                "first_name": canary,
                "last_name": canary,
                "email": address,
                "phone": "0470 99 88 77",
            },
        ),
        201,
    )
    invited = ok(await admin.post(f"/v1/guardians/{guardian['id']}/invitations"), 202)
    ok(await admin.post("/v1/families", json={"name": canary, "street": canary}), 201)
    ok(await admin.post("/v1/class-groups", json={"name": canary}), 201)
    key = ok(
        await admin.post("/v1/api-keys", json={"label": canary, "scopes": ["people:write"]}), 201
    )
    async with client_of(app, key["key"]) as program:
        ok(await program.post("/v1/class-groups", json={"name": f"{canary}2"}), 201)
    await school.post_coda(school.coda(payment(child.reference, Cents(9_00), PAYER)))
    box = Mailbox()
    await post.collect(box)
    token = token_in(box.to(address)[0])
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, token))
    async with client_of(app, pair["access_token"]) as restricted:
        ok(await restricted.put("/v1/me/password", json={"new_password": f"{canary} {PASSWORD}"}))

    async with owner.connect() as connection:
        rows = await connection.execute(
            text("SELECT audit_events::text AS row FROM audit_events WHERE school_id = :id"),
            {"id": school.id},
        )
        written = " ".join(row.row for row in rows).lower()
    for secret in (
        canary,
        "99 88 77",
        invited["user_name"],
        token,
        pair["access_token"],
        key["key"].split("_")[-1],
        PAYER.account,
        PASSWORD,
    ):
        assert secret.lower() not in written
    assert "set_password" in written


async def test_an_admin_reads_who_did_what_newest_first(school: School) -> None:
    _, _, admin = await school.user(Role.ADMIN, first_name="Zoé", last_name="Maes")
    student = ok(
        await admin.post("/v1/students", json={"first_name": "Noor", "last_name": "Claes"}), 201
    )
    family = ok(
        await admin.post(
            "/v1/families", json={"name": "Claes", "students": [{"student_id": student["id"]}]}
        ),
        201,
    )
    events = ok(await admin.get("/v1/audit-events"))["items"]
    assert [event["action"] for event in events[:2]] == ["create_family", "enrol_student"]
    assert events[0]["subjects"] == {"family": [family["id"]], "student": [student["id"]]}
    assert events[0]["actor"]["kind"] == "user"
    assert events[0]["actor"]["name"] == "Zoé Maes"
    assert [event["at"] for event in events] == sorted((e["at"] for e in events), reverse=True)

    async def actions(**filters: Any) -> list[str]:
        found = ok(await admin.get("/v1/audit-events", params=filters))["items"]
        return [event["action"] for event in found]

    me = f"user:{events[0]['actor']['id']}"
    both = ["create_family", "enrol_student"]
    assert await actions(subject=student["id"]) == both
    assert await actions(subject=family["id"]) == ["create_family"]
    assert await actions(actor=me) == both
    assert await actions(actor=me, action="enrol_student") == ["enrol_student"]
    assert await actions(actor="operator") == []
    assert await actions(**{"from": events[0]["at"]}) == ["create_family"]
    assert await actions(actor=me, until=events[0]["at"]) == ["enrol_student"]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert await actions(**{"from": later}) == []
    for bad in (
        {"actor": "root"},
        {"actor": "user:1"},
        {"action": "list_wallets"},
        {"from": "yesterday"},
    ):
        problem(await admin.get("/v1/audit-events", params=bad), 422, "validation-failed")

    first = ok(await admin.get("/v1/audit-events", params={"limit": 1}))
    second = ok(await admin.get("/v1/audit-events", params={"limit": 1, "cursor": first["next"]}))
    assert [first["items"][0]["id"], second["items"][0]["id"]] == [e["id"] for e in events[:2]]


async def test_an_event_says_what_became_different(
    school: School, watch: Watch, owner: AsyncEngine
) -> None:
    """SEC-34: that somebody turned the second factor off is another thing than that they turned it on."""
    admin = (await protected(school, watch, Role.ADMIN)).client
    teacher, _, _ = await school.user(Role.TEACHER)
    guardian = ok(
        await admin.post("/v1/guardians", json={"first_name": "Jo", "last_name": "Bos"}), 201
    )
    told = [
        await admin.put("/v1/school/security", json={"second_factor_required": True}),
        await admin.put("/v1/school/security", json={"second_factor_required": False}),
        await admin.put(f"/v1/members/{teacher}/roles", json={"roles": ["manager"]}),
        await admin.patch(
            f"/v1/guardians/{guardian['id']}",
            json={"first_name": "Jo", "phone": "0470 99 88 77"},
            headers=ANY_STATE,
        ),
        await admin.post("/v1/roll", content=csv(*SEPARATED), headers={"Content-Type": "text/csv"}),
    ]
    events = [event for answer in told for event in await left_by(owner, answer)]

    assert [event.details for event in events[:4]] == [
        {"second_factor_required": True},
        {"second_factor_required": False},
        {"given": ["manager"], "taken": ["teacher"]},
        {"changed": ["phone"]},
    ]
    roll = events[4]
    assert (roll.details["student_new"], roll.details["guardian_new"]) == (1, 2)
    assert {kind: len(ids) for kind, ids in roll.subjects.items()} == {
        "school_year": 1,
        "student": 1,
        "guardian": 2,
        "family": 2,
    }
    query = {"action": "change_member_roles"}
    (shown,) = ok(await admin.get("/v1/audit-events", params=query))["items"]
    assert shown["details"] == events[2].details


async def test_a_program_is_named_by_its_label_and_nobody_reads_another_schools_trail(
    app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-02."""
    admin = await school.as_(Role.ADMIN)
    key = ok(
        await admin.post("/v1/api-keys", json={"label": "Roll", "scopes": [Scope.PEOPLE_WRITE]}),
        201,
    )
    async with client_of(app, key["key"]) as program:
        ok(await program.post("/v1/class-groups", json={"name": "3B"}), 201)
    (event,) = ok(await admin.get("/v1/audit-events", params={"actor": f"api-key:{key['id']}"}))[
        "items"
    ]
    assert event["actor"] == {"kind": "api-key", "id": key["id"], "name": "Roll"}

    foreign = await other_school.as_(Role.ADMIN)
    assert event["id"] not in (await foreign.get("/v1/audit-events")).text
    nothing = ok(await foreign.get("/v1/audit-events", params={"subject": key["id"]}))
    assert nothing == {"items": [], "next": None}


async def test_the_operator_and_the_worker_are_told_too(
    app: FastAPI, school: School, owner: AsyncEngine, post: Post, tmp_path: Path, database_url: str
) -> None:
    admin_id, _, admin = await school.user(Role.ADMIN)
    for arguments in (
        ("school", "add-year", str(school.id), "2033"),
        ("school", "add-compartment", str(school.id), "Photos"),
        ("school", "create-api-key", str(school.id), "--label", "x", "--scope", "events:read"),
        ("school", "add-year", str(school.id), "2033"),
    ):
        run(tmp_path, database_url, *arguments)
    by_operator = ok(await admin.get("/v1/audit-events", params={"actor": "operator"}))["items"]
    assert [event["action"] for event in by_operator] == [
        "create_api_key",
        "add_compartment",
        "add_year",
    ]
    assert by_operator[0]["actor"] == {"kind": "operator", "id": None, "name": None}

    async with owner.connect() as connection:
        address = await connection.scalar(
            text("SELECT email FROM users WHERE id = :id"), {"id": admin_id}
        )
    async with client_of(app) as anonymous:
        await anonymous.post("/v1/auth/login-tokens", json={"email": address})
    await post.collect(Mailbox())
    (event,) = ok(await admin.get("/v1/audit-events", params={"actor": "worker"}))["items"]
    assert (event["action"], event["subjects"]["user"]) == ("send_login_token", [str(admin_id)])
