"""Whom and what a person's data touch: the ids around a student or a guardian.

A student's circle is their wallets, their lines, and those who look after them. A guardian's is
their login, and the invoices of their families for as long as they were to see these.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.models import User
from itschool_api.database import Selection
from itschool_api.families.models import Family, FamilyStudent, Guardian, Guardianship, Student
from itschool_api.invoices.models import Invoice, InvoiceLine
from itschool_api.languages import LANGUAGES, Language
from itschool_api.schools import service as schools
from itschool_api.wallets.models import Wallet

Ids = frozenset[UUID]


class SubjectKind(StrEnum):
    """Who can be exported and erased."""

    STUDENT = "student"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """The ids around a person."""

    school_id: UUID
    kind: SubjectKind
    subject_id: UUID
    names: tuple[str, str]
    """First and last name."""
    language: Language
    """What they read: a guardian's own, a student's family's if all of theirs read one, or else the
    school's."""
    students: Ids = frozenset()
    """A guardian's: those whose money they see."""
    guardians: Ids = frozenset()
    families: Ids = frozenset()
    at_home: Ids = frozenset()
    """The families that a guardian is in today: where they live is theirs to know."""
    users: Ids = frozenset()
    emails: frozenset[str] = frozenset()
    invoices: Ids = frozenset()
    """A student's: with a line for them. A guardian's: of their families, until they saw money no more."""
    accounts: Ids = frozenset()
    """A student's: their wallets'. A guardian's: their invoices' and, while they see the money of
    students, those wallets'."""
    former: Mapping[UUID, date] = field(default_factory=dict)
    """A guardian's: wallets that they see no more, until the last day on which they did."""

    @property
    def of_student(self) -> bool:
        """Tell whether this is around a student."""
        return self.kind is SubjectKind.STUDENT


async def around(
    session: AsyncSession, school_id: UUID, kind: SubjectKind, subject_id: UUID
) -> Circle | None:
    """Return the circle of a person, or None where there is no such person."""
    if kind is SubjectKind.STUDENT:
        student = await session.get(Student, (school_id, subject_id), populate_existing=True)
        return None if student is None else await _of_student(session, student)
    guardian = await session.get(Guardian, (school_id, subject_id), populate_existing=True)
    return None if guardian is None else await _of_guardian(session, guardian)


async def _of_student(session: AsyncSession, student: Student) -> Circle:
    school_id = student.school_id
    links = select(Guardianship.guardian_id, Guardianship.family_id).where(
        Guardianship.school_id == school_id, Guardianship.student_id == student.id
    )
    found = (await session.execute(links)).all()
    homes = select(FamilyStudent.family_id).where(
        FamilyStudent.school_id == school_id, FamilyStudent.student_id == student.id
    )
    lines = select(InvoiceLine.invoice_id).where(
        InvoiceLine.school_id == school_id, InvoiceLine.student_id == student.id
    )
    families = frozenset(row.family_id for row in found) | await _ids(session, homes)
    return Circle(
        school_id=school_id,
        kind=SubjectKind.STUDENT,
        subject_id=student.id,
        names=(student.first_name, student.last_name),
        language=await _language(session, school_id, families),
        students=frozenset({student.id}),
        guardians=frozenset(row.guardian_id for row in found),
        families=families,
        invoices=await _ids(session, lines),
        accounts=await _wallets(session, school_id, frozenset({student.id})),
    )


async def _of_guardian(session: AsyncSession, guardian: Guardian) -> Circle:
    school_id = guardian.school_id
    today = await schools.today(session, school_id)
    mine = (Guardianship.school_id == school_id) & (Guardianship.guardian_id == guardian.id)
    links = (await session.execute(select(Guardianship).where(mine))).scalars().all()
    present = [
        link
        for link in links
        if link.starts_on <= today and (link.ends_on is None or link.ends_on >= today)
    ]
    seen = select(Invoice.id).join(Guardianship, _issued_to_them()).where(mine)
    invoices = await _ids(session, seen)
    debts = select(Invoice.account_id).where(
        Invoice.school_id == school_id, Invoice.id == func.any(list(invoices))
    )
    children = frozenset(link.student_id for link in links if link.sees_money)
    seen_today = frozenset(link.student_id for link in present if link.sees_money)
    last_days: dict[UUID, date] = {}
    for link in links:
        if link.sees_money and link.ends_on and link.student_id not in seen_today:
            known = last_days.get(link.student_id, link.ends_on)
            last_days[link.student_id] = max(known, link.ends_on)
    user = await session.get(User, guardian.user_id) if guardian.user_id else None
    return Circle(
        school_id=school_id,
        kind=SubjectKind.GUARDIAN,
        subject_id=guardian.id,
        names=(guardian.first_name, guardian.last_name),
        language=await _language(session, school_id, frozenset(), guardian.language),
        students=children,
        guardians=frozenset({guardian.id}),
        families=frozenset(link.family_id for link in links),
        at_home=frozenset(link.family_id for link in present),
        users=frozenset({user.id}) if user else frozenset(),
        emails=frozenset(filter(None, (guardian.email, user.email if user else None))),
        invoices=invoices,
        accounts=await _ids(session, debts) | await _wallets(session, school_id, seen_today),
        former={
            account_id: day
            for student_id, day in last_days.items()
            for account_id in await _wallets(session, school_id, frozenset({student_id}))
        },
    )


async def _language(
    session: AsyncSession, school_id: UUID, families: Ids, own: str | None = None
) -> Language:
    """Return somebody's own language, or the one of all of the families, or else the school's."""
    wanted = {own} if own else set()
    if families:
        query = select(Family.language).where(
            Family.school_id == school_id,
            Family.id == func.any(list(families)),
            Family.erased_at.is_(None),
        )
        wanted = set((await session.execute(query)).scalars())
    if len(wanted) != 1 or not wanted <= set(LANGUAGES):
        _, profile = await schools.profile(session, school_id)
        wanted = {profile.language}
    return cast("Language", wanted.pop())


def _issued_to_them() -> ColumnElement[bool]:
    """Join the invoices of the family that were issued before the guardian saw its money no more."""
    return and_(
        Guardianship.school_id == Invoice.school_id,
        Guardianship.family_id == Invoice.family_id,
        Guardianship.sees_money,
        Invoice.number.is_not(None),
        or_(Guardianship.ends_on.is_(None), Invoice.issued_on <= Guardianship.ends_on),
    )


async def _wallets(session: AsyncSession, school_id: UUID, students: Ids) -> Ids:
    query = select(Wallet.account_id).where(
        Wallet.school_id == school_id, Wallet.student_id == func.any(list(students))
    )
    return await _ids(session, query)


async def _ids(session: AsyncSession, query: Selection) -> Ids:
    return frozenset((await session.execute(query)).scalars())
