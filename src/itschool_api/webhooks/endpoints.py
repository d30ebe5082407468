"""HTTP: where a school's own systems are told what happens, and what became of it."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Security

from itschool_api import errors, preconditions
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.pagination import InvalidCursor, Wanted, sorted_by
from itschool_api.preconditions import MadeFrom
from itschool_api.webhooks import deliveries, service
from itschool_api.webhooks.schemas import (
    CreatedWebhookEndpoint,
    DeliveryStatus,
    NewWebhookEndpoint,
    Redelivery,
    RedeliveryReport,
    WebhookDeliveryDetails,
    WebhookDeliveryPage,
    WebhookDeliverySort,
    WebhookEndpoint,
    WebhookEndpointChanges,
    WebhookEndpointPage,
    WebhookSecret,
    WebhookSecretRotation,
)

router = APIRouter(prefix="/v1", tags=["webhooks"])

WebhookReader = Annotated[Caller, Security(authenticate, scopes=[Scope.WEBHOOKS_READ])]
WebhookWriter = Annotated[
    Caller, Security(authenticate, scopes=[Scope.WEBHOOKS_READ, Scope.WEBHOOKS_WRITE])
]


def _sealing(request: Request) -> service.Sealing:
    return service.sealing_of(request.app.state.settings)


@router.post(
    "/webhook-endpoints",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.WebhookUrlRefused, service.TooManyWebhookEndpoints),
)
async def create_webhook_endpoint(
    request: Request, session: Transaction, caller: WebhookWriter, form: NewWebhookEndpoint
) -> CreatedWebhookEndpoint:
    """Let a system of the school's be told what happens; its secret is shown this once.

    Messages are signed as [Standard Webhooks](https://www.standardwebhooks.com) says. Each comes
    at least once, in no promised order: know it by its `webhook-id`. What is not answered by a
    2xx within 15 seconds is sent again, with growing pauses, for three days. The messages
    themselves are described under `webhooks` in this document.
    """
    return await service.add_endpoint(session, _sealing(request), caller.school_id, form)


@router.get("/webhook-endpoints", responses=errors.responses(InvalidCursor))
async def list_webhook_endpoints(
    session: Transaction, caller: WebhookReader, wanted: Wanted
) -> WebhookEndpointPage:
    """List the systems that are told, newest first, without their secrets."""
    return await service.list_endpoints(session, caller.school_id, wanted)


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    responses=errors.responses(service.WebhookEndpointNotFound),
)
async def read_webhook_endpoint(
    session: Transaction, caller: WebhookReader, endpoint_id: UUID
) -> WebhookEndpoint:
    """Read what a system is told, and whether it answers."""
    found = await service.endpoint(session, caller.school_id, endpoint_id)
    return WebhookEndpoint.model_validate(found)


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    responses=errors.responses(
        service.WebhookEndpointNotFound, service.WebhookUrlRefused, *preconditions.REFUSALS
    ),
)
async def change_webhook_endpoint(
    request: Request,
    session: Transaction,
    caller: WebhookWriter,
    endpoint_id: UUID,
    form: WebhookEndpointChanges,
    made_from: MadeFrom,
) -> WebhookEndpoint:
    """Say anew where a system is and what it is told, disable it, or enable it again."""
    return await service.change_endpoint(
        session, _sealing(request), caller.school_id, endpoint_id, form, made_from
    )


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(service.WebhookEndpointNotFound),
)
async def delete_webhook_endpoint(
    session: Transaction, caller: WebhookWriter, endpoint_id: UUID
) -> None:
    """Tell a system nothing any more, and forget what was told to it."""
    await service.remove_endpoint(session, caller.school_id, endpoint_id)


@router.post(
    "/webhook-endpoints/{endpoint_id}/secret-rotations",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.WebhookEndpointNotFound),
)
async def rotate_webhook_secret(
    request: Request,
    session: Transaction,
    caller: WebhookWriter,
    endpoint_id: UUID,
    form: WebhookSecretRotation,
) -> WebhookSecret:
    """Make a new secret, which is shown this once.

    For a day, messages carry a signature by the former one too, so that none is refused while you
    change it over there. A second rotation within that day ends the one before the former.
    """
    return await service.rotate_secret(
        session,
        _sealing(request),
        caller.school_id,
        endpoint_id,
        timedelta(hours=form.previous_valid_hours),
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(service.WebhookEndpointNotFound, deliveries.WebhookEndpointDisabled),
)
async def send_test_webhook(
    session: Transaction, caller: WebhookWriter, endpoint_id: UUID
) -> WebhookDeliveryDetails:
    """Send a `webhook.test`; read the delivery a moment later to see what came of it."""
    return await deliveries.send_test(session, caller.school_id, endpoint_id)


@router.post(
    "/webhook-endpoints/{endpoint_id}/redeliveries",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(service.WebhookEndpointNotFound, deliveries.WebhookEndpointDisabled),
)
async def redeliver_failed_webhooks(
    session: Transaction, caller: WebhookWriter, endpoint_id: UUID, form: Redelivery
) -> RedeliveryReport:
    """Send again everything that failed at this system since an instant, with the same ids."""
    queued = await deliveries.redeliver_failed(session, caller.school_id, endpoint_id, form.since)
    return RedeliveryReport(queued=queued)


@router.get("/webhook-deliveries", responses=errors.responses(InvalidCursor))
async def list_webhook_deliveries(
    session: Transaction,
    caller: WebhookReader,
    wanted: Wanted,
    endpoint: Annotated[UUID | None, Query(description="To this endpoint only.")] = None,
    status: Annotated[DeliveryStatus | None, Query(description="In this state only.")] = None,
    sort: Annotated[
        WebhookDeliverySort, sorted_by("`id`: the order in which they were made.")
    ] = "-id",
) -> WebhookDeliveryPage:
    """List what was told to whom in the last 30 days, and whether it arrived.

    By default the newest comes first.
    """
    return await deliveries.list_deliveries(
        session, caller.school_id, wanted, endpoint_id=endpoint, status=status, sort=sort
    )


@router.get(
    "/webhook-deliveries/{delivery_id}",
    responses=errors.responses(deliveries.WebhookDeliveryNotFound),
)
async def read_webhook_delivery(
    session: Transaction, caller: WebhookReader, delivery_id: UUID
) -> WebhookDeliveryDetails:
    """Read a message, and how its last try went."""
    return await deliveries.read_delivery(session, caller.school_id, delivery_id)


@router.post(
    "/webhook-deliveries/{delivery_id}/redelivery",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(
        deliveries.WebhookDeliveryNotFound,
        deliveries.WebhookDeliveryPending,
        deliveries.WebhookEndpointDisabled,
    ),
)
async def redeliver_webhook(
    session: Transaction, caller: WebhookWriter, delivery_id: UUID
) -> WebhookDeliveryDetails:
    """Send a message again with the same id, whether it failed or arrived."""
    return await deliveries.redeliver(session, caller.school_id, delivery_id)
