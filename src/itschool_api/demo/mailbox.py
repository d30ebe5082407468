"""The demonstration's mailbox: its e-mails in a browser, for whoever plays a parent.

Only `itschool demo` mounts it. Nothing of it is in the contract, and no other server has it: what
lies here are people's ways in.
"""

import email
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, Response
from pydantic import Field

from itschool_api import errors
from itschool_api.contract import Document

_SUFFIX: Final = ".eml"
# As mail programs show HTML: styles, and nothing that runs, loads or frames.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; sandbox allow-top-navigation-by-user-activation allow-popups"
)


class MailNotFound(errors.NotFound):
    """There is no such mail in this demonstration."""


class KeptMail(Document):
    """A mail that the demonstration sent."""

    id: str
    to: str
    subject: str
    at: datetime
    url: str = Field(description="As a mail program shows it; with `.eml` at its end, as sent.")


class KeptMails(Document):
    """The mails that the demonstration sent, newest first."""

    items: list[KeptMail]


def router(folder: Path) -> APIRouter:
    """Return the mailbox of the messages in `folder`, at `/demo/mails`."""
    made = APIRouter(prefix="/demo/mails", include_in_schema=False)

    @made.get("")
    async def list_kept_mails() -> KeptMails:
        """List the mails, newest first."""
        # By when they were kept: a mail's own date has no fraction of a second.
        files = sorted(_files(folder), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return KeptMails(items=[_described(path) for path in files])

    @made.get("/{name}")
    async def read_kept_mail(name: str) -> Response:
        """Show a mail as a mail program does; with `.eml` at the end of its name, as it was sent."""
        path = _file(folder, name.removesuffix(_SUFFIX))
        if name.endswith(_SUFFIX):
            return Response(path.read_bytes(), media_type="message/rfc822")
        return Response(
            _html(_read(path)), media_type="text/html", headers={"Content-Security-Policy": _POLICY}
        )

    return made


def _files(folder: Path) -> list[Path]:
    return [*folder.glob(f"*{_SUFFIX}")]


def _file(folder: Path, mail_id: str) -> Path:
    """Return the file of a mail, by comparing: no name leads out of the folder."""
    found = next((path for path in _files(folder) if _id(path) == mail_id), None)
    if found is None:
        raise MailNotFound
    return found


def _id(path: Path) -> str:
    """Return what a mail is called here: its Message-ID before the @."""
    return unquote(path.name.removesuffix(_SUFFIX)).partition("@")[0]


def _described(path: Path) -> KeptMail:
    message = _read(path)
    return KeptMail(
        id=_id(path),
        to=str(message["To"]),
        subject=str(message["Subject"]),
        at=parsedate_to_datetime(str(message["Date"])),
        url=f"/demo/mails/{quote(_id(path))}",
    )


def _read(path: Path) -> EmailMessage:
    return email.message_from_bytes(path.read_bytes(), policy=policy.default)


def _html(message: EmailMessage) -> str:
    part = message.get_body(("html", "plain"))
    return str(part.get_content()) if part else ""
