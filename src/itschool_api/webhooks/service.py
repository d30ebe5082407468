"""Endpoints: where a school wants to be told, of what, and the secret that proves it.

What happens is told by `telling`, what became of it is in `deliveries`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination, trail
from itschool_api.auth import tokens
from itschool_api.database import new_id
from itschool_api.pagination import Order, Slice
from itschool_api.preconditions import Precondition
from itschool_api.settings import Settings
from itschool_api.webhooks import destinations, models, signing
from itschool_api.webhooks.destinations import NotADestination, Rules
from itschool_api.webhooks.repository import Deliveries, Endpoints
from itschool_api.webhooks.schemas import (
    CreatedWebhookEndpoint,
    NewWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointChanges,
    WebhookEndpointPage,
    WebhookSecret,
)

MOST_ENDPOINTS: Final = 20
_DISABLED: Final = "The endpoint was disabled."
_log = structlog.get_logger(__name__)


class WebhookEndpointNotFound(errors.NotFound):
    """There is no such webhook endpoint."""


class WebhookUrlRefused(errors.Unprocessable):
    """Nothing is sent to this URL."""


class TooManyWebhookEndpoints(errors.Conflict):
    """The school has as many webhook endpoints as it can have."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What this installation signs with, and where it sends to."""

    key: bytes
    rules: Rules


def sealing_of(settings: Settings) -> Sealing:
    """Return it as the settings say."""
    secret = settings.secret_key.get_secret_value()
    rules = Rules(frozenset(settings.webhook_ports), settings.webhook_loopback)
    return Sealing(tokens.derived_key(secret, "webhooks"), rules)


async def add_endpoint(
    session: AsyncSession, sealing: Sealing, school_id: UUID, form: NewWebhookEndpoint
) -> CreatedWebhookEndpoint:
    """Add an endpoint; raises `WebhookUrlRefused`, `TooManyWebhookEndpoints`."""
    _refuse_bad_url(sealing, form.url)
    endpoints = Endpoints(session, school_id)
    await endpoints.lock_count()
    if await endpoints.count() >= MOST_ENDPOINTS:
        raise TooManyWebhookEndpoints
    endpoint = models.WebhookEndpoint(
        school_id=school_id,
        id=new_id(),
        url=form.url,
        description=form.description,
        event_types=sorted(set(form.event_types)),
        enabled=form.enabled,
        secret_version=1,
        created_at=clock.now(),
    )
    session.add(endpoint)
    await session.flush()
    trail.about(session, webhook_endpoint=endpoint.id)
    return CreatedWebhookEndpoint(
        **WebhookEndpoint.model_validate(endpoint).model_dump(),
        secret=signing.secret(sealing.key, endpoint.id, 1),
    )


async def list_endpoints(
    session: AsyncSession, school_id: UUID, wanted: Slice
) -> WebhookEndpointPage:
    """Return the school's endpoints, newest first."""
    rows, following = await pagination.rows(
        session,
        Endpoints(session, school_id).selected(),
        Order((models.WebhookEndpoint.id,), descending=True),
        wanted,
    )
    items = [WebhookEndpoint.model_validate(row[0]) for row in rows]
    return WebhookEndpointPage(items=items, next=following)


async def endpoint(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID
) -> models.WebhookEndpoint:
    """Return an endpoint; raises `WebhookEndpointNotFound`."""
    found = await Endpoints(session, school_id).get(endpoint_id)
    if found is None:
        raise WebhookEndpointNotFound
    return found


async def change_endpoint(
    session: AsyncSession,
    sealing: Sealing,
    school_id: UUID,
    endpoint_id: UUID,
    changes: WebhookEndpointChanges,
    precondition: Precondition,
) -> WebhookEndpoint:
    """Change an endpoint; enabling it forgets how often it failed.

    Raises `WebhookEndpointNotFound`, `WebhookUrlRefused`, and what the precondition raises.
    """
    found = await _locked(session, school_id, endpoint_id)
    precondition.hold(WebhookEndpoint.model_validate(found))
    given = changes.given()
    if "url" in given:
        _refuse_bad_url(sealing, given["url"])
    if "event_types" in given:
        given["event_types"] = sorted(set(given["event_types"]))
    if "enabled" in given:
        found.disabled_reason = None
        if given["enabled"] and not found.enabled:
            found.failing_since = None
    for name, value in given.items():
        setattr(found, name, value)
    await session.flush()
    if not found.enabled:
        await Deliveries(session, school_id).give_up(endpoint_id, _DISABLED)
    return WebhookEndpoint.model_validate(found)


async def remove_endpoint(session: AsyncSession, school_id: UUID, endpoint_id: UUID) -> None:
    """Remove an endpoint and what is known of its deliveries; raises `WebhookEndpointNotFound`."""
    await _locked(session, school_id, endpoint_id)
    await Endpoints(session, school_id).remove(endpoint_id)


async def rotate_secret(
    session: AsyncSession,
    sealing: Sealing,
    school_id: UUID,
    endpoint_id: UUID,
    previous_valid: timedelta,
) -> WebhookSecret:
    """Give an endpoint a new secret; the one before signs beside it for a while, others no more.

    Raises `WebhookEndpointNotFound`.
    """
    found = await _locked(session, school_id, endpoint_id)
    found.secret_version += 1
    found.previous_secret_until = clock.now() + previous_valid if previous_valid else None
    await session.flush()
    _log.info("webhook.secret_rotated", endpoint=str(endpoint_id))
    return WebhookSecret(
        secret=signing.secret(sealing.key, endpoint_id, found.secret_version),
        previous_secret_until=found.previous_secret_until,
    )


async def disable(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID, reason: str
) -> models.WebhookEndpoint | None:
    """Disable an endpoint for a reason of the program's; None where it is disabled already."""
    found = await Endpoints(session, school_id).locked(endpoint_id)
    if found is None or not found.enabled:
        return None
    found.enabled, found.disabled_reason = False, reason
    await session.flush()
    await Deliveries(session, school_id).give_up(endpoint_id, _DISABLED)
    _log.warning("webhook.endpoint_disabled", endpoint=str(endpoint_id), reason=reason)
    return found


async def _locked(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID
) -> models.WebhookEndpoint:
    found = await Endpoints(session, school_id).locked(endpoint_id)
    if found is None:
        raise WebhookEndpointNotFound
    return found


def _refuse_bad_url(sealing: Sealing, url: str) -> None:
    try:
        destinations.read(url, sealing.rules)
    except NotADestination as reason:
        raise WebhookUrlRefused(str(reason)) from reason
