"""`itschool openapi`: the contract as a file."""

import difflib
import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from itschool_api import clock, openapi
from itschool_api.app import create_app
from itschool_api.cli import runtime
from itschool_api.compatibility import documents as compatibility
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


@app.command()
def changes(
    old: Annotated[Path, typer.Argument(help="The document that clients know.", exists=True)],
    new: Annotated[Path, typer.Argument(help="The document that is to follow it.", exists=True)],
) -> None:
    """Say what the new document breaks of the old one, a line for each break."""
    before, after = (json.loads(file.read_text(encoding="utf-8")) for file in (old, new))
    found = compatibility.breaks(before, after, clock.now().date())
    for each in found:
        typer.echo(str(each))
    if found:
        runtime.refuse(f"{new} breaks {old}: {len(found)} times. See docs/versioning.md.")
    typer.echo(f"Whatever works with {old} works with {new}.")
