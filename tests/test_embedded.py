"""The embedded PostgreSQL: started, stopped, started again, joined, found after a kill."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from itschool_api import embedded


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder outside of pytest's own: each run of pytest shuts that to other users.

    (As root, PostgreSQL runs as another user.)
    """
    with tempfile.TemporaryDirectory(prefix="itschool-", ignore_cleanup_errors=True) as made:
        folder = Path(made) / "postgres"
        yield folder
        if (folder / "postmaster.pid").exists():
            os.kill(_pid(folder), signal.SIGINT)


def _pid(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().splitlines()[0])


def test_one_process_can_stop_it_and_start_it_again(folder: Path) -> None:
    first = embedded.start(folder)
    first.run("CREATE TABLE kept (id int)")
    first.stop()
    assert not (folder / "postmaster.pid").exists()

    second = embedded.start(folder)

    assert second.owned
    assert second.run("SELECT count(*) FROM kept").strip() == "0"
    second.stop()


def test_a_removed_folder_gets_a_new_one(folder: Path) -> None:
    embedded.start(folder).stop()
    shutil.rmtree(folder)

    anew = embedded.start(folder)

    assert anew.run("SELECT 1").strip() == "1"
    anew.stop()


def test_who_joins_it_does_not_stop_it(folder: Path) -> None:
    owner = embedded.start(folder)

    guest = embedded.start(folder)
    guest.stop()

    assert not guest.owned
    assert owner.run("SELECT 1").strip() == "1"
    owner.stop()


def test_one_that_was_killed_is_started_anew(folder: Path) -> None:
    embedded.start(folder)
    killed = _pid(folder)
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{killed}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)

    again = embedded.start(folder)

    assert again.owned
    assert again.run("SELECT 1").strip() == "1"
    again.stop()


def test_one_that_comes_up_late_is_joined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = embedded.start(folder)
    before.stop()
    library = type(before.handle)
    start = library.start
    tries = []

    def start_slowly(self: Any) -> None:
        start(self)
        tries.append(self)
        if len(tries) == 1:
            raise subprocess.TimeoutExpired("pg_ctl", 10)

    monkeypatch.setattr(library, "start", start_slowly)

    late = embedded.start(folder)

    assert len(tries) == 2
    assert late.run("SELECT 1").strip() == "1"
    late.stop()
