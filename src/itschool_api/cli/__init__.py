"""`itschool …`: the program's command line."""

import typer

from itschool_api.cli import coda, db, ledger, openapi, school, user
from itschool_api.cli.demo import demo
from itschool_api.cli.serve import serve, worker

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The API that schools run on.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(demo)
app.command()(serve)
app.command()(worker)
app.add_typer(coda.app, name="coda")
app.add_typer(db.app, name="db")
app.add_typer(ledger.app, name="ledger")
app.add_typer(openapi.app, name="openapi")
app.add_typer(school.app, name="school")
app.add_typer(user.app, name="user")
