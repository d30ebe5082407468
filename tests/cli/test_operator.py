"""What the operator's commands refuse, in one line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.auth.caller import Role
from itschool_api.auth.repository import Users
from tests.auth.authenticator import Watch, protected
from tests.auth.ways_in import log_in
from tests.kit import School, client_of, ok, problem

pytestmark = pytest.mark.anyio
_SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"


def run(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a database, from a folder that holds no settings."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url,
        "ITSCHOOL_SECRET_KEY": _SECRET,
    }
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", "from itschool_api.cli import app; app()", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_tables_owner_may_not_serve(tmp_path: Path, owner_url: str) -> None:
    """SEC-02: row-level security would not bind it."""
    for command in (["serve", "--port", "1"], ["worker"]):
        ended = run(tmp_path, owner_url, *command)
        assert ended.returncode == 1
        assert "itschool_app" in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_a_school_year_is_added_once(
    tmp_path: Path, database_url: str, school: School
) -> None:
    first = run(tmp_path, database_url, "school", "add-year", str(school.id), "2031")
    again = run(tmp_path, database_url, "school", "add-year", str(school.id), "2031")
    nowhere = run(tmp_path, database_url, "school", "add-year", str(uuid4()), "2031")

    assert (first.returncode, first.stdout) == (0, "2031-2032\n")
    assert (again.returncode, again.stderr) == (
        1,
        "itschool: This school year is there already.\n",
    )
    assert (nowhere.returncode, nowhere.stderr) == (1, "itschool: There is no such school.\n")


async def test_a_person_is_held_to_the_contracts_forms(
    tmp_path: Path, database_url: str, school: School
) -> None:
    who = ("--role", "manager", "--first-name", "An", "--last-name")
    for school_id, more, said in (
        (school.id, ("",), "last_name"),
        (school.id, ("Peeters", "--email", "bad"), "email"),
        (uuid4(), ("Peeters",), "There is no such school."),
    ):
        ended = run(tmp_path, database_url, "user", "create", str(school_id), *who, *more)
        assert ended.returncode != 0
        assert said in ended.stderr
        assert "login token" not in ended.stdout


async def test_the_operator_requires_a_second_factor_and_requires_it_no_more(
    tmp_path: Path, database_url: str, school: School, owner: AsyncEngine
) -> None:
    def asked(*flag: str) -> subprocess.CompletedProcess[str]:
        return run(tmp_path, database_url, "school", "second-factor", str(school.id), *flag)

    teacher = await school.as_(Role.TEACHER)
    assert asked("--required").returncode == 0
    refused = await teacher.get("/v1/events")
    problem(refused, 403, "second-factor-enrolment-required")
    assert asked("--not-required").returncode == 0
    assert (await teacher.get("/v1/events")).status_code == 200
    nowhere = run(tmp_path, database_url, "school", "second-factor", str(uuid4()), "--required")

    assert (nowhere.returncode, nowhere.stderr) == (1, "itschool: There is no such school.\n")
    assert await events_of(owner, school) == [("operator", "set_school_security", {})] * 2


async def test_a_lost_second_factor_is_reset_at_every_school_of_its_user(
    tmp_path: Path,
    database_url: str,
    school: School,
    other_school: School,
    owner: AsyncEngine,
    watch: Watch,
) -> None:
    person = await protected(school, watch, Role.TEACHER)
    async with school.sessions.begin() as session:
        await Users(session).join([person.id], other_school.id, [Role.TEACHER])
    reset = run(tmp_path, database_url, "user", "reset-second-factor", person.name.upper())
    nobody = run(tmp_path, database_url, "user", "reset-second-factor", "nobody-at-all")

    assert reset.returncode == 0, reset.stderr
    assert "second_factor.reset" in reset.stderr
    assert nobody.returncode == 1
    assert "There is no such user" in nobody.stderr
    # The phone may be in other hands, and the session on it.
    assert (await person.client.get("/v1/me")).status_code == 401
    ok(await person.log_in())
    done = ("operator", "reset_second_factor", {"user": [str(person.id)]})
    assert done in await events_of(owner, school)
    assert done in await events_of(owner, other_school)


async def events_of(owner: AsyncEngine, school: School) -> list[tuple[Any, ...]]:
    """Return what the operator did at a school."""
    async with owner.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT actor, action, subjects FROM audit_events"
                " WHERE school_id = :id AND actor = 'operator' ORDER BY id"
            ),
            {"id": school.id},
        )
        return [tuple(row) for row in found]


async def test_a_login_is_disabled_and_enabled_at_all_schools(
    tmp_path: Path, database_url: str, app: FastAPI, school: School, other_school: School
) -> None:
    """SEC-18: and the trail of each school says that the operator did it."""
    user_id, name, person = await school.user(Role.TEACHER)
    async with school.sessions.begin() as session:
        await Users(session).join([user_id], other_school.id, [Role.TEACHER])

    off = run(tmp_path, database_url, "user", "disable", name.upper())
    assert off.returncode == 0
    assert (await person.get("/v1/me")).status_code == 401
    async with client_of(app) as client:
        problem(await log_in(client, name), 400, "invalid-grant")
        assert run(tmp_path, database_url, "user", "enable", name).returncode == 0
        ok(await log_in(client, name))
    assert (await person.get("/v1/me")).status_code == 401
    for each in (school, other_school):
        admin = await each.as_(Role.ADMIN)
        events = ok(await admin.get("/v1/audit-events", params={"subject": str(user_id)}))["items"]
        assert [(event["action"], event["actor"]["kind"]) for event in events] == [
            ("enable_user", "operator"),
            ("disable_user", "operator"),
        ]
    nobody = run(tmp_path, database_url, "user", "disable", "nobody.at.all")
    assert (nobody.returncode, nobody.stderr) == (1, "itschool: There is no such user.\n")


def test_a_chosen_user_name_looks_like_no_other(tmp_path: Path, database_url: str) -> None:
    who = ("--role", "manager", "--first-name", "An", "--last-name", "P", "--user-name", "an p")
    ended = run(tmp_path, database_url, "user", "create", str(uuid4()), *who)

    assert ended.returncode == 2
    assert "user_name" in ended.stderr
