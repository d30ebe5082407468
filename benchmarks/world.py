"""A school with thousands of wallets and invoices, and the bank files that pay them.

It is filled through the same code as a school of production, only in fewer steps.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import opening, references
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role, Scope
from itschool_api.banking import coda
from itschool_api.banking.coda import Payment
from itschool_api.database import Sessions, insert_many, new_id
from itschool_api.families.models import Family, FamilyStudent, Student
from itschool_api.invoices.carrying import Carried, carry_over
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets

ON: Final = date(2026, 11, 20)
PASSWORD: Final = "measured twice, paid once"  # noqa: S105 - of nobody
WALLETS: Final = text(
    "SELECT id, account_id FROM wallets WHERE school_id = :school ORDER BY id LIMIT 2"
)
OPENING_CENTS: Final = Cents(1_000_00)
INVOICE_CENTS: Final = Cents(400_00)


@dataclass(slots=True)
class School:
    """A school, what can be paid at it, and the key of its programs."""

    id: UUID
    account: coda.Account
    api_key: str
    manager: str
    """The user name of somebody who may see all of it."""
    wallets: Sequence[Reference]
    invoices: Sequence[Reference]
    statements: int = 0
    balance_cents: Cents = OPENING_CENTS

    def file(self, movements: int) -> bytes:
        """Write the bank's next file: a mix as at a school, where every reference is a real one.

        Of the payments, two in three go to wallets and one to invoices, which are paid in parts
        and, towards the end, beyond what is due.
        """
        self.statements += 1
        payable = [*self.wallets, *self.wallets, *self.invoices]
        wanted = [
            Payment(payable[place * 7 % len(payable)], Cents(2_50 + place % 300 * 5))
            for place in range(movements * 7 // 10)
        ]
        (statement,) = coda.generate(
            on=ON,
            seed=self.statements,
            movements=movements,
            account=self.account,
            number=self.statements,
            opening_cents=self.balance_cents,
            pay=wanted,
        )
        self.balance_cents = Cents(statement.closing_milli // 10)
        return coda.write([statement])


async def found(sessions: Sessions, *, students: int, invoices: int) -> School:
    """Open a school with students, a wallet for each, and invoices that are not paid."""
    iban = _iban()
    async with sessions.begin() as session:
        school_id = await opening.open_school(
            session,
            opening.NewSchool(
                name="École de mesure",
                street="Rue de la Mesure 1",
                postal_code="1000",
                city="Bruxelles",
                language="fr",
                enterprise_number="0403.200.393",
            ),
        )
        await opening.add_bank_account(
            session, school_id, iban=iban, bic="GKCCBEBB", holder="Ecole de mesure"
        )
        _, api_key = await auth.create_api_key(
            session, school_id, label="Bench", scopes=tuple(Scope), expires_at=None, by="bench"
        )
        manager = await auth.create_user(
            session,
            school_id,
            [Role.MANAGER],
            first_name="Els",
            last_name="Maes",
            email=None,
            language="fr",
            password=PASSWORD,
            user_name=f"bench-{secrets.token_hex(6)}",
        )
        ours = await _settle(session, school_id, students)
        await wallets.open_missing(session, school_id)
        theirs = await _bill(session, school_id, ours, invoices)
        shown = await wallets.references(session, school_id)
    account = coda.Account(number=iban, bic="GKCCBEBB", holder="ECOLE DE MESURE")
    return School(school_id, account, api_key, manager.user_name, list(shown.values()), theirs)


async def _settle(session: AsyncSession, school_id: UUID, students: int) -> list[tuple[UUID, UUID]]:
    """Add students, each with a family; return the ids of both."""
    pairs = [(new_id(), new_id()) for _ in range(students)]
    nothing = {"school_id": school_id, "external_key": None, "erased_at": None}
    await insert_many(
        session,
        Student,
        [
            {
                **nothing,
                "id": student_id,
                "first_name": "Noor",
                "last_name": f"Peeters {place:05}",
                "birth_date": None,
                "left_on": None,
            }
            for place, (student_id, _) in enumerate(pairs)
        ],
    )
    await insert_many(
        session,
        Family,
        [
            {
                **nothing,
                "id": family_id,
                "name": f"Famille Peeters {place:05}",
                "language": "fr",
                "street": "Rue Haute 1",
                "postal_code": "1000",
                "city": "Bruxelles",
            }
            for place, (_, family_id) in enumerate(pairs)
        ],
    )
    await insert_many(
        session,
        FamilyStudent,
        [
            {
                "school_id": school_id,
                "id": new_id(),
                "family_id": family_id,
                "student_id": student_id,
                "share_bp": 10_000,
            }
            for student_id, family_id in pairs
        ],
    )
    return pairs


async def _bill(
    session: AsyncSession, school_id: UUID, pairs: Sequence[tuple[UUID, UUID]], invoices: int
) -> list[Reference]:
    """Issue invoices to the families in turn; return the references that pay them."""
    year = await schools.year(session, school_id, None)
    # The school's own references begin higher.
    carried = [
        Carried(
            family_id=pairs[place % len(pairs)][1],
            school_year_id=year.id,
            label="Garderie",
            issued_on=ON,
            due_on=ON,
            reference=references.issue(place),
            lines=[(pairs[place % len(pairs)][0], "Garderie", INVOICE_CENTS)],
        )
        for place in range(invoices)
    ]
    await carry_over(session, school_id, carried)
    return [each.reference for each in carried]


def _iban() -> str:
    number = secrets.randbelow(10**10)
    bban = f"{number:010d}{number % 97 or 97:02d}"
    return f"BE{98 - int(bban + '111400') % 97:02d}{bban}"
