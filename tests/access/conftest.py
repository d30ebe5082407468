"""The two schools of the access tests, made once for each worker."""

from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI

from tests.access.world import World, build


@pytest.fixture(scope="session")
async def world(app: FastAPI) -> World:
    usual = app.state.authority
    # On a busy machine these tests take longer than an access token lives.
    app.state.authority = replace(usual, access_life=timedelta(hours=3))
    made = await build(app)
    app.state.authority = usual
    return made
