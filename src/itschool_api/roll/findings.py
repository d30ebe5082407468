"""What is found while a roll is read and planned: where, how bad, and what was expected. Pure.

A message is made by `told`, so that what it names can be had apart, for apps that translate.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from itschool_api.roll.columns import Heading, Kind

MOST_FINDINGS: Final = 1_000
_LONGEST_SHOWN: Final = 60
LONGEST_VALUE: Final = 300


class Severity(StrEnum):
    """Whether a finding stops the import."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at."""

    severity: Severity
    code: str
    message: str
    sheet: str | None
    row: int | None
    """As the spreadsheet shows it: the heading is mostly row 1."""
    column: str | None
    """As the file calls it."""
    values: Mapping[str, str | int]
    """What the message names, by what it is."""


class Message(str):
    """A message in English, and the values in it."""

    __slots__ = ("values",)
    values: Mapping[str, str | int]


def shown(value: object) -> str:
    """Quote what was read, at a length that a message can bear."""
    text = str(value)
    return f"“{text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + '…'}”"


class _Quoting(string.Formatter):
    """Quotes what is written `{name!q}`."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return shown(value) if conversion == "q" else super().convert_field(value, conversion)


def told(template: str, /, **values: object) -> Message:
    """Return a message that names values: `told("{key!q} has left.", key=key)`."""
    message = Message(_Quoting().vformat(template, (), values))
    message.values = {name: _plain(value) for name, value in values.items()}
    return message


def _plain(value: object) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


@dataclass(slots=True)
class Findings:
    """All findings of a file: the first thousand of each severity are kept, all are counted."""

    sheets: dict[Kind, str] = field(default_factory=dict)
    """What the file's sheets are called; a CSV's has no name."""
    headings: dict[tuple[Kind, Heading], str] = field(default_factory=dict)
    """What the file calls its columns."""
    counts: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    _kept: dict[Severity, list[Finding]] = field(
        default_factory=lambda: {severity: [] for severity in Severity}
    )

    @property
    def has_errors(self) -> bool:
        """Tell whether the file cannot be taken."""
        return self.counts[Severity.ERROR] > 0

    def error(
        self,
        code: str,
        message: str,
        *,
        kind: Kind | None = None,
        row: int | None = None,
        heading: Heading | str | None = None,
        sheet: str | None = None,
    ) -> None:
        """Add what stops the import."""
        self._add(Severity.ERROR, code, message, kind, row, heading, sheet)

    def warning(
        self,
        code: str,
        message: str,
        *,
        kind: Kind | None = None,
        row: int | None = None,
        heading: Heading | str | None = None,
        sheet: str | None = None,
    ) -> None:
        """Add what does not."""
        self._add(Severity.WARNING, code, message, kind, row, heading, sheet)

    def first(self, most: int) -> list[Finding]:
        """Return findings for people: errors first, each by its place in the file."""
        found = []
        for severity in Severity:
            found += sorted(self._kept[severity], key=_place)
        return found[:most]

    def _add(
        self,
        severity: Severity,
        code: str,
        message: str,
        kind: Kind | None,
        row: int | None,
        heading: Heading | str | None,
        sheet: str | None,
    ) -> None:
        self.counts[severity] += 1
        if len(self._kept[severity]) >= MOST_FINDINGS:
            return
        if kind is not None:
            sheet = self.sheets.get(kind)
        if isinstance(heading, Heading):
            known: Mapping[tuple[Kind, Heading], str] = self.headings
            heading = known.get((kind or Kind.ROLL, heading), str(heading))
        self._kept[severity].append(
            Finding(
                severity,
                code,
                message,
                sheet,
                row,
                heading and heading[:120],
                message.values if isinstance(message, Message) else {},
            )
        )


def _place(finding: Finding) -> tuple[bool, str, int]:
    # What concerns no row comes last.
    return finding.row is None, finding.sheet or "", finding.row or 0
