"""What became of each message, and trying it again."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, pagination, trail
from itschool_api.pagination import Slice
from itschool_api.webhooks import models, telling
from itschool_api.webhooks.payloads import WebhookTest
from itschool_api.webhooks.repository import Deliveries, Endpoints
from itschool_api.webhooks.schemas import (
    DeliveryStatus,
    WebhookDelivery,
    WebhookDeliveryDetails,
    WebhookDeliveryPage,
    WebhookDeliverySort,
    delivery_facts,
    message_of,
)
from itschool_api.webhooks.service import WebhookEndpointNotFound

_ORDERS: Final = pagination.orders({"id": (models.WebhookDelivery.id,)})
# By then a worker has surely taken a job that is there.
_LATE: Final = timedelta(minutes=10)


class WebhookDeliveryNotFound(errors.NotFound):
    """There is no such webhook delivery."""


class WebhookDeliveryPending(errors.Conflict):
    """This delivery is being tried already."""


class WebhookEndpointDisabled(errors.Conflict):
    """The webhook endpoint is disabled: enable it first."""


async def list_deliveries(
    session: AsyncSession,
    school_id: UUID,
    wanted: Slice,
    *,
    endpoint_id: UUID | None,
    status: DeliveryStatus | None,
    sort: WebhookDeliverySort,
) -> WebhookDeliveryPage:
    """Return the school's deliveries."""
    query = Deliveries(session, school_id).selected()
    if endpoint_id is not None:
        query = query.where(models.WebhookDelivery.endpoint_id == endpoint_id)
    if status is not None:
        query = query.where(models.WebhookDelivery.status == status)
    rows, following = await pagination.rows(session, query, _ORDERS[sort], wanted)
    return WebhookDeliveryPage(
        items=[WebhookDelivery(**delivery_facts(row[0], row[1])) for row in rows], next=following
    )


async def read_delivery(
    session: AsyncSession, school_id: UUID, delivery_id: UUID
) -> WebhookDeliveryDetails:
    """Return a delivery and its message; raises `WebhookDeliveryNotFound`."""
    rows = Deliveries(session, school_id)
    query = rows.selected().where(models.WebhookDelivery.id == delivery_id)
    found = (await session.execute(query.execution_options(populate_existing=True))).one_or_none()
    if found is None:
        raise WebhookDeliveryNotFound
    delivery, event_type = found
    return WebhookDeliveryDetails(
        **delivery_facts(delivery, event_type),
        message=message_of(await rows.body(delivery.event_id)),
    )


async def send_test(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID
) -> WebhookDeliveryDetails:
    """Send an endpoint a message of no meaning.

    Raises `WebhookEndpointNotFound`, `WebhookEndpointDisabled`.
    """
    await _keep_enabled(session, school_id, endpoint_id)
    delivery_id = await telling.tell_one(
        session, school_id, endpoint_id, WebhookTest(endpoint_id=endpoint_id)
    )
    trail.about(session, webhook_delivery=delivery_id)
    return await read_delivery(session, school_id, delivery_id)


async def redeliver(
    session: AsyncSession, school_id: UUID, delivery_id: UUID
) -> WebhookDeliveryDetails:
    """Send a message again, with the same id: one that failed, or one that arrived.

    Raises `WebhookDeliveryNotFound`, `WebhookDeliveryPending`, `WebhookEndpointDisabled`.
    """
    rows = Deliveries(session, school_id)
    found = await rows.get(delivery_id)
    if found is None:
        raise WebhookDeliveryNotFound
    endpoint = await Endpoints(session, school_id).kept(found.endpoint_id)
    found = await rows.locked(delivery_id)
    if endpoint is None or found is None:
        raise WebhookDeliveryNotFound
    if found.status == DeliveryStatus.PENDING:
        raise WebhookDeliveryPending
    if not endpoint.enabled:
        raise WebhookEndpointDisabled
    await rows.requeue(found.endpoint_id, clock.now(), models.WebhookDelivery.id == delivery_id)
    await telling.enqueue(session, school_id, [found.endpoint_id])
    return await read_delivery(session, school_id, delivery_id)


async def redeliver_failed(
    session: AsyncSession, school_id: UUID, endpoint_id: UUID, since: datetime
) -> int:
    """Send again what failed at an endpoint of what happened since; return how many.

    Raises `WebhookEndpointNotFound`, `WebhookEndpointDisabled`.
    """
    await _keep_enabled(session, school_id, endpoint_id)
    queued = await Deliveries(session, school_id).requeue(
        endpoint_id,
        clock.now(),
        models.WebhookDelivery.status == DeliveryStatus.FAILED,
        models.WebhookDelivery.created_at >= since,
    )
    if queued:
        await telling.enqueue(session, school_id, [endpoint_id])
    else:
        trail.forget(session)
    return queued


async def revive(session: AsyncSession, school_id: UUID, living: Collection[UUID]) -> int:
    """Ask anew for each endpoint for which something is due although it has no job."""
    overdue = await Deliveries(session, school_id).overdue(clock.now() - _LATE)
    lost = [endpoint_id for endpoint_id in overdue if endpoint_id not in living]
    await telling.enqueue(session, school_id, lost)
    return len(lost)


async def _keep_enabled(session: AsyncSession, school_id: UUID, endpoint_id: UUID) -> None:
    """Let nobody disable or remove an endpoint before what is told to it now is written."""
    endpoint = await Endpoints(session, school_id).kept(endpoint_id)
    if endpoint is None:
        raise WebhookEndpointNotFound
    if not endpoint.enabled:
        raise WebhookEndpointDisabled
