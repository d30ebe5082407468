"""The statements of an erasure: rows and files, and no decisions.

Names become pseudonyms where rows must stay, for books and lists to add up; all else goes.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import any_, cast, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from itschool_api.auth.caller import Role
from itschool_api.auth.models import (
    KnownOrigin,
    LoginToken,
    LoginTokenRequest,
    Membership,
    MembershipOffer,
    RecoveryCode,
    RefreshToken,
    SecondFactor,
    User,
    UserSession,
)
from itschool_api.database import Selection
from itschool_api.events.models import Event, EventAudience
from itschool_api.families.models import (
    Enrolment,
    Family,
    FamilyStudent,
    Guardian,
    Guardianship,
    Student,
)
from itschool_api.idempotency import StoredAnswer
from itschool_api.outbox.models import Mail
from itschool_api.privacy import exports
from itschool_api.privacy.circle import Circle, Ids
from itschool_api.privacy.models import Export
from itschool_api.privacy.schemas import ExportStatus
from itschool_api.privacy.traces import among
from itschool_api.storage import Storage
from itschool_api.wallets.models import Wallet

_ONE_DAY: Final = timedelta(days=1)


class Erasing:
    """What an erasure does to the rows around a person."""

    def __init__(
        self, session: AsyncSession, circle: Circle, now: datetime, today: date, language: str
    ) -> None:
        self._session = session
        self._circle = circle
        self._school_id = circle.school_id
        self._now = now
        self._yesterday = today - _ONE_DAY
        self._language = language

    async def remove_exports(self, storage: Storage) -> None:
        """Remove the exports that may name the person: theirs, and those of people around them.

        Waits for one that is being made; one that is not made yet will hold pseudonyms.
        """
        around = select(Guardianship.guardian_id, Guardianship.student_id).where(
            Guardianship.school_id == self._school_id,
            or_(
                among(Guardianship.family_id, self._circle.families),
                among(Guardianship.student_id, self._circle.students),
                among(Guardianship.guardian_id, self._circle.guardians),
            ),
        )
        people = {self._circle.subject_id}
        for row in await self._session.execute(around):
            people |= {row.guardian_id, row.student_id}
        query = (
            select(Export)
            .where(
                Export.school_id == self._school_id,
                Export.subject_id == func.any(list(people)),
                Export.file_key.is_not(None),
            )
            .order_by(Export.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for export in (await self._session.execute(query)).scalars():
            if export.status == ExportStatus.READY:
                await exports.remove_file(storage, export)
        await self._session.flush()

    async def erase_student(self, first_name: str, last_name: str) -> None:
        """Leave of a student a pseudonym and the day on which they left."""
        student_id = self._circle.subject_id
        await self._session.execute(
            update(Student)
            .where(Student.school_id == self._school_id, Student.id == student_id)
            .values(
                first_name=first_name,
                last_name=last_name,
                external_key=None,
                birth_date=None,
                erased_at=self._now,
            )
        )
        for model in (Enrolment, FamilyStudent):
            await self._session.execute(
                delete(model).where(
                    model.school_id == self._school_id, model.student_id == student_id
                )
            )
        await self._end_guardianships(Guardianship.student_id == student_id)
        await self._remove_events(student_id)

    async def erase_guardian(self, first_name: str, last_name: str) -> None:
        """Leave of a guardian a pseudonym."""
        guardian_id = self._circle.subject_id
        await self._session.execute(
            update(Guardian)
            .where(Guardian.school_id == self._school_id, Guardian.id == guardian_id)
            .values(
                first_name=first_name,
                last_name=last_name,
                external_key=None,
                email=None,
                phone=None,
                invited_at=None,
                language=self._language,
                user_id=None,
                erased_at=self._now,
            )
        )
        await self._end_guardianships(Guardianship.guardian_id == guardian_id)
        await self._session.execute(
            delete(MembershipOffer).where(
                MembershipOffer.school_id == self._school_id,
                MembershipOffer.guardian_id == guardian_id,
            )
        )

    async def erase_families(self, families: Ids, word: str) -> int:
        """Leave of families a pseudonym; return how many there were."""
        query = (
            update(Family)
            .where(
                Family.school_id == self._school_id,
                among(Family.id, families),
                Family.erased_at.is_(None),
            )
            .values(
                name=func.concat(word, " ", func.right(func.replace(_text(Family.id), "-", ""), 8)),
                language=self._language,
                external_key=None,
                street=None,
                postal_code=None,
                city=None,
                erased_at=self._now,
            )
            .returning(Family.id)
        )
        return len((await self._session.execute(query)).all())

    async def erase_login(
        self, user_id: UUID, first_name: str, last_name: str
    ) -> tuple[bool, list[UUID]]:
        """End what a login is at this school; without another role anywhere, erase it.

        Returns whether it was erased, and the mails that went.
        """
        mails: list[UUID] = []
        here = (Membership.user_id == user_id) & (Membership.school_id == self._school_id)
        await self._session.execute(
            delete(Membership).where(here, Membership.role == Role.GUARDIAN)
        )
        roles = select(Membership.school_id).where(Membership.user_id == user_id)
        left = set((await self._session.execute(roles)).scalars())
        if self._school_id not in left:
            await self._remove_sessions(user_id)
            sent = (
                delete(Mail)
                .where(Mail.school_id == self._school_id, Mail.user_id == user_id)
                .returning(Mail.id)
            )
            mails = [*await self._ids(sent)]
        if left:
            return False, mails
        for model in (LoginToken, KnownOrigin, SecondFactor, RecoveryCode):
            await self._session.execute(delete(model).where(model.user_id == user_id))
        await self._session.execute(
            update(User)
            .where(User.id == user_id)
            .values(
                user_name=f"erased-{user_id.hex}",
                email=None,
                first_name=first_name,
                last_name=last_name,
                language=self._language,
                password_hash=None,
                last_login_at=None,
                disabled_at=self._now,
            )
        )
        return True, mails

    async def remove_requests(self) -> None:
        """Forget who asked for login tokens for the person's addresses, unless somebody has them."""
        living = select(User.email).where(User.disabled_at.is_(None), User.email.is_not(None))
        await self._session.execute(
            delete(LoginTokenRequest).where(
                LoginTokenRequest.email.in_(list(self._circle.emails)),
                LoginTokenRequest.email.not_in(living),
            )
        )

    async def remove_stored_answers(self) -> None:
        """Remove the answers kept for repeated requests that name anything of the person's."""
        wallets = select(Wallet.id).where(
            Wallet.school_id == self._school_id, among(Wallet.student_id, self._circle.students)
        )
        circle = self._circle
        ids = {circle.subject_id, *circle.families, *circle.invoices}
        ids |= await self._ids(wallets)
        patterns = literal([f"%{each}%" for each in ids], ARRAY(Text))
        callers = [f"user:{user_id}" for user_id in circle.users]
        await self._session.execute(
            delete(StoredAnswer).where(
                StoredAnswer.school_id == self._school_id,
                or_(
                    func.convert_from(StoredAnswer.body, "UTF8").like(any_(patterns)),
                    StoredAnswer.caller.in_(callers),
                ),
            )
        )

    async def _end_guardianships(self, whose: Any) -> None:
        """Let guardianships count no more, from this moment on; what has ended stays so."""
        await self._session.execute(
            update(Guardianship)
            .where(
                Guardianship.school_id == self._school_id,
                whose,
                or_(Guardianship.ends_on.is_(None), Guardianship.ends_on > self._yesterday),
            )
            .values(
                starts_on=func.least(Guardianship.starts_on, self._yesterday),
                ends_on=self._yesterday,
            )
        )

    async def _remove_events(self, student_id: UUID) -> None:
        """Take the student out of audiences, and away what was for nobody else."""
        removed = (
            delete(EventAudience)
            .where(
                EventAudience.school_id == self._school_id, EventAudience.student_id == student_id
            )
            .returning(EventAudience.event_id)
        )
        events = await self._ids(removed)
        others = select(EventAudience.event_id).where(EventAudience.school_id == self._school_id)
        await self._session.execute(
            delete(Event).where(
                Event.school_id == self._school_id,
                among(Event.id, events),
                Event.whole_school.is_(False),
                Event.id.not_in(others),
            )
        )

    async def _remove_sessions(self, user_id: UUID) -> None:
        theirs = select(UserSession.id).where(
            UserSession.user_id == user_id, UserSession.school_id == self._school_id
        )
        await self._session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(theirs)))
        await self._session.execute(
            delete(UserSession).where(
                UserSession.user_id == user_id, UserSession.school_id == self._school_id
            )
        )

    async def _ids(self, query: Selection | Any) -> Ids:
        return frozenset((await self._session.execute(query)).scalars())


def _text(column: Any) -> Any:
    return cast(column, Text)
