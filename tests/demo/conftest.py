"""One demonstration for the whole run: the tests of this folder run in one process."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.process import Demo


@pytest.fixture(scope="session")
def demo() -> Iterator[Demo]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not in pytest's own folder, which each run of pytest shuts to other users: as root,
    # PostgreSQL runs as another user.
    with tempfile.TemporaryDirectory(prefix="itschool-demo-", ignore_cleanup_errors=True) as folder:
        made = Demo(Path(folder), port)
        made.start()
        yield made
        made.stop()
