"""Roles, scopes, and what they let a caller reach: the policy, and nothing that executes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID


class Role(StrEnum):
    """What a person is at a school; one person may be several."""

    GUARDIAN = "guardian"
    TEACHER = "teacher"
    MANAGER = "manager"
    ACCOUNTANT = "accountant"
    ADMIN = "admin"


# They see more than their own: a school may ask a second factor of them.
STAFF: Final = frozenset(Role) - {Role.GUARDIAN}


class Scope(StrEnum):
    """What an operation asks of its caller."""

    PROFILE_READ = "profile:read"
    PROFILE_WRITE = "profile:write"
    PASSWORD_WRITE = "password:write"  # noqa: S105 - a scope's name
    SECOND_FACTOR_WRITE = "second-factor:write"
    SCHOOL_READ = "school:read"
    SCHOOL_WRITE = "school:write"
    STUDENTS_READ = "students:read"
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    LOGIN_LETTERS_WRITE = "login-letters:write"
    LOGINS_WRITE = "logins:write"
    WALLETS_READ = "wallets:read"
    INVOICES_READ = "invoices:read"
    INVOICES_WRITE = "invoices:write"
    INVOICES_PAY = "invoices:pay"
    BANK_STATEMENTS_READ = "bank-statements:read"
    BANK_STATEMENTS_WRITE = "bank-statements:write"
    BANK_TRANSACTIONS_READ = "bank-transactions:read"
    BANK_TRANSACTIONS_WRITE = "bank-transactions:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    MAILS_READ = "mails:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    API_KEYS_WRITE = "api-keys:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    AUDIT_READ = "audit:read"
    PRIVACY_WRITE = "privacy:write"


DESCRIPTIONS: Final[Mapping[Scope, str]] = {
    Scope.PROFILE_READ: "Read who you are.",
    Scope.PROFILE_WRITE: "Change your user name, your sessions and your schools.",
    Scope.PASSWORD_WRITE: "Set your password.",
    Scope.SECOND_FACTOR_WRITE: "Set up your second factor.",
    Scope.SCHOOL_READ: "Read the school's years.",
    Scope.SCHOOL_WRITE: "Add school years and move students into them; say when a wallet is low.",
    Scope.STUDENTS_READ: "Read students.",
    Scope.PEOPLE_READ: "Read class groups, guardians and families.",
    Scope.PEOPLE_WRITE: "Create students, class groups, guardians and families.",
    Scope.LOGIN_LETTERS_WRITE: "Print guardians' login tokens.",
    Scope.LOGINS_WRITE: "Invite guardians; change, unlink and offer logins.",
    Scope.WALLETS_READ: "Read wallets and their operations.",
    Scope.INVOICES_READ: "Read invoices.",
    Scope.INVOICES_WRITE: "Draft and issue invoices.",
    Scope.INVOICES_PAY: "Pay an invoice from a wallet.",
    Scope.BANK_STATEMENTS_READ: "Read what was imported from the bank.",
    Scope.BANK_STATEMENTS_WRITE: "Import the bank's files.",
    Scope.BANK_TRANSACTIONS_READ: "Read the bank's transactions.",
    Scope.BANK_TRANSACTIONS_WRITE: "Allocate transactions that wait in suspense.",
    Scope.EVENTS_READ: "Read events.",
    Scope.EVENTS_WRITE: "Write events.",
    Scope.MAILS_READ: "Read which mails were sent.",
    Scope.WEBHOOKS_READ: "Read what the school's own systems are told.",
    Scope.WEBHOOKS_WRITE: "Say what the school's own systems are told.",
    Scope.API_KEYS_WRITE: "Make and revoke API keys.",
    Scope.MEMBERS_READ: "Read who works at the school.",
    Scope.MEMBERS_WRITE: "Say who works at the school, and as what.",
    Scope.AUDIT_READ: "Read who did what.",
    Scope.PRIVACY_WRITE: "Export and erase what is known of a person.",
}


class Reach(StrEnum):
    """Whose objects a scope reaches."""

    OWN = "own"  # those of one's children and families
    SCHOOL = "school"


_OWN = dict.fromkeys(
    (
        Scope.STUDENTS_READ,
        Scope.WALLETS_READ,
        Scope.INVOICES_READ,
        Scope.INVOICES_PAY,
        Scope.EVENTS_READ,
    ),
    Reach.OWN,
)
_OFFICE_READS = dict.fromkeys(
    (
        Scope.SCHOOL_READ,
        Scope.STUDENTS_READ,
        Scope.PEOPLE_READ,
        Scope.WALLETS_READ,
        Scope.INVOICES_READ,
        Scope.BANK_STATEMENTS_READ,
        Scope.BANK_TRANSACTIONS_READ,
        Scope.EVENTS_READ,
    ),
    Reach.SCHOOL,
)
_MONEY = dict.fromkeys(
    (
        Scope.INVOICES_WRITE,
        Scope.INVOICES_PAY,
        Scope.BANK_STATEMENTS_WRITE,
        Scope.BANK_TRANSACTIONS_WRITE,
    ),
    Reach.SCHOOL,
)
_EVERYTHING = (
    _OFFICE_READS
    | _MONEY
    | dict.fromkeys(
        (
            Scope.PEOPLE_WRITE,
            Scope.SCHOOL_WRITE,
            Scope.EVENTS_WRITE,
            Scope.MAILS_READ,
            Scope.WEBHOOKS_READ,
            Scope.WEBHOOKS_WRITE,
        ),
        Reach.SCHOOL,
    )
)
# Whoever holds these holds the logins of guardians, so they are for people, who answer for what
# they do: a program that may change an address as well would let in whomever it likes.
_LOGINS = dict.fromkeys((Scope.LOGIN_LETTERS_WRITE, Scope.LOGINS_WRITE), Reach.SCHOOL)
_ONLY_ADMIN = dict.fromkeys(
    (
        Scope.API_KEYS_WRITE,
        Scope.MEMBERS_READ,
        Scope.MEMBERS_WRITE,
        Scope.AUDIT_READ,
        Scope.PRIVACY_WRITE,
    ),
    Reach.SCHOOL,
)

POLICY: Final[Mapping[Role, Mapping[Scope, Reach]]] = {
    Role.GUARDIAN: _OWN,
    Role.TEACHER: {Scope.EVENTS_READ: Reach.SCHOOL},
    Role.ACCOUNTANT: _OFFICE_READS | _MONEY,
    Role.MANAGER: _EVERYTHING | _LOGINS,
    Role.ADMIN: _EVERYTHING | _LOGINS | _ONLY_ADMIN,
}
# What anybody may do who is logged in; an API key has no profile and no password.
_PERSONAL = {
    Scope.PROFILE_READ: Reach.OWN,
    Scope.PROFILE_WRITE: Reach.OWN,
    Scope.PASSWORD_WRITE: Reach.OWN,
    Scope.SECOND_FACTOR_WRITE: Reach.OWN,
    Scope.SCHOOL_READ: Reach.SCHOOL,
}
# Enough to set up the second factor that a school asks of its staff.
_UNPROTECTED = (Scope.PROFILE_READ, Scope.PASSWORD_WRITE, Scope.SECOND_FACTOR_WRITE)
# Keys act for the school's office: what it does every day, and nothing that lets others in.
KEY_SCOPES: Final[frozenset[Scope]] = frozenset(_EVERYTHING)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, at which school, and what that lets them reach."""

    school_id: UUID
    name: str
    """`user:<id>` or `api-key:<id>`: how the books name them."""
    user_id: UUID | None
    session_id: UUID | None
    roles: frozenset[Role]
    reach: Mapping[Scope, Reach]

    @property
    def sets_password_only(self) -> bool:
        """Whether a login token opened the session, which may do nothing else."""
        return self.reach.keys() == reach_of_new_user().keys()

    @property
    def lacks_second_factor(self) -> bool:
        """Whether the session may set up the second factor that is asked of staff, and no more."""
        return self.reach.keys() == frozenset(_UNPROTECTED)

    def sees_school(self, scope: Scope) -> bool:
        """Tell whether `scope` reaches everything of the school, not only one's own."""
        return self.reach.get(scope) is Reach.SCHOOL


def is_unprotected(roles: frozenset[Role], *, lacks_factor: bool) -> bool:
    """Tell whether a session must be narrowed: staff without the factor that is asked of them."""
    return lacks_factor and not STAFF.isdisjoint(roles)


def reach_of(roles: frozenset[Role], *, unprotected: bool = False) -> dict[Scope, Reach]:
    """Return what a person with `roles` reaches: the widest of each.

    An unprotected session is narrowed as a whole, whatever else its user is: of a parent who works
    at the school, it is the school's data that a thief would find in it.
    """
    if unprotected:
        return dict.fromkeys(_UNPROTECTED, Reach.OWN)
    reach = dict(_PERSONAL)
    for role in sorted(roles):
        for scope, width in POLICY[role].items():
            if reach.get(scope) is not Reach.SCHOOL:
                reach[scope] = width
    return reach


def reach_of_new_user() -> dict[Scope, Reach]:
    """Return what a session reaches that came from a login token: the password, and no more."""
    return {Scope.PASSWORD_WRITE: Reach.OWN}


def reach_of_key(scopes: frozenset[Scope]) -> dict[Scope, Reach]:
    """Return what an API key with `scopes` reaches."""
    return dict.fromkeys(scopes & KEY_SCOPES, Reach.SCHOOL)
