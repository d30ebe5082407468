"""Files: bytes under a key, in a local folder.

Keys begin with the school's id; what they hold is written once and never changed.
"""

from pathlib import Path
from uuid import UUID

from obstore.store import LocalStore


class Storage:
    """Where files are kept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._store = LocalStore(folder.resolve(), mkdir=True)

    async def keep(self, school_id: UUID, name: str, content: bytes) -> str:
        """Write `content` and return its key; the same name again overwrites nothing else."""
        key = f"{school_id}/{name}"
        await self._store.put_async(key, content)
        return key

    async def read(self, key: str) -> bytes:
        """Return what lies under `key`; raises `FileNotFoundError`."""
        result = await self._store.get_async(key)
        return bytes(await result.bytes_async())
