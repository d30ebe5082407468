"""Offers of membership: a school links a guardian with a login that exists, if its person agrees.

The school never learns whether a user name exists: what it is told, sees and may do is the same
until the person answers. A mistyped name reaches nobody by chance: the offer goes to its user
only where a name or the address is one that the school has for the guardian.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, jobs, pagination, trail
from itschool_api.auth import limits, logins
from itschool_api.auth.caller import Caller, Role
from itschool_api.auth.models import MembershipOffer, User
from itschool_api.auth.repository import Users
from itschool_api.database import enter_school, new_id, refusing
from itschool_api.families import links
from itschool_api.families.guardians import GuardianNotFound
from itschool_api.families.models import Guardian
from itschool_api.members.repository import Offers
from itschool_api.members.schemas import MyOffer, MyOfferPage, NewOffer, Offer, OfferPage
from itschool_api.outbox import service as outbox
from itschool_api.pagination import Order, Slice

OFFER_JOB: Final = "membership-offer"
LIFE: Final = timedelta(days=30)
# In a quarter of an hour: a school that moves in writes to many parents, to each once.
_OFFERS_PER_SENDER: Final = 100
_OFFERS_PER_SCHOOL: Final = 300
_OFFERS_PER_NAME: Final = 3
# What many names have in common makes nobody the same person.
_PARTICLES: Final = frozenset(
    [
        "al",
        "ben",
        "da",
        "das",
        "de",
        "del",
        "den",
        "der",
        "des",
        "di",
        "du",
        "el",
        "la",
        "le",
        "ten",
        "ter",
        "van",
        "von",
    ]
)


class OfferNotFound(errors.NotFound):
    """There is no such offer to you, or not any more."""


class GuardianHasLogin(errors.Conflict):
    """This guardian has a login already."""


class AlreadyGuardian(errors.Conflict):
    """You are linked with another guardian of this school already."""


async def offer(session: AsyncSession, caller: Caller, guardian_id: UUID, form: NewOffer) -> Offer:
    """Offer a guardian's link to the person of a user name; a former offer is withdrawn.

    Raises `guardians.GuardianNotFound`, `GuardianHasLogin`, `limits.TooOften`.
    """
    school_id, now = caller.school_id, clock.now()
    guardian = await links.locked(session, school_id, guardian_id)
    if guardian.user_id is not None:
        raise GuardianHasLogin
    name = form.user_name.lower()
    await _count(session, caller, name)
    await Offers(session).withdraw_to_guardian(school_id, guardian_id, now)
    user = await Users(session).by_name(name)
    made = MembershipOffer(
        id=new_id(),
        user_id=user.id if user and _may_be(user, guardian) else None,
        school_id=school_id,
        guardian_id=guardian_id,
        offered_at=now,
    )
    session.add(made)
    await session.flush()
    # Whether there is anybody to write to shows in no answer's time: the worker finds out.
    await jobs.enqueue(session, OFFER_JOB, {"school": school_id, "offer": made.id})
    trail.about(session, offer=made.id)
    return _offer(made, now)


async def send_offer(session: AsyncSession, offer_id: UUID) -> None:
    """Write to whom an offer is for, if there is anybody; the worker's transaction is within it."""
    made = await session.get_one(MembershipOffer, offer_id)
    if made.user_id is not None and _status(made, clock.now()) == "waiting":
        await outbox.send_notice(
            session,
            made.school_id,
            uuid5(made.id, "mail"),  # the same each time that the job is done
            outbox.Kind.OFFER,
            made.user_id,
            made.offered_at,
            about_id=made.id,
        )


async def list_guardian_offers(
    session: AsyncSession, school_id: UUID, guardian_id: UUID, wanted: Slice
) -> OfferPage:
    """Return what was offered to a guardian, newest first; raises `guardians.GuardianNotFound`."""
    await links.guardian(session, school_id, guardian_id)
    query = Offers(session).of_guardian(school_id, guardian_id)
    order = Order((MembershipOffer.id,), descending=True)
    rows, following = await pagination.rows(session, query, order, wanted)
    now = clock.now()
    return OfferPage(items=[_offer(row[0], now) for row in rows], next=following)


async def withdraw(session: AsyncSession, school_id: UUID, guardian_id: UUID) -> None:
    """Take back what a guardian was offered; raises `guardians.GuardianNotFound`."""
    await links.locked(session, school_id, guardian_id)
    await Offers(session).withdraw_to_guardian(school_id, guardian_id, clock.now())


async def list_my_offers(session: AsyncSession, caller: Caller, wanted: Slice) -> MyOfferPage:
    """Return the offers that wait for the caller's answer, newest first."""
    query = Offers(session).to_user(_person(caller), clock.now() - LIFE)
    order = Order((MembershipOffer.id,), descending=True)
    rows, following = await pagination.rows(session, query, order, wanted)
    return MyOfferPage(
        items=[
            MyOffer(
                id=row[0].id,
                school_id=row[0].school_id,
                school_name=row[1],
                offered_at=row[0].offered_at,
                expires_at=row[0].offered_at + LIFE,
            )
            for row in rows
        ],
        next=following,
    )


async def accept(session: AsyncSession, caller: Caller, offer_id: UUID) -> Offer:
    """Make the caller the guardian that a school offered, in that school's trail.

    Raises `OfferNotFound`, `AlreadyGuardian`.
    """
    user_id = _person(caller)
    # In the order in which others lock them: the user, the guardian, the offer.
    await Users(session).locked(user_id)
    made = await _own(session, user_id, offer_id)
    # From here on, the transaction sees nothing of the school that the request came to.
    await enter_school(session, made.school_id)
    trail.elsewhere(session, made.school_id)
    try:
        guardian = await links.locked(session, made.school_id, made.guardian_id)
    except GuardianNotFound:
        raise OfferNotFound from None
    await _lock_waiting(session, made)
    if guardian.user_id is not None:
        raise OfferNotFound
    guardian.user_id = user_id
    made.answered_at, made.accepted = clock.now(), True
    with refusing("uq_guardians_school_id_user_id", AlreadyGuardian()):
        await session.flush()
    await Users(session).join([user_id], made.school_id, [Role.GUARDIAN])
    await logins.widened(session, user_id)
    trail.about(session, guardian=guardian.id)
    return _offer(made, made.answered_at)


async def decline(session: AsyncSession, caller: Caller, offer_id: UUID) -> Offer:
    """Answer no; raises `OfferNotFound`."""
    made = await _own(session, _person(caller), offer_id)
    await _lock_waiting(session, made)
    made.answered_at, made.accepted = clock.now(), False
    await session.flush()
    # An event would tell one school of the other, or that one the name of who declined.
    trail.forget(session)
    return _offer(made, made.answered_at)


def _person(caller: Caller) -> UUID:
    """Return whose profile it is; a key has none."""
    if caller.user_id is None:
        raise errors.Forbidden
    return caller.user_id


async def _own(session: AsyncSession, user_id: UUID, offer_id: UUID) -> MembershipOffer:
    made = await session.get(MembershipOffer, offer_id)
    if made is None or made.user_id != user_id:
        raise OfferNotFound
    return made


async def _lock_waiting(session: AsyncSession, made: MembershipOffer) -> None:
    """Let nobody else answer or withdraw an offer; raises `OfferNotFound` if somebody did."""
    await session.refresh(made, with_for_update=True)
    if _status(made, clock.now()) != "waiting":
        raise OfferNotFound


async def _count(session: AsyncSession, caller: Caller, name: str) -> None:
    """Count an offer; raises `limits.TooOften`. Names count whether they exist or not."""
    school = str(caller.school_id)
    await limits.count(
        session,
        {
            limits.hashed_key("offer-by", caller.name): _OFFERS_PER_SENDER,
            limits.hashed_key("offer-of", school): _OFFERS_PER_SCHOOL,
            limits.hashed_key("offer-to", school, name): _OFFERS_PER_NAME,
        },
    )


def _may_be(user: User, guardian: Guardian) -> bool:
    """Tell whether a user may be that guardian at all."""
    if user.email is not None and user.email == guardian.email:
        return True
    return bool(
        _words(user.first_name, user.last_name) & _words(guardian.first_name, guardian.last_name)
    )


def _words(*names: str) -> set[str]:
    """Return the words of names, without case and accents."""
    apart = unicodedata.normalize("NFKD", " ".join(names).casefold())
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return {word for word in re.split(r"\W+", bare) if len(word) > 1} - _PARTICLES


def _offer(made: MembershipOffer, now: datetime) -> Offer:
    return Offer(
        id=made.id,
        status=_status(made, now),
        offered_at=made.offered_at,
        expires_at=made.offered_at + LIFE,
        answered_at=made.answered_at,
    )


def _status(
    made: MembershipOffer, now: datetime
) -> Literal["waiting", "accepted", "declined", "withdrawn", "expired"]:
    if made.accepted is not None:
        return "accepted" if made.accepted else "declined"
    if made.answered_at is not None:
        return "withdrawn"
    return "waiting" if now < made.offered_at + LIFE else "expired"
