"""`itschool …`: the program's command line.

Commands load their modules when they are called for: a cron job that looks at a bank file should
not wait for the web framework.
"""

from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class _Commands(TyperGroup):
    """The commands by name, each in a module of this package."""

    _places: ClassVar[dict[str, str]] = {
        "coda": "coda:app",
        "db": "db:app",
        "demo": "demo:demo",
        "families": "families:app",
        "keys": "keys:app",
        "ledger": "ledger:app",
        "openapi": "openapi:app",
        "privacy": "privacy:app",
        "school": "school:app",
        "serve": "serve:serve",
        "user": "user:app",
        "worker": "serve:worker",
    }

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names."""
        del ctx
        return list(self._places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command, or nothing where there is none of that name."""
        del ctx
        if cmd_name not in self._places:
            return None
        module, _, name = self._places[cmd_name].partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), name)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _itschool() -> None:
    """Run the API that schools run on."""
