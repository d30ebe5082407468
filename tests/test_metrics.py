"""What monitoring reads: to the operator alone, of nobody in particular, and never endless."""

import re
import secrets
from collections.abc import AsyncIterator
from importlib.metadata import version

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from itschool_api.app import create_app
from itschool_api.banking.coda.builders import payment
from itschool_api.money import Cents
from itschool_api.settings import Settings
from tests.kit import PAYER, School, client_of, open_school, problem
from tests.spare import Spare

TOKEN = secrets.token_urlsafe(48)
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}|[A-Z]{2}\d{14}|@")
pytestmark = pytest.mark.anyio


@pytest.fixture
async def watched(settings: Settings, database_url: str) -> AsyncIterator[FastAPI]:
    known = settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    app = create_app(known, database_url)
    async with app.router.lifespan_context(app):
        yield app


async def read(app: FastAPI) -> dict[str, float]:
    """Return all samples by their name and labels."""
    async with client_of(app, TOKEN) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    "token",
    [None, "", "x", TOKEN[:-1], TOKEN + "x"],
    ids=["none", "empty", "other", "short", "long"],
)
async def test_metrics_are_for_who_has_the_token(watched: FastAPI, token: str | None) -> None:
    async with client_of(watched, token) as client:
        problem(await client.get("/metrics"), 401, "unauthenticated")


async def test_without_a_setting_there_are_no_metrics(school: School) -> None:
    async with client_of(school.app, TOKEN) as client:
        problem(await client.get("/metrics"), 404, "not-found")
    problem(await school.manager.get("/metrics"), 404, "not-found")


async def test_what_happens_is_counted_and_nobody_is_named(watched: FastAPI) -> None:
    school = await open_school(watched)
    child = await school.child(first_name="Hildegard", last_name="Vanderauwera")
    data = school.coda(payment(child.reference, Cents(5_00), PAYER))
    await school.post_coda(data)
    await school.post_coda(data, status=200)
    await child.parent.get(f"/v1/wallets/{child.wallet_id}")

    found = await read(watched)

    assert found["itschool_requests_total POST /v1/bank-statements 201"] == 1
    assert found["itschool_requests_total POST /v1/bank-statements 200"] == 1
    assert found["itschool_requests_total GET /v1/wallets/{wallet_id} 200"] == 1
    assert found["itschool_request_seconds_count GET /v1/wallets/{wallet_id}"] == 1
    assert found["itschool_bank_files_total imported"] == 1
    assert found["itschool_bank_files_total nothing_new"] == 1
    assert found["itschool_bank_movements_total"] == 1
    assert found["itschool_bank_import_seconds_count"] == 2
    assert found["itschool_requests_in_flight"] == 1
    assert found["itschool_database_up"] == 1
    assert found["itschool_database_connections most"] >= 1
    assert any(name.endswith(f" {version('itschool-api')}") for name in found)
    names = "\n".join(name for name in found if "build_info" not in name)
    assert not _ID.search(names)
    for known in ("Hildegard", "Vanderauwera", child.user_name, child.reference, school.iban):
        assert known not in names


async def test_strangers_cannot_make_labels(watched: FastAPI) -> None:
    """A scanner tries thousands of addresses; none of them stays in memory."""
    before = len(await read(watched))
    async with client_of(watched) as client:
        for number in range(20):
            await client.get(f"/v1/{secrets.token_hex(8)}")
            await client.get(f"/problems/{secrets.token_hex(8)}")
            await client.request(f"BREW{number}", "/health/live")
            await client.request(f"BREW{number}", f"/{number}")

    found = await read(watched)

    assert found["itschool_requests_total GET (none) 404"] == 20
    assert len(found) - before < 120


async def test_jobs_and_mails_are_counted_by_state(watched: FastAPI, owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("TRUNCATE pgqueuer"))
        await connection.execute(
            text(
                "INSERT INTO pgqueuer (priority, status, entrypoint, execute_after) VALUES "
                "(0, 'queued', 'mail', now() - interval '90 seconds'), "
                "(0, 'queued', 'mail', now() + interval '1 hour'), "
                "(0, 'failed', 'mail', now() - interval '1 day'), "
                "(0, 'queued', 'export', now() + interval '1 hour')"
            )
        )

    found = await read(watched)

    assert found["itschool_jobs mail queued"] == 2
    assert found["itschool_jobs mail failed"] == 1
    assert 90 <= found["itschool_jobs_oldest_seconds mail"] < 180
    assert found["itschool_jobs_oldest_seconds export"] == 0
    assert (found["itschool_mails waiting"], found["itschool_mails failed"]) == (2, 1)
    assert found["itschool_mails sending"] == 0


async def test_without_a_database_that_is_what_is_told(settings: Settings, spare: Spare) -> None:
    """REL-20."""
    known = settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    app = create_app(known, spare.url)
    async with app.router.lifespan_context(app):
        await spare.drop()
        found = await read(app)
        await spare.make()

    assert found["itschool_database_up"] == 0
