"""The two schools of the access tests, made once for each worker."""

import pytest
from fastapi import FastAPI

from tests.access.world import World, build


@pytest.fixture(scope="session")
async def world(app: FastAPI) -> World:
    return await build(app)
