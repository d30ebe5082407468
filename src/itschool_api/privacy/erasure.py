"""Erasing a person (GDPR art. 17): what would go and stay, whether it may be, and doing it.

Books and what the bank told are not touched: a name in an issued invoice or a payment stays until
its legal retention ends (`bookkeeping`), and nobody finds it by the person any more.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api import clock, errors, trail
from itschool_api.banking.models import BankTransaction
from itschool_api.database import held
from itschool_api.families.models import Guardian, Student
from itschool_api.invoices.models import Invoice
from itschool_api.mail.delivery import FolderDelivery
from itschool_api.privacy import bookkeeping, obstacles
from itschool_api.privacy.circle import Circle, SubjectKind, around
from itschool_api.privacy.erasing import Erasing
from itschool_api.privacy.exports import not_found
from itschool_api.privacy.schemas import Erasure, ErasurePreview, Kept, Obstacle
from itschool_api.privacy.traces import among, payments
from itschool_api.schools import service as schools
from itschool_api.settings import Settings
from itschool_api.storage import Storage
from itschool_api.wallets import service as wallets

# What is erased is called so, followed by eight digits of its id.
_WORDS: Final = {
    "fr": ("Élève", "Responsable", "Famille"),
    "nl": ("Leerling", "Ouder", "Gezin"),
    "de": ("Kind", "Elternteil", "Familie"),
    "en": ("Student", "Guardian", "Family"),
}
_GOES: Final = {
    SubjectKind.STUDENT: (
        "name, external key, date of birth",
        "classes, places in families, guardianships (they end)",
        "events that were for this student alone",
        "exports of this student and of the people around",
        "name and address of families in which nobody is left",
    ),
    SubjectKind.GUARDIAN: (
        "name, external key, e-mail address, telephone number, language",
        "guardianships (they end)",
        "the login with its sessions, tokens and second factor, unless it has another role",
        "which mails were sent to them",
        "exports of this guardian and of the people around",
        "name and address of families in which nobody is left",
    ),
}
_log = structlog.get_logger(__name__)


class ErasureImpeded(errors.Conflict):
    """Something must be settled before this person can be erased."""


class AlreadyErased(errors.Conflict):
    """This person is erased already."""


class ConfirmationDiffers(errors.Unprocessable):
    """The confirmed name is not this person's."""


@dataclass(frozen=True, slots=True)
class Office:
    """What erasing takes beside the database."""

    storage: Storage
    mails: FolderDelivery
    """What stands in for a mail server where there is none."""
    accounting_years: int


def office_of(settings: Settings, storage: Storage) -> Office:
    """Return what the settings say of erasing."""
    mails = FolderDelivery(settings.data_dir / "mails")
    return Office(storage, mails, settings.retention_accounting_years)


async def preview(
    session: AsyncSession, office: Office, school_id: UUID, kind: SubjectKind, subject_id: UUID
) -> ErasurePreview:
    """Return what an erasure would do; raises `StudentNotFound`, `GuardianNotFound`, `AlreadyErased`."""
    circle = await _circle(session, school_id, kind, subject_id)
    return ErasurePreview(
        student_id=subject_id if circle.of_student else None,
        guardian_id=None if circle.of_student else subject_id,
        name=" ".join(circle.names),
        obstacles=await obstacles.of(session, circle),
        erased=list(_GOES[kind]),
        kept=await _kept(session, circle, office.accounting_years),
    )


async def erase(
    session: AsyncSession,
    office: Office,
    school_id: UUID,
    kind: SubjectKind,
    subject_id: UUID,
    *,
    confirmed_name: str | None,
) -> Erasure:
    """Erase a person; `confirmed_name` is None where a rule decides, and nobody is asked.

    Raises `StudentNotFound`, `GuardianNotFound`, `AlreadyErased`, `ConfirmationDiffers`,
    `ErasureImpeded`, `ledger.AccountNotEmpty`.
    """
    circle = await _circle(session, school_id, kind, subject_id)
    if confirmed_name is not None and _plain(confirmed_name) != _plain(" ".join(circle.names)):
        raise ConfirmationDiffers
    if found := await obstacles.of(session, circle):
        raise ErasureImpeded(_told(found))
    going = await obstacles.families_going(session, circle)
    kept = await _kept(session, circle, office.accounting_years)
    _, profile = await schools.profile(session, school_id)
    student_word, guardian_word, family_word = _WORDS.get(profile.language, _WORDS["en"])
    now = clock.now()
    erasing = Erasing(
        session, circle, now, await schools.today(session, school_id), profile.language
    )
    # First what is waited for, so that nobody waits for us meanwhile.
    await erasing.remove_exports(office.storage)
    await erasing.remove_stored_answers()
    first_name = student_word if circle.of_student else guardian_word
    last_name = subject_id.hex[-8:]
    mails: list[UUID] = []
    login = False
    if circle.of_student:
        await wallets.close(session, school_id, subject_id)
        await erasing.erase_student(first_name, last_name)
    else:
        for user_id in circle.users:
            login, mails = await erasing.erase_login(user_id, first_name, last_name)
        await erasing.erase_guardian(first_name, last_name)
        await erasing.remove_requests()
    families = await erasing.erase_families(going, family_word)
    # Before the commit: rather no file and a row than a file that no row knows.
    await office.mails.forget(mails)
    trail.about(session, family=going, user=circle.users if login else ())
    session.expire_all()
    _log.info("person.erased", kind=kind.value, id=str(subject_id), login=login, families=families)
    return Erasure(
        student_id=subject_id if circle.of_student else None,
        guardian_id=None if circle.of_student else subject_id,
        pseudonym=f"{first_name} {last_name}",
        erased_at=now,
        families=families,
        login=login,
        kept=kept,
    )


async def _circle(
    session: AsyncSession, school_id: UUID, kind: SubjectKind, subject_id: UUID
) -> Circle:
    """Return the circle of somebody who can be erased, and hold them meanwhile."""
    person: Student | Guardian | None
    if kind is SubjectKind.STUDENT:
        person = await held(session, Student, school_id, subject_id)
    else:
        person = await held(session, Guardian, school_id, subject_id)
    if person is None:
        raise not_found(kind)
    if person.erased_at is not None:
        raise AlreadyErased
    circle = await around(session, school_id, kind, subject_id)
    if circle is None:
        raise LookupError("a row that is held is gone")
    return circle


async def _kept(session: AsyncSession, circle: Circle, years: int) -> list[Kept]:
    """Return what an erasure leaves of a person, and until when."""
    kept = []
    for model, day, condition, what in (
        (
            Invoice,
            Invoice.issued_on,
            among(Invoice.id, circle.invoices) & Invoice.number.is_not(None),
            "issued invoices, with the names and the address on them",
        ),
        (
            BankTransaction,
            BankTransaction.booked_on,
            payments(circle),
            "payments, as the bank tells of them, and the bank's files that hold these",
        ),
    ):
        query = select(func.count(), func.max(day)).where(
            model.school_id == circle.school_id, condition
        )
        count, newest = (await session.execute(query)).one()
        if newest is not None:
            until = bookkeeping.kept_until(newest, years)
            kept.append(Kept(what=f"{count} {what}", why=bookkeeping.LAW, until=until.isoformat()))
    if circle.of_student:
        kept.append(
            Kept(
                what="amounts and days of the wallets' movements, and their references",
                why="They name nobody. The books must add up, and a late payment must not reach "
                "another child.",
                until="without end",
            )
        )
    kept.append(
        Kept(
            what="the audit trail, and which exports were asked for: ids and days",
            why="The school must be able to show what was done (GDPR art. 5(2)).",
            until="without end",
        )
    )
    return kept


def _told(found: list[Obstacle]) -> str:
    return " ".join(f"{each.code}: {each.detail}" for each in found)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
