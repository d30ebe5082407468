"""`itschool privacy`: what is not kept any more, removed now; and the end of legal retention."""

from typing import Annotated

import typer
from sqlalchemy import text

from itschool_api import clock, trail
from itschool_api.cli import runtime
from itschool_api.privacy import bookkeeping, erasure
from itschool_api.privacy.bookkeeping import Ended
from itschool_api.privacy.retention import Sweeper
from itschool_api.schools import service as schools
from itschool_api.settings import Settings
from itschool_api.storage import Storage

app = typer.Typer(no_args_is_help=True, help="What is known of people, and for how long.")
_MAY = text("SELECT has_table_privilege('invoice_lines', 'UPDATE')")


@app.command()
def sweep() -> None:
    """Remove what is not kept any more, as the worker does each night."""
    settings = runtime.settings()
    with runtime.database(settings) as (url, _):
        done = runtime.run(_sweep(settings, url))
    for name, count in done.items():
        typer.echo(f"{name}: {count}")


@app.command()
def end_retention(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; it cannot be undone.")] = False,
) -> None:
    """Take the names out of accounts that the law keeps no longer (as DATABASE_OWNER_URL).

    Paid invoices, the bank's payments and its files; amounts, numbers and days stay.
    """
    settings = runtime.settings()
    years = settings.retention_accounting_years
    day = bookkeeping.last_day(clock.today("Europe/Brussels"), years)
    if not yes:
        typer.confirm(f"Clear the names in accounts up to {day}, for good?", abort=True, err=True)
    with runtime.database(settings) as (_, owner_url):
        done = runtime.run(cleared(settings, owner_url))
    typer.echo(
        f"Up to {day}: {done.invoices} invoices, {done.payments} payments, {done.files} files."
    )


async def _sweep(settings: Settings, url: str) -> dict[str, int]:
    office = erasure.office_of(settings, _storage(settings))
    async with runtime.sessions_of(url) as sessions:
        return await Sweeper(settings, sessions, office).sweep()


async def cleared(settings: Settings, owner_url: str) -> Ended:
    """Clear every school's accounts of what is kept no longer."""
    done = Ended()
    async with runtime.sessions_of(owner_url) as sessions:
        async with sessions.begin() as session:
            if not (await session.execute(_MAY)).scalar_one():
                runtime.refuse("only the tables' owner may do this: set DATABASE_OWNER_URL")
            everywhere = await schools.all_schools(session)
        for school in everywhere:
            day = bookkeeping.last_day(
                clock.today(school.time_zone), settings.retention_accounting_years
            )
            async with trail.acting(
                sessions, school.id, actor=trail.OPERATOR, action="end_retention"
            ) as session:
                ended = await bookkeeping.end_retention(session, _storage(settings), school.id, day)
            done.invoices += ended.invoices
            done.payments += ended.payments
            done.files += ended.files
    return done


def _storage(settings: Settings) -> Storage:
    return Storage(settings.data_dir / "files")
