"""HTTP for Prometheus: how the service does, without a word of any school or person.

What a process counts is its own; the jobs stand in the database, and each process tells all.
"""

import asyncio
import hmac
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool

from itschool_api import errors
from itschool_api.database import Sessions
from itschool_api.outbox.service import MAIL_JOB

router = APIRouter(include_in_schema=False)
_PATIENCE_SECONDS: Final = 3
# The queue's words for the jobs of mails, and ours.
_MAIL_STATES: Final = {"queued": "waiting", "picked": "sending", "failed": "failed"}
_log = structlog.get_logger(__name__)

# How many wait or failed, and for how many seconds the oldest one that could be done has waited.
_JOBS: Final = text(
    """
    SELECT entrypoint, status::text AS status, count(*) AS count,
        coalesce(extract(epoch FROM now() - min(execute_after)
            FILTER (WHERE status = 'queued' AND execute_after <= now())), 0)::float AS seconds
    FROM pgqueuer GROUP BY entrypoint, status
    """
)


@router.get("/metrics")
async def read_metrics(request: Request) -> Response:
    """Return everything in Prometheus' text format, to who has the operator's token."""
    state = request.app.state
    wanted = state.settings.metrics_token
    if wanted is None:
        raise errors.NotFound
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    expected = wanted.get_secret_value().encode()
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), expected):
        raise errors.Unauthenticated
    registry = CollectorRegistry()
    _pool(registry, state.sessions)
    await _jobs(registry, state.sessions)
    body = generate_latest(state.instruments.registry) + generate_latest(registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _pool(registry: CollectorRegistry, sessions: Sessions) -> None:
    pool = sessions.kw["bind"].sync_engine.pool
    if not isinstance(pool, QueuePool):
        return
    gauge = Gauge(
        "itschool_database_connections",
        "Connections of this process: `used` by requests, `idle`, and the `most` there may be.",
        ["state"],
        registry=registry,
    )
    gauge.labels("used").set(pool.checkedout())
    gauge.labels("idle").set(pool.checkedin())
    gauge.labels("most").set(pool.size())


async def _jobs(registry: CollectorRegistry, sessions: Sessions) -> None:
    """Ask the database; where it does not answer, that is what is told."""
    up = Gauge("itschool_database_up", "Whether the database answered.", registry=registry)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), sessions() as session:
            rows = (await session.execute(_JOBS)).all()
    except (DBAPIError, PoolExhausted, OSError, TimeoutError) as error:
        _log.warning("metrics.without_database", error=type(error).__name__)
        return
    up.set(1)
    counts = Gauge(
        "itschool_jobs", "Jobs, by kind and state.", ["kind", "state"], registry=registry
    )
    oldest = Gauge(
        "itschool_jobs_oldest_seconds",
        "For how long the oldest job that could be done has waited for a worker.",
        ["kind"],
        registry=registry,
    )
    mails = Gauge(
        "itschool_mails",
        "Mails of all schools: `waiting`, `sending`, or `failed` for a person to look at.",
        ["state"],
        registry=registry,
    )
    for state in _MAIL_STATES.values():
        mails.labels(state).set(0)
    for job, state, count, seconds in rows:
        counts.labels(job, state).set(count)
        if state == "queued":
            oldest.labels(job).set(seconds)
        if job == MAIL_JOB and state in _MAIL_STATES:
            mails.labels(_MAIL_STATES[state]).set(count)
