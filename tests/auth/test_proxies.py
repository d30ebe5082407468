"""Whose word about addresses is believed, in the process that the operator starts (SEC-12)."""

import secrets
from pathlib import Path

import httpx2
import pytest

from itschool_api import clock
from itschool_api.auth import limits
from itschool_api.settings import Settings
from tests.auth.ways_in import log_in
from tests.served import served

pytestmark = pytest.mark.anyio

MOST = limits.FAILURES_PER_ACCOUNT_AND_ADDRESS


async def guesses(url: str, forwarded: list[str]) -> list[int]:
    """Guess at one account, each time with another header; return the statuses.

    Anew where a window of the limits ended meanwhile: another process has its own clock.
    """
    while True:
        began = limits.window_at(clock.now())
        name = f"nobody-{secrets.token_hex(6)}"
        statuses = []
        async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
            for value in forwarded:
                client.headers["X-Forwarded-For"] = value
                client.headers["X-Real-IP"] = value
                client.headers["Forwarded"] = f"for={value}"
                statuses.append(int((await log_in(client, name, "guess guess")).status_code))
        if limits.window_at(clock.now()) == began:
            return statuses


@pytest.mark.parametrize("options", [(), ("--trusted-proxies", "192.0.2.1,10.0.0.0/8")])
async def test_a_stranger_is_not_believed(
    settings: Settings, database_url: str, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """SEC-12: without proxies, and from a peer that is not one of them."""
    async with served(settings, database_url, tmp_path, *options) as url:
        made_up = [f"198.51.100.{place}" for place in range(MOST + 1)]
        assert await guesses(url, made_up) == [*[400] * MOST, 429]


async def test_a_listed_proxy_is_believed_and_what_it_passes_on_is_not(
    settings: Settings, database_url: str, tmp_path: Path
) -> None:
    """SEC-12: the address that the proxy saw counts, not what its client wrote before it."""
    async with served(
        settings, database_url, tmp_path, "--trusted-proxies", "127.0.0.1,10.0.0.0/8"
    ) as url:
        others = [f"198.51.100.{place}" for place in range(MOST + 1)]
        assert await guesses(url, others) == [400] * (MOST + 1)

        for behind in ("203.0.113.7", "203.0.113.8, 10.1.2.3"):
            made_up = [f"198.51.100.{place}, {behind}" for place in range(MOST + 1)]
            assert await guesses(url, made_up) == [*[400] * MOST, 429]
