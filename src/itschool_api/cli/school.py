"""`itschool school`: what only the operator does."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession
from stdnum.be import vat
from stdnum.exceptions import ValidationError

from itschool_api import opening, trail
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Scope
from itschool_api.cli import runtime
from itschool_api.database import unit_of_work
from itschool_api.money import Cents, InvalidAmount, parse_euros
from itschool_api.schools import security
from itschool_api.schools import service as schools

app = typer.Typer(no_args_is_help=True, help="Schools: made by the operator, one tenant each.")

SchoolId = Annotated[UUID, typer.Argument(help="The school's id: see `itschool school list`.")]
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?")


def _enterprise_number(text: str) -> str:
    try:
        digits = vat.validate(text)
    except ValidationError as error:
        raise typer.BadParameter(f"not a Belgian enterprise number: {error}") from error
    return f"{digits[:4]}.{digits[4:7]}.{digits[7:]}"


def _bic(text: str | None) -> str | None:
    if text is not None and not _BIC.fullmatch(text.upper()):
        raise typer.BadParameter("a BIC has 8 or 11 letters and digits")
    return text.upper() if text else None


def _language(text: str) -> str:
    if text not in {"fr", "nl", "de", "en"}:
        raise typer.BadParameter("one of fr, nl, de, en")
    return text


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Its name, as on its letters.")],
    street: Annotated[str, typer.Option(help="Street and number.")],
    postal_code: Annotated[str, typer.Option(help="Postal code.")],
    city: Annotated[str, typer.Option(help="Town.")],
    enterprise_number: Annotated[
        str, typer.Option(callback=_enterprise_number, help="Such as 0403.200.393.")
    ],
    iban: Annotated[str, typer.Option(help="The bank account that parents pay into.")],
    language: Annotated[str, typer.Option(callback=_language, help="fr, nl, de or en.")] = "fr",
    bic: Annotated[str | None, typer.Option(callback=_bic, help="The bank's BIC.")] = None,
    holder: Annotated[
        str | None, typer.Option(help="The account's holder, if it is not the school's name.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="Where families write to.")] = None,
    phone: Annotated[str | None, typer.Option(help="Where families call.")] = None,
    compartment: Annotated[
        list[str] | None, typer.Option(help="A compartment beside the general one; repeatable.")
    ] = None,
    payment_term_days: Annotated[
        int, typer.Option(min=0, max=365, help="Days until an invoice is due.")
    ] = 15,
    spread_excess: Annotated[
        bool,
        typer.Option(help="What an invoice does not need pays the family's others first."),
    ] = True,
) -> None:
    """Open a school: its books, its general compartment, the present year, a bank account."""

    async def _create(url: str) -> UUID:
        new = opening.NewSchool(
            name=name,
            street=street,
            postal_code=postal_code,
            city=city,
            language=language,
            enterprise_number=enterprise_number,
            email=email,
            phone=phone,
            payment_term_days=payment_term_days,
            spread_excess=spread_excess,
            compartments=tuple(compartment or ()),
        )
        async with runtime.sessions_of(url) as sessions, unit_of_work(sessions) as session:
            school_id = await opening.open_school(session, new)
            trail.begin(session, school_id, actor=trail.OPERATOR, action="create_school")
            await opening.add_bank_account(
                session, school_id, iban=iban, bic=bic, holder=holder or name
            )
            return school_id

    with runtime.database(runtime.database_settings()) as (url, _):
        typer.echo(runtime.run(_create(url)))


@app.command(name="list")
def list_schools() -> None:
    """List the schools with their ids."""

    async def _list(url: str) -> list[str]:
        async with runtime.sessions_of(url) as sessions, sessions.begin() as session:
            return [f"{each.id}  {each.name}" for each in await schools.all_schools(session)]

    with runtime.database(runtime.database_settings()) as (url, _):
        for line in runtime.run(_list(url)):
            typer.echo(line)


@app.command()
def add_bank_account(
    school: SchoolId,
    iban: Annotated[str, typer.Option(help="Its number.")],
    holder: Annotated[str, typer.Option(help="Its holder.")],
    bic: Annotated[str | None, typer.Option(callback=_bic, help="The bank's BIC.")] = None,
) -> None:
    """Add a bank account whose files the school will post."""

    async def _add(session: AsyncSession) -> str:
        account = await opening.add_bank_account(session, school, iban=iban, bic=bic, holder=holder)
        return account.iban

    typer.echo(runtime.in_school(school, "add_bank_account", _add))


@app.command()
def add_compartment(
    school: SchoolId,
    name: Annotated[str, typer.Argument(help="What its money is for.")],
    overdraft: Annotated[
        str, typer.Option(help="How far below 0 a wallet may fall, in euro.")
    ] = "0.00",
) -> None:
    """Add a compartment, and a wallet in it for every student."""
    try:
        floor = Cents(-abs(parse_euros(overdraft)))
    except InvalidAmount as error:
        runtime.refuse(str(error), runtime.MISUSED)
    runtime.in_school(
        school,
        "add_compartment",
        lambda session: opening.add_compartment(session, school, name, floor),
    )


@app.command()
def add_year(
    school: SchoolId,
    first_year: Annotated[int, typer.Argument(min=2000, max=2100, help="Such as 2027.")],
) -> None:
    """Add a school year, August to July."""

    async def _add(session: AsyncSession) -> str:
        return (await schools.add_year(session, school, first_year)).name

    typer.echo(runtime.in_school(school, "add_year", _add))


@app.command()
def second_factor(
    school: SchoolId,
    required: Annotated[
        bool, typer.Option("--required/--not-required", help="Whether its staff need one.")
    ],
) -> None:
    """Ask a second factor of the school's staff, or ask it no more."""
    runtime.in_school(
        school,
        "set_school_security",
        lambda session: security.set_requirement(session, school, required=required),
    )


@app.command()
def create_api_key(
    school: SchoolId,
    label: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeatable.")],
    expires_at: Annotated[
        datetime | None, typer.Option(help="When it ends; by default never.")
    ] = None,
) -> None:
    """Make an API key for a program of the school; it is shown this once."""

    async def _create(session: AsyncSession) -> str:
        _, text = await auth.create_api_key(
            session,
            school,
            label=label,
            scopes=scope,
            expires_at=expires_at.astimezone() if expires_at else None,
            by="operator",
        )
        return text

    typer.echo(runtime.in_school(school, "create_api_key", _create))
