"""Files that are kept."""

import os
import stat
from pathlib import Path
from uuid import uuid4

import pytest

from itschool_api.storage import Storage

pytestmark = pytest.mark.anyio


async def test_what_is_kept_is_on_the_disk_with_the_folders_that_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REL-23: what was committed with it must not outlive it in a loss of power."""
    settled = []

    def fsync(opened: int) -> None:
        found = os.fstat(opened)
        settled.append((found.st_ino, found.st_size if stat.S_ISREG(found.st_mode) else None))

    storage, school = Storage(tmp_path / "data"), uuid4()
    monkeypatch.setattr(os, "fsync", fsync)
    key = await storage.keep(school, "bank-files/1.cod", b"0000")

    folder = tmp_path / "data" / str(school) / "bank-files"
    assert settled == [
        ((folder / "1.cod").stat().st_ino, 4),
        (folder.stat().st_ino, None),
        (folder.parent.stat().st_ino, None),
        ((tmp_path / "data").stat().st_ino, None),
    ]
    assert await storage.read(key) == b"0000"
