"""What an import tells its sender. Pure: statements, a plan, and what was known before, in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from itschool_api.banking.coda import NO_SEPARATE_APPLICATION, Statement
from itschool_api.banking.matching import MILLI_PER_CENT, Cause, Planned, Tally, tally
from itschool_api.banking.schemas import (
    MOST_FINDINGS,
    CausesSum,
    CauseSum,
    ImportFinding,
    ImportReport,
    Outcome,
    ReportedStatement,
    Sum,
)
from itschool_api.money import Cents, euros


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The statement that came before, as far as it is known."""

    number: int
    closing_on: date
    closing_cents: Cents


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one statement of a file."""

    iban: str
    statement_id: UUID | None
    duplicate: bool
    before: Predecessor | None


def report(
    statements: Sequence[Statement],
    known: Sequence[Known],
    planned: Sequence[Planned],
    *,
    import_id: UUID | None,
    imported_at: datetime | None,
    preview: bool,
    file_sha256: str,
) -> ImportReport:
    """Put the report together: paid, suspense and ignored make up the transactions."""
    counts = [0] * len(statements)
    for each in planned:
        counts[each.line.statement] += 1
    tallies = tally(planned)
    return ImportReport(
        id=import_id,
        preview=preview,
        imported_at=imported_at,
        file_sha256=file_sha256,
        statements=[
            _statement(statement, facts, count)
            for statement, facts, count in zip(statements, known, counts, strict=True)
        ],
        transactions=Sum(count=len(planned), cents=sum(each.line.amount_cents for each in planned)),
        paid=Sum(count=tallies.paid.count, cents=tallies.paid.cents),
        suspense=causes_sum(tallies.suspense),
        ignored=causes_sum(tallies.ignored),
    )


def causes_sum(tallies: Mapping[Cause, Tally]) -> CausesSum:
    """Sum up by cause, the causes in the order of their names."""
    return CausesSum(
        count=sum(each.count for each in tallies.values()),
        cents=sum(each.cents for each in tallies.values()),
        by_cause=[
            CauseSum(cause=cause, count=each.count, cents=each.cents)
            for cause, each in sorted(tallies.items())
        ],
    )


def cents(milli: int) -> Cents:
    """Return thousandths in cents; the reader refused a third decimal that is not 0."""
    return Cents(milli // MILLI_PER_CENT)


def _statement(statement: Statement, known: Known, count: int) -> ReportedStatement:
    # What is missing comes first: of very many findings, only the first are told.
    findings = [] if known.duplicate else _gaps(statement, known.before)
    findings += [
        ImportFinding(code=finding.code, message=finding.message, line=finding.line)
        for finding in statement.findings[: MOST_FINDINGS - len(findings)]
    ]
    return ReportedStatement(
        id=known.statement_id,
        outcome=Outcome.DUPLICATE if known.duplicate else Outcome.IMPORTED,
        iban=known.iban,
        number=statement.number,
        separate_application=statement.separate_application,
        opening_on=statement.opening_on,
        closing_on=statement.closing_on,
        opening_cents=cents(statement.opening_milli),
        closing_cents=cents(statement.closing_milli),
        transactions=count,
        findings=findings,
    )


def _gaps(statement: Statement, before: Predecessor | None) -> list[ImportFinding]:
    """Compare with the statement before: what is missing shows in balance and number."""
    if before is None or statement.separate_application != NO_SEPARATE_APPLICATION:
        return []
    findings = []
    opening = cents(statement.opening_milli)
    if opening != before.closing_cents:
        findings.append(
            ImportFinding(
                code="balance-gap",
                message=f"Opens with {euros(opening)} where the statement before closed with "
                f"{euros(before.closing_cents)}: a file may be missing.",
                line=None,
            )
        )
    same_year = before.closing_on.year == statement.closing_on.year
    counted = statement.number and before.number
    if counted and same_year and statement.number != before.number + 1:
        findings.append(
            ImportFinding(
                code="number-gap",
                message=f"Number {statement.number} follows number {before.number}: "
                "a file may be missing.",
                line=None,
            )
        )
    return findings
