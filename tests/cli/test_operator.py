"""What the operator's commands refuse, in one line."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.kit import School

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
