"""HTTP: getting in, staying in, getting out; API keys."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response, Security
from pydantic import SecretStr
from sqlalchemy import select

from itschool_api import errors, pagination
from itschool_api.auth import (
    limits,
    login_tokens,
    models,
    proofs,
    refresh_cookie,
    service,
    sessions,
    user_agents,
)
from itschool_api.auth.authenticate import STRANGERS, address_of, authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.auth.refresh_cookie import RefreshCookie, RequestedWith
from itschool_api.auth.schemas import (
    ApiKey,
    ApiKeyPage,
    CreatedApiKey,
    LoginTokenRedemption,
    LoginTokenRequest,
    NewApiKey,
    NewPassword,
    TokenPair,
    Transport,
    UserName,
)
from itschool_api.contract import Name
from itschool_api.database import Transaction

router = APIRouter(prefix="/v1", tags=["access"])

PasswordSetter = Annotated[Caller, Security(authenticate, scopes=[Scope.PASSWORD_WRITE])]
KeyMaker = Annotated[Caller, Security(authenticate, scopes=[Scope.API_KEYS_WRITE])]
Anyone = Annotated[Caller, Security(authenticate)]


class UnsupportedGrantType(errors.BadRequest):
    """Tokens are given for a password or for a refresh token."""

    def __init__(self) -> None:
        super().__init__(error="unsupported_grant_type", error_description=self.title())


class IncompleteTokenRequest(errors.BadRequest):
    """The token request lacks what its grant type needs."""

    def __init__(self, missing: str) -> None:
        text = f"`{missing}` is missing."
        super().__init__(text, error="invalid_request", error_description=text)


@router.post(
    "/auth/token",
    dependencies=STRANGERS,
    responses=errors.responses(
        sessions.InvalidGrant,
        UnsupportedGrantType,
        IncompleteTokenRequest,
        limits.TooManyAttempts,
        *proofs.REFUSALS_OF_CODES,
    ),
)
async def create_token(
    request: Request,
    response: Response,
    session: Transaction,
    grant_type: Annotated[str, Form(max_length=50, examples=["password"])],
    username: Annotated[UserName | None, Form(examples=["an.peeters"])] = None,
    password: Annotated[SecretStr | None, Form(max_length=1000)] = None,
    otp: Annotated[
        SecretStr | None,
        Form(max_length=100, description="A code of your second factor, or a recovery code."),
    ] = None,
    refresh_token: Annotated[str | None, Form(max_length=200)] = None,
    scope: Annotated[str, Form(max_length=2000, description="Ignored: roles decide.")] = "",
    client_id: Annotated[str | None, Form(max_length=200, description="Ignored.")] = None,
    client_secret: Annotated[str | None, Form(max_length=200, description="Ignored.")] = None,
    school_id: Annotated[
        UUID | None, Form(description="For people who belong to several schools.")
    ] = None,
    label: Annotated[
        Name | None,
        Form(description="What to call the new session.", examples=["An's phone"]),
    ] = None,
    transport: Annotated[
        Transport, Form(description="How the new session's refresh token travels.")
    ] = Transport.BODY,
    cookie: RefreshCookie = None,
    requested_with: RequestedWith = None,
) -> TokenPair:
    """Get an access token for a password, or for a refresh token (RFC 6749, 4.3 and 6).

    A refresh token can be used once; its answer carries the next one. Give `school_id` to enter,
    or to switch to, another school of yours; without it you enter the one that you used last.
    Without a `label` the session is called by the browser and the system, as `User-Agent` says.

    Where you have a second factor, a right password alone is answered by `second-factor-required`:
    send both, with a code as `otp`. A code works once.

    An app in a browser logs in with `transport=cookie`: the refresh token then travels in the
    cookie `__Host-refresh`, which no script can read, and `refresh_token` is null. To refresh, it
    sends `grant_type=refresh_token` and nothing else. Both requests need the header
    `X-Requested-With`, with any value. Tokens of one way are refused on the other.
    """
    del scope, client_id, client_secret  # OAuth2 clients send them; they decide nothing
    authority = request.app.state.authority
    if grant_type == "password":
        if username is None or password is None:
            raise IncompleteTokenRequest("username" if username is None else "password")
        in_cookie = transport is Transport.COOKIE
        if in_cookie and not requested_with:
            raise IncompleteTokenRequest(refresh_cookie.HEADER)
        issued = await sessions.log_in(
            session,
            authority,
            user_name=username,
            password=password.get_secret_value(),
            otp=otp.get_secret_value() if otp else None,
            address=address_of(request),
            wish=sessions.Wish(school_id, label, in_cookie, _device(request)),
        )
    elif grant_type == "refresh_token":
        token = refresh_token or cookie
        if token is None:
            raise IncompleteTokenRequest("refresh_token")
        in_cookie = not refresh_token
        if in_cookie and not requested_with:
            raise IncompleteTokenRequest(refresh_cookie.HEADER)
        issued = await sessions.refresh(
            session, authority, token=token, in_cookie=in_cookie, school_id=school_id
        )
    else:
        raise UnsupportedGrantType
    return refresh_cookie.answer(response, issued)


@router.post(
    "/auth/login-tokens",
    status_code=HTTPStatus.ACCEPTED,
    response_class=Response,
    dependencies=STRANGERS,
)
async def request_login_token(
    request: Request, session: Transaction, form: LoginTokenRequest
) -> Response:
    """Ask for a login token by e-mail, for a first login or a forgotten password.

    The answer never tells whether the address is known. The token is valid for one hour; at most
    three are sent to an address in a quarter of an hour.
    """
    await login_tokens.request_login_token(session, form.email, address_of(request))
    return Response(status_code=HTTPStatus.ACCEPTED)


@router.post(
    "/auth/login-tokens/redeem",
    dependencies=STRANGERS,
    responses=errors.responses(login_tokens.InvalidLoginToken, limits.TooManyAttempts),
)
async def redeem_login_token(
    request: Request, session: Transaction, form: LoginTokenRedemption
) -> TokenPair:
    """Exchange a login token for a session that may only set the password.

    A token works once. Set the password next, with `PUT /v1/me/password`: its answer logs in.
    """
    return await login_tokens.redeem_login_token(
        session, request.app.state.authority, form.token, address_of(request)
    )


@router.put(
    "/me/password",
    responses=errors.responses(
        sessions.CommonPassword,
        proofs.WrongPassword,
        limits.TooManyAttempts,
        *proofs.REFUSALS_OF_CODES,
    ),
)
async def set_password(
    request: Request,
    response: Response,
    session: Transaction,
    caller: PasswordSetter,
    form: NewPassword,
) -> TokenPair:
    """Set your password; you are logged in at once, and your other sessions end.

    Where you have a second factor, a code of it is needed too, even with a login token: the mailbox
    alone does not open the account.
    """
    issued = await sessions.set_password(
        session,
        request.app.state.authority,
        caller,
        new=form.new_password,
        current=form.current_password,
        otp=form.otp,
        address=address_of(request),
        wish=sessions.Wish(
            label=form.label,
            in_cookie=None if form.transport is None else form.transport is Transport.COOKIE,
            device=_device(request),
        ),
    )
    return refresh_cookie.answer(response, issued)


@router.post("/auth/logout", status_code=HTTPStatus.NO_CONTENT)
async def log_out(response: Response, session: Transaction, caller: Anyone) -> None:
    """End your session: its access and refresh tokens are refused from the next request on."""
    if await sessions.log_out(session, caller):
        refresh_cookie.clear(response)


@router.post(
    "/api-keys",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.ApiKeyEndsInThePast),
)
async def create_api_key(session: Transaction, caller: KeyMaker, form: NewApiKey) -> CreatedApiKey:
    """Make an API key for a program of the school; the key is shown this once."""
    key, text = await service.create_api_key(
        session,
        caller.school_id,
        label=form.label,
        scopes=form.scopes,
        expires_at=form.expires_at,
        by=caller.name,
    )
    return CreatedApiKey(**ApiKey.model_validate(key).model_dump(), key=text)


@router.get("/api-keys", responses=errors.responses(pagination.InvalidCursor))
async def list_api_keys(
    session: Transaction, caller: KeyMaker, wanted: pagination.Wanted
) -> ApiKeyPage:
    """List the school's API keys, newest first, without their secrets."""
    query = select(models.ApiKey).where(models.ApiKey.school_id == caller.school_id)
    order = pagination.Order((models.ApiKey.id,), descending=True)
    rows, following = await pagination.rows(session, query, order, wanted)
    return ApiKeyPage(items=[ApiKey.model_validate(row[0]) for row in rows], next=following)


@router.delete("/api-keys/{key_id}", responses=errors.responses(service.ApiKeyNotFound))
async def revoke_api_key(session: Transaction, caller: KeyMaker, key_id: UUID) -> ApiKey:
    """Revoke an API key: it is refused from the next request on."""
    return ApiKey.model_validate(await service.revoke_api_key(session, caller.school_id, key_id))


def _device(request: Request) -> str | None:
    return user_agents.described(request.headers.get("user-agent"))
