"""Payment details on the wire: JSON for an app, or the QR code as a picture, by `Accept`."""

from typing import Any, Final

from fastapi import Request, Response

from itschool_api import epc, errors
from itschool_api.wallets.schemas import PaymentDetails

_JSON: Final = "application/json"
_SVG: Final = "image/svg+xml"
_PNG: Final = "image/png"

RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "How to pay; as a picture, the EPC QR code.",
        "content": {
            _SVG: {"schema": {"type": "string", "contentMediaType": _SVG, "maxLength": 100_000}},
            _PNG: {"schema": {"type": "string", "contentMediaType": _PNG, "maxLength": 100_000}},
        },
    },
    **errors.responses(errors.NotAcceptable),
}


def respond(request: Request, details: PaymentDetails) -> Response:
    """Return `details` in the form that the client likes best; raises `NotAcceptable`."""
    wanted = _preferred(request.headers.get("accept", "*/*"))
    headers = {"Vary": "Accept, Authorization"}
    if wanted == _SVG:
        return Response(epc.svg(details.epc_payload), media_type=_SVG, headers=headers)
    if wanted == _PNG:
        return Response(epc.png(details.epc_payload), media_type=_PNG, headers=headers)
    return Response(details.model_dump_json(), media_type=_JSON, headers=headers)


def _preferred(accept: str) -> str:
    """Choose by quality, then by the client's order (RFC 9110, section 12.5.1)."""
    wishes = []
    for place, part in enumerate(accept.split(",")):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1000
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                quality = _thousandths(value)
        wishes.append((-quality, place, media_range))
    for negated, _, media_range in sorted(wishes):
        if negated == 0:
            continue
        for offered in (_JSON, _SVG, _PNG):
            kind = offered.split("/")[0]
            if media_range in {offered, f"{kind}/*", "*/*"}:
                return offered
    raise errors.NotAcceptable(f"Accept one of {_JSON}, {_SVG}, {_PNG}.")


def _thousandths(quality: str) -> int:
    whole, _, decimals = quality.partition(".")
    digits = whole + decimals.ljust(3, "0")[:3]
    return min(int(digits), 1000) if digits.isdecimal() else 0
