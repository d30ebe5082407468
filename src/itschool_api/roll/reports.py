"""What taking a roll tells its sender. Pure: findings and a plan, in."""

from uuid import UUID

from itschool_api.errors import Fault
from itschool_api.roll.findings import MOST_FINDINGS, Finding, Findings, Severity
from itschool_api.roll.reading import Roll
from itschool_api.roll.schemas import (
    CarriedSum,
    CarriedTally,
    GuardianshipTally,
    RollFinding,
    RollReport,
    Tally,
)
from itschool_api.roll.state import Plan, Writes


def report(roll: Roll, plan: Plan, year_id: UUID, file_sha256: str, *, preview: bool) -> RollReport:
    """Count what a plan does, beside what was found."""
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
                values=dict(each.values),
            )
            for each in roll.findings.first(MOST_FINDINGS)
        ],
    )


def faults(findings: Findings) -> list[Fault]:
    """Return the errors as a problem lists them."""
    return [
        _fault(each) for each in findings.first(MOST_FINDINGS) if each.severity is Severity.ERROR
    ]


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


def _tally(writes: Writes) -> Tally:
    return Tally(new=len(writes.new), changed=len(writes.changed), unchanged=writes.unchanged)
