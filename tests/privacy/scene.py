"""A family of which every personal column holds something that nobody else has.

Whatever text is planted contains the scene's mark, in one of three spellings, so that a search for
the mark finds every trace; each column's own value is known too, so that none hides another.
"""

import io
import json
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from httpx2 import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from itschool_api.banking.coda import Counterparty
from itschool_api.banking.coda.builders import payment
from itschool_api.mail.delivery import Delivery
from itschool_api.money import Cents
from itschool_api.privacy import inventory
from itschool_api.worker import delivery_of
from tests.auth.ways_in import redeem, refresh
from tests.kit import PASSWORD, School, client_of, ok, once
from tests.outbox.post import Mailbox, Post, token_in

PAYER_ACCOUNT: Final = "BE71096123456769"

# Which rows of each table the scene has, written by hand: `traces.py` is what is to be proved.
ROWS: Final[Mapping[str, str]] = {
    "students": "id = :student",
    "families": "id = :family",
    "family_students": "student_id = :student",
    "guardians": "id = :guardian",
    "guardianships": "guardian_id = :guardian",
    "events": "id = :event",
    "mails": "user_id = :user",
    "exports": "subject_id = :subject",
    "audit_events": "actor = 'user:' || :user",
    "users": "id = :user",
    "memberships": "user_id = :user",
    "membership_offers": "user_id = :user",
    "sessions": "user_id = :user",
    "refresh_tokens": "session_id IN (SELECT id FROM sessions WHERE user_id = :user)",
    "login_tokens": "user_id = :user",
    "login_token_requests": "email = (SELECT email FROM users WHERE id = :user)",
    "known_origins": "user_id = :user",
    "second_factors": "user_id = :user",
    "recovery_codes": "user_id = :user",
    "accounts": "id IN (SELECT account_id FROM wallets WHERE student_id = :student)",
    "transfers": "source_id IN (SELECT account_id FROM wallets WHERE student_id = :student)"
    " OR target_id IN (SELECT account_id FROM wallets WHERE student_id = :student)",
    "payment_references": "account_id IN (SELECT account_id FROM wallets"
    " WHERE student_id = :student)",
    "invoices": "id = :invoice",
    "invoice_lines": "invoice_id = :invoice",
    "bank_transactions": "counterparty_name LIKE '%' || upper(:mark) || '%'",
}
# Planted where nothing of the journey leaves something; the mark is in each text.
_PLANTED: Final = """
    UPDATE students SET left_on = '2031-01-31' WHERE id = :student;
    UPDATE families SET external_key = 'fk-:mark' WHERE id = :family;
    UPDATE guardians SET external_key = 'gk-:mark' WHERE id = :guardian;
    UPDATE guardianships SET starts_on = '2020-02-29' WHERE guardian_id = :guardian;
    UPDATE sessions SET label = 'Phone of :mark', last_used_at = '2021-01-02' WHERE user_id = :user;
    UPDATE users SET last_login_at = '2021-01-03' WHERE id = :user;
    UPDATE mails SET reason = '550 no :mark here' WHERE user_id = :user;
    INSERT INTO membership_offers (id, user_id, school_id, guardian_id, offered_at, answered_at,
                                   accepted)
        VALUES (:id, :user, :school, :guardian, '2021-01-04', '2021-01-05', true);
    INSERT INTO login_token_requests (id, email, created_at)
        SELECT :id, email, '2021-01-06' FROM users WHERE id = :user;
    DELETE FROM known_origins WHERE user_id = :user;
    INSERT INTO known_origins (user_id, origin_sha256, last_seen_at)
        VALUES (:user, convert_to('origin ' || :text, 'UTF8'), '2021-01-07');
    INSERT INTO second_factors (user_id, encrypted_secret, created_at, confirmed_at, last_counter)
        VALUES (:user, convert_to('secret ' || :text, 'UTF8'), '2021-01-08', '2021-01-09', 1);
    INSERT INTO recovery_codes (user_id, code_sha256, used_at)
        VALUES (:user, convert_to('code ' || :text, 'UTF8'), '2021-01-10');
"""


@dataclass
class Scene:
    """A child, a parent, and the ids of what is theirs."""

    school: School
    admin: AsyncClient
    mark: str
    ids: dict[str, UUID]
    name: str
    """The child's."""
    guardian_name: str

    @property
    def spellings(self) -> tuple[str, ...]:
        """The mark, as it may be written somewhere."""
        return (self.mark, self.mark.capitalize(), self.mark.upper())

    async def values(self, owner: AsyncEngine, table: str, subject: str) -> list[dict[str, Any]]:
        """Return the scene's rows of a table, as the database has them."""
        used = ROWS[table].replace(":subject", f":{subject}")
        ids = {name: value for name, value in self.ids.items() if f":{name}" in used}
        ids |= {"mark": self.mark} if ":mark" in used else {}  # type: ignore[dict-item]
        query = text(f"SELECT * FROM {table} WHERE {used}".replace(":user", "CAST(:user AS uuid)"))  # noqa: S608
        async with owner.connect() as connection:
            return [dict(row) for row in (await connection.execute(query, ids)).mappings()]

    async def settle(self) -> None:
        """Let the child leave, with nothing owed and nothing left."""
        student = self.ids["student"]
        ok(await self.school.manager.put(f"/v1/students/{student}/departure", json={}))


async def build(school: School, post: Post, owner: AsyncEngine) -> Scene:
    """Let a family be known in every way that there is."""
    manager, mark = school.manager, f"kanarie{secrets.token_hex(4)}"
    first, last = mark.capitalize(), f"Van {mark.capitalize()}"
    group = ok(await manager.post("/v1/class-groups", json={"name": secrets.token_hex(3)}), 201)
    student = ok(
        await manager.post(
            "/v1/students",
            json={
                "first_name": first,
                "last_name": last,
                "external_key": f"sk-{mark}",
                "birth_date": "1913-03-07",
                "class_group_id": group["id"],
            },
        ),
        201,
    )
    family = ok(
        await manager.post(
            "/v1/families",
            json={
                "name": f"Famille {last}",
                "language": "de",
                "street": f"Rue {mark} 1",
                "postal_code": mark,
                "city": f"Ville {mark}",
                "students": [{"student_id": student["id"], "share_bp": 4321}],
            },
        ),
        201,
    )
    guardian = ok(
        await manager.post(
            "/v1/guardians",
            json={
                "first_name": "Sophie",
                "last_name": last,
                "email": f"sophie@{mark}.example",
                "phone": "+32 2 555 01 99",
                "language": "de",
            },
        ),
        201,
    )
    ok(
        await manager.post(
            "/v1/guardianships",
            json={
                "guardian_id": guardian["id"],
                "student_id": student["id"],
                "family_id": family["id"],
                "sees_money": True,
            },
        ),
        201,
    )
    event = ok(
        await manager.post(
            "/v1/events",
            json={
                "title": f"Entretien {mark}",
                "text": f"Au sujet de {mark}",
                "place": f"Salle {mark}",
                "begins_on": "2031-05-01",
                "ends_on": "2031-05-01",
                "audience": {"student_ids": [student["id"]]},
            },
        ),
        201,
    )
    scene = Scene(
        school,
        await school.as_(Role.ADMIN),
        mark,
        {
            "school": school.id,
            "student": UUID(student["id"]),
            "family": UUID(family["id"]),
            "guardian": UUID(guardian["id"]),
            "event": UUID(event["id"]),
        },
        f"{first} {last}",
        f"Sophie {last}",
    )
    parent = await _log_in(scene, post)
    await _pay(scene, parent)
    await _plant(scene, owner)
    return scene


async def _log_in(scene: Scene, post: Post) -> AsyncClient:
    """Invite the parent, who sets a password, refreshes, and looks around."""
    guardian, app = scene.ids["guardian"], scene.school.app
    ok(await scene.school.manager.post(f"/v1/guardians/{guardian}/invitations"), 202)
    both = _Both(Mailbox(), delivery_of(post.settings))
    await post.collect(both)
    token = token_in(both.mailbox.messages[-1])
    async with client_of(app) as anonymous:
        pair = ok(await redeem(anonymous, token))
    async with client_of(app, pair["access_token"]) as restricted:
        pair = ok(await restricted.put("/v1/me/password", json={"new_password": PASSWORD}))
    async with client_of(app) as anonymous:
        pair = ok(await refresh(anonymous, pair["refresh_token"]))
    parent = client_of(app, pair["access_token"])
    scene.ids["user"] = UUID(ok(await parent.get("/v1/me"))["user_id"])
    return parent


@dataclass
class _Both:
    """A delivery that keeps messages for the test, and in the folder too."""

    mailbox: Mailbox
    folder: Delivery

    async def send(self, message: Any) -> None:
        await self.mailbox.send(message)
        await self.folder.send(message)


async def _pay(scene: Scene, parent: AsyncClient) -> None:
    """Issue an invoice, and let the parent top up and pay it from the wallet, to the last cent."""
    school, ids = scene.school, scene.ids
    manager = school.manager
    wallet = ok(await manager.get("/v1/wallets", params={"student": str(ids["student"])}))
    wallet_id = wallet["items"][0]["id"]
    top_up = ok(await manager.get(f"/v1/wallets/{wallet_id}/top-up"))
    payer = Counterparty(PAYER_ACCOUNT, "EUR", "GKCCBEBB", f"SOPHIE VAN {scene.mark.upper()}")
    await school.post_coda(school.coda(payment(top_up["reference"], Cents(20_00), payer)))
    draft = ok(
        await manager.post(
            "/v1/invoices",
            json={
                "family_id": str(ids["family"]),
                "label": f"Garderie {scene.mark}",
                "lines": [
                    {
                        "student_id": str(ids["student"]),
                        "label": f"Garderie de {scene.mark}",
                        "unit_cents": 20_00,
                    }
                ],
            },
        ),
        201,
    )
    ids["invoice"] = UUID(draft["id"])
    ok(await manager.post(f"/v1/invoices/{draft['id']}/issue", json={}))
    ok(
        await parent.post(
            f"/v1/invoices/{draft['id']}/payments", json={"wallet_id": wallet_id}, headers=once()
        ),
        201,
    )


async def _plant(scene: Scene, owner: AsyncEngine) -> None:
    script = _PLANTED.replace(":mark", scene.mark).replace(":text", f"'{scene.mark}'")
    script = script.replace(":id", f"'{UUID(bytes=secrets.token_bytes(16))}'")
    for name, value in sorted(scene.ids.items(), reverse=True):
        script = script.replace(f":{name}", f"'{value}'")
    async with owner.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))
        place = ROWS["bank_transactions"]
        await connection.execute(
            text(f"UPDATE bank_transactions SET communication = :words WHERE {place}"),  # noqa: S608
            {"words": f"Merci de {scene.mark}", "mark": scene.mark},
        )


async def exported(scene: Scene, post: Post, **subject: Any) -> dict[str, bytes]:
    """Ask for an export, let the worker make it, and return the files in it."""
    form = {name: str(value) for name, value in subject.items()}
    export = ok(await scene.admin.post("/v1/exports", json=form), 202)
    await post.collect(Mailbox())
    answer = await scene.admin.get(f"/v1/exports/{export['id']}/file")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def document(files: Mapping[str, bytes]) -> Any:
    """Return the document of an export."""
    return json.loads(files["data.json"])


def columns_of(table: str) -> dict[str, inventory.Personal]:
    """Return the personal columns of a table that no secret is in."""
    return inventory.exported(table)


def in_json(value: Any) -> Any:
    """Return a value of the database as JSON has it."""
    return json.loads(json.dumps(value, default=lambda each: each.isoformat()))
