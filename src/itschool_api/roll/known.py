"""Reading what a school knows of the people in a file, in as many statements for any file."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.families import models
from itschool_api.families.population import Population
from itschool_api.invoices import carrying as invoices
from itschool_api.ledger import service as ledger
from itschool_api.money import Cents
from itschool_api.roll.columns import Column, Kind
from itschool_api.roll.gathering import People
from itschool_api.roll.reading import Roll
from itschool_api.roll.state import (
    Absent,
    Compartment,
    Enrolment,
    Family,
    Guardian,
    Guardianship,
    Invoice,
    Known,
    Membership,
    Money,
    SchoolYear,
    Student,
    Wallet,
)
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets

OPENING: Final = "opening"


def opening_cause(wallet_id: UUID) -> str:
    """Return the cause of a wallet's opening balance: there is one, once."""
    return f"{OPENING}:{wallet_id}"


async def read(
    session: AsyncSession, school_id: UUID, roll: Roll, people: People, year: SchoolYear
) -> Known:
    """Return what is known of everybody whom a file names; the books must be locked."""
    population = Population(session, school_id)
    today = await schools.today(session, school_id)
    _, profile = await schools.profile(session, school_id)
    student_keys = {*people.students, *_keys(roll, Column.STUDENT_KEY)}
    family_keys = {*people.families, *_keys(roll, Column.FAMILY_KEY)}
    students = await population.students(student_keys, _ids(student_keys))
    student_ids = [each.id for each in students]
    absent: list[Absent] = []
    if Kind.ROLL in roll.headings:
        found = await population.absent(year.id, [*people.students], _ids(people.students))
        absent = [Absent(each.name, each.count, ", ".join(each.first)) for each in found]
    emails = {str(each.text(Column.EMAIL)) for each in people.guardians.values()}
    guardians = await population.guardians(people.guardians, _ids(people.guardians), emails)
    families = await population.families(family_keys, _ids(family_keys))
    memberships = await population.memberships(student_ids)
    guardianships = await population.guardianships(student_ids)
    return Known(
        today=today,
        year_id=year.id,
        language=profile.language,
        students=[_student(each) for each in students],
        guardians=[_guardian(each) for each in guardians],
        families=[_family(each) for each in families],
        class_groups=await population.class_groups(year.id),
        enrolments={
            each.student_id: Enrolment(each.id, each.class_group_id)
            for each in await population.enrolments(year.id, student_ids)
        },
        memberships={
            (each.student_id, each.family_id): Membership(each.id, each.share_bp, each.family_name)
            for each in memberships
        },
        guardianships={
            (each.student_id, each.guardian_id, each.family_id): Guardianship(
                each.id,
                each.sees_money,
                each.starts_on,
                each.ends_on,
                f"{each.first_name} {each.last_name}",
                each.family_name,
            )
            for each in guardianships
        },
        absent=absent,
        money=await _money(session, school_id, roll, people, student_ids)
        if roll.carries_money
        else Money(),
    )


async def _money(
    session: AsyncSession,
    school_id: UUID,
    roll: Roll,
    people: People,
    student_ids: Iterable[UUID],
) -> Money:
    found = await wallets.of_students(session, school_id, student_ids)
    # Held until the end, so that a balance is still what the plan was made for.
    locked = await ledger.lock(session, school_id, [each.account_id for each in found.values()])
    references = {each for wallet in people.references.values() for each in wallet}
    references |= {str(row.text(Column.REFERENCE)) for row in roll.invoices}
    account_of = await ledger.accounts_by_reference(session, school_id, references)
    causes = {opening_cause(each.id): each.id for each in found.values()}
    posted = await ledger.posted(session, school_id, causes)
    return Money(
        compartments=[
            Compartment(each.id, each.name, each.is_general, each.floor_cents)
            for each in await schools.compartments(session, school_id)
        ],
        wallets={
            place: Wallet(
                each.id,
                each.account_id,
                locked.balances[each.account_id].balance_cents,
                locked.balances[each.account_id].floor_cents,
                locked.balances[each.account_id].closed,
            )
            for place, each in found.items()
        },
        account_of=account_of,
        openings={
            causes[cause]: Cents(
                transfer.amount_cents
                if transfer.source_id == locked.chart.opening
                else -transfer.amount_cents
            )
            for cause, transfer in posted.items()
        },
        invoices={
            account_id: Invoice(family_id, total_cents)
            for account_id, (family_id, total_cents) in (
                await invoices.totals(session, school_id, set(account_of.values()))
            ).items()
        },
        years=[
            SchoolYear(each.id, each.begins_on, each.ends_on)
            for each in await schools.years(session, school_id)
        ],
    )


def _keys(roll: Roll, column: Column) -> set[str]:
    return {key for row in roll.invoices if (key := row.text(column)) is not None}


def _ids(keys: Iterable[str]) -> list[UUID]:
    """Return the keys that may be our own ids: whoever has no key is known by that."""
    found = []
    for key in keys:
        with suppress(ValueError):
            found.append(UUID(key))
    return found


def _student(row: models.Student) -> Student:
    return Student(
        row.id,
        row.external_key,
        row.first_name,
        row.last_name,
        row.birth_date,
        row.left_on,
        row.erased_at is not None,
    )


def _guardian(row: models.Guardian) -> Guardian:
    return Guardian(
        row.id,
        row.external_key,
        row.first_name,
        row.last_name,
        row.email,
        row.phone,
        row.language,
        row.erased_at is not None,
    )


def _family(row: models.Family) -> Family:
    return Family(
        row.id,
        row.external_key,
        row.name,
        row.language,
        row.street,
        row.postal_code,
        row.city,
        row.erased_at is not None,
    )
