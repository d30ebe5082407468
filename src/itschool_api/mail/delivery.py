"""The ways out for a message: a mail server, or a folder for demonstrations and development.

Nothing here knows what a message says. A delivery tries once; whether and when to try again is
the caller's business, and the exception tells what there is to know about it::

    NotDelivered
    ├── Postponed           try again: no answer, a time-out, a reply that begins with 4
    │   └── Misconfigured   try again once the operator has acted: login, sender or TLS refused
    └── Undeliverable       do not try again: the recipient or the message is refused for good

The reply codes are those of RFC 5321, section 4.2.1.
"""

import asyncio
import contextlib
import os
import ssl
import tempfile
from collections.abc import Collection
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import quote
from uuid import UUID

import aiosmtplib

_PERMANENT: Final = 500


class NotDelivered(Exception):
    """The message did not leave."""

    def __init__(self, reason: str, *, reply: str | None = None) -> None:
        """Take the reason for the operator, and what the server said of this very message."""
        super().__init__(reason)
        self.reply = reply


class Postponed(NotDelivered):
    """The message may leave later: the server cannot be reached or asks to wait."""


class Misconfigured(Postponed):
    """The message may leave once the settings are right: the server refuses us, not the message."""


class Undeliverable(NotDelivered):
    """The message will never leave: its recipient or its content is refused for good."""


class Delivery(Protocol):
    """A way out for messages."""

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over.

        Raises:
            NotDelivered: with the reason, and by its class whether to try again.
        """


class SmtpDelivery:
    """Hand messages to a mail server, a connection each."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: Literal["none", "starttls", "tls"] = "starttls",
        tls_context: ssl.SSLContext | None = None,
        timeout: float = 30,
    ) -> None:
        """Note where and how; `timeout` is in seconds and counts for each step.

        Certificates are checked against the system's authorities unless `tls_context` has others.
        """
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._tls = tls
        self._tls_context = tls_context
        self._timeout = timeout

    async def send(self, message: EmailMessage) -> None:
        """Hand the message to the server, for all of its recipients or none.

        Raises:
            NotDelivered: with the server's words, and by its class whether to try again.
        """
        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._username,
                password=self._password,
                use_tls=self._tls == "tls",
                # Not left to the server's offer: who listens in the middle would withdraw it.
                start_tls=self._tls == "starttls",
                tls_context=self._tls_context,
                timeout=self._timeout,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._judged(error) from error

    def _judged(self, error: Exception) -> NotDelivered:
        """Tell what a failure means for the message."""
        server = f"{self._host}:{self._port}"
        if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
            # All refusals stand together; one that is temporary is reason enough to try again.
            first = min(error.recipients, key=lambda refusal: refusal.code)
            kind = Undeliverable if first.code >= _PERMANENT else Postponed
            reply = f"{first.code} {first.message}"
            return kind(f"{server} refuses the recipient: {reply}", reply=reply)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._judged_reply(error)
        if isinstance(error, aiosmtplib.SMTPNotSupported):
            return Undeliverable(
                f"{server} cannot take this message: {error.message}", reply=error.message
            )
        if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return Misconfigured(f"{server} cannot be trusted: {error}")
        if isinstance(error, OSError):  # aiosmtplib's losses of connection and time-outs are, too
            return Postponed(f"{server} cannot be reached: {str(error) or type(error).__name__}")
        return Misconfigured(f"{server} does not offer what the settings ask for: {error}")

    def _judged_reply(self, error: aiosmtplib.SMTPResponseException) -> NotDelivered:
        """Tell what a reply with a code means for the message."""
        reply = f"{error.code} {error.message}"
        reason = f"{self._host}:{self._port} answers {reply}"
        if error.code < _PERMANENT:
            return Postponed(reason, reply=reply)
        if isinstance(error, aiosmtplib.SMTPDataError):
            return Undeliverable(reason, reply=reply)
        return Misconfigured(reason)  # before a recipient was named, or about the sender


class FolderDelivery:
    """Keep each message as `<Message-ID>.eml` in a folder; sent again, it replaces itself."""

    def __init__(self, path: Path) -> None:
        """Note the folder, which is made when it is needed."""
        self._path = path

    async def send(self, message: EmailMessage) -> None:
        """Write the message so that no reader ever sees half of it.

        Raises:
            Postponed: when the folder cannot be written to.
            ValueError: when the message has no Message-ID to be called by.
        """
        identity = str(message["Message-ID"] or "").strip().strip("<>")
        if not identity:
            raise ValueError("the message has no Message-ID")
        # Encoded, so that no identity leads out of the folder and no two become one file.
        target = self._path / f"{quote(identity, safe='@')}.eml"
        try:
            await asyncio.to_thread(self._write, target, message.as_bytes(policy=policy.SMTP))
        except OSError as error:
            raise Postponed(f"{target} cannot be written: {error}") from error

    async def forget(self, ids: Collection[UUID]) -> None:
        """Remove the messages whose Message-ID is made of one of these ids."""
        if ids:
            await asyncio.to_thread(self._forget, {str(each) for each in ids})

    def _forget(self, ids: set[str]) -> None:
        for file in self._path.glob("*.eml"):
            if file.name.partition("@")[0].rpartition(".")[2] in ids:
                file.unlink(missing_ok=True)

    def _write(self, target: Path, content: bytes) -> None:
        """Write beside the target, then rename; only the owner may read, for there are tokens."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=self._path, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
