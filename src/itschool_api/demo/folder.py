"""The folder that one demonstration keeps everything in: its secret, database, files and mails.

Nothing here is written outside of it, and nothing is removed that a demonstration did not make.
"""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from itschool_api import embedded
from itschool_api.demo.filling import Filled


class FolderRefused(Exception):
    """The folder cannot be the demonstration's; the message says why and what to do."""


class Folder:
    """A data folder that this process holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filled = path / "filled.json"

    @property
    def next_file(self) -> Path:
        """Return where the bank's next file lies."""
        return self.path / "next.cod"

    @property
    def mails(self) -> Path:
        """Return where e-mails are kept, for want of a mail server."""
        return self.path / "mails"

    def secret(self) -> str:
        """Return the demonstration's own secret, made at the first call."""
        kept = self.path / "secret"
        if not kept.exists():
            _write_private(kept, secrets.token_urlsafe(48))
        return kept.read_text()

    def api_key(self) -> str | None:
        """Return the API key of a database that was filled to its end, or None."""
        try:
            return str(json.loads(self._filled.read_text())["api_key"])
        except FileNotFoundError:
            return None

    def keep(self, filled: Filled) -> None:
        """Keep what belongs to a filled database; that it is there tells that it is."""
        self.next_file.write_bytes(filled.next_file)
        _write_private(self._filled, json.dumps({"api_key": filled.api_key}))

    def clear(self) -> None:
        """Remove what an interrupted filling left."""
        database = self.path / "postgres"
        if (database / "postmaster.pid").exists():
            # One that a killed demonstration left is this one's now.
            replace(embedded.start(database), owned=True).stop()
        for each in (database, self.path / "files", self.mails):
            shutil.rmtree(each, ignore_errors=True)
        self.next_file.unlink(missing_ok=True)


@contextmanager
def held(path: Path) -> Iterator[Folder]:
    """Hold `path` for this process alone, making it where it is missing.

    Raises `FolderRefused`.
    """
    path = path.expanduser().resolve()
    lock = path / "demo.lock"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()) and not lock.exists():
            raise FolderRefused(
                f"{path} holds something else: name an empty or a new folder with --data-dir."
            )
        file = lock.open("a")
    except OSError as error:
        raise FolderRefused(
            f"{path} cannot be written to ({error.strerror}): name another folder with --data-dir."
        ) from error
    with file:
        if not _locked(file.fileno()):
            raise FolderRefused(
                f"{path} is used by another demonstration: stop that one, or name another folder "
                "with --data-dir."
            )
        yield Folder(path)


def _locked(descriptor: int) -> bool:
    """Lock a file until it is closed, by whatever end of the process; False: it is another's."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there is none elsewhere

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - there is none on Windows

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_suffix(".part")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - the mode from the beginning
        file.write(text)
    beside.replace(path)
