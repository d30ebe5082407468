"""HTTP: one's own second factor."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Security

from itschool_api import errors
from itschool_api.auth import limits, proofs, second_factor
from itschool_api.auth.authenticate import address_of, authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.auth.schemas import (
    FreshRecoveryCodes,
    NewSecondFactor,
    NewSecondFactorRequest,
    Proof,
    SecondFactor,
    SecondFactorConfirmation,
)
from itschool_api.database import Transaction

router = APIRouter(prefix="/v1/me/second-factor", tags=["access"])

ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
Owner = Annotated[Caller, Security(authenticate, scopes=[Scope.SECOND_FACTOR_WRITE])]
_PROOFS = (proofs.WrongPassword, *proofs.REFUSALS_OF_CODES, limits.TooManyAttempts)


@router.get("")
async def read_second_factor(session: Transaction, caller: ProfileReader) -> SecondFactor:
    """Read whether you have a second factor, and how many recovery codes are left."""
    return await second_factor.state(session, caller)


@router.post("", status_code=HTTPStatus.CREATED, responses=errors.responses(*_PROOFS))
async def begin_second_factor(
    request: Request, session: Transaction, caller: Owner, form: NewSecondFactorRequest
) -> NewSecondFactor:
    """Begin to set up a second factor: get a secret for an authenticator app (TOTP, RFC 6238).

    It is in force once `POST …/confirmation` got a first code, within the hour. Where you have one
    already, this begins to replace it, and the present one stays in force until then.
    """
    return await second_factor.begin(
        session,
        request.app.state.authority,
        caller,
        password=form.current_password,
        otp=form.otp,
        address=address_of(request),
    )


@router.post(
    "/confirmation",
    responses=errors.responses(
        second_factor.NothingToConfirm,
        proofs.WrongCode,
        proofs.TooManyCodes,
        limits.TooManyAttempts,
    ),
)
async def confirm_second_factor(
    request: Request, session: Transaction, caller: Owner, form: SecondFactorConfirmation
) -> FreshRecoveryCodes:
    """Put your new second factor in force by a first code, and get recovery codes.

    Your other sessions end. From now on logging in and setting the password ask for a code.
    """
    codes = await second_factor.confirm(
        session,
        request.app.state.authority,
        caller,
        otp=form.otp,
        address=address_of(request),
    )
    return FreshRecoveryCodes(recovery_codes=codes)


@router.post(
    "/recovery-codes",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(second_factor.NoSecondFactor, *_PROOFS),
)
async def renew_recovery_codes(
    request: Request, session: Transaction, caller: Owner, form: Proof
) -> FreshRecoveryCodes:
    """Get new recovery codes; the former ones work no more."""
    codes = await second_factor.renew_recovery_codes(
        session,
        request.app.state.authority,
        caller,
        password=form.current_password,
        otp=form.otp,
        address=address_of(request),
    )
    return FreshRecoveryCodes(recovery_codes=codes)


@router.delete(
    "",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(
        second_factor.NoSecondFactor, second_factor.SecondFactorKept, *_PROOFS
    ),
)
async def remove_second_factor(
    request: Request, session: Transaction, caller: Owner, form: Proof
) -> None:
    """Remove your second factor and its recovery codes: the password is enough again.

    Refused while a school where you work requires one; replace it instead.
    """
    await second_factor.remove(
        session,
        request.app.state.authority,
        caller,
        password=form.current_password,
        otp=form.otp,
        address=address_of(request),
    )
