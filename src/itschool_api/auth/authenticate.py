"""From a request to its caller: `Security(authenticate, scopes=[…])` is an operation's policy."""

import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer, OAuth2PasswordBearer, SecurityScopes
from structlog.contextvars import bind_contextvars

from itschool_api import clock, errors, trail
from itschool_api.auth import caller as policy
from itschool_api.auth import credentials, limits, tokens
from itschool_api.auth.caller import Caller, Role, Scope
from itschool_api.auth.repository import ApiKeys, UserSessions
from itschool_api.database import Transaction, enter_school

_log = structlog.get_logger(__name__)
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TOUCH_EVERY = timedelta(minutes=1)

_oauth2 = OAuth2PasswordBearer(
    tokenUrl="/v1/auth/token",
    refreshUrl="/v1/auth/token",
    scheme_name="person",
    scopes={scope.value: text for scope, text in policy.DESCRIPTIONS.items()},
    auto_error=False,
    description="People: log in with user name and password. Access tokens are JWTs that keep to "
    "RFC8725: one algorithm, each claim that is required, and no key that a token brings.",
)
_bearer = HTTPBearer(
    scheme_name="api_key",
    bearerFormat="its_<school>_<key>_<secret>",
    auto_error=False,
    description="A school's programs: an API key as the bearer token.",
)


class InvalidApiKey(errors.Unauthenticated):
    """The API key is not valid, or not any more."""

    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012 - never changed


class InsufficientScope(errors.Forbidden):
    """Your role or API key does not allow this."""


class PasswordNotSet(errors.Forbidden):
    """Set your password first (`PUT /v1/me/password`): a login token lets you do nothing else."""


class SecondFactorEnrolmentRequired(errors.Forbidden):
    """Your school asks a second factor of its staff: set yours up, then go on."""


async def authenticate(
    scopes: SecurityScopes,
    request: Request,
    session: Transaction,
    person: Annotated[str | None, Depends(_oauth2)],
    _key: Annotated[object, Depends(_bearer)],
) -> Caller:
    """Establish who calls, enter their school, and hold them to the operation's scopes.

    Roles and sessions are read anew at each request, so that their end counts from the next one.
    Raises `Unauthenticated`, `InvalidAccessToken`, `InvalidApiKey`, `InsufficientScope`,
    `PasswordNotSet`, `SecondFactorEnrolmentRequired`, `RateLimited`.
    """
    try:
        caller = await _caller(request, session, person)
    except errors.Unauthenticated:
        await count_stranger(request)
        raise
    _spend(request, caller.name)
    bind_contextvars(school=str(caller.school_id), caller=caller.name)
    if request.method not in _SAFE_METHODS:
        trail.begin(
            session,
            caller.school_id,
            actor=caller.name,
            action=request.scope["route"].name,
            subjects=_ids(request.path_params),
        )
    missing = [scope for scope in scopes.scopes if Scope(scope) not in caller.reach]
    if missing and caller.sets_password_only:
        raise PasswordNotSet
    if missing and caller.lacks_second_factor:
        raise SecondFactorEnrolmentRequired
    if missing:
        raise InsufficientScope(f"It needs {' and '.join(missing)}.")
    return caller


def address_of(request: Request) -> str:
    """Return the address that a request counts for."""
    return limits.origin(request.client.host) if request.client else "unknown"


async def count_stranger(request: Request) -> None:
    """Count a request of somebody who is not known; raises `RateLimited`."""
    _spend(request, f"address:{address_of(request)}")


STRANGERS: Final = (Depends(count_stranger),)
"""The policy of an operation for everybody: it counts for their address."""


def _spend(request: Request, who: str) -> None:
    request.state.quota = request.app.state.throttle.spend(who)


async def _caller(request: Request, session: Transaction, person: str | None) -> Caller:
    if not person:
        raise errors.Unauthenticated
    if person.startswith(credentials.API_KEY_PREFIX):
        return await _key_caller(session, person)
    return await _user_caller(session, await request.app.state.keys.verify(person))


def _ids(path: Mapping[str, object]) -> dict[str, UUID]:
    """Return the ids of a path by what they are of: `student_id` is a `student`'s."""
    ids = {}
    for name, value in path.items():
        # Not validated yet, for this runs beside the endpoint's own parameters.
        with suppress(ValueError):
            ids[name.removesuffix("_id")] = UUID(str(value))
    return ids


async def _user_caller(session: Transaction, claims: tokens.Claims) -> Caller:
    live = await UserSessions(session).enter(
        claims.session_id, claims.user_id, claims.school_id, clock.now()
    )
    if live is None:
        raise tokens.InvalidAccessToken
    roles = frozenset(Role(role) for role in live.roles)
    unprotected = policy.is_unprotected(roles, lacks_factor=live.lacks_factor)
    return Caller(
        school_id=claims.school_id,
        name=f"user:{claims.user_id}",
        user_id=claims.user_id,
        session_id=claims.session_id,
        roles=roles,
        reach=policy.reach_of_new_user()
        if live.restricted
        else policy.reach_of(roles, unprotected=unprotected),
    )


async def _key_caller(session: Transaction, text: str) -> Caller:
    given = credentials.read_api_key(text)
    if given is None:
        _log.warning("api_key.refused")
        raise InvalidApiKey
    now = clock.now()
    await enter_school(session, given.school_id)
    keys = ApiKeys(session)
    key = await keys.valid(given.school_id, given.key_id, now)
    if key is None or not hmac.compare_digest(key.secret_sha256, tokens.sha256(given.secret)):
        _log.warning("api_key.refused", school=str(given.school_id), key=str(given.key_id))
        raise InvalidApiKey
    if key.last_used_at is None or key.last_used_at < now - _TOUCH_EVERY:
        await keys.touch(key, now)
    return Caller(
        school_id=given.school_id,
        name=f"api-key:{given.key_id}",
        user_id=None,
        session_id=None,
        roles=frozenset(),
        reach=policy.reach_of_key(frozenset(Scope(scope) for scope in key.scopes)),
    )
