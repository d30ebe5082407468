"""HTTP for load balancers: whether the process lives, and whether it can serve."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from itschool_api import errors, schema
from itschool_api.contract import Document

router = APIRouter(prefix="/health", tags=["health"])
_PATIENCE_SECONDS = 3


class DatabaseUnavailable(errors.Unavailable):
    """The database does not answer."""


class MigrationsPending(errors.Unavailable):
    """The database is not at the form that this program needs: run `itschool db upgrade`."""


class Health(Document):
    """All is well."""

    status: Literal["ok"] = Field("ok", examples=["ok"])


@router.get("/live")
async def read_liveness() -> Health:
    """Tell that the process lives."""
    return Health()


@router.get("/ready", responses=errors.responses(DatabaseUnavailable, MigrationsPending))
async def read_readiness(request: Request) -> Health:
    """Tell that requests can be served: the database answers, and its tables are the newest."""
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), request.app.state.sessions() as session:
            query = text("SELECT version_num FROM alembic_version")
            found = (await session.execute(query)).scalar_one_or_none()
    except (DBAPIError, PoolExhausted, OSError, TimeoutError) as error:
        raise DatabaseUnavailable from error
    if found != schema.head():
        raise MigrationsPending
    return Health()
