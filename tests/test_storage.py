"""Files that are kept."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from itschool_api.storage import Storage

pytestmark = pytest.mark.anyio


async def test_what_is_kept_is_on_the_disk_with_the_folders_that_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REL-23: what was committed with it must not outlive it in a loss of power."""
    settled = {}

    def fsync(opened: int) -> None:
        path = Path(f"/proc/self/fd/{opened}").readlink()
        settled[path] = path.read_bytes() if path.is_file() else b""

    storage, school = Storage(tmp_path / "data"), uuid4()
    monkeypatch.setattr(os, "fsync", fsync)
    key = await storage.keep(school, "bank-files/1.cod", b"0000")

    folder = tmp_path / "data" / str(school) / "bank-files"
    assert settled == {
        folder / "1.cod": b"0000",
        folder: b"",
        folder.parent: b"",
        tmp_path / "data": b"",
    }
    assert await storage.read(key) == b"0000"
