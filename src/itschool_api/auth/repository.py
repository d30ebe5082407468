"""Rows of people and their ways in: SQL, and no decisions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    column,
    delete,
    exists,
    func,
    or_,
    select,
    table,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from itschool_api.auth.models import (
    ApiKey,
    KnownOrigin,
    LoginToken,
    LoginTokenRequest,
    Membership,
    RateCounter,
    RecoveryCode,
    RefreshToken,
    SecondFactor,
    SigningKey,
    User,
    UserSession,
)
from itschool_api.database import Selection, insert_many, school_setting, tell_nodes

_SIGNING_KEYS = 0x6B65_7972_696E_67  # any number that nothing else locks
# Of a package above: of schools, only this is asked here, with each request.
_schools = table("schools", column("id", Uuid), column("second_factor_required", Boolean))


@dataclass(frozen=True, slots=True)
class LiveSession:
    """What the database knows of a session that is valid now."""

    restricted: bool
    roles: frozenset[str]
    lacks_factor: bool
    """Whether its school requires a second factor of staff, and its user has none."""


class Users:
    """Users and their memberships."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_name(self, user_name: str) -> User | None:
        """Return the enabled user of that name."""
        query = select(User).where(
            User.user_name == user_name.strip().lower(), User.disabled_at.is_(None)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def by_email(self, email: str) -> Sequence[User]:
        """Return the enabled users with that address: couples may share one."""
        query = (
            select(User).where(User.email == email, User.disabled_at.is_(None)).order_by(User.id)
        )
        return (await self._session.execute(query)).scalars().all()

    async def locked(self, user_id: UUID) -> User | None:
        """Return an enabled user, locked against concurrent changes."""
        query = (
            select(User)
            .where(User.id == user_id, User.disabled_at.is_(None))
            .with_for_update(key_share=True)
            # What was read before the lock may have changed.
            .execution_options(populate_existing=True)
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def locked_of_ids(self, ids: Sequence[UUID]) -> Sequence[User]:
        """Return users by their ids, locked in that order, against new memberships too."""
        query = (
            select(User)
            .where(User.id == func.any(list(ids)))
            .order_by(User.id)
            # Not `key_share`: a membership that is being written refers to its user.
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return (await self._session.execute(query)).scalars().all()

    async def locked_even_disabled(self, user_id: UUID) -> User:
        """Return a user, locked; nobody can let them join a school meanwhile."""
        query = select(User).where(User.id == user_id).with_for_update()
        # What was read before it was locked may have changed.
        query = query.execution_options(populate_existing=True)
        return (await self._session.execute(query)).scalar_one()

    async def locked_by_name(self, user_name: str) -> User | None:
        """Return the user of a name, disabled or not, locked."""
        query = select(User).where(User.user_name == user_name).with_for_update()
        return (await self._session.execute(query)).scalar_one_or_none()

    async def with_roles(self, school_id: UUID, roles: Collection[str]) -> Sequence[User]:
        """Return the users who have one of these roles at a school."""
        those = select(Membership.user_id).where(
            Membership.school_id == school_id, Membership.role.in_(list(roles))
        )
        query = select(User).where(User.id.in_(those)).order_by(User.id)
        return (await self._session.execute(query)).scalars().all()

    async def schools_of(self, user_id: UUID) -> Sequence[UUID]:
        """Return the schools of a user, the newest school last."""
        query = (
            select(Membership.school_id)
            .where(Membership.user_id == user_id)
            .distinct()
            .order_by(Membership.school_id)
        )
        return (await self._session.execute(query)).scalars().all()

    async def of_ids(self, ids: Sequence[UUID]) -> Sequence[User]:
        """Return users by their ids."""
        query = select(User).where(User.id == func.any(list(ids)))
        return (await self._session.execute(query)).scalars().all()

    async def with_other_memberships(
        self, ids: Sequence[UUID], school_id: UUID, role: str
    ) -> set[UUID]:
        """Return those of `ids` who have a membership beside `role` at `school_id`."""
        query = select(Membership.user_id).where(
            Membership.user_id == func.any(list(ids)),
            or_(Membership.school_id != school_id, Membership.role != role),
        )
        return set((await self._session.execute(query)).scalars())

    async def give_addresses(self, emails: Mapping[UUID, str]) -> None:
        """Set the e-mail address of users who have none."""
        if not emails:
            return
        await self._session.execute(
            update(cast("Table", User.__table__))
            .where(User.id == bindparam("user"), User.email.is_(None))
            .values(email=bindparam("address")),
            [{"user": user_id, "address": email} for user_id, email in sorted(emails.items())],
        )

    async def taken_names(self, names: Sequence[str]) -> set[str]:
        """Return those of `names` that belong to somebody."""
        query = select(User.user_name).where(User.user_name == func.any(list(names)))
        return set((await self._session.execute(query)).scalars())

    async def add_unless_taken(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add users, and leave out those whose name somebody else has taken meanwhile."""
        await self._session.execute(
            insert(cast("Table", User.__table__)).on_conflict_do_nothing(
                index_elements=[User.user_name]
            ),
            # In one order everywhere, so that two transactions never wait for each other.
            sorted(rows, key=itemgetter("user_name")),
        )

    async def join(self, ids: Sequence[UUID], school_id: UUID, roles: Sequence[str]) -> None:
        """Give users roles at a school, where they do not have them yet."""
        rows = [
            {"user_id": user_id, "school_id": school_id, "role": role}
            for user_id in sorted(ids)
            for role in roles
        ]
        if rows:
            await self._session.execute(
                insert(cast("Table", Membership.__table__)).on_conflict_do_nothing(), rows
            )


class UserSessions:
    """Logins and their refresh tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(
        self, session_id: UUID, user_id: UUID, school_id: UUID, now: datetime
    ) -> LiveSession | None:
        """Make the session's school the transaction's, and return the session if it is valid.

        One statement, the first of nearly every request: it reads global tables only.
        """
        row = (
            await self._session.execute(
                _entering(),
                {
                    "session_id": session_id,
                    "user_id": user_id,
                    "school_id": school_id,
                    "school": str(school_id),
                    "now": now,
                },
            )
        ).one_or_none()
        await tell_nodes(self._session, school_id)
        return LiveSession(row.restricted, frozenset(row.roles), row.lacks_factor) if row else None

    async def revoke_all(self, user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
        """End every session of a user, or every one but one; tell how many."""
        query = update(UserSession).where(
            UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
        )
        if but is not None:
            query = query.where(UserSession.id != but)
        ended = await self._session.execute(query.values(revoked_at=now).returning(UserSession.id))
        return len(ended.all())

    async def revoke_at(self, user_id: UUID, school_id: UUID, now: datetime) -> None:
        """End every session of a user at one school."""
        await self._session.execute(
            update(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.school_id == school_id,
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )

    async def last_school(self, user_id: UUID, schools: Sequence[UUID]) -> UUID | None:
        """Return at which of the schools a user was logged in last, as far as it is known."""
        query = (
            select(UserSession.school_id)
            .where(
                UserSession.user_id == user_id,
                UserSession.school_id == func.any(list(schools)),
                UserSession.restricted.is_(False),
            )
            .order_by(UserSession.last_used_at.desc())
            .limit(1)
        )
        found: UUID | None = (await self._session.execute(query)).scalar_one_or_none()
        return found

    async def revoke_restricted(self, user_id: UUID, now: datetime) -> None:
        """End the sessions of a user that login tokens opened."""
        await self._session.execute(
            update(UserSession)
            .where(
                UserSession.user_id == user_id,
                UserSession.restricted,
                UserSession.revoked_at.is_(None),
            )
            .values(revoked_at=now)
        )

    async def revoke(self, session_id: UUID, now: datetime, *, user_id: UUID | None = None) -> bool:
        """End one session, of that user if one is named; tell whether it was one to end."""
        query = update(UserSession).where(
            UserSession.id == session_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > now,
        )
        if user_id is not None:
            query = query.where(UserSession.user_id == user_id)
        ended = await self._session.execute(query.values(revoked_at=now).returning(UserSession.id))
        return ended.first() is not None

    async def use(self, session_id: UUID, school_id: UUID, now: datetime) -> bool:
        """Note that a session is refreshed, for that school; not where it has just ended."""
        query = (
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
            .values(last_used_at=now, school_id=school_id)
            .returning(UserSession.id)
        )
        return (await self._session.execute(query)).first() is not None

    async def by_refresh_token(
        self, token_sha256: bytes, now: datetime
    ) -> tuple[RefreshToken, UserSession] | None:
        """Return a refresh token, locked, and its session if that is valid."""
        query = (
            select(RefreshToken, UserSession)
            .join(UserSession, UserSession.id == RefreshToken.session_id)
            .join(User, User.id == UserSession.user_id)
            .where(
                RefreshToken.token_sha256 == token_sha256,
                UserSession.revoked_at.is_(None),
                UserSession.expires_at > now,
                User.disabled_at.is_(None),
            )
            .with_for_update(of=RefreshToken)
        )
        row = (await self._session.execute(query)).one_or_none()
        return (row[0], row[1]) if row else None

    async def keep_refresh_token(
        self, token_sha256: bytes, session_id: UUID, now: datetime
    ) -> None:
        """Store a refresh token, unless it is there (two tabs, one successor)."""
        await self._session.execute(
            insert(RefreshToken)
            .values(token_sha256=token_sha256, session_id=session_id, created_at=now)
            .on_conflict_do_nothing()
        )


class LoginTokens:
    """Single-use login tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def replace(self, token: LoginToken) -> bool:
        """Store a token in place of the user's older ones, unless it is there already.

        Tell whether it is the newest: the job of an older one may be late or tried again.
        """
        newer = select(LoginToken.id).where(
            LoginToken.user_id == token.user_id, LoginToken.created_at > token.created_at
        )
        if (await self._session.execute(newer.limit(1))).first() is not None:
            return False
        await self._session.execute(
            update(LoginToken)
            .where(
                LoginToken.user_id == token.user_id,
                LoginToken.used_at.is_(None),
                LoginToken.id != token.id,
            )
            .values(used_at=token.created_at)
        )
        await self._session.execute(
            insert(LoginToken)
            .values(
                id=token.id,
                user_id=token.user_id,
                token_sha256=token.token_sha256,
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
            .on_conflict_do_nothing()
        )
        return True

    async def replace_all(self, fresh: Sequence[LoginToken], now: datetime) -> None:
        """Store tokens in place of all that their users have."""
        await self._session.execute(
            update(LoginToken)
            .where(
                LoginToken.user_id == func.any([token.user_id for token in fresh]),
                LoginToken.used_at.is_(None),
            )
            .values(used_at=now)
            .execution_options(synchronize_session=False)
        )
        await insert_many(
            self._session,
            LoginToken,
            [
                {
                    "id": token.id,
                    "user_id": token.user_id,
                    "token_sha256": token.token_sha256,
                    "created_at": token.created_at,
                    "expires_at": token.expires_at,
                }
                for token in fresh
            ],
        )

    async def end_all(self, user_id: UUID, now: datetime) -> None:
        """Use up every token of a user."""
        await self._session.execute(
            update(LoginToken)
            .where(LoginToken.user_id == user_id, LoginToken.used_at.is_(None))
            .values(used_at=now)
        )

    async def redeem(self, token_sha256: bytes, now: datetime) -> UUID | None:
        """Use up a token and return whose it was; of concurrent calls one succeeds."""
        query = (
            update(LoginToken)
            .where(
                LoginToken.token_sha256 == token_sha256,
                LoginToken.used_at.is_(None),
                LoginToken.expires_at > now,
                User.id == LoginToken.user_id,
                User.disabled_at.is_(None),
            )
            .values(used_at=now)
            .returning(LoginToken.user_id)
        )
        return (await self._session.execute(query)).scalar_one_or_none()


class LoginTokenRequests:
    """Wishes for login tokens, of addresses that need not be known."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, request_id: UUID) -> LoginTokenRequest | None:
        """Delete a request and return what it said; of two calls at once one gets it."""
        query = (
            delete(LoginTokenRequest)
            .where(LoginTokenRequest.id == request_id)
            .returning(LoginTokenRequest)
        )
        return (await self._session.execute(query)).scalar_one_or_none()


class SecondFactors:
    """Second factors, and the recovery codes that stand in for them."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, user_id: UUID) -> SecondFactor | None:
        """Return a user's factor, confirmed or not, as the database has it now."""
        query = select(SecondFactor).where(SecondFactor.user_id == user_id)
        fresh = query.execution_options(populate_existing=True)
        return (await self._session.execute(fresh)).scalar_one_or_none()

    async def confirmed(self, user_id: UUID) -> SecondFactor | None:
        """Return a user's factor if it is confirmed."""
        factor = await self.of(user_id)
        return factor if factor is not None and factor.confirmed_at is not None else None

    async def offer(self, user_id: UUID, pending_secret: bytes, now: datetime) -> None:
        """Store a secret that waits for its first code, in place of one that waited before."""
        await self._session.execute(
            insert(SecondFactor)
            .values(user_id=user_id, pending_secret=pending_secret, created_at=now)
            .on_conflict_do_update(
                index_elements=[SecondFactor.user_id],
                set_={"pending_secret": pending_secret, "created_at": now},
            )
        )

    async def confirm(self, user_id: UUID, counter: int, now: datetime) -> None:
        """Let the secret that waited be the one that counts."""
        await self._session.execute(
            update(SecondFactor)
            .where(SecondFactor.user_id == user_id)
            .values(
                encrypted_secret=SecondFactor.pending_secret,
                pending_secret=None,
                confirmed_at=now,
                last_counter=counter,
            )
        )

    async def accept(self, user_id: UUID, counter: int) -> bool:
        """Use up a step of time and all before it; of concurrent calls one succeeds."""
        query = (
            update(SecondFactor)
            .where(
                SecondFactor.user_id == user_id,
                func.coalesce(SecondFactor.last_counter, -1) < counter,
            )
            .values(last_counter=counter)
            .returning(SecondFactor.user_id)
        )
        return (await self._session.execute(query)).first() is not None

    async def remove(self, user_id: UUID) -> bool:
        """Forget a user's factor and recovery codes, and tell whether there was a factor."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        query = delete(SecondFactor).where(SecondFactor.user_id == user_id)
        gone = await self._session.execute(query.returning(SecondFactor.user_id))
        return gone.first() is not None

    async def replace_recovery_codes(self, user_id: UUID, hashes: Sequence[bytes]) -> None:
        """Store recovery codes in place of the former ones."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        await self._session.execute(
            insert(RecoveryCode).values(
                [{"user_id": user_id, "code_sha256": each} for each in hashes]
            )
        )

    async def use_recovery_code(self, user_id: UUID, code_sha256: bytes, now: datetime) -> bool:
        """Use up a recovery code; of concurrent calls one succeeds."""
        query = (
            update(RecoveryCode)
            .where(
                RecoveryCode.user_id == user_id,
                RecoveryCode.code_sha256 == code_sha256,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=now)
            .returning(RecoveryCode.user_id)
        )
        return (await self._session.execute(query)).first() is not None

    async def recovery_codes_left(self, user_id: UUID) -> int:
        """Count the recovery codes that were not used."""
        query = select(func.count()).where(
            RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
        )
        return (await self._session.execute(query)).scalar_one()

    async def is_required(self, user_id: UUID, roles: Iterable[str]) -> bool:
        """Tell whether a school where the user has one of `roles` requires a factor of them."""
        query = (
            select(Membership.school_id)
            .join(_schools, _schools.c.id == Membership.school_id)
            .where(
                Membership.user_id == user_id,
                Membership.role.in_(list(roles)),
                _schools.c.second_factor_required,
            )
        )
        return (await self._session.execute(query.limit(1))).first() is not None

    async def lacking(self, school_id: UUID, roles: Iterable[str]) -> int:
        """Count the enabled users with one of `roles` at a school who have no factor."""
        query = (
            select(func.count(Membership.user_id.distinct()))
            .join(User, User.id == Membership.user_id)
            .where(
                Membership.school_id == school_id,
                Membership.role.in_(list(roles)),
                User.disabled_at.is_(None),
                ~_is_protected(Membership.user_id),
            )
        )
        return (await self._session.execute(query)).scalar_one()


class ApiKeys:
    """A school's API keys."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def valid(self, school_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
        """Return a key that is neither revoked nor expired."""
        query = select(ApiKey).where(
            ApiKey.school_id == school_id,
            ApiKey.id == key_id,
            ApiKey.revoked_at.is_(None),
            (ApiKey.expires_at.is_(None)) | (ApiKey.expires_at > now),
        )
        return (await self._session.execute(query)).scalar_one_or_none()

    async def labels(self, school_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, str]:
        """Return the labels of keys."""
        query = select(ApiKey.id, ApiKey.label).where(
            ApiKey.school_id == school_id, ApiKey.id == func.any(list(key_ids))
        )
        return {row.id: row.label for row in await self._session.execute(query)}

    async def touch(self, key: ApiKey, now: datetime) -> None:
        """Remember that a key was used."""
        await self._session.execute(
            update(ApiKey)
            .where(ApiKey.school_id == key.school_id, ApiKey.id == key.id)
            .values(last_used_at=now)
        )

    async def revoke(self, school_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
        """End a key and return it; once is enough."""
        query = (
            update(ApiKey)
            .where(ApiKey.school_id == school_id, ApiKey.id == key_id)
            .values(revoked_at=func.coalesce(ApiKey.revoked_at, now))
            .returning(ApiKey)
        )
        return (await self._session.execute(query)).scalar_one_or_none()


class SigningKeys:
    """The keys that sign access tokens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> Sequence[SigningKey]:
        """Return every key, oldest first, retired ones too."""
        query = select(SigningKey).order_by(SigningKey.created_at, SigningKey.kid)
        return (await self._session.execute(query)).scalars().all()

    async def alone(self) -> None:
        """Let no other transaction change the keys meanwhile."""
        await self._session.execute(select(func.pg_advisory_xact_lock(_SIGNING_KEYS)))

    async def forget(self, retired_before: datetime) -> None:
        """Delete the keys that were retired before then."""
        await self._session.execute(
            delete(SigningKey).where(SigningKey.retired_at < retired_before)
        )


class KnownOrigins:
    """Where users got in from, by a hash."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def holds(self, user_id: UUID, origin_sha256: bytes, since: datetime) -> bool:
        """Tell whether a user got in from there since then."""
        query = select(KnownOrigin.last_seen_at).where(
            KnownOrigin.user_id == user_id,
            KnownOrigin.origin_sha256 == origin_sha256,
            KnownOrigin.last_seen_at > since,
        )
        return (await self._session.execute(query)).first() is not None

    async def keep(self, user_id: UUID, origin_sha256: bytes, now: datetime) -> None:
        """Note that a user got in from there."""
        query = insert(KnownOrigin).values(
            user_id=user_id, origin_sha256=origin_sha256, last_seen_at=now
        )
        await self._session.execute(
            query.on_conflict_do_update(
                index_elements=[KnownOrigin.user_id, KnownOrigin.origin_sha256],
                set_={"last_seen_at": query.excluded.last_seen_at},
            )
        )


class RateCounters:
    """Counts of attempts, which hold over several processes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def counts(self, windows: Mapping[str, datetime]) -> dict[str, int]:
        """Return the counts of keys, each in its window; what was never counted is left out."""
        query = select(RateCounter.key, RateCounter.hits).where(
            tuple_(RateCounter.key, RateCounter.window_at).in_(windows.items())
        )
        return {row.key: row.hits for row in await self._session.execute(query)}

    async def hit(self, windows: Mapping[str, datetime]) -> dict[str, int]:
        """Count one attempt for each key in its window, and return the counts."""
        return await self._add({key: (window, 1) for key, window in windows.items()})

    async def add(self, hits: Mapping[str, int], window: datetime) -> dict[str, int]:
        """Count so many for each key, and return the counts."""
        return await self._add({key: (window, more) for key, more in hits.items()})

    async def _add(self, counted: Mapping[str, tuple[datetime, int]]) -> dict[str, int]:
        # In one order everywhere, so that two requests never wait for each other.
        rows = [
            {"key": key, "window_at": window, "hits": hits}
            for key, (window, hits) in sorted(counted.items())
        ]
        query = insert(RateCounter).values(rows)
        counts = query.on_conflict_do_update(
            index_elements=[RateCounter.key, RateCounter.window_at],
            set_={"hits": RateCounter.hits + query.excluded.hits},
        ).returning(RateCounter.key, RateCounter.hits)
        return {row.key: row.hits for row in await self._session.execute(counts)}


@cache
def _entering() -> Selection:
    """Return the statement of `UserSessions.enter`, made once."""
    roles = func.array_agg(Membership.role)
    lacks_factor = and_(_schools.c.second_factor_required, ~_is_protected(UserSession.user_id))
    return (
        select(
            UserSession.restricted,
            roles.label("roles"),
            lacks_factor.label("lacks_factor"),
            school_setting(bindparam("school", type_=Text)),
        )
        .join(User, User.id == UserSession.user_id)
        .join(_schools, _schools.c.id == UserSession.school_id)
        .join(
            Membership,
            (Membership.user_id == UserSession.user_id)
            & (Membership.school_id == UserSession.school_id),
        )
        .where(
            UserSession.id == bindparam("session_id"),
            UserSession.user_id == bindparam("user_id"),
            UserSession.school_id == bindparam("school_id"),
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > bindparam("now"),
            User.disabled_at.is_(None),
        )
        .group_by(UserSession.id, _schools.c.second_factor_required)
    )


def _is_protected(user_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    return exists().where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
