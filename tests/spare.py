"""A database of a test's own, which it may break."""

import os

import asyncpg
from sqlalchemy.engine import make_url

from itschool_api.database import APPLICATION_ROLE


class Spare:
    """A database of the test's own, which it may break."""

    def __init__(self, name: str, admin: asyncpg.Connection) -> None:
        self.name = name
        self._admin = admin
        self._owner = make_url(os.environ["ITSCHOOL_TEST_OWNER_URL"]).set(database=name)
        role = self._owner.set(username=APPLICATION_ROLE, password=None)
        self.url = role.render_as_string(hide_password=False)
        self.owner_url = self._owner.render_as_string(hide_password=False)

    async def make(self) -> None:
        await self.drop()
        await self._admin.execute(f"CREATE DATABASE {self.name} TEMPLATE itschool_template")

    async def drop(self) -> None:
        await self._admin.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")

    async def run(self, statement: str) -> None:
        plain = self._owner.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(plain)
        await connection.execute(statement)
        await connection.close()
