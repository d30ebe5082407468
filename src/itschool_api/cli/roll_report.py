"""Telling people what became of a roll: counts, and what is to be looked at, in 80 columns."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from itschool_api.cli import client as api
from itschool_api.errors import Fault, Problem
from itschool_api.money import Cents, euros
from itschool_api.roll.findings import Severity
from itschool_api.roll.schemas import CarriedTally, RollReport, Tally

_MOST_SHOWN: Final = 50
# Of those whom the file does not name at all; a school that sends one class has hundreds.
_MOST_ABSENT_SHOWN: Final = 5
_STYLES: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


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
    report: RollReport | None = None
    problem: Problem | None = None

    @property
    def has_errors(self) -> bool:
        """Tell whether the file cannot be taken as it is."""
        return self.report is None or self.report.errors > 0


_OUTCOMES: Final = {
    Outcome.IMPORTED: "imported",
    Outcome.KNOWN: "nothing new",
    Outcome.PREVIEW: "preview, nothing was written",
    Outcome.REFUSED: "refused, nothing was written",
}


class _Shown(NamedTuple):
    """A finding as a row of the table."""

    severity: Severity
    sheet: str
    row: str
    column: str
    message: str
    code: str


def line(result: Result) -> str:
    """Say it in one line, for a log or a mail from cron."""
    told = f"{result.file}: {_OUTCOMES[result.outcome]}"
    report = result.report
    if report is None:
        return f"{told}: {_why(result)}"
    parts = [
        f"{tally.new} {name} new, {tally.changed} changed"
        for name, tally in (("students", report.students), ("guardians", report.guardians))
    ]
    parts += [f"{report.errors} errors"] if report.errors else []
    parts += [f"{report.warnings} warnings"] if report.warnings else []
    return f"{told}: {', '.join(parts)}"


def details(result: Result) -> Iterator[str]:
    """Say each finding in a line of its own."""
    for each in _shown(result):
        place = ", ".join(filter(None, (each.sheet, each.row and f"row {each.row}", each.column)))
        yield f"  {each.severity}: {place + ': ' if place else ''}{each.message} ({each.code})"


def draw(console: Console, result: Result) -> None:
    """Show it to a person."""
    colour = "red" if result.has_errors else "green"
    told = f"[bold]{escape(result.file)}:[/] [{colour}]{_OUTCOMES[result.outcome]}[/]"
    console.print(told, soft_wrap=True)
    if result.report is None:
        console.print(escape(_why(result)))
    else:
        console.print(_counts(result.report))
    found = [*_shown(result)]
    placed = [each for each in found if each.row or each.column][:_MOST_SHOWN]
    absent = [each for each in found if not (each.row or each.column)][:_MOST_ABSENT_SHOWN]
    if shown := placed + absent:
        console.print(_findings(shown, with_sheet=any(each.sheet for each in shown)))
    report = result.report
    beyond = (report.errors + report.warnings if report else len(found)) - len(shown)
    if beyond > 0:
        console.print(f"… and {beyond} more: --json shows the first thousand.")


def _counts(report: RollReport) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("")
    for heading in ("New", "Changed", "Unchanged", "Ended"):
        table.add_column(heading, justify="right")
    rows: list[tuple[str, Tally]] = [
        ("Students", report.students),
        ("In classes", report.enrolments),
        ("Guardians", report.guardians),
        ("Families", report.families),
        ("Students in families", report.memberships),
        ("Guardians of students", report.guardianships),
    ]
    for name, tally in rows:
        ended = str(getattr(tally, "ended", ""))
        table.add_row(name, str(tally.new), str(tally.changed), str(tally.unchanged), ended)
    table.add_row("Classes made", str(report.class_groups), "", "", "")
    carried: list[tuple[str, CarriedTally]] = [
        ("References carried over", report.references),
        (_with_sum("Opening balances", report.opening_balances.new_cents), report.opening_balances),
        (_with_sum("Open invoices", report.open_invoices.new_cents), report.open_invoices),
    ]
    for name, brought in carried:
        if brought.new or brought.unchanged:
            table.add_row(name, str(brought.new), "", str(brought.unchanged), "")
    return table


def _with_sum(name: str, cents: int) -> str:
    return f"{name} ({euros(Cents(cents))} €)"


def _findings(found: list[_Shown], *, with_sheet: bool) -> Table:
    table = Table(title="To be looked at", title_justify="left", expand=True)
    if with_sheet:
        table.add_column("Sheet", max_width=14, overflow="fold")
    table.add_column("Row", justify="right", no_wrap=True)
    table.add_column("Column", max_width=18, overflow="fold")
    table.add_column("What", ratio=1, overflow="fold")
    for each in found:
        said = f"[{_STYLES[each.severity]}]{each.severity}[/] {escape(each.message)}"
        place = [escape(each.row), escape(each.column)]
        table.add_row(*([escape(each.sheet)] if with_sheet else []), *place, said)
    return table


def _shown(result: Result) -> Iterator[_Shown]:
    if result.report is not None:
        for each in result.report.findings:
            row = "" if each.row is None else str(each.row)
            yield _Shown(
                each.severity, each.sheet or "", row, each.column or "", each.message, each.code
            )
    for fault in (result.problem.errors if result.problem else None) or ():
        yield _of_fault(fault)


def _of_fault(fault: Fault) -> _Shown:
    """Take a pointer apart: a sheet, a row and a column, as far as there are any."""
    parts = [
        part.replace("~1", "/").replace("~0", "~") for part in fault.pointer.split("/") if part
    ]
    place = next((n for n, part in enumerate(parts) if part.isdecimal()), None)
    sheet = row = column = ""
    if place is None:
        column = parts[-1] if parts else ""
        sheet = parts[0] if len(parts) > 1 else ""
    else:
        sheet = parts[0] if place else ""
        row = parts[place]
        column = "/".join(parts[place + 1 :])
    return _Shown(Severity.ERROR, sheet, row, column, fault.detail, fault.code)


def _why(result: Result) -> str:
    return api.why(result.problem) if result.problem else ""
