"""What our e-mails say: facts in, a complete message out, in French, Dutch, German or English.

This module is pure. It knows neither users nor schools as stored, neither a clock nor a mail
server: the same facts give the same bytes, so that a retry is recognised as the message that it
repeats. The words stand in `templates/<language>.jinja`, once for the plain and the HTML part.

    ValueError
    └── InvalidMail    an address, key or link is not fit for a message
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.lists import format_list
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from itschool_api.languages import Language


class Kind(StrEnum):
    """What a message is about."""

    INVITATION = "invitation"
    LOGIN_TOKEN = "login_token"  # noqa: S105 - a kind's name
    OFFER = "offer"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a kind's name
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    RECOVERY_CODE_USED = "recovery_code_used"
    LOGIN_CHANGED = "login_changed"
    EMAIL_CONFIRMATION = "email_confirmation"
    EXPORT_READY = "export_ready"
    WEBHOOK_DISABLED = "webhook_disabled"


WITH_TOKEN: Final = frozenset({Kind.INVITATION, Kind.LOGIN_TOKEN, Kind.EMAIL_CONFIRMATION})

_LOCALES: Final[dict[Language, str]] = {
    "fr": "fr_BE",
    "nl": "nl_BE",
    "de": "de_BE",
    "en": "en_GB",
}
# What RFC 5322 section 3.2.3 lets stand unquoted before the @ of a Message-ID, less the unusual.
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)


def _environment(*, autoescape: bool) -> Environment:
    """Make an environment that knows the words, and fails where one is missing."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,  # noqa: S701  (off for the plain part, where < is but a letter)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


# The same words are escaped for one part and left alone for the other.
_PLAIN: Final = _environment(autoescape=False)
_HTML: Final = _environment(autoescape=True)


class InvalidMail(ValueError):
    """A fact is not fit for a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One user: who it is, the user name, and the login token where the message brings one."""

    name: str
    user_name: str
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What every message needs beside its subject.

    `key` becomes the Message-ID: the same for every try of one message, and for no other.
    `sender` and `recipient` are addresses, the sender's with or without a display name;
    `reply_to` is the school's own address, where it has one. `sent_at` is an instant, and so is
    what a message tells of; people read them in `time_zone`.
    """

    key: str
    language: Language
    school: str
    time_zone: ZoneInfo
    sender: str
    recipient: str
    reply_to: str | None = None
    web_app_url: str
    sent_at: datetime


def write(
    kind: Kind,
    occasion: Occasion,
    logins: tuple[Login, ...],
    *,
    at: datetime,
    about: str | None = None,
) -> EmailMessage:
    """Write a message to the people of one address, in their language.

    `at` is until when the tokens are valid, or when that happened which the message tells of.
    `about` is the id of what an offer or an export is, for the link.

    Raises:
        InvalidMail: when an address, the key or the link is not fit for a message.
    """
    if not logins:
        raise InvalidMail("there is no login to tell")
    if any((login.token is not None) != (kind in WITH_TOKEN) for login in logins):
        raise InvalidMail(f"a login token is in each login of a {kind}, or in none")
    facts = _facts(kind, occasion, logins, at, about)
    message = _envelope(occasion)
    subject = _one_line(_PLAIN.get_template("subject.txt").render(facts))
    message.set_raw("Subject", _encoded("Subject", subject))
    message.set_content(_PLAIN.get_template("layout.txt").render(facts), cte="quoted-printable")
    message.add_alternative(
        _HTML.get_template("layout.html").render(facts), subtype="html", cte="quoted-printable"
    )
    message["Content-Language"] = occasion.language
    # Otherwise drawn at random, and a retry would be another message.
    message.set_boundary(f"={hashlib.sha256(occasion.key.encode()).hexdigest()[:32]}=")
    return message


def _envelope(occasion: Occasion) -> EmailMessage:
    """Make a message that has all headers but its subject."""
    school = _one_line(occasion.school)
    sender = _address(parseaddr(occasion.sender)[1], school)
    if _KEY.fullmatch(occasion.key) is None:
        raise InvalidMail(f"{occasion.key!r} is not fit for a Message-ID")
    message = EmailMessage(policy=default)
    message.set_raw("From", _mailbox("From", sender))
    message["To"] = _address(occasion.recipient)
    if occasion.reply_to:
        message.set_raw("Reply-To", _mailbox("Reply-To", _address(occasion.reply_to, school)))
    message["Date"] = format_datetime(occasion.sent_at.astimezone(UTC))
    message["Message-ID"] = f"<{occasion.key}@{sender.domain}>"
    # RFC 3834 section 5: no holiday notes in answer, please. Exchange has a header of its own.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    return message


def _address(address: str, display_name: str = "") -> Address:
    """Read an address; line ends in it are refused, not repaired."""
    try:
        read = Address(display_name, addr_spec=address)
    except (MessageError, ValueError, IndexError) as error:
        raise InvalidMail(f"{address!r} is not an e-mail address") from error
    if not (read.username and read.domain) or any(c.isspace() for c in address):
        raise InvalidMail(f"{address!r} is not an e-mail address")
    return read


def _mailbox(header: str, address: Address) -> str:
    """Write an address with its display name."""
    if address.display_name.isascii():
        return str(address)
    return f"{_encoded(header, address.display_name)}\n <{address.addr_spec}>"


def _encoded(header: str, words: str) -> str:
    """Write words as RFC 2047 asks, folded.

    By the old `Header`, for a policy's own folding loses blanks between words with accents, or
    glues encoded words together so that Yahoo refuses the message (CPython issues 92081 and
    144156).
    """
    charset = "us-ascii" if words.isascii() else "utf-8"
    return Header(words, charset, header_name=header).encode()


def _facts(
    kind: Kind,
    occasion: Occasion,
    logins: tuple[Login, ...],
    at: datetime,
    about: str | None,
) -> dict[str, Any]:
    """Write every fact as the templates print it."""
    locale = _LOCALES[occasion.language]
    local = at.astimezone(occasion.time_zone)
    day = format_date(local.date(), "full", locale=locale)
    if occasion.language == "fr" and local.day == 1:
        # The locale data know "1 mars"; a francophone writes "1er mars".
        day = day.replace(" 1 ", " 1er ", 1)
    names = list(dict.fromkeys(name for login in logins if (name := _one_line(login.name))))
    return {
        "kind": kind.value,
        "with_token": kind in WITH_TOKEN,
        "language": occasion.language,
        "school": _one_line(occasion.school),
        "names": format_list(names, locale=locale),
        "day": day,
        "hour": format_time(local.time(), "short", locale=locale),
        "logins": [
            {
                "name": _one_line(login.name),
                "user_name": _one_line(login.user_name),
                "token": login.token,
                "link": _link(kind, occasion.web_app_url, login.token, about),
            }
            for login in logins
        ],
    }


def _link(kind: Kind, web_app_url: str, token: str | None, about: str | None) -> str | None:
    """Return where the reader goes on; whoever is warned is led nowhere by the warning.

    What it carries is in the fragment, which browsers send to no server and no log.
    """
    parts = urlsplit(web_app_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "#" in web_app_url:
        raise InvalidMail(f"{web_app_url!r} is not a web address without a fragment")
    name, carried = {
        Kind.OFFER: ("offer", about),
        Kind.EXPORT_READY: ("export", about),
        Kind.EMAIL_CONFIRMATION: ("email", token),
    }.get(kind, ("token", token))
    return link(web_app_url, name, carried) if carried else None


def link(web_app_url: str, name: str, carried: str) -> str:
    """Return an address of the web app that carries something in its fragment."""
    return f"{web_app_url}#{name}={quote(carried, safe='')}"


def _one_line(typed: str) -> str:
    """Drop what is not to be seen, line ends among it: they would begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in typed).split())
