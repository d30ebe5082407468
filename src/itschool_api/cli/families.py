"""`itschool families`: bring a school's people in from a file, and take them out into one."""

import os
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import httpx2
import typer
from pydantic import ValidationError
from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from itschool_api.auth import credentials
from itschool_api.cli import client, roll_report, runtime
from itschool_api.cli.roll_report import Outcome, Result
from itschool_api.errors import Problem
from itschool_api.roll.schemas import RollReport

app = typer.Typer(
    no_args_is_help=True, help="A school's students, guardians and families, from and into files."
)

CSV: Final = "text/csv"
WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WORKBOOK_SIGNATURE: Final = b"PK\x03\x04"
_CHUNK_BYTES: Final = 64 * 1024

Url = Annotated[str, typer.Option(envvar="ITSCHOOL_URL", help="Where the API is.")]
ApiKey = Annotated[
    str,
    typer.Option(
        envvar="ITSCHOOL_API_KEY",
        help="A key of the school. Better in the environment: others can read the arguments of a "
        "command.",
        show_default=False,
    ),
]
School = Annotated[
    UUID | None,
    typer.Option(help="Refuse unless the key is of this school: for who has several."),
]
SchoolYear = Annotated[
    UUID | None, typer.Option(help="Whose classes are meant; by default the present year's.")
]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A roll: CSV, or an .xlsx workbook.")],
    url: Url,
    api_key: ApiKey,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would happen, and write nothing.")
    ] = False,
    end_missing: Annotated[
        bool,
        typer.Option(
            "--end-missing", help="End guardianships that the file does not name any more."
        ),
    ] = False,
    school_year: SchoolYear = None,
    school: School = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, on a line.")] = False,
) -> None:
    """Bring a school's people in: students, guardians, families, and what they bring along.

    The same file again changes nothing. All of it is written, or nothing.
    The key needs people:write; to carry money over, invoices:write too.

    \b
    Exit codes: 0 the file is imported, now or before (--preview: it could be)
                1 the file was refused, or cannot be read
                2 the command, the URL or the key is wrong
                3 the server is not reachable or does not work
    """
    _hold_to(school, api_key)
    parameters = {
        "preview": preview or None,
        "end_missing": end_missing or None,
        "school_year": school_year,
    }
    console = Console(highlight=False)
    with_pictures = console.is_terminal and not as_json
    with client.told(url), client.client_of(url, api_key) as http:
        result = _imported(http, file, parameters, console if with_pictures else None)
    if as_json:
        typer.echo(result.model_dump_json())
    elif with_pictures:
        roll_report.draw(console, result)
    else:
        typer.echo(roll_report.line(result), err=result.report is None)
        for each in roll_report.details(result):
            typer.echo(each, err=result.report is None)
    if result.has_errors:
        raise typer.Exit(runtime.FAILED)


@app.command("export")
def export_file(
    file: Annotated[Path, typer.Argument(help="Where to write it; .xlsx makes a workbook.")],
    url: Url,
    api_key: ApiKey,
    school_year: SchoolYear = None,
    school: School = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write everybody who is at the school into a file, which imported again changes nothing.

    The key needs people:read and students:read. Only you can read the file.
    The download is recorded in the school's audit trail.

    \b
    Exit codes: 0 the file is written
                1 the file cannot be written, or is there already
                2 the command, the URL or the key is wrong
                3 the server is not reachable or does not work
    """
    _hold_to(school, api_key)
    if file.exists() and not force:
        runtime.refuse(f"{file} is there already: --force replaces it")
    kind = WORKBOOK if file.suffix.lower() == ".xlsx" else CSV
    console = Console(stderr=True, highlight=False)
    with client.told(url), client.client_of(url, api_key) as http, _progress(console) as progress:
        progress.add_task("The server writes the roll …", total=None)
        response = client.answered(
            lambda: http.get(
                "/v1/roll", params=_given({"school_year": school_year}), headers={"Accept": kind}
            )
        )
    if not response.is_success:
        runtime.refuse(client.why(client.problem_of(response)))
    try:
        _write(file, response.content)
    except OSError as error:
        runtime.refuse(f"{file} cannot be written: {error.strerror or error}")
    typer.echo(f"{file}: {len(response.content)} bytes")


def _hold_to(school: UUID | None, api_key: str) -> None:
    key = credentials.read_api_key(api_key.strip())
    if school is not None and (key is None or key.school_id != school):
        raise typer.BadParameter("the key is of another school", param_hint="--school")


def _given(parameters: dict[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() for name, value in parameters.items() if value is not None}


def _imported(
    http: httpx2.Client, file: Path, parameters: dict[str, Any], console: Console | None
) -> Result:
    """Send a file, and return what became of it; raises what `client.answered` raises."""
    try:
        data = file.read_bytes()
    except OSError as error:
        problem = Problem(type="about:blank", title=error.strerror or str(error), status=400)
        return Result(file=str(file), outcome=Outcome.REFUSED, problem=problem)
    kind = WORKBOOK if data.startswith(_WORKBOOK_SIGNATURE) else CSV
    with _progress(console) as progress:
        response = client.answered(
            lambda: http.post(
                "/v1/roll",
                content=_upload(data, progress),
                params=_given(parameters),
                headers={"Content-Type": kind},
            )
        )
    if not response.is_success:
        problem = client.problem_of(response)
        return Result(file=str(file), outcome=Outcome.REFUSED, problem=problem)
    try:
        report = RollReport.model_validate_json(response.content)
    except ValidationError as error:
        raise client.Unreachable("what answers there is not this API") from error
    outcome = Outcome.IMPORTED if response.status_code == HTTPStatus.CREATED else Outcome.KNOWN
    if report.preview:
        outcome = Outcome.PREVIEW
    return Result(file=str(file), outcome=outcome, report=report)


def _progress(console: Console | None) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=console is None or not console.is_terminal,
    )


def _upload(data: bytes, progress: Progress) -> Iterator[bytes]:
    """Give a file piece by piece, and show how far it is, and then that the server works."""
    for task in progress.task_ids:
        progress.remove_task(task)
    task = progress.add_task(f"Uploading {filesize.decimal(len(data))} …", total=len(data))
    for place in range(0, len(data), _CHUNK_BYTES):
        piece = data[place : place + _CHUNK_BYTES]
        yield piece
        progress.advance(task, len(piece))
    rows = data.count(b"\n") if not data.startswith(_WORKBOOK_SIGNATURE) else None
    what = f"{rows} rows" if rows else "all rows"
    progress.remove_task(task)
    progress.add_task(f"The server compares {what} …", total=None)


def _write(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        made.replace(file)
    except OSError:
        made.unlink(missing_ok=True)
        raise
