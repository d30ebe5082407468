"""Payment details on the wire: JSON for an app, or the QR code as a picture, by `Accept`."""

from typing import Any, Final

from fastapi import Request, Response

from itschool_api import epc, errors, negotiation
from itschool_api.wallets.schemas import PaymentDetails

_JSON: Final = "application/json"
_SVG: Final = "image/svg+xml"
_PNG: Final = "image/png"

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "How to pay; as a picture, the EPC QR code.",
        "content": {
            _SVG: {"schema": {"type": "string", "contentMediaType": _SVG, "maxLength": 100_000}},
            _PNG: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "contentMediaType": _PNG,
                    "maxLength": 100_000,
                }
            },
        },
    },
    **errors.responses(errors.NotAcceptable),
}


def respond(request: Request, details: PaymentDetails) -> Response:
    """Return `details` in the form that the client likes best; raises `NotAcceptable`."""
    wanted = negotiation.preferred(request.headers.get("accept"), (_JSON, _SVG, _PNG))
    headers = {"Vary": "Accept, Authorization"}
    if wanted == _SVG:
        return Response(epc.svg(details.epc_payload), media_type=_SVG, headers=headers)
    if wanted == _PNG:
        return Response(epc.png(details.epc_payload), media_type=_PNG, headers=headers)
    return Response(details.model_dump_json(), media_type=_JSON, headers=headers)
