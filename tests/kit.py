"""What tests say in one line: a school, its people, who calls, a file from the bank."""

import itertools
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import event

from itschool_api import opening
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role, Scope
from itschool_api.banking import audit as banking_audit
from itschool_api.banking import coda
from itschool_api.database import Sessions, enter_school, school_transaction
from itschool_api.families import guardians
from itschool_api.families.schemas import NewGuardian
from itschool_api.invoices import audit as invoices_audit
from itschool_api.ledger import audit as ledger_audit
from itschool_api.money import Cents

PAYER = coda.Counterparty("BE71096123456769", "EUR", "GKCCBEBB", "AN PEETERS")
PASSWORD = "correct horse battery staple"
_ibans = itertools.count(secrets.randbelow(9_000_000))


def belgian_iban() -> str:
    """Return an IBAN that no other test has."""
    number = f"{secrets.randbelow(1000):03d}{next(_ibans):07d}"
    bban = number + f"{int(number) % 97 or 97:02d}"
    return f"BE{98 - int(bban + '111400') % 97:02d}{bban}"


def client_of(app: FastAPI, token: str | None = None) -> AsyncClient:
    """Return a client at an address of its own, so that limits do not meet."""
    address = ".".join(str(1 + secrets.randbelow(250)) for _ in range(4))
    # Tests read English; tests/test_languages.py reads the others.
    headers = {"Accept-Language": "en"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return AsyncClient(
        transport=ASGITransport(app, raise_app_exceptions=False, client=(address, 1)),
        base_url="https://api.example.org",
        headers=headers,
    )


def ok(response: Response, status: int = 200) -> Any:
    """Return a response's document, which must have come with `status`."""
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def problem(response: Response, status: int, code: str) -> Any:
    """Return a refusal, which must be a problem of that kind."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"/problems/{code}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    return document


def once() -> dict[str, str]:
    """Return the headers of a POST that moves money."""
    return {"Idempotency-Key": str(uuid4())}


# The If-Match of a change made from whatever state.
ANY_STATE = {"If-Match": "*"}


@dataclass
class Child:
    """A student with a family and a parent."""

    student_id: str
    family_id: str
    wallet_id: str
    reference: str
    guardian_id: str
    parent: AsyncClient
    user_name: str


@dataclass
class School:
    """A school, and clients for those who work there."""

    app: FastAPI
    id: UUID
    iban: str
    manager: AsyncClient
    balance_cents: int = 100_000_00
    statements: int = 0
    _people: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def sessions(self) -> Sessions:
        found: Sessions = self.app.state.sessions
        return found

    async def user(
        self, *roles: Role, first_name: str = "Test", last_name: str = "Person"
    ) -> tuple[UUID, str, AsyncClient]:
        """Make a user with roles here; return id, user name, and a client that is logged in."""
        async with self.sessions.begin() as session:
            await enter_school(session, self.id)
            user = await auth.create_user(
                session,
                self.id,
                roles,
                first_name=first_name,
                last_name=last_name,
                email=f"{secrets.token_hex(6)}@example.org",
                language="fr",
                password=PASSWORD,
                user_name=f"user-{secrets.token_hex(6)}",
            )
        return user.id, user.user_name, await logged_in(self.app, user.user_name)

    async def as_(self, *roles: Role) -> AsyncClient:
        """Return a client of a new person with these roles."""
        return (await self.user(*roles))[2]

    async def api_key(self, *scopes: Scope) -> AsyncClient:
        """Return a client with a new API key."""
        async with self.sessions.begin() as session:
            await enter_school(session, self.id)
            _, text = await auth.create_api_key(
                session, self.id, label="test", scopes=scopes, expires_at=None, by="test"
            )
        return client_of(self.app, text)

    async def child(
        self,
        *,
        first_name: str = "Noor",
        last_name: str | None = None,
        parent: AsyncClient | None = None,
        family_id: str | None = None,
        guardian_id: str | None = None,
        user_name: str = "",
        sees_money: bool = True,
    ) -> Child:
        """Enrol a child with a family and a parent who can log in (or one that is there)."""
        last_name = last_name or f"Peeters{next(self._people)}"
        student = ok(
            await self.manager.post(
                "/v1/students", json={"first_name": first_name, "last_name": last_name}
            ),
            201,
        )
        if family_id is None:
            family = ok(
                await self.manager.post(
                    "/v1/families",
                    json={
                        "name": f"Famille {last_name}",
                        "students": [{"student_id": student["id"]}],
                    },
                ),
                201,
            )
            family_id = family["id"]
        else:
            ok(
                await self.manager.post(
                    f"/v1/families/{family_id}/students", json={"student_id": student["id"]}
                ),
                201,
            )
        if parent is None or guardian_id is None:
            user_id, user_name, parent = await self.user(Role.GUARDIAN, last_name=last_name)
            guardian_id = await self.guardian(user_id, last_name)
        ok(
            await self.manager.post(
                "/v1/guardianships",
                json={
                    "guardian_id": guardian_id,
                    "student_id": student["id"],
                    "family_id": family_id,
                    "sees_money": sees_money,
                },
            ),
            201,
        )
        wallet = ok(await self.manager.get("/v1/wallets", params={"student": student["id"]}))
        wallet_id = wallet["items"][0]["id"]
        top_up = ok(await self.manager.get(f"/v1/wallets/{wallet_id}/top-up"))
        return Child(
            student_id=student["id"],
            family_id=family_id,
            wallet_id=wallet_id,
            reference=top_up["reference"],
            guardian_id=guardian_id,
            parent=parent,
            user_name=user_name,
        )

    async def sibling(self, of: Child, first_name: str = "Lars") -> Child:
        """Enrol another child of the same family and parent."""
        return await self.child(
            first_name=first_name,
            parent=of.parent,
            family_id=of.family_id,
            guardian_id=of.guardian_id,
            user_name=of.user_name,
        )

    async def guardian(self, user_id: UUID, last_name: str) -> str:
        """Add a guardian who is a user already, and return the id."""
        async with self.sessions.begin() as session:
            await enter_school(session, self.id)
            guardian = await guardians.add_guardian(
                session,
                self.id,
                NewGuardian(first_name="An", last_name=last_name),
                user_id=user_id,
            )
        return str(guardian.id)

    async def invoice(
        self, child: Child, *cents: int, due_on: date | None = None, students: Sequence[str] = ()
    ) -> Any:
        """Issue an invoice with a line for each amount; return it with its `reference`."""
        who = students or [child.student_id] * len(cents)
        draft = ok(
            await self.manager.post(
                "/v1/invoices",
                json={
                    "family_id": child.family_id,
                    "label": "Garderie",
                    "lines": [
                        {"student_id": student, "label": "Garderie", "unit_cents": amount}
                        for student, amount in zip(who, cents, strict=True)
                    ],
                },
            ),
            201,
        )
        issued = ok(
            await self.manager.post(
                f"/v1/invoices/{draft['id']}/issue",
                json={"due_on": due_on.isoformat() if due_on else None},
            )
        )
        pay = ok(await self.manager.get(f"/v1/invoices/{issued['id']}/payment"))
        return issued | {"reference": pay["reference"]}

    async def bank_account(self) -> str:
        """Add one more bank account, and return its IBAN."""
        iban = belgian_iban()
        async with self.sessions.begin() as session:
            await enter_school(session, self.id)
            await opening.add_bank_account(
                session, self.id, iban=iban, bic="KREDBEBB", holder="Ecole de test"
            )
        return iban

    def coda(
        self,
        *movements: coda.Movement,
        number: int | None = None,
        on: date | None = None,
        iban: str | None = None,
        opening_milli: int | None = None,
    ) -> bytes:
        """Write the next file of the bank: each begins where the one before ended."""
        self.statements = number or self.statements + 1
        opening = self.balance_cents * 10 if opening_milli is None else opening_milli
        statement = coda.statement(
            coda.Account(number=iban or self.iban, holder="ECOLE DE TEST", bic="GKCCBEBB"),
            movements,
            number=self.statements,
            on=on or date(2026, 11, 20),
            opening_cents=Cents(opening // 10),
        )
        self.balance_cents = statement.closing_milli // 10
        return coda.write([statement])

    async def post_coda(self, data: bytes, *, status: int = 201, preview: bool = False) -> Any:
        """Post a file as the school's manager."""
        return ok(
            await self.manager.post(
                "/v1/bank-statements",
                content=data,
                headers={"Content-Type": "text/plain"},
                params={"preview": "true"} if preview else {},
            ),
            status,
        )


@contextmanager
def counted_statements(app: FastAPI) -> Iterator[list[str]]:
    """Collect the SQL statements that the application sends meanwhile."""
    engine = app.state.sessions.kw["bind"].sync_engine
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        # The process looks for new keys from time to time, whatever is asked meanwhile.
        if "signing_keys" not in arguments[2]:
            statements.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def logged_in(app: FastAPI, user_name: str, password: str = PASSWORD) -> AsyncClient:
    """Log in, and return a client that is."""
    async with client_of(app) as anonymous:
        answer = await anonymous.post(
            "/v1/auth/token",
            data={"grant_type": "password", "username": user_name, "password": password},
        )
    return client_of(app, ok(answer)["access_token"])


async def books_are_clean(school: School) -> None:
    """Recompute the school's books, as `itschool ledger verify` does."""
    async with school_transaction(school.sessions, school.id) as session:
        assert await ledger_audit.findings(session, school.id) == []
        assert await invoices_audit.findings(session, school.id) == []
        assert await banking_audit.findings(session, school.id) == []


async def open_school(app: FastAPI, *, spread_excess: bool = True) -> School:
    """Open a school as the operator does, with a bank account and a manager."""
    iban = belgian_iban()
    sessions: Sessions = app.state.sessions
    async with sessions.begin() as session:
        school_id = await opening.open_school(
            session,
            opening.NewSchool(
                name="École de test",
                street="Rue de l'École 1",
                postal_code="1000",
                city="Bruxelles",
                language="fr",
                enterprise_number="0403.200.393",
                spread_excess=spread_excess,
            ),
        )
        await opening.add_bank_account(
            session, school_id, iban=iban, bic="GKCCBEBB", holder="Ecole de test"
        )
    school = School(app, school_id, iban, client_of(app))
    school.manager = await school.as_(Role.MANAGER)
    return school
