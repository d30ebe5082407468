"""A job for an endpoint: whatever is due there is sent, and its row says what came of it.

In rounds of three steps: deliveries are claimed for a while, and committed; they are sent, while no
connection to the database is held; what came of each is written. Whoever stops in between leaves
them claimed; the job is taken up by another worker, which sends them again, with the same id. Of
two jobs for one endpoint, one sends, and the other leaves it what is due: so a receiver that lets
us wait holds up one job, and not all there can be. While nothing arrives, the rest of what is due
waits for the first to be tried again: an endpoint that is down costs a few tries, however much is
told to it.

An endpoint's row is held before those of its deliveries, here and wherever it is changed.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, trail
from itschool_api.auth import service as auth
from itschool_api.auth.caller import Scope
from itschool_api.database import Sessions, school_transaction, update_many
from itschool_api.outbox import service as outbox
from itschool_api.webhooks import models, patience, service, signing
from itschool_api.webhooks.courier import MOST_SECONDS, Answer, Courier
from itschool_api.webhooks.repository import Deliveries, Endpoints
from itschool_api.webhooks.service import Sealing

_ROUND: Final = 20
_AT_ONCE: Final = 5
# Then other endpoints have their turn.
_MOST_ROUNDS: Final = 25
# Longer than a round can take.
_CLAIM: Final = timedelta(seconds=2 * MOST_SECONDS * _ROUND / _AT_ONCE)
_TOO_OLD: Final = "It could not be delivered for too long."
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """What a round is to send, and where to."""

    url: str
    secrets: Sequence[str]
    rows: Sequence[Any]


async def deliver(
    sessions: Sessions, sealing: Sealing, school_id: UUID, endpoint_id: UUID, *, job_id: int
) -> datetime | None:
    """Send what is due at an endpoint; return when the job has something to do again, or None."""
    async with Courier(sealing.rules) as courier:
        for _ in range(_MOST_ROUNDS):
            claimed = await _claim(sessions, sealing, school_id, endpoint_id, job_id)
            if claimed is None:
                break
            answers = await _send(courier, claimed)
            if not await _note(sessions, school_id, endpoint_id, job_id, claimed, answers):
                break
    async with school_transaction(sessions, school_id) as session:
        deliveries = Deliveries(session, school_id)
        if await deliveries.are_sent(endpoint_id, job_id, clock.now()):
            return None  # by a job that asks the same once it is through
        return await deliveries.next_due(endpoint_id, job_id)


async def _claim(
    sessions: Sessions, sealing: Sealing, school_id: UUID, endpoint_id: UUID, job_id: int
) -> _Claimed | None:
    """Take what is due, for as long as a round can take; None where there is nothing to do."""
    now = clock.now()
    async with school_transaction(sessions, school_id) as session:
        endpoint = await Endpoints(session, school_id).taken(endpoint_id)
        if endpoint is None or not endpoint.enabled:
            return None
        deliveries = Deliveries(session, school_id)
        if await deliveries.are_sent(endpoint_id, job_id, now):
            return None
        await deliveries.give_up(
            endpoint_id,
            _TOO_OLD,
            models.WebhookDelivery.queued_at < now - patience.LONGEST,
            models.WebhookDelivery.next_attempt_at <= now,
        )
        rows = await deliveries.claim(endpoint_id, job_id, now, now + _CLAIM, _ROUND)
    if not rows:
        return None
    return _Claimed(endpoint.url, _secrets(sealing, endpoint, now), rows)


def _secrets(sealing: Sealing, endpoint: models.WebhookEndpoint, now: datetime) -> list[str]:
    """Return what signs now, the newest first."""
    versions = [endpoint.secret_version]
    if endpoint.previous_secret_until is not None and now < endpoint.previous_secret_until:
        versions.append(endpoint.secret_version - 1)
    return [signing.secret(sealing.key, endpoint.id, version) for version in versions]


async def _send(courier: Courier, claimed: _Claimed) -> list[Answer]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(row: Any) -> Answer:
        async with turn:
            body = row.body.encode()
            headers = signing.headers(row.event_id, clock.now(), body, claimed.secrets)
            return await courier.send(claimed.url, headers, body)

    return await asyncio.gather(*(one(row) for row in claimed.rows))


async def _note(
    sessions: Sessions,
    school_id: UUID,
    endpoint_id: UUID,
    job_id: int,
    claimed: _Claimed,
    answers: Sequence[Answer],
) -> bool:
    """Write what came of a round; return whether it is worth going on.

    What was given up or queued again meanwhile is not this round's any more.
    """
    now = clock.now()
    noted = [_noted(row, answer, now) for row, answer in zip(claimed.rows, answers, strict=True)]
    arrived = any(answer.reason is None for answer in answers)
    is_gone = any(answer.status == HTTPStatus.GONE for answer in answers)
    async with school_transaction(sessions, school_id) as session:
        endpoint = await Endpoints(session, school_id).taken(endpoint_id)
        if endpoint is None:
            return False
        still_ours = models.WebhookDelivery.claimed_by == job_id
        await update_many(session, models.WebhookDelivery, school_id, noted, still_ours)
        # Who answered at another address says nothing about this one.
        if endpoint.url == claimed.url:
            retries = [
                row["next_attempt_at"] for row in noted if row["next_attempt_at"] is not None
            ]
            if not arrived and retries:
                await Deliveries(session, school_id).postpone(endpoint_id, min(retries))
            await _judge(session, endpoint, arrived=arrived, is_gone=is_gone, now=now)
    _log.info(
        "webhooks.sent",
        endpoint=str(endpoint_id),
        count=len(noted),
        failed=sum(answer.reason is not None for answer in answers),
    )
    return arrived and not is_gone


def _noted(row: Any, answer: Answer, now: datetime) -> dict[str, Any]:
    """Return what a delivery's row is to say."""
    attempts = row.attempts + 1
    wait = None if answer.reason is None else patience.wait_after(attempts)
    ended = "succeeded" if answer.reason is None else "failed"
    return {
        "id": row.id,
        "status": ended if wait is None else "pending",
        "attempts": attempts,
        "next_attempt_at": None if wait is None else now + wait,
        "claimed_by": None,
        "attempted_at": now,
        "response_status": answer.status,
        "duration_ms": answer.duration_ms,
        "reply": answer.reply,
        "reason": answer.reason,
    }


async def _judge(
    session: AsyncSession,
    endpoint: models.WebhookEndpoint,
    *,
    arrived: bool,
    is_gone: bool,
    now: datetime,
) -> None:
    """Remember since when an endpoint fails; after days of that, or if it asks to, give it up.

    Whoever can mend it is told by mail.

    (Standard Webhooks 1.0: 410 means that the receiver wants no more.)
    """
    school_id, endpoint_id = endpoint.school_id, endpoint.id
    since = endpoint.failing_since
    if arrived and since is not None:
        endpoint.failing_since = None
    if not arrived and since is None:
        endpoint.failing_since = now
    too_long = not arrived and since is not None and since < now - patience.DISABLED_AFTER
    if not (is_gone or too_long):
        return
    await session.flush()
    reason = "gone" if is_gone else "failing"
    if await service.disable(session, school_id, endpoint_id, reason) is not None:
        trail.begin(
            session,
            school_id,
            actor=trail.WORKER,
            action="disable_webhook_endpoint",
            subjects={"webhook_endpoint": endpoint_id},
        )
        people = await auth.who_may(session, school_id, Scope.WEBHOOKS_WRITE)
        addressees = [(user, endpoint_id) for user in people]
        await outbox.send_many(session, school_id, outbox.Kind.WEBHOOK_DISABLED, addressees)
