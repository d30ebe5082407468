"""`itschool db`: bring the tables to their newest form, and check that they are."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from itschool_api import distribution, embedded, schema
from itschool_api.cli import runtime

app = typer.Typer(no_args_is_help=True, help="The database's tables.")


@app.command()
def upgrade() -> None:
    """Bring the tables to the form that this program needs (as DATABASE_OWNER_URL)."""
    with runtime.database(runtime.database_settings(), new=True) as (_, owner_url):
        schema.upgrade(owner_url)
    typer.echo(f"The database is at {schema.head()}.")


@app.command()
def check() -> None:
    """Build a database from the migrations alone, and compare it with the models."""
    folder = Path(tempfile.mkdtemp(prefix="itschool-check-"))
    try:
        server = embedded.start(folder / "postgres")
        try:
            schema.upgrade(server.url())
            found = runtime.run(_differences(server.url()))
        finally:
            server.stop()
    except embedded.EmbeddedServerFailed as error:
        runtime.refuse(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if found:
        runtime.refuse(
            "models and migrations differ:\n  " + "\n  ".join(str(each) for each in found)
        )
    typer.echo("Models and migrations agree.")


@app.command()
def distribute(
    shards: Annotated[
        int, typer.Option(min=1, max=4096, help="Parts that schools are dealt into.")
    ] = distribution.SHARDS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only write the statements.")] = False,
) -> None:
    """Spread the tables over the nodes of a Citus cluster, school by school (docs/scaling.md).

    Stop the service and the worker first. What is spread already is left alone, so that it may be
    called again after an upgrade, or after it was interrupted.
    """
    if dry_run:
        for statement in (
            *distribution.settings(),
            *distribution.statements(schema.metadata, shards=shards),
        ):
            typer.echo(f"{statement};")
        return
    with runtime.database(runtime.database_settings()) as (_, owner_url):
        spread = runtime.run(_distribute(owner_url, shards))
    typer.echo(f"{spread} tables were spread. The database is a cluster's now.")


async def _distribute(owner_url: str, shards: int) -> int:
    engine = create_async_engine(owner_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        done = await distribution.spread_already(connection)
        if done is None:
            runtime.refuse(
                "this PostgreSQL has no Citus: install it on every node, then, as a superuser, "
                "CREATE EXTENSION citus; see docs/scaling.md"
            )
        for statement in distribution.settings():
            await connection.execute(text(statement))
        waiting = [*distribution.statements(schema.metadata, shards=shards, done=done)]
        for place, statement in enumerate(waiting, 1):
            typer.echo(f"{place}/{len(waiting)} {statement}", err=True)
            await connection.execute(text(statement))
    await engine.dispose()
    return len(waiting)


async def _differences(url: str) -> list[object]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(schema.differences)
    await engine.dispose()
    return found
