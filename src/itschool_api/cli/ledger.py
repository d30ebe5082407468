"""`itschool ledger`: prove that no cent is lost."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from itschool_api.banking import audit as banking
from itschool_api.cli import runtime
from itschool_api.database import school_transaction
from itschool_api.invoices import audit as invoices
from itschool_api.ledger import audit as ledger
from itschool_api.schools import service as schools

app = typer.Typer(no_args_is_help=True, help="The books.")


@app.callback()
def _books() -> None:
    """Keep `verify` a command of its own."""


@app.command()
def verify(
    school: Annotated[UUID | None, typer.Option(help="This school only.")] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="The embedded database of this folder, such as the demo's."),
    ] = None,
) -> None:
    """Recompute every balance, invoice and bank account; exit 1 where something is wrong."""
    with runtime.database(runtime.database_settings(data_dir)) as (url, _):
        wrong, checked = runtime.run(_verify(url, school))
    for line in wrong:
        typer.echo(line)
    if wrong:
        runtime.refuse(f"{len(wrong)} things are wrong in the books of {checked} schools.")
    typer.echo(f"The books are clean (schools: {checked}).")


async def _verify(url: str, only: UUID | None) -> tuple[list[str], int]:
    wrong: list[str] = []
    async with runtime.sessions_of(url) as sessions:
        async with sessions.begin() as session:
            ids = [each.id for each in await schools.all_schools(session)]
        if only is not None:
            ids = [school_id for school_id in ids if school_id == only]
        for school_id in ids:
            async with school_transaction(sessions, school_id) as session:
                found = [
                    *await ledger.findings(session, school_id),
                    *await invoices.findings(session, school_id),
                    *await banking.findings(session, school_id),
                ]
            wrong += [f"{school_id}: {each}" for each in found]
    return wrong, len(ids)
