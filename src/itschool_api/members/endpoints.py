"""HTTP: who belongs to the school, their logins, and offers of membership."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from itschool_api import errors
from itschool_api.auth import limits, proofs
from itschool_api.auth.authenticate import address_of, authenticate
from itschool_api.auth.caller import Caller, Role, Scope
from itschool_api.auth.logins import MemberElsewhere
from itschool_api.auth.service import UserNameTaken
from itschool_api.database import Transaction
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.members import logins, offers, profile, service
from itschool_api.members.schemas import (
    AddressCode,
    Login,
    LoginChanges,
    Member,
    MemberPage,
    MemberRoles,
    MyChanges,
    MyOfferPage,
    NewAddress,
    NewMember,
    NewOffer,
    Offer,
    OfferPage,
)
from itschool_api.pagination import InvalidCursor, Wanted, Words
from itschool_api.schools.schemas import Me

router = APIRouter(prefix="/v1", tags=["members"])

MemberReader = Annotated[Caller, Security(authenticate, scopes=[Scope.MEMBERS_READ])]
MemberWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.MEMBERS_WRITE])]
PeopleReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PEOPLE_READ])]
LoginWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.LOGINS_WRITE])]
ProfileReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_READ])]
ProfileWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.PROFILE_WRITE])]


@router.get("/members", responses=errors.responses(InvalidCursor))
async def list_members(
    session: Transaction,
    caller: MemberReader,
    wanted: Wanted,
    role: Annotated[Role | None, Query(description="Who has this role only.")] = None,
    has_second_factor: Annotated[
        bool | None, Query(description="Who has set one up, or who has not.")
    ] = None,
    search: Words = "",
) -> MemberPage:
    """List everybody who can log in to the school by name: staff and guardians.

    `search` also finds user names, and a whole e-mail address.
    """
    return await service.list_members(
        session,
        caller,
        search=search,
        role=role,
        has_second_factor=has_second_factor,
        wanted=wanted,
    )


@router.post("/members", status_code=HTTPStatus.CREATED)
async def create_member(session: Transaction, caller: MemberWriter, form: NewMember) -> Member:
    """Make a person who works at the school, and send them user name and login token."""
    return await service.add_member(session, caller.school_id, form)


@router.get("/members/{user_id}", responses=errors.responses(service.MemberNotFound))
async def read_member(session: Transaction, caller: MemberReader, user_id: UUID) -> Member:
    """Read who somebody is at the school."""
    return await service.read_member(session, caller.school_id, user_id)


@router.put(
    "/members/{user_id}/roles",
    responses=errors.responses(
        service.MemberNotFound,
        service.MemberNotReachable,
        service.NoRoleLeft,
        service.OwnMembership,
        service.NoAdminLeft,
    ),
)
async def change_member_roles(
    session: Transaction, caller: MemberWriter, user_id: UUID, form: MemberRoles
) -> Member:
    """Say what somebody is at the school; it counts from their next request on.

    A guardian stays one, whatever else they are: that role comes and goes with the guardian's link.
    Whoever was a guardian alone until now gets an invitation to the e-mail address of their login,
    and sets a new password: sessions, password and login tokens of before end. Give a login without
    an address one first, with `PUT /v1/members/{user_id}/login`.
    """
    return await service.change_roles(session, caller, user_id, form.roles)


@router.delete(
    "/members/{user_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(service.MemberNotFound, service.OwnMembership, service.NoAdminLeft),
)
async def end_membership(session: Transaction, caller: MemberWriter, user_id: UUID) -> None:
    """End all that somebody is at the school: their sessions here end with the next request.

    What they are at other schools stays. A guardian's contact data and guardianships stay too, and
    lead to nobody's login.
    """
    await service.end_membership(session, caller, user_id)


@router.post(
    "/members/{user_id}/invitations",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(service.MemberNotFound, service.MemberNotReachable, limits.TooOften),
)
async def invite_member(session: Transaction, caller: MemberWriter, user_id: UUID) -> Member:
    """Send somebody their user name and a login token again; only the newest token works."""
    return await service.invite_member(session, caller.school_id, user_id)


@router.post(
    "/members/{user_id}/disable",
    responses=errors.responses(
        service.MemberNotFound, service.OwnMembership, service.NoAdminLeft, MemberElsewhere
    ),
)
async def disable_member(session: Transaction, caller: MemberWriter, user_id: UUID) -> Member:
    """Let nobody in by somebody's login: sessions and login tokens end with the next request.

    For who belongs to your school alone; else end their membership.
    """
    return await service.disable_member(session, caller, user_id)


@router.post(
    "/members/{user_id}/enable",
    responses=errors.responses(service.MemberNotFound, MemberElsewhere),
)
async def enable_member(session: Transaction, caller: MemberWriter, user_id: UUID) -> Member:
    """Let somebody log in again, with the password from before."""
    return await service.enable_member(session, caller, user_id)


@router.put(
    "/members/{user_id}/login",
    responses=errors.responses(
        service.MemberNotFound,
        logins.OwnLogin,
        MemberElsewhere,
        UserNameTaken,
        limits.TooOften,
    ),
)
async def change_member_login(
    session: Transaction, caller: MemberWriter, user_id: UUID, changes: LoginChanges
) -> Login:
    """Change how somebody logs in who belongs to your school alone.

    With another e-mail address the login begins anew: password and sessions end, and an invitation
    goes to the new address. A second factor stays; the operator resets one that is lost.
    """
    return await logins.change_member_login(session, caller, user_id, changes)


@router.get(
    "/guardians/{guardian_id}/login",
    responses=errors.responses(GuardianNotFound, logins.GuardianHasNoLogin),
)
async def read_guardian_login(
    session: Transaction, caller: PeopleReader, guardian_id: UUID
) -> Login:
    """Read how a guardian logs in."""
    return await logins.read_guardian_login(session, caller.school_id, guardian_id)


@router.put(
    "/guardians/{guardian_id}/login",
    responses=errors.responses(
        GuardianNotFound,
        logins.GuardianHasNoLogin,
        logins.StaffLogin,
        logins.OwnLogin,
        MemberElsewhere,
        UserNameTaken,
        limits.TooOften,
    ),
)
async def change_guardian_login(
    session: Transaction, caller: LoginWriter, guardian_id: UUID, changes: LoginChanges
) -> Login:
    """Change how a guardian logs in who belongs to your school alone and does not work there.

    With another e-mail address the login begins anew: password and sessions end, and an invitation
    goes to the new address. A second factor stays; the operator resets one that is lost.

    What you know of a guardian to reach them is changed with `PATCH /v1/guardians/{guardian_id}`, and
    touches no login.
    """
    return await logins.change_guardian_login(session, caller, guardian_id, changes)


@router.delete(
    "/guardians/{guardian_id}/login",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(GuardianNotFound, logins.GuardianHasNoLogin),
)
async def unlink_guardian_login(
    session: Transaction, caller: LoginWriter, guardian_id: UUID
) -> None:
    """Let a guardian lead to no login any more, such as after the wrong person was linked.

    The login itself stays: its person may belong to other schools, or work at yours.
    """
    await logins.unlink_guardian_login(session, caller, guardian_id)


@router.post(
    "/guardians/{guardian_id}/offers",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(GuardianNotFound, offers.GuardianHasLogin, limits.TooOften),
)
async def offer_membership(
    session: Transaction, caller: LoginWriter, guardian_id: UUID, form: NewOffer
) -> Offer:
    """Offer a guardian who logs in elsewhere to use the same login here.

    Whoever has that user name is asked by e-mail and has 30 days to accept, provided that a name
    or the e-mail address is the one that you have for the guardian. The answer is the same
    whether there is anybody or not. A former offer to the guardian is withdrawn.
    """
    return await offers.offer(session, caller, guardian_id, form)


@router.get(
    "/guardians/{guardian_id}/offers", responses=errors.responses(GuardianNotFound, InvalidCursor)
)
async def list_guardian_offers(
    session: Transaction, caller: PeopleReader, guardian_id: UUID, wanted: Wanted
) -> OfferPage:
    """List what was offered to a guardian and answered, newest first."""
    return await offers.list_guardian_offers(session, caller.school_id, guardian_id, wanted)


@router.delete(
    "/guardians/{guardian_id}/offers",
    status_code=HTTPStatus.NO_CONTENT,
    responses=errors.responses(GuardianNotFound),
)
async def withdraw_offers(session: Transaction, caller: LoginWriter, guardian_id: UUID) -> None:
    """Withdraw what a guardian was offered and has not answered yet."""
    await offers.withdraw(session, caller.school_id, guardian_id)


@router.patch("/me", responses=errors.responses(UserNameTaken, limits.TooOften))
async def change_me(session: Transaction, caller: ProfileWriter, changes: MyChanges) -> Me:
    """Change your user name or your language, at all of your schools."""
    return await profile.change_me(session, caller, changes)


@router.post(
    "/me/email",
    status_code=HTTPStatus.ACCEPTED,
    response_class=Response,
    responses=errors.responses(
        proofs.WrongPassword, *proofs.REFUSALS_OF_CODES, limits.TooManyAttempts, limits.TooOften
    ),
)
async def request_email_change(
    request: Request, session: Transaction, caller: ProfileWriter, form: NewAddress
) -> Response:
    """Ask for another e-mail address of your login: a code goes there, and is valid for one hour.

    With a second factor, send a code of it as `otp` too.

    Until you send it with `PUT /v1/me/email`, nothing changes. What a school has noted to reach you
    is the school's, and stays.
    """
    await profile.ask_for_address(
        session, request.app.state.authority, caller, form, address_of(request)
    )
    return Response(status_code=HTTPStatus.ACCEPTED)


@router.put("/me/email", responses=errors.responses(profile.InvalidAddressCode))
async def confirm_email_change(
    request: Request, session: Transaction, caller: ProfileWriter, form: AddressCode
) -> Me:
    """Confirm your new e-mail address by the code that came there; the former one is told."""
    return await profile.confirm_address(session, request.app.state.authority, caller, form.code)


@router.get("/me/offers", responses=errors.responses(InvalidCursor))
async def list_my_offers(
    session: Transaction, caller: ProfileReader, wanted: Wanted
) -> MyOfferPage:
    """List which schools offer to know you as a guardian, and wait for your answer."""
    return await offers.list_my_offers(session, caller, wanted)


@router.post(
    "/me/offers/{offer_id}/accept",
    responses=errors.responses(offers.OfferNotFound, offers.AlreadyGuardian),
)
async def accept_offer(session: Transaction, caller: ProfileWriter, offer_id: UUID) -> Offer:
    """Become a guardian at the school that offers it: refresh with its `school_id` to go there."""
    return await offers.accept(session, caller, offer_id)


@router.post("/me/offers/{offer_id}/decline", responses=errors.responses(offers.OfferNotFound))
async def decline_offer(session: Transaction, caller: ProfileWriter, offer_id: UUID) -> Offer:
    """Refuse a school's offer; the school sees that you did."""
    return await offers.decline(session, caller, offer_id)
