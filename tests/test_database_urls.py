"""A database's URL is taken as its provider prints it, or refused with what to write instead."""

import asyncio

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from itschool_api import worker
from itschool_api.settings import DatabaseSettings


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://app:s%40e@db/school", "postgresql+asyncpg://app:s%40e@db/school"),
        ("postgres://app@db:5433/school", "postgresql+asyncpg://app@db:5433/school"),
        (
            "postgresql+asyncpg://app@/school?host=/run",
            "postgresql+asyncpg://app@/school?host=/run",
        ),
        (
            "postgresql://app@db/school?sslmode=require",
            "postgresql+asyncpg://app@db/school?ssl=require",
        ),
    ],
)
def test_a_url_is_taken_as_providers_print_it(given: str, taken: str) -> None:
    settings = DatabaseSettings.model_validate({"DATABASE_URL": given, "DATABASE_OWNER_URL": given})

    found = make_url(settings.database_url or "")
    assert found == make_url(taken)
    assert settings.database_owner_url == settings.database_url


@pytest.mark.parametrize(
    ("given", "reason"),
    [("mysql://app@db/school", "there is no other engine"), ("db/school", "is not a URL")],
)
def test_what_is_no_postgresql_is_refused(given: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DatabaseSettings.model_validate({"DATABASE_URL": given})


def test_the_jobs_connection_takes_the_options_of_the_url(database_url: str) -> None:
    url = make_url(database_url).update_query_dict({"ssl": "disable"})

    async def _ping() -> object:
        connection = await worker.connected(url.render_as_string(hide_password=False))
        try:
            return await connection.fetchval("SELECT 1")
        finally:
            await connection.close()

    assert asyncio.run(_ping()) == 1
