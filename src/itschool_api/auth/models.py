"""Tables of people and their ways in.

Users, sessions and tokens are global: one person may belong to several schools. They hold no
school's data.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from itschool_api.database import Base, TenantOwned, new_id, school_key


class User(Base):
    """A person who can log in."""

    __tablename__ = "users"
    __table_args__ = (Index(None, "email"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_name: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None]
    first_name: Mapped[str]
    last_name: Mapped[str]
    language: Mapped[str]
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    """When they last got in, by password; null: never."""


class Membership(Base):
    """A role of a user at a school."""

    __tablename__ = "memberships"
    __table_args__ = (Index(None, "school_id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    school_id: Mapped[UUID] = mapped_column(ForeignKey("schools.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class MembershipOffer(Base):
    """A school's wish to link a user whom it knows as a guardian; the user accepts or declines."""

    __tablename__ = "membership_offers"
    __table_args__ = (Index(None, "user_id"), Index(None, "school_id", "guardian_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """Null where the user name was nobody's: the school sees no difference."""
    school_id: Mapped[UUID] = mapped_column(ForeignKey("schools.id"))
    guardian_id: Mapped[UUID]
    offered_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    """When it was answered, or taken back."""
    accepted: Mapped[bool | None]
    """What the answer was; null where there was none."""


class UserSession(Base):
    """A login, at one school; `restricted` ones may only set the password."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    school_id: Mapped[UUID] = mapped_column(ForeignKey("schools.id"))
    restricted: Mapped[bool]
    in_cookie: Mapped[bool]
    """Whether its refresh token travels in a cookie (browsers), not in bodies (mobile)."""
    label: Mapped[str | None]
    """What its user calls it, such as "Phone"."""
    last_used_at: Mapped[datetime]
    """When it was last opened or refreshed."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token by its hash; its successor follows from it and is not stored."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (Index(None, "session_id"),)

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginToken(Base):
    """A single-use login token by its hash."""

    __tablename__ = "login_tokens"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginTokenRequest(Base):
    """Somebody asked for a login token for an address, known to us or not."""

    __tablename__ = "login_token_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    created_at: Mapped[datetime]


class KnownOrigin(Base):
    """A network address that a user got in from before, by its hash: limits spare it."""

    __tablename__ = "known_origins"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    origin_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    last_seen_at: Mapped[datetime]


class SecondFactor(Base):
    """A user's TOTP secret (RFC 6238), encrypted, and the one that is to take its place."""

    __tablename__ = "second_factors"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    encrypted_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Null until a first code confirmed it: before that, it protects nothing."""
    pending_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What was shown last and no code has confirmed yet."""
    created_at: Mapped[datetime]
    """When the pending secret was made."""
    confirmed_at: Mapped[datetime | None]
    last_counter: Mapped[int | None] = mapped_column(BigInteger)
    """The newest time step that was accepted: a code works once."""


class RecoveryCode(Base):
    """A single-use code in place of a lost second factor, by its hash."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    code_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    used_at: Mapped[datetime | None]


class SigningKey(Base):
    """A private key for access tokens, encrypted under the program's secret."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    encrypted_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    """From when it signs: until then every process has time to learn of it."""
    retired_at: Mapped[datetime | None]
    """From when its tokens are refused."""


class RateCounter(Base):
    """How often something was tried in a window of time."""

    __tablename__ = "rate_counters"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_at: Mapped[datetime] = mapped_column(primary_key=True)
    hits: Mapped[int]


class ApiKey(TenantOwned, Base):
    """A key for a school's own programs, by its secret's hash."""

    __tablename__ = "api_keys"
    __table_args__ = (school_key(),)

    label: Mapped[str]
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
