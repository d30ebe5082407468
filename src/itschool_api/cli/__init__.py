"""`itschool …`: the program's command line."""

import typer

from itschool_api.cli import db, openapi

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The API that schools run on.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(db.app, name="db")
app.add_typer(openapi.app, name="openapi")
