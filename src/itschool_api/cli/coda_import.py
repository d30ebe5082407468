"""`itschool coda import`: post the bank's files to a school's API, by hand or from cron."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CODA files, oldest first.")],
    url: Annotated[str, typer.Option(envvar="ITSCHOOL_URL", help="Where the API is.")],
    api_key: Annotated[
        str,
        typer.Option(
            envvar="ITSCHOOL_API_KEY",
            help="A key with bank-statements:write. Better in the environment: others can read "
            "the arguments of a command.",
            show_default=False,
        ),
    ],
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would happen, and write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each file, one on a line.")
    ] = False,
) -> None:
    """Post the bank's CODA files: wallets and invoices are paid by them.

    The same file again changes nothing. After a refused file the next one is tried.

    \b
    Exit codes: 0 all files are imported, now or before
                1 a file was refused or cannot be read
                2 the command, the URL or the key is wrong
                3 the server is not reachable or does not work
    """
    from itschool_api.cli import client, posting, runtime  # noqa: PLC0415 - `coda check` needs no HTTP

    console = Console(highlight=False)
    with_pictures = console.is_terminal and not as_json
    is_refused = False
    with (
        client.told(url),
        client.client_of(url, api_key) as http,
        Progress(console=console, transient=True, disable=not with_pictures) as progress,
    ):
        for path in progress.track(files, description="Posting"):
            result = posting.post(http, path, preview=preview)
            is_refused = is_refused or result.report is None
            if as_json:
                typer.echo(result.model_dump_json())
            elif with_pictures:
                posting.draw(console, result)
            else:
                typer.echo(posting.line(result), err=result.report is None)
    if is_refused:
        raise typer.Exit(runtime.FAILED)
