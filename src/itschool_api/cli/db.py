"""`itschool db`: bring the tables to their newest form, and check that they are."""

import shutil
import tempfile
from pathlib import Path

import typer
from sqlalchemy.ext.asyncio import create_async_engine

from itschool_api import embedded, schema
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


async def _differences(url: str) -> list[object]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(schema.differences)
    await engine.dispose()
    return found
