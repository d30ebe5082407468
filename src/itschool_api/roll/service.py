"""The route of a roll, from bytes to people.

`import_roll` is the one parent: all control flow is in it, and each stop is a call of its own.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import anyio.to_thread
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import errors, trail
from itschool_api.auth.authenticate import InsufficientScope
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import new_id
from itschool_api.families import models
from itschool_api.families.population import Population, unchanged_meanwhile
from itschool_api.invoices import carrying as invoices
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Posting
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.roll import gathering, known, planning, reading, reports
from itschool_api.roll.gathering import People
from itschool_api.roll.reading import Roll
from itschool_api.roll.schemas import RollReport
from itschool_api.roll.state import Known, Plan, SchoolYear
from itschool_api.roll.tables import TooMuch, Unreadable
from itschool_api.schools import service as schools
from itschool_api.wallets import service as wallets

_log = structlog.get_logger(__name__)


class UnreadableRoll(errors.Unprocessable):
    """This is not a CSV file or workbook that can be read; nothing was written."""


class RollTooLong(errors.TooLarge):
    """The file holds more than is taken at once."""


class RollHasErrors(errors.Unprocessable):
    """Something in the file is wrong; nothing was written."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file, and whether anything changed."""

    report: RollReport
    changed: bool


async def import_roll(
    session: AsyncSession,
    caller: Caller,
    data: bytes,
    *,
    is_workbook: bool,
    year_id: UUID | None,
    end_missing: bool,
    preview: bool,
) -> Imported:
    """Read a roll, compare it with what is known, and write the difference: all of it, or nothing.

    Raises `UnreadableRoll`, `RollTooLong`, `RollHasErrors`, `InsufficientScope` where money is
    carried over by who may not, `SchoolYearNotFound`, `NoSchoolYear`, `PeopleChangedMeanwhile`.
    """
    school_id = caller.school_id
    year = await schools.year(session, school_id, year_id)
    roll, people = await anyio.to_thread.run_sync(_read, data, is_workbook)
    if roll.carries_money and Scope.INVOICES_WRITE not in caller.reach:
        raise InsufficientScope("To carry money over, it needs invoices:write too.")

    await ledger.lock_books(session, school_id)
    before = await known.read(
        session, school_id, roll, people, SchoolYear(year.id, year.begins_on, year.ends_on)
    )
    plan = await anyio.to_thread.run_sync(_plan, roll, people, before, end_missing)
    sha256 = hashlib.sha256(data).hexdigest()
    report = reports.report(roll, plan, year.id, sha256, preview=preview)
    if preview:
        return Imported(report, changed=False)
    if roll.findings.has_errors:
        count = report.errors
        raise RollHasErrors(
            f"{count} {'error' if count == 1 else 'errors'}; a preview shows all findings, warnings too.",
            errors=reports.faults(roll.findings),
        )
    if plan.is_empty:
        return Imported(report, changed=False)

    with unchanged_meanwhile():
        await _write_people(session, school_id, plan, before)
    await _write_money(session, school_id, plan, before)
    _leave(session, plan, year.id)
    _log.info(
        "roll.imported",
        students=len(plan.students.new),
        guardians=len(plan.guardians.new),
        families=len(plan.families.new),
        invoices=len(plan.invoices),
    )
    return Imported(report, changed=True)


def _leave(session: AsyncSession, plan: Plan, year_id: UUID) -> None:
    """Let the audit trail say how many were made, changed and ended, and name the first of them."""
    trail.about(session, school_year=year_id)
    for kind, writes in (
        ("student", plan.students),
        ("guardian", plan.guardians),
        ("family", plan.families),
    ):
        trail.about(session, **{kind: [row["id"] for row in (*writes.new, *writes.changed)]})
        trail.note(
            session, **{f"{kind}_new": len(writes.new), f"{kind}_changed": len(writes.changed)}
        )
    trail.note(
        session,
        guardianship_new=len(plan.guardianships.new),
        guardianship_ended=len(plan.ended),
        invoice_new=len(plan.invoices),
    )


def _read(data: bytes, is_workbook: bool) -> tuple[Roll, People]:
    try:
        roll = reading.read(data, is_workbook=is_workbook)
    except Unreadable as error:
        raise UnreadableRoll(str(error)) from error
    except TooMuch as error:
        raise RollTooLong(str(error)) from error
    return roll, gathering.gather(roll)


def _plan(roll: Roll, people: People, before: Known, end_missing: bool) -> Plan:
    return planning.plan(roll, people, before, new_id, end_missing=end_missing)


async def _write_people(session: AsyncSession, school_id: UUID, plan: Plan, before: Known) -> None:
    population = Population(session, school_id)
    for model, writes in (
        (models.ClassGroup, plan.class_groups),
        (models.Student, plan.students),
        (models.Enrolment, plan.enrolments),
        (models.Guardian, plan.guardians),
        (models.Family, plan.families),
        (models.FamilyStudent, plan.memberships),
        (models.Guardianship, plan.guardianships),
    ):
        await population.add(model, writes.new)
        await population.change(model, writes.changed)
    if plan.ended:
        # Custody may be the reason, so yesterday was the last day.
        await population.end_guardianships(plan.ended, before.today - timedelta(days=1))
        for guardianship_id in plan.ended:
            trail.about(session, guardianship=guardianship_id)
    if plan.removed:
        await population.remove_memberships(plan.removed)


async def _write_money(session: AsyncSession, school_id: UUID, plan: Plan, before: Known) -> None:
    """Open the new students' wallets, and carry over what the file brings along."""
    brought = {each.reference for each in plan.references}
    brought |= {each.reference for each in plan.invoices}
    await wallets.open_missing(session, school_id, [*plan.student_ids.values()], avoiding=brought)
    if plan.references or plan.openings:
        await _fill_wallets(session, school_id, plan, before)
    await invoices.carry_over(
        session,
        school_id,
        [
            invoices.Carried(
                family_id=each.family_id,
                school_year_id=each.school_year_id,
                label=each.label,
                issued_on=each.issued_on,
                due_on=each.due_on,
                reference=Reference(each.reference),
                lines=each.lines,
            )
            for each in plan.invoices
        ],
        avoiding=brought,
    )


async def _fill_wallets(session: AsyncSession, school_id: UUID, plan: Plan, before: Known) -> None:
    """Let former references pay wallets, and book their opening balances."""
    found = await wallets.of_students(session, school_id, plan.student_ids.values())
    await ledger.add_references(
        session,
        school_id,
        [
            (found[each.student_id, each.compartment_id].account_id, Reference(each.reference))
            for each in plan.references
        ],
    )
    opened = [(found[each.student_id, each.compartment_id], each.cents) for each in plan.openings]
    locked = await ledger.lock(session, school_id, [wallet.account_id for wallet, _ in opened])
    await ledger.post(
        session,
        locked,
        [
            Posting(
                source_id=locked.chart.opening if cents > 0 else wallet.account_id,
                target_id=wallet.account_id if cents > 0 else locked.chart.opening,
                amount_cents=Cents(abs(cents)),
                cause=known.opening_cause(wallet.id),
                booked_on=before.today,
            )
            for wallet, cents in opened
        ],
    )
