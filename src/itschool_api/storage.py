"""Files: bytes under a key, in a local folder.

Keys begin with the school's id; what they hold is written once and never changed. It is removed
only where the law wants it gone: an export after some days, a bank's file when its retention ends.
Nobody reaches a file by its key: whoever asks for one names a row, and is held to it.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from obstore.store import LocalStore


class Storage:
    """Where files are kept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._store = LocalStore(self._folder, mkdir=True)

    async def keep(self, school_id: UUID, name: str, content: bytes) -> str:
        """Write `content` and return its key; the same name again overwrites nothing else.

        When this returns, a loss of power takes it no more: its row may be committed.
        """
        key = key_of(school_id, name)
        await self._store.put_async(key, content)
        await asyncio.to_thread(self._settle, key)
        return key

    async def read(self, key: str) -> bytes:
        """Return what lies under `key`; raises `FileNotFoundError`."""
        result = await self._store.get_async(key)
        return bytes(await result.bytes_async())

    async def remove(self, key: str) -> None:
        """Remove what lies under `key`, for good; nothing there is as good as removed."""
        with suppress(FileNotFoundError):
            await self._store.delete_async(key)

    async def names(self, school_id: UUID, folder: str) -> Sequence[tuple[str, datetime]]:
        """Return the keys below a folder of a school, with when each was written."""
        # In a thread: the library lists a folder of this machine while the caller waits.
        found = await asyncio.to_thread(
            lambda: [each for part in self._store.list(key_of(school_id, folder)) for each in part]
        )
        return [(each["path"], each["last_modified"]) for each in found]

    def _settle(self, key: str) -> None:
        """Let the disk have a file, and the folders that name it: the library waits for neither."""
        path = self._folder / key
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        if os.name == "nt":  # which opens no folders, and writes them with their files
            return
        for folder in path.parents:
            if not folder.is_relative_to(self._folder):
                break
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


def key_of(school_id: UUID, name: str) -> str:
    """Return the key of a school's file."""
    return f"{school_id}/{name}"
