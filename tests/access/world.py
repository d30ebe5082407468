"""Two schools that look alike, their people, and one object of each kind."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI
from httpx2 import AsyncClient

from itschool_api import clock
from itschool_api.auth.caller import KEY_SCOPES, Role
from itschool_api.auth.models import MembershipOffer
from itschool_api.banking.coda.builders import payment, transfer
from itschool_api.database import new_id, school_transaction
from itschool_api.families import links
from itschool_api.money import Cents
from itschool_api.outbox import service as outbox
from itschool_api.privacy import making
from itschool_api.webhooks.models import WebhookDelivery
from tests.auth.ways_in import restricted_session
from tests.kit import PAYER, Child, School, logged_in, ok, open_school

# The callers who are somebody, in the order of the policy's columns.
ROLES: Final[Mapping[str, Role]] = {
    "parent A": Role.GUARDIAN,
    "parent B": Role.GUARDIAN,
    "teacher": Role.TEACHER,
    "accountant": Role.ACCOUNTANT,
    "manager": Role.MANAGER,
    "admin": Role.ADMIN,
}
_MANY_ENDPOINTS: Final = 10
FOREIGN_PERSON: Final = "everything at another school"
FOREIGN_KEY: Final = "key of another school"
CALLERS: Final = (*ROLES, FOREIGN_PERSON, FOREIGN_KEY)


@dataclass
class Objects:
    """A school with a family, and the ids of everything that somebody might reach for."""

    school: School
    child: Child
    ids: dict[str, str]

    async def fresh_draft(self) -> str:
        """Draft an invoice, and return its id."""
        draft = ok(
            await self.school.manager.post(
                "/v1/invoices",
                json={
                    "family_id": self.child.family_id,
                    "label": "Garderie",
                    "lines": [
                        {
                            "student_id": self.child.student_id,
                            "label": "Garderie",
                            "unit_cents": 5_00,
                        }
                    ],
                },
            ),
            201,
        )
        return str(draft["id"])

    async def fresh_suspense(self) -> str:
        """Let a payment of 1 € without a reference arrive, and return the transaction's id."""
        report = await self.school.post_coda(
            self.school.coda(transfer("cadeau", Cents(1_00), PAYER))
        )
        waiting = ok(
            await self.school.manager.get(
                "/v1/bank-transactions", params={"statement": report["statements"][0]["id"]}
            )
        )
        return str(waiting["items"][0]["id"])

    async def fresh_student(self, class_group_id: str | None = None) -> str:
        """Enrol a student who is in no family, and return the id."""
        student = ok(
            await self.school.manager.post(
                "/v1/students",
                json={
                    "first_name": "Jef",
                    "last_name": "Claes",
                    "class_group_id": class_group_id,
                },
            ),
            201,
        )
        return str(student["id"])

    async def fresh_guardian(self) -> str:
        """Add a guardian who cannot log in yet, and return the id."""
        guardian = ok(
            await self.school.manager.post(
                "/v1/guardians",
                json={
                    "first_name": "Tom",
                    "last_name": "Maes",
                    "email": f"{secrets.token_hex(6)}@example.org",
                },
            ),
            201,
        )
        return str(guardian["id"])

    async def fresh_guardian_with_login(self) -> str:
        """Add a guardian and invite them, and return the id."""
        guardian = await self.fresh_guardian()
        ok(await self.school.manager.post(f"/v1/guardians/{guardian}/invitations"), 202)
        return guardian

    async def fresh_member(self) -> str:
        """Make a teacher, and return their user id."""
        return str((await self.school.user(Role.TEACHER))[0])

    async def fresh_event(self) -> str:
        """Announce an event to the child, and return its id."""
        event = ok(
            await self.school.manager.post(
                "/v1/events", json=event_form(student_ids=[self.child.student_id])
            ),
            201,
        )
        return str(event["id"])

    async def fresh_mail(self) -> str:
        """Invite somebody, and return the mail's id."""
        invited = await self.fresh_guardian()
        ok(await self.school.manager.post(f"/v1/guardians/{invited}/invitations"), 202)
        return str(ok(await self.school.manager.get("/v1/mails"))["items"][0]["id"])

    async def fresh_failed_mail(self) -> str:
        """Let a mail be refused, and return its id."""
        mail_id = await self.fresh_mail()
        async with school_transaction(self.school.sessions, self.school.id) as session:
            mail = await outbox.mail(session, self.school.id, UUID(mail_id))
            mail.status, mail.reason = "failed", "550 no such user"
        return mail_id

    async def fresh_endpoint(self) -> str:
        """Let a system of the school's be told, and return the endpoint's id."""
        made = await self.school.manager.post("/v1/webhook-endpoints", json=webhook_form())
        return str(ok(made, 201)["id"])

    async def forget_endpoints(self) -> None:
        """Remove older endpoints that were made on the way, once there are many: a school has 20.

        The newest stay: a request that was made before may be about them still.
        """
        there = ok(await self.school.manager.get("/v1/webhook-endpoints"))["items"]
        for each in there[_MANY_ENDPOINTS // 2 :] if len(there) > _MANY_ENDPOINTS else ():
            if each["id"] != self.ids["endpoint"]:
                url = f"/v1/webhook-endpoints/{each['id']}"
                ok(await self.school.manager.delete(url), 204)

    async def fresh_delivery(self, endpoint_id: str) -> str:
        """Ask for a test, and return the delivery's id."""
        url = f"/v1/webhook-endpoints/{endpoint_id}/test"
        return str(ok(await self.school.manager.post(url), 202)["id"])

    async def fresh_failed_delivery(self, endpoint_id: str) -> str:
        """Let a test fail, and return the delivery's id."""
        delivery_id = await self.fresh_delivery(endpoint_id)
        async with school_transaction(self.school.sessions, self.school.id) as session:
            found = await session.get_one(WebhookDelivery, (self.school.id, UUID(delivery_id)))
            found.status, found.next_attempt_at = "failed", None
        return delivery_id

    async def fresh_session(self) -> str:
        """Log the child's parent in once more, and return the session's id."""
        again = await logged_in(self.school.app, self.child.user_name)
        own = ok(await again.get("/v1/me/sessions"))["items"]
        return str(next(each["id"] for each in own if each["current"]))

    async def fresh_key(self) -> str:
        """Make an API key, and return its id."""
        admin = await self.school.as_(Role.ADMIN)
        made = ok(
            await admin.post("/v1/api-keys", json={"label": "key", "scopes": ["events:read"]}), 201
        )
        return str(made["id"])

    async def fresh_export(self) -> str:
        """Export the child's data, and return the export's id."""
        admin = await self.school.as_(Role.ADMIN)
        form = {"student_id": self.child.student_id}
        export_id = str(ok(await admin.post("/v1/exports", json=form), 202)["id"])
        state = self.school.app.state
        week = timedelta(days=7)
        await making.make(
            self.school.sessions, state.storage, week, self.school.id, UUID(export_id)
        )
        return export_id

    def file(self) -> bytes:
        """Return a file of the bank that was not posted yet."""
        return self.school.coda(transfer("cadeau", Cents(1_00), PAYER))


@dataclass
class World:
    """Our school, another one, and whoever may call."""

    app: FastAPI
    ours: Objects
    theirs: Objects
    callers: dict[str, AsyncClient]
    neighbour: Child
    restricted: AsyncClient
    third: School
    """One that nobody belongs to for long."""

    @property
    def shared(self) -> frozenset[str]:
        """The ids that every parent of the school may see."""
        return frozenset(
            self.ours.ids[name] for name in ("school_year", "next_school_year", "compartment")
        )

    async def fresh_offer(self) -> str:
        """Let the third school offer parent A membership, and return the offer's id."""
        person = ok(await self.callers["parent A"].get("/v1/me"))
        async with school_transaction(self.third.sessions, self.third.id) as session:
            await links.unlink(session, self.third.id, UUID(person["user_id"]))
        guardian = ok(
            await self.third.manager.post(
                "/v1/guardians", json={"first_name": "An", "last_name": "Peeters"}
            ),
            201,
        )
        offer = MembershipOffer(
            id=new_id(),
            user_id=UUID(person["user_id"]),
            school_id=self.third.id,
            guardian_id=UUID(guardian["id"]),
            offered_at=clock.now(),
        )
        async with self.third.sessions.begin() as session:
            session.add(offer)
        return str(offer.id)

    async def newcomer(self, caller: str) -> AsyncClient:
        """Return a new person like `caller`: for what ends the session that asks for it."""
        if caller == FOREIGN_PERSON:
            return await self.theirs.school.as_(*Role)
        return await self.ours.school.as_(ROLES[caller])


def event_form(**audience: Any) -> dict[str, Any]:
    """Return an event of one day for an audience."""
    return {
        "title": "Excursion",
        "begins_on": "2031-05-01",
        "ends_on": "2031-05-01",
        "audience": audience or {"whole_school": True},
    }


def webhook_form() -> dict[str, Any]:
    """Return an endpoint at a name that nobody has."""
    return {"url": "https://hooks.example.invalid/", "event_types": ["wallet.low"]}


async def populate(school: School, first_name: str) -> Objects:
    """Give a school one object of each kind, and money in the child's wallet."""
    manager = school.manager
    years = ok(await manager.get("/v1/school-years"))["items"]
    group = ok(await manager.post("/v1/class-groups", json={"name": "3B"}), 201)
    next_year = ok(await manager.post("/v1/school-years", json={}), 201)
    next_group = ok(
        await manager.post(
            "/v1/class-groups", json={"name": "4A", "school_year_id": next_year["id"]}
        ),
        201,
    )
    child = await school.child(first_name=first_name)
    links = ok(await manager.get("/v1/guardianships", params={"student": child.student_id}))
    invoice = await school.invoice(child, 500_00)
    report = await school.post_coda(
        school.coda(
            payment(child.reference, Cents(1_000_00), PAYER), transfer("don", Cents(2_00), PAYER)
        )
    )
    statement_id = report["statements"][0]["id"]
    waiting = ok(
        await manager.get(
            "/v1/bank-transactions", params={"statement": statement_id, "state": "suspense"}
        )
    )
    made = Objects(school, child, {})
    made.ids = {
        "student": child.student_id,
        "family": child.family_id,
        "wallet": child.wallet_id,
        "guardian": child.guardian_id,
        "guardianship": links["items"][0]["id"],
        "invoice": invoice["id"],
        "school_year": years[0]["id"],
        "class_group": group["id"],
        "next_school_year": next_year["id"],
        "next_class_group": next_group["id"],
        "statement": statement_id,
        "transaction": waiting["items"][0]["id"],
        "event": await made.fresh_event(),
        "key": await made.fresh_key(),
        "mail": await made.fresh_mail(),
        "session": await made.fresh_session(),
        "export": await made.fresh_export(),
        "compartment": ok(await manager.get("/v1/compartments"))["items"][0]["id"],
        "endpoint": await made.fresh_endpoint(),
    }
    made.ids["delivery"] = await made.fresh_delivery(made.ids["endpoint"])
    return made


async def build(app: FastAPI) -> World:
    """Open the two schools, and let everybody in."""
    ours = await populate(await open_school(app), "Noor")
    theirs = await populate(await open_school(app), "Lotte")
    neighbour = await ours.school.child(first_name="Emma")
    callers = {
        "parent A": ours.child.parent,
        "parent B": neighbour.parent,
        "teacher": await ours.school.as_(Role.TEACHER),
        "accountant": await ours.school.as_(Role.ACCOUNTANT),
        "manager": ours.school.manager,
        "admin": await ours.school.as_(Role.ADMIN),
        FOREIGN_PERSON: await theirs.school.as_(*Role),
        FOREIGN_KEY: await theirs.school.api_key(*KEY_SCOPES),
    }
    unfinished, _, _ = await ours.school.user(*Role)
    return World(
        app,
        ours,
        theirs,
        callers,
        neighbour,
        await restricted_session(app, unfinished),
        await open_school(app),
    )


def files(data: bytes) -> dict[str, Any]:
    """Return how a file of the bank is posted."""
    return {"content": data, "headers": {"Content-Type": "text/plain"}}
