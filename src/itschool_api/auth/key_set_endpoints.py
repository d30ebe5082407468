"""HTTP: the public parts of the keys that sign access tokens, for programs that verify them."""

from fastapi import APIRouter, Request, Response

from itschool_api import clock
from itschool_api.auth.authenticate import STRANGERS
from itschool_api.auth.schemas import KeySet, PublicKey
from itschool_api.auth.signing_keys import CACHED_FOR

# Outside of any version: RFC 8615 gives such addresses a place of their own.
router = APIRouter(prefix="/.well-known", tags=["access"])


@router.get("/jwks.json", dependencies=STRANGERS)
async def read_key_set(request: Request, response: Response) -> KeySet:
    """Read the keys that access tokens are verified with (RFC 7517).

    A new key is here before it signs, and until its last token has expired. Whoever meets an
    unknown `kid` reads this again, at most once in five minutes. A valid signature says who asks;
    what they may do, this API alone knows.
    """
    response.headers["Cache-Control"] = f"public, max-age={int(CACHED_FOR.total_seconds())}"
    keys = request.app.state.keys.ring.public(clock.now())
    return KeySet(keys=[PublicKey.model_validate(key) for key in keys])
