"""Who gets a letter, where it goes, and the login token in it; `document` sets it.

A letter shows its printer a way into somebody's login. So it is made only for logins that are a
guardian's of this school and nothing else, never for those of people who work here or belong to
another school too. Tokens are in the document alone: not stored but as hashes, and not logged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors
from itschool_api.auth import login_tokens
from itschool_api.auth.login_tokens import LETTER_LIFE, Grantee
from itschool_api.families import invitations
from itschool_api.families import service as families
from itschool_api.families.invitations import Invitee
from itschool_api.languages import Language
from itschool_api.letters.document import Letter, Letters
from itschool_api.letters.repository import Addresses
from itschool_api.letters.schemas import MOST_LETTERS, LettersFor, NewLoginLetters
from itschool_api.mail import messages
from itschool_api.schools import service as schools
from itschool_api.typesetting import Letterhead

_UNKNOWN: Final = ("not_found", "There is no such guardian.")
_ONE_DAY: Final = timedelta(days=1)


class NobodyToWriteTo(errors.Unprocessable):
    """None of these guardians needs a letter."""


class TooManyLetters(errors.Unprocessable):
    """These are more letters than one file holds: print them by class group."""


class NoLetterForThem(errors.Unprocessable):
    """Some of these guardians cannot be written to, so nobody is: see `errors`."""


@dataclass(frozen=True, slots=True)
class Run:
    """Letters to print, and how many guardians of the class or school cannot get one."""

    letters: Letters
    left_out: int


@dataclass(slots=True)
class _Home:
    """What is known of where a guardian is reached."""

    place: int
    """The place among all, in the order of classes and children."""
    children: dict[UUID, str] = field(default_factory=dict)
    address: tuple[str, ...] = ()


async def write_letters(
    session: AsyncSession,
    school_id: UUID,
    form: NewLoginLetters,
    *,
    login_token_key: bytes,
    web_app_url: str,
) -> Run:
    """Make users for those who have none and a new token for each, and say what to print.

    However many they are, by the same few statements. Raises `families.ClassGroupNotFound`,
    `NoLetterForThem`, `NobodyToWriteTo`, `TooManyLetters`.
    """
    chosen, left_out = await _chosen(session, school_id, form)
    if not chosen:
        raise NobodyToWriteTo
    if len(chosen) > MOST_LETTERS:
        raise TooManyLetters(f"They would be {len(chosen)}.")
    users = await invitations.let_in(session, school_id, chosen)
    school, profile = await schools.profile(session, school_id)
    now = clock.now()
    printed_on = clock.today(school.time_zone)
    valid_until = printed_on + LETTER_LIFE
    granted = await login_tokens.grant_login_tokens(
        session,
        login_token_key,
        users,
        now,
        clock.day_begins(valid_until + _ONE_DAY, school.time_zone),
    )
    homes = await _homes(session, school_id, chosen, form.class_group_id)
    written = sorted(
        zip(chosen, granted, strict=True),
        key=lambda pair: (
            homes[pair[0].guardian.id].place,
            pair[0].guardian.last_name,
            pair[0].guardian.first_name,
        ),
    )
    letters = Letters(
        language=cast("Language", profile.language),
        school=Letterhead(
            name=school.name,
            street=profile.street,
            postal_code=profile.postal_code,
            city=profile.city,
            email=profile.email,
            phone=profile.phone,
        ),
        web_app_url=web_app_url,
        printed_at=now,
        printed_on=printed_on,
        valid_until=valid_until,
        both_sides=form.both_sides,
        letters=[
            _letter(each, grantee, homes[each.guardian.id], web_app_url)
            for each, grantee in written
        ],
    )
    return Run(letters, left_out)


async def _chosen(
    session: AsyncSession, school_id: UUID, form: NewLoginLetters
) -> tuple[list[Invitee], int]:
    """Return who gets a letter, and how many of the class or school would, but cannot."""
    if form.guardian_ids is not None:
        return await _named(session, school_id, form.guardian_ids), 0
    found = await invitations.invitees_there(session, school_id, form.class_group_id)
    wanted = [each for each in found if _is_wanted(each, form.only)]
    able = [each for each in wanted if _why_not(each) is None]
    return able, len(wanted) - len(able)


async def _named(
    session: AsyncSession, school_id: UUID, guardian_ids: Sequence[UUID]
) -> list[Invitee]:
    """Return the guardians of a list; raises `NoLetterForThem` where one cannot get a letter."""
    found = {
        each.guardian.id: each
        for each in await invitations.invitees(session, school_id, guardian_ids)
    }
    faults = []
    for place, guardian_id in enumerate(guardian_ids):
        each = found.get(guardian_id)
        code, detail = _UNKNOWN if each is None else _why_not(each) or (None, "")
        if code is not None:
            faults.append(
                errors.Fault(
                    location="body", pointer=f"/guardian_ids/{place}", code=code, detail=detail
                )
            )
    if faults:
        raise NoLetterForThem(errors=faults)
    return list(found.values())


def _is_wanted(each: Invitee, only: LettersFor) -> bool:
    if only is LettersFor.ALL:
        return True
    if each.has_logged_in:
        return False
    return only is LettersFor.NEVER_LOGGED_IN or each.email is None


def _why_not(each: Invitee) -> tuple[str, str] | None:
    """Return why somebody cannot get a letter, as code and words; None where they can."""
    if each.is_disabled:
        return "login_disabled", "This login is disabled."
    if each.is_entangled:
        return (
            "not_only_a_guardian",
            "This login is more than a guardian's of this school; a new token comes by e-mail only.",
        )
    return None


async def _homes(
    session: AsyncSession,
    school_id: UUID,
    chosen: Iterable[Invitee],
    class_group_id: UUID | None,
) -> dict[UUID, _Home]:
    """Return where each guardian is reached; a class group's letters name its year's classes."""
    if class_group_id is not None:
        group = await families.class_group(session, school_id, class_group_id)
        year_id: UUID | None = group.school_year_id
    else:
        year = await schools.present_year(session, school_id)
        year_id = year.id if year else None
    ids = [each.guardian.id for each in chosen]
    rows = await Addresses(session, school_id).of(ids, year_id, schools.today_there(school_id))
    homes: dict[UUID, _Home] = {}
    for place, row in enumerate(rows):
        home = homes.setdefault(row.guardian_id, _Home(place))
        if row.is_there:
            name = f"{row.first_name} {row.last_name}"
            home.children[row.student_id] = ", ".join(filter(None, (name, row.class_group)))
        home.address = home.address or _address(row)
    last = _Home(len(rows))
    return {guardian_id: homes.get(guardian_id, last) for guardian_id in ids}


def _address(row: Any) -> tuple[str, ...]:
    """Return a family's address by line: all of it, or nothing."""
    if not row.street or not row.city:
        return ()
    return row.street, " ".join(filter(None, (row.postal_code, row.city)))


def _letter(each: Invitee, grantee: Grantee, home: _Home, web_app_url: str) -> Letter:
    guardian = each.guardian
    return Letter(
        language=cast("Language", guardian.language),
        name=f"{guardian.first_name} {guardian.last_name}",
        address=home.address,
        children=tuple(home.children.values()),
        user_name=grantee.user.user_name,
        token=grantee.token,
        link=messages.link(web_app_url, "token", grantee.token),
    )


def file_name(printed_on: date) -> str:
    """Return what the file is called: plain letters, so that every browser understands it."""
    return f"login-letters-{printed_on.isoformat()}.pdf"
