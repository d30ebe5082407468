"""What is personal, about whom, and what becomes of it: every column of every table. Pure.

A column that is not here fails a test, so a new table cannot forget whom it tells of. `export` and
`erasure` follow this page, docs/privacy.md is written from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class About(StrEnum):
    """Whom a column tells of."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    USER = "user"  # a guardian's login
    FAMILY = "family"
    PAYER = "payer"  # whoever sent money, parent or not


class Fate(StrEnum):
    """What an erasure does with it."""

    GONE = "deleted"
    PSEUDONYM = "pseudonym"
    BOOKS = "kept as long as accounts must be"
    STAYS = "kept: it names nobody"
    EXPIRES = "goes by itself"


@dataclass(frozen=True, slots=True)
class Personal:
    """A column that tells something of somebody."""

    about: About
    fate: Fate
    shared: bool = False
    """Whether it may stand in the export of a person whom it is linked with."""
    secret: bool = False
    """Whether it stands in no export: a key or a hash, which tells a person nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what it holds, its personal columns, and the others that are no ids."""

    holds: str
    personal: Mapping[str, Personal] = field(default_factory=dict)
    plain: str = ""
    expires: str = ""
    """The setting, or the time, after which its rows go by themselves."""


def _all(columns: str, about: About, fate: Fate, **more: bool) -> dict[str, Personal]:
    return dict.fromkeys(columns.split(), Personal(about, fate, **more))


_S, _G, _U, _F, _P = About.STUDENT, About.GUARDIAN, About.USER, About.FAMILY, About.PAYER
_GONE, _PSEUDONYM, _BOOKS, _STAYS, _EXPIRES = (
    Fate.GONE,
    Fate.PSEUDONYM,
    Fate.BOOKS,
    Fate.STAYS,
    Fate.EXPIRES,
)

_PEOPLE: Final = {
    "students": Table(
        "Children of the school.",
        _all("first_name last_name", _S, _PSEUDONYM, shared=True)
        | _all("external_key birth_date", _S, _GONE)
        | _all("left_on erased_at", _S, _STAYS),
    ),
    "enrolments": Table("A child's class in a school year."),
    "families": Table(
        "Whom invoices are addressed to.",
        _all("name", _F, _PSEUDONYM, shared=True)
        | _all("language", _F, _GONE, shared=True)
        | _all("external_key street postal_code city", _F, _GONE)
        | _all("erased_at", _F, _STAYS),
    ),
    "family_students": Table(
        "A child's place in a family.", _all("share_bp", _F, _GONE, shared=True)
    ),
    "guardians": Table(
        "Parents, as the school knows them.",
        _all("first_name last_name", _G, _PSEUDONYM, shared=True)
        | _all("external_key email phone language invited_at", _G, _GONE)
        | _all("erased_at", _G, _STAYS),
    ),
    "guardianships": Table(
        "Who sees which child, and when.",
        _all("sees_money starts_on ends_on", _G, _STAYS, shared=True),
    ),
    "events": Table(
        "What happens at the school; exported and deleted where it is for one child.",
        _all("title text place begins_at ends_at begins_on ends_on", _S, _GONE),
        "whole_school created_at created_by",
    ),
    "event_audiences": Table("Whom an event is addressed to."),
    "mails": Table(
        "Which mail was sent to whom; not its words.",
        _all("kind recipient language status attempts reason", _U, _GONE)
        | _all("queued_at attempted_at sent_at", _U, _GONE),
        expires="retention_mail_days",
    ),
    "exports": Table(
        "Which export was asked for; proof that a person was answered.",
        _all("subject_kind status requested_at ready_at expires_at", _U, _STAYS, shared=True)
        | _all("file_key size_bytes sha256", _U, _GONE, secret=True),
        expires="retention_export_days (the file)",
    ),
    "audit_events": Table(
        "Who did what: ids and the names of operations.",
        _all("at action", _U, _STAYS, shared=True)
        | _all("actor request_id subjects subject_ids details", _U, _STAYS, secret=True),
    ),
}
_LOGINS: Final = {
    "users": Table(
        "Logins; erased with the guardian, unless another school has them too.",
        _all("user_name first_name last_name", _U, _PSEUDONYM)
        | _all("email language password_hash last_login_at", _U, _GONE)
        | _all("password_hash", _U, _GONE, secret=True)
        | _all("created_at disabled_at", _U, _STAYS),
    ),
    "memberships": Table("Roles at schools.", _all("role", _U, _GONE)),
    "membership_offers": Table(
        "A school's wish to link a login.",
        _all("offered_at answered_at accepted", _U, _GONE),
        expires="retention_session_days after the answer",
    ),
    "sessions": Table(
        "Where a user is logged in.",
        _all("label restricted in_cookie last_used_at", _U, _GONE)
        | _all("created_at expires_at revoked_at", _U, _GONE),
        expires="retention_session_days after its end",
    ),
    "refresh_tokens": Table(
        "What renews a session.",
        _all("created_at used_at", _U, _GONE) | _all("token_sha256", _U, _GONE, secret=True),
        expires="with its session",
    ),
    "login_tokens": Table(
        "Single-use tokens.",
        _all("created_at expires_at used_at", _U, _GONE)
        | _all("token_sha256", _U, _GONE, secret=True),
        expires="retention_session_days after its end",
    ),
    "login_token_requests": Table(
        "Addresses for which a login token was asked for.",
        _all("email created_at", _U, _GONE),
        expires="1 day",
    ),
    "known_origins": Table(
        "Network addresses that a user came from, hashed.",
        _all("last_seen_at", _U, _GONE) | _all("origin_sha256", _U, _GONE, secret=True),
        expires="retention_origin_days",
    ),
    "second_factors": Table(
        "Second factors.",
        _all("created_at confirmed_at", _U, _GONE)
        | _all("encrypted_secret pending_secret last_counter", _U, _GONE, secret=True),
    ),
    "recovery_codes": Table(
        "What replaces a lost second factor.",
        _all("used_at", _U, _GONE) | _all("code_sha256", _U, _GONE, secret=True),
    ),
    "rate_counters": Table(
        "Counts of failed attempts; keys are hashes.",
        _all("key", _U, _EXPIRES, secret=True),
        "window_at hits",
        expires="1 day",
    ),
    "idempotency_keys": Table(
        "Answers kept for a repeated request: copies of what other tables hold.",
        _all("body", _F, _GONE, secret=True),
        "caller key request_sha256 status stored_at",
        expires="24 hours",
    ),
}
_MONEY: Final = {
    "wallets": Table("A child's prepaid money."),
    "accounts": Table(
        "Balances of wallets and invoices.",
        _all("balance_cents closed_at", _F, _STAYS, shared=True),
        "kind floor_cents ceiling_cents entries",
    ),
    "transfers": Table(
        "Movements of money.",
        _all("amount_cents booked_on recorded_at", _F, _STAYS, shared=True)
        | _all("source_balance_cents target_balance_cents", _F, _STAYS, shared=True),
        "cause source_entry target_entry",
    ),
    "payment_references": Table(
        "What a standing order names; it must never pay anybody else.",
        _all("reference", _F, _STAYS, shared=True),
        "created_at",
    ),
    "invoices": Table(
        "What families owe.",
        _all("label", _F, _BOOKS, shared=True)
        | _all("series number created_at issued_on due_on", _F, _STAYS, shared=True)
        | _all("total_cents", _F, _STAYS)
        | _all("issued_to", _F, _BOOKS),
    ),
    "invoice_lines": Table(
        "What is owed for a child.",
        _all("label", _S, _BOOKS, shared=True)
        | _all("position quantity unit_cents kind", _S, _STAYS, shared=True),
    ),
    "bank_transactions": Table(
        "What the bank says of a payment.",
        _all("amount_cents value_on booked_on", _F, _STAYS, shared=True)
        | _all("reference", _F, _BOOKS, shared=True)
        | _all("communication counterparty_name counterparty_account raw", _P, _BOOKS),
        "ordinal transaction_code state cause",
    ),
    "bank_files": Table(
        "The bank's own files; exported are the payments in them.",
        _all("storage_key", _P, _BOOKS, secret=True),
        "sha256 size_bytes",
    ),
}
_WEBHOOKS: Final = {
    "webhook_events": Table(
        "What the school's own systems were told: ids, amounts and days.",
        _all("body", _F, _EXPIRES, secret=True),
        "type occurred_at",
        expires="retention_webhook_days",
    ),
    "webhook_deliveries": Table(
        "Whether it arrived, and how the receiver's answer began.",
        _all("reply", _F, _EXPIRES, secret=True),
        "status attempts created_at queued_at next_attempt_at claimed_by attempted_at"
        " response_status duration_ms reason",
        expires="retention_webhook_days",
    ),
    "webhook_endpoints": Table(
        "The school's own systems that are told what happens.",
        plain="url description event_types enabled disabled_reason secret_version previous_secret_until"
        " failing_since created_at",
    ),
}
# What tells of the school, of its staff by their ids, or of nobody.
_OTHERS: Final = {
    "schools": Table("Schools.", plain="name time_zone created_at second_factor_required"),
    "school_profiles": Table(
        "What stands on a school's letters.",
        plain="street postal_code city language enterprise_number email phone payment_term_days"
        " spread_excess",
    ),
    "school_years": Table("School years.", plain="name begins_on ends_on"),
    "compartments": Table(
        "Purposes of money.", plain="name position is_general floor_cents low_cents"
    ),
    "class_groups": Table("Classes.", plain="name"),
    "bank_accounts": Table(
        "The school's accounts.", plain="iban bic holder is_default imported_until"
    ),
    "iban_claims": Table("Which school an account is of.", plain="iban"),
    "books": Table("The books' lock.", plain="next_reference"),
    "invoice_series": Table("The next invoice's number.", plain="series next_number"),
    "bank_imports": Table(
        "What an import told its sender: counts and sums.",
        plain="imported_by imported_at report reversed_at",
    ),
    "bank_statements": Table(
        "Statements of the school's account.",
        plain="key content_sha256 number separate_application opening_on closing_on opening_cents"
        " closing_cents transactions reversed_at",
    ),
    "allocations": Table("Which payment settled what.", plain="allocated_by allocated_at"),
    "api_keys": Table(
        "Keys for the school's programs.",
        plain="label secret_sha256 scopes created_by created_at expires_at last_used_at revoked_at",
    ),
    "signing_keys": Table(
        "Keys that sign access tokens.",
        plain="kid encrypted_key created_at signs_from retired_at",
        expires="30 days after they retire",
    ),
}

TABLES: Final[Mapping[str, Table]] = {**_PEOPLE, **_LOGINS, **_MONEY, **_WEBHOOKS, **_OTHERS}


def exported(table: str) -> dict[str, Personal]:
    """Return the columns of a table that belong into an export."""
    return {name: column for name, column in TABLES[table].personal.items() if not column.secret}
