"""`itschool openapi`: the contract as a file."""

import difflib
import secrets
from pathlib import Path
from typing import Annotated

import typer

from itschool_api import openapi
from itschool_api.app import create_app
from itschool_api.cli import runtime
from itschool_api.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The OpenAPI document.")

File = Annotated[Path, typer.Argument(help="The document.")]


def _text() -> str:
    # The document depends on no setting; this secret signs nothing.
    settings = Settings(
        secret_key=secrets.token_urlsafe(48),
        environment="development",
    )
    return openapi.as_text(create_app(settings))


@app.command()
def write(file: File) -> None:
    """Write the document."""
    file.write_text(_text(), encoding="utf-8")


@app.command()
def check(file: File) -> None:
    """Compare a committed document with the code."""
    committed = file.read_text(encoding="utf-8") if file.exists() else ""
    made = _text()
    if committed != made:
        difference = difflib.unified_diff(
            committed.splitlines(), made.splitlines(), "committed", "code", lineterm="", n=2
        )
        typer.echo("\n".join(list(difference)[:200]))
        runtime.refuse(f"{file} is not the code's: itschool openapi write {file}")
    typer.echo("The OpenAPI document is the code's.")
