"""Writes the invented people: class groups, students, families, guardians and their users."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role
from itschool_api.demo.invention import Home, Household, Parent
from itschool_api.demo.words import Words
from itschool_api.enrolments import service as enrolments
from itschool_api.families import guardians
from itschool_api.families import service as families
from itschool_api.families.schemas import (
    FamilyMember,
    NewClassGroup,
    NewFamily,
    NewGuardian,
    NewGuardianship,
    NewStudent,
)
from itschool_api.schools import service as schools


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and password that are known."""

    user_name: str
    password: str


@dataclass(frozen=True, slots=True)
class Student:
    """A student as written."""

    id: UUID
    first_name: str


@dataclass(frozen=True, slots=True)
class Family:
    """A family as written, with its students."""

    id: UUID
    home: Home
    students: Sequence[Student]
    is_parents: bool
    """Whether it is the first one, whose balances and invoices are foretold."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody at a school."""

    class_group_ids: Sequence[UUID]
    families: Sequence[Family]


async def settle(
    session: AsyncSession,
    school_id: UUID,
    words: Words,
    households: Sequence[Household],
    parent_login: Login | None,
) -> People:
    """Write a school's people; the first household's first parent gets the known login."""
    groups = {}
    for name in words.classes:
        group = await families.add_class_group(session, school_id, NewClassGroup(name=name))
        groups[name] = group.id
    forms = [
        NewStudent(
            first_name=child.first_name,
            last_name=child.last_name,
            external_key=child.external_key,
            birth_date=child.birth_date,
            class_group_id=groups[child.class_name],
        )
        for household in households
        for child in household.children
    ]
    enrolled = iter(await enrolments.enrol_students(session, school_id, forms))
    written: list[Family] = []
    for household in households:
        students = [Student(next(enrolled).id, child.first_name) for child in household.children]
        for home in household.homes:
            login = None if written else parent_login
            family_id = await _add_home(session, school_id, words, home, students, login)
            written.append(Family(family_id, home, students, is_parents=not written))
    return People([*groups.values()], written)


async def _add_home(
    session: AsyncSession,
    school_id: UUID,
    words: Words,
    home: Home,
    students: Sequence[Student],
    login: Login | None,
) -> UUID:
    family = await families.add_family(
        session,
        school_id,
        NewFamily(
            name=home.name,
            language=words.language,
            street=home.street,
            postal_code=home.postal_code,
            city=home.city,
            students=[
                FamilyMember(student_id=student.id, share_bp=home.share_bp) for student in students
            ],
        ),
    )
    year = await schools.year(session, school_id, None)
    for parent in home.parents:
        guardian_id = await _add_parent(session, school_id, words, parent, login)
        login = None
        for student in students:
            await guardians.add_guardianship(
                session,
                school_id,
                NewGuardianship(
                    guardian_id=guardian_id,
                    student_id=student.id,
                    family_id=family.id,
                    starts_on=year.begins_on,
                ),
            )
    return family.id


async def _add_parent(
    session: AsyncSession, school_id: UUID, words: Words, parent: Parent, login: Login | None
) -> UUID:
    """Add a guardian; who has an address has a user, as after an invitation."""
    user_id = None
    if parent.email is not None:
        user = await auth.create_user(
            session,
            school_id,
            [Role.GUARDIAN],
            first_name=parent.first_name,
            last_name=parent.last_name,
            email=parent.email,
            language=words.language,
            user_name=login.user_name if login else None,
            password=login.password if login else None,
        )
        user_id = user.id
    guardian = await guardians.add_guardian(
        session,
        school_id,
        NewGuardian(
            first_name=parent.first_name,
            last_name=parent.last_name,
            email=parent.email,
            phone=parent.phone,
            language=words.language,
        ),
        user_id=user_id,
    )
    return guardian.id
