"""Posting the bank's files to a school's API, and telling people what came of it."""

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from itschool_api.banking.schemas import CausesSum, ImportReport, Sum
from itschool_api.cli import client as api
from itschool_api.errors import Problem
from itschool_api.money import Cents, euros


class Outcome(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    KNOWN = "known"
    PREVIEW = "preview"
    REFUSED = "refused"


class Result(BaseModel):
    """A file, what became of it, and what the server said."""

    file: str
    outcome: Outcome
    report: ImportReport | None = None
    problem: Problem | None = None


_OUTCOMES: Final = {
    Outcome.IMPORTED: "imported",
    Outcome.KNOWN: "imported before",
    Outcome.PREVIEW: "would be imported",
}


def post(client: httpx2.Client, path: Path, *, preview: bool) -> Result:
    """Send one file, and return what became of it; raises what `client.answered` raises."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = Problem(type="about:blank", title=error.strerror or str(error), status=400)
        return Result(file=str(path), outcome=Outcome.REFUSED, problem=problem)
    response = api.answered(
        lambda: client.post(
            "/v1/bank-statements",
            content=data,
            params={"preview": "true"} if preview else {},
            headers={"Content-Type": "application/octet-stream"},
        )
    )
    if not response.is_success:
        return Result(file=str(path), outcome=Outcome.REFUSED, problem=api.problem_of(response))
    try:
        report = ImportReport.model_validate_json(response.content)
    except ValidationError as error:
        raise api.Unreachable("what answers there is not this API") from error
    outcome = Outcome.IMPORTED if response.status_code == HTTPStatus.CREATED else Outcome.KNOWN
    if report.preview:
        outcome = Outcome.PREVIEW
    return Result(file=str(path), outcome=outcome, report=report)


def line(result: Result) -> str:
    """Say it in one line, for a log or a mail from cron."""
    report = result.report
    if report is None:
        return f"{result.file}: refused: {_why(result)}"
    findings = sum(len(statement.findings) for statement in report.statements)
    parts = [f"{_count(report.transactions)} transactions", f"{_count(report.paid)} paid"]
    parts += [f"{_count(report.suspense)} in suspense", f"{_count(report.ignored)} ignored"]
    parts += [f"{findings} findings"] if findings else []
    return f"{result.file}: {_OUTCOMES[result.outcome]}: {', '.join(parts)}"


def _count(total: Sum) -> str:
    return f"{total.count} ({_euros(total.cents)})"


def _euros(cents: int) -> str:
    return f"{euros(Cents(cents))} €"


def _why(result: Result) -> str:
    return api.why(result.problem) if result.problem else ""


def draw(console: Console, result: Result) -> None:
    """Show it to a person."""
    report = result.report
    if report is None:
        console.print(f"[red]{escape(result.file)}: refused:[/] {escape(_why(result))}\n")
        return
    told = f"[bold]{escape(result.file)}:[/] [green]{_OUTCOMES[result.outcome]}[/]"
    console.print(told, soft_wrap=True)
    console.print(_statements(report))
    console.print(_outcome(report))
    for statement in report.statements:
        for finding in statement.findings:
            place = f"line {finding.line}: " if finding.line else ""
            text = f"No. {statement.number}: {place}{finding.message} ({finding.code})"
            console.print(f"[yellow]{escape(text)}[/]")
    console.print()


def _statements(report: ImportReport) -> Table:
    table = Table(title="Statements", title_justify="left")
    table.add_column("Account", no_wrap=True)
    for heading in ("No.", "From", "To"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Opening", "Closing", "Transactions"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in report.statements:
        table.add_row(
            each.iban,
            str(each.number),
            str(each.opening_on or ""),
            str(each.closing_on),
            _euros(each.opening_cents),
            _euros(each.closing_cents),
            str(each.transactions),
            each.outcome,
        )
    return table


def _outcome(report: ImportReport) -> Table:
    table = Table(title="Transactions", title_justify="left", show_footer=True)
    table.add_column("Became", "all")
    table.add_column("Because of")
    table.add_column("Count", str(report.transactions.count), justify="right")
    table.add_column("Amount", _euros(report.transactions.cents), justify="right")
    table.add_row("paid", "", str(report.paid.count), _euros(report.paid.cents))
    for name, total in (("suspense", report.suspense), ("ignored", report.ignored)):
        for row in _causes(name, total):
            table.add_row(*row)
    return table


def _causes(name: str, total: CausesSum) -> Sequence[tuple[str, str, str, str]]:
    return [
        (name, each.cause.replace("_", " "), str(each.count), _euros(each.cents))
        for each in total.by_cause
    ]
