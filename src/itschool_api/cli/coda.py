"""``itschool coda``: look into the bank's files, and make some up.

Everything here works without a database, a server or a network; only `import`, which is in a
module of its own, posts to one.
"""

import json
import sys
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from itschool_api import money, references
from itschool_api.banking import coda
from itschool_api.banking.coda.generator import SCHOOL
from itschool_api.banking.coda.rendering import decimal, file_json
from itschool_api.cli.coda_import import import_files
from itschool_api.money import Cents

app = typer.Typer(help="Look into the bank's CODA files, and make some up.", no_args_is_help=True)
app.command("import")(import_files)

STANDARD = Path("-")
"""The name that stands for standard input or output."""


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CODA files; - is stdin.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each file, one on a line.")
    ] = False,
) -> None:
    """Say what is in CODA files; exit with 1 where one is refused or cannot be read."""
    console = Console()
    is_good = True
    for name, read in _read_all(files):
        is_good = is_good and isinstance(read, list)
        if as_json:
            typer.echo(json.dumps(_json(name, read), ensure_ascii=False))
        else:
            _print(console, name, read)
    if not is_good:
        raise typer.Exit(1)


def _read_all(
    files: list[Path],
) -> Iterator[tuple[str, list[coda.Statement] | coda.CodaError | OSError]]:
    for path in files:
        try:
            data = sys.stdin.buffer.read() if path == STANDARD else path.read_bytes()
            yield str(path), coda.parse(data)
        except (coda.CodaError, OSError) as error:
            yield str(path), error


def _json(name: str, read: list[coda.Statement] | coda.CodaError | OSError) -> dict[str, object]:
    if isinstance(read, OSError):
        return _unreadable(name, read)
    return file_json(name, read)


def _unreadable(name: str, error: OSError) -> dict[str, object]:
    """Show a file that the system does not give, in the form of a refusal without a place."""
    reason = error.strerror or str(error)
    refusal = {"line": None, "column": None, "read": None, "expected": None, "reason": reason}
    return {"file": name, "statements": [], "findings": [], "error": refusal}


def _print(
    console: Console, name: str, read: list[coda.Statement] | coda.CodaError | OSError
) -> None:
    if isinstance(read, OSError):
        console.print(f"[red]{escape(name)}: cannot be read: {escape(str(read.strerror))}[/]")
        return
    if isinstance(read, coda.CodaError):
        console.print(f"[red]{escape(name)}: refused: {escape(str(read))}[/]")
        return
    for statement in read:
        console.print(_table(name, statement))
        for finding in statement.findings:
            console.print(
                f"[yellow]line {finding.line}: {escape(finding.message)} ({finding.code})[/]"
            )
    movements = sum(len(statement.movements) for statement in read)
    counted = f"{_count(len(read), 'statement')}, {_count(movements, 'movement')}"
    console.print(f"[green]{escape(name)}: {counted}[/]\n")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(name: str, statement: coda.Statement) -> Table:
    """Draw a statement: its balances around its movements, as a bank prints it."""
    duplicate = ", duplicate" if statement.is_duplicate else ""
    title = (
        f"{name}: {statement.account} {statement.currency} no. {statement.number}"
        f" of {statement.closing_on}{duplicate}"
    )
    table = Table(title=escape(title), caption=escape(statement.holder))
    for heading in ("No.", "Entry", "Amount", "Code", "Other side", "Communication", "Reference"):
        table.add_column(
            heading,
            justify="right" if heading == "Amount" else "left",
            no_wrap=heading in {"No.", "Amount", "Reference"},
        )
    table.add_row("", str(statement.opening_on or ""), decimal(statement.opening_milli), "old")
    for movement in statement.movements:
        for line in movement.walk():
            table.add_row(*_row(line))
    table.add_row("", str(statement.closing_on), decimal(statement.closing_milli), "new")
    return table


def _row(line: coda.Movement) -> tuple[str, ...]:
    number = f"{line.sequence:04d}" if line.detail == 0 else f"  .{line.detail:04d}"
    text = " ".join(line.communication.split())
    shown = (
        "" if line.reference is None else references.formatted(references.Reference(line.reference))
    )
    return (
        number,
        str(line.entry_on or ""),
        decimal(line.amount_milli),
        line.transaction_code,
        escape(line.counterparty_name or line.counterparty_account),
        escape(text),
        shown,
    )


@app.command()
def generate(
    movements: Annotated[int, typer.Option(min=0, help="How many movements in all.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file.")] = 0,
    account: Annotated[str, typer.Option(help="The IBAN of the account.")] = SCHOOL.number,
    bic: Annotated[str, typer.Option(help="The BIC of its bank.")] = SCHOOL.bic,
    holder: Annotated[str, typer.Option(help="The account's holder.")] = SCHOOL.holder,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The first statement's day; today if not given."),
    ] = None,
    number: Annotated[int, typer.Option(min=0, max=999, help="The first statement's number.")] = 1,
    opening: Annotated[str, typer.Option(help="The first old balance, in euro.")] = "1000.00",
    pay: Annotated[
        list[str] | None,
        typer.Option(metavar="REF=12.34", help="A payment that must be in it; repeatable."),
    ] = None,
    fault: Annotated[
        list[coda.Fault] | None,
        typer.Option(help="A fault to plant; repeatable.", show_choices=True),
    ] = None,
    statements: Annotated[int, typer.Option(min=1, max=999, help="How many statements.")] = 1,
    output: Annotated[Path, typer.Option(help="Where to write; - is stdout.")] = STANDARD,
) -> None:
    """Make up a CODA file with every kind of movement, or one that is wrong in a chosen way."""
    try:
        made = coda.generate(
            on=date.today() if on is None else on.date(),  # noqa: DTZ011  (the user's own day)
            seed=seed,
            movements=movements,
            account=coda.Account(number=account.replace(" ", ""), bic=bic, holder=holder),
            number=number,
            opening_cents=_cents(opening, "--opening"),
            pay=[_payment(text) for text in pay or []],
            statements=statements,
        )
        data = coda.write(made)
        for one in fault or []:
            data = coda.plant(data, one)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if output == STANDARD:
        sys.stdout.buffer.write(data)
    else:
        output.write_bytes(data)


def _payment(text: str) -> coda.Payment:
    """Read ``REF=12.34``."""
    reference, separator, amount = text.rpartition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} is not REF=12.34", param_hint="--pay")
    try:
        return coda.Payment(references.normalise(reference), _cents(amount, "--pay"))
    except references.InvalidReference as error:
        raise typer.BadParameter(str(error), param_hint="--pay") from None


def _cents(text: str, option: str) -> Cents:
    try:
        return money.parse_euros(text)
    except money.InvalidAmount as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
