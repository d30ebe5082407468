"""`itschool user`: a school's first people, and a lost second factor."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, trail
from itschool_api.auth import login_tokens, logins, second_factor
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Role
from itschool_api.auth.models import User
from itschool_api.auth.tokens import derived_key
from itschool_api.auth.user_names import NewUserName
from itschool_api.cli import runtime
from itschool_api.contract import Email, Form, Language, Name
from itschool_api.database import enter_school, new_id, unit_of_work
from itschool_api.schools.models import School
from itschool_api.schools.service import SchoolNotFound

app = typer.Typer(no_args_is_help=True, help="People who log in.")


class _NewPerson(Form):
    """What is said of a person, held to the contract's forms."""

    first_name: Name
    last_name: Name
    email: Email | None
    language: Language
    user_name: NewUserName | None


@app.command()
def create(
    school: Annotated[UUID, typer.Argument(help="The school's id.")],
    role: Annotated[list[Role], typer.Option(help="What they are there; repeatable.")],
    first_name: Annotated[str, typer.Option(help="First name.")],
    last_name: Annotated[str, typer.Option(help="Last name.")],
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    language: Annotated[str, typer.Option(help="fr, nl, de or en.")] = "fr",
    user_name: Annotated[
        str | None, typer.Option(help="User name; by default made of the names.")
    ] = None,
) -> None:
    """Make a person, and show their user name and a login token that is valid for 14 days."""
    settings = runtime.settings()
    key = derived_key(settings.secret_key.get_secret_value(), "login-tokens")

    async def _create(session: AsyncSession) -> tuple[str, str]:
        person = _NewPerson(
            first_name=first_name,
            last_name=last_name,
            email=email,
            language=language,
            user_name=user_name,
        )
        if await session.get(School, school) is None:
            raise SchoolNotFound
        user = await auth.create_user(session, school, role, **person.model_dump())
        granted = await login_tokens.grant_login_token(
            session, key, user, new_id(), clock.now(), login_tokens.INVITATION_LIFE
        )
        return user.user_name, granted.token

    async def _within(url: str) -> tuple[str, str]:
        async with (
            runtime.sessions_of(url) as sessions,
            trail.acting(sessions, school, actor=trail.OPERATOR, action="create_user") as session,
        ):
            return await _create(session)

    with runtime.database(settings) as (url, _):
        name, token = runtime.run(_within(url))
    typer.echo(f"user name:   {name}\nlogin token: {token}")


UserNameArgument = Annotated[str, typer.Argument(metavar="USER", help="The user name.")]


@app.command()
def disable(user: UserNameArgument) -> None:
    """Let nobody in by a login, at any school: its sessions and login tokens end at once."""
    _in_each_school(user, "disable_user", logins.disable)


@app.command()
def enable(user: UserNameArgument) -> None:
    """Let a person log in again, with the password from before."""
    _in_each_school(user, "enable_user", logins.enable)


@app.command()
def reset_second_factor(user: UserNameArgument) -> None:
    """Remove the second factor of somebody who lost it, and end their sessions.

    For whoever has no recovery code left. Make sure that it is they who ask: by their voice or
    their face, not by an e-mail. From then on, their password is enough.
    """
    _in_each_school(user, "reset_second_factor", second_factor.reset)


def _in_each_school(
    user_name: str, action: str, change: Callable[[AsyncSession, User], Awaitable[None]]
) -> None:
    """Change a login, which is one at all its schools, and leave an event in the trail of each."""

    async def _change(url: str) -> None:
        async with runtime.sessions_of(url) as sessions, unit_of_work(sessions) as session:
            user = await logins.of_name(session, user_name)
            await change(session, user)
            for school in await auth.schools_of(session, user.id):
                await enter_school(session, school)
                trail.begin(
                    session,
                    school,
                    actor=trail.OPERATOR,
                    action=action,
                    subjects={"user": user.id},
                )
                await trail.leave(session)

    with runtime.database(runtime.database_settings()) as (url, _):
        runtime.run(_change(url))
