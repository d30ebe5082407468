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
from itschool_api.errors import Fault
from itschool_api.families import models
from itschool_api.families.population import Population, unchanged_meanwhile
from itschool_api.invoices import carrying as invoices
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import Posting
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.roll import gathering, known, planning, reading
from itschool_api.roll.findings import MOST_FINDINGS, Finding, Findings, Severity
from itschool_api.roll.gathering import People
from itschool_api.roll.reading import Roll
from itschool_api.roll.schemas import (
    CarriedSum,
    CarriedTally,
    GuardianshipTally,
    RollFinding,
    RollReport,
    Tally,
)
from itschool_api.roll.state import Known, Plan, SchoolYear, Writes
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
    report = _report(roll, plan, year.id, hashlib.sha256(data).hexdigest(), preview=preview)
    if preview:
        return Imported(report, changed=False)
    if roll.findings.has_errors:
        raise _refusal(roll.findings)
    if plan.is_empty:
        return Imported(report, changed=False)

    with unchanged_meanwhile():
        await _write_people(session, school_id, plan, before)
    await _write_money(session, school_id, plan, before)
    _log.info(
        "roll.imported",
        students=len(plan.students.new),
        guardians=len(plan.guardians.new),
        families=len(plan.families.new),
        invoices=len(plan.invoices),
    )
    return Imported(report, changed=True)


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


def _refusal(findings: Findings) -> RollHasErrors:
    errors_only = [
        each for each in findings.first(MOST_FINDINGS) if each.severity is Severity.ERROR
    ]
    count = findings.counts[Severity.ERROR]
    return RollHasErrors(
        f"{count} {'error' if count == 1 else 'errors'}; with ?preview=true you see all findings.",
        errors=[_fault(each) for each in errors_only],
    )


def _fault(finding: Finding) -> Fault:
    """Return an error with a pointer of sheet, row and column, as far as it has them."""
    parts = (finding.sheet, finding.row, finding.column)
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in parts if part)
    return Fault(
        location="body",
        pointer="".join(f"/{part}" for part in escaped)[:500],
        code=finding.code,
        detail=finding.message[:1000],
    )


def _report(
    roll: Roll, plan: Plan, year_id: UUID, file_sha256: str, *, preview: bool
) -> RollReport:
    counts = roll.findings.counts
    return RollReport(
        preview=preview,
        changes=not plan.is_empty,
        file_sha256=file_sha256,
        school_year_id=year_id,
        rows=len(roll.rows) + len(roll.invoices),
        students=_tally(plan.students),
        class_groups=len(plan.class_groups.new),
        enrolments=_tally(plan.enrolments),
        guardians=_tally(plan.guardians),
        families=_tally(plan.families),
        memberships=_tally(plan.memberships),
        guardianships=GuardianshipTally(
            **_tally(plan.guardianships).model_dump(), ended=len(plan.ended)
        ),
        references=CarriedTally(new=len(plan.references), unchanged=plan.known_references),
        opening_balances=CarriedSum(
            new=len(plan.openings),
            unchanged=plan.known_openings,
            new_cents=sum(each.cents for each in plan.openings),
        ),
        open_invoices=CarriedSum(
            new=len(plan.invoices),
            unchanged=plan.known_invoices,
            new_cents=sum(each.total_cents for each in plan.invoices),
        ),
        errors=counts[Severity.ERROR],
        warnings=counts[Severity.WARNING],
        findings=[
            RollFinding(
                severity=each.severity,
                code=each.code,
                message=each.message[:1000],
                sheet=each.sheet,
                row=each.row,
                column=each.column,
            )
            for each in roll.findings.first(MOST_FINDINGS)
        ],
    )


def _tally(writes: Writes) -> Tally:
    return Tally(new=len(writes.new), changed=len(writes.changed), unchanged=writes.unchanged)
