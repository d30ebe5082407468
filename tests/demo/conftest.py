"""One demonstration for the whole run: the tests of this folder run in one process."""

import socket
from collections.abc import Iterator

import pytest

from tests.demo.process import Demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Demo(tmp_path_factory.mktemp("demo"), port)
    made.start()
    yield made
    made.stop()
