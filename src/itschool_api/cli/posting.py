"""Posting the bank's files to a school's API, and telling people what came of it.

It speaks HTTP only. Imports are idempotent, so whatever is in doubt is simply sent again.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from itschool_api.banking.schemas import CausesSum, ImportReport, Sum
from itschool_api.errors import Problem
from itschool_api.money import Cents, euros

WAITS_SECONDS: Final = [1, 3, 9]
_LONGEST_WAIT_SECONDS: Final = 60
# A large file takes the server its time, more so when others are before it.
_TIMEOUT: Final = httpx2.Timeout(10, read=300, write=60)
_NO_API: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_ACCESS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


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


class Unreachable(Exception):
    """The server cannot be reached, or does not work; the message says how."""


class NoApi(Exception):
    """Something answers, and it is not this API."""


class NoAccess(Exception):
    """The API key does not open this door; the message says why."""


@contextmanager
def client_of(url: str, api_key: str) -> Iterator[httpx2.Client]:
    """Give a client of an API, after a look at what cannot be right."""
    key = api_key.strip()
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("it begins with https:// or http://", param_hint="--url")
    if not (key.isascii() and key.isprintable()):
        raise typer.BadParameter("this is no API key", param_hint="--api-key")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
    with httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_TIMEOUT) as client:
        yield client


def post(client: httpx2.Client, path: Path, *, preview: bool) -> Result:
    """Send one file, and return what became of it; raises `NoAccess`, `NoApi`, `Unreachable`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = Problem(type="about:blank", title=error.strerror or str(error), status=400)
        return Result(file=str(path), outcome=Outcome.REFUSED, problem=problem)
    response = _posted(client, data, {"preview": "true"} if preview else {})
    if response.status_code in _ACCESS:
        raise NoAccess(_problem(response).title)
    if response.status_code in _NO_API:
        raise NoApi
    if not response.is_success:
        return Result(file=str(path), outcome=Outcome.REFUSED, problem=_problem(response))
    try:
        report = ImportReport.model_validate_json(response.content)
    except ValidationError as error:
        raise Unreachable("what answers there is not this API") from error
    outcome = Outcome.IMPORTED if response.status_code == HTTPStatus.CREATED else Outcome.KNOWN
    if report.preview:
        outcome = Outcome.PREVIEW
    return Result(file=str(path), outcome=outcome, report=report)


def _posted(client: httpx2.Client, data: bytes, parameters: dict[str, str]) -> httpx2.Response:
    """Post until the server has an answer; raises `Unreachable` after the last try."""
    reason = ""
    for wait_seconds in (*WAITS_SECONDS, None):
        asked_seconds = 0
        try:
            response = client.post("/v1/bank-statements", content=data, params=parameters)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
        else:
            is_later = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
            if not (is_later or response.is_server_error):
                return response
            reason = f"{response.status_code} {response.reason_phrase}"
            asked = response.headers.get("Retry-After", "")
            asked_seconds = int(asked) if asked.isdecimal() else 0
        if wait_seconds is not None:
            time.sleep(min(max(wait_seconds, asked_seconds), _LONGEST_WAIT_SECONDS))
    raise Unreachable(reason)


def _problem(response: httpx2.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        title = f"{response.status_code} {response.reason_phrase}"
        return Problem(type="about:blank", title=title, status=max(400, response.status_code))


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
    problem = result.problem
    return " ".join(filter(None, (problem.title, problem.detail))) if problem else ""


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
