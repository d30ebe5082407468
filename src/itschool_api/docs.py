"""The readable faces of the contract, from this origin alone and under a strict policy.

`/docs` is to try things, `/reference` to read.
"""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

from itschool_api import errors, openapi, reference

router = APIRouter(include_in_schema=False)

_STATIC: Final = files(__package__) / "static"
_MEDIA_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "docs.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "reference.css": "text/css",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# It has no scripts at all.
_REFERENCE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>itschool-api</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="docs"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/docs.js"></script>
  </body>
</html>
"""


@router.get("/docs")
async def read_docs() -> Response:
    """Return the page."""
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


@router.get("/reference")  # in a thread, for making the document takes most of a second
def read_reference(request: Request) -> Response:
    """Return the whole document as a page to read."""
    page = getattr(request.app.state, "reference", None)
    if page is None:
        page = reference.page(openapi.document(request.app)).encode()
        request.app.state.reference = page
    return Response(
        page, media_type="text/html", headers={"Content-Security-Policy": _REFERENCE_POLICY}
    )


@router.get("/docs/{name}")
async def read_docs_asset(name: str) -> Response:
    """Return one of the page's files."""
    if name not in _MEDIA_TYPES:
        raise errors.NotFound
    return Response(
        (_STATIC / name).read_bytes(),
        media_type=_MEDIA_TYPES[name],
        headers={"Cache-Control": "public, max-age=86400"},
    )
