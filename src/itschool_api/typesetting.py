"""Documents on paper: facts in, a PDF out, for every template of the house.

This module is pure. It knows neither what a document says nor whose it is. Whatever people typed
reaches a template as data and is never read as markup; `one_line` and `written_day` write it as
it is printed.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import typst
from babel.dates import format_date

from itschool_api.languages import Language

REGIONS: Final[dict[Language, str]] = {"fr": "BE", "nl": "BE", "de": "BE", "en": "GB"}
# Archival and accessible: kept for years, and read aloud to who cannot see it.
_STANDARDS: Final[list[Literal["a-2a", "ua-1"]]] = ["a-2a", "ua-1"]  # ISO 19005-2, ISO 14289-1


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who sends a document."""

    name: str
    street: str
    postal_code: str
    city: str
    enterprise_number: str | None = None
    email: str | None = None
    phone: str | None = None

    def printed(self) -> dict[str, Any]:
        """Return the name, and the lines below it as far as they are known."""
        return {
            "name": one_line(self.name),
            "street": self.street,
            "place": f"{self.postal_code} {self.city}",
            "enterprise_number": self.enterprise_number,
            "contact": [contact for contact in (self.email, self.phone) if contact],
        }


class Typesetter:
    """One template, and a compiler of its own: who prints much makes nobody else wait."""

    def __init__(self, template: bytes) -> None:
        """Take a template in Typst, which finds its facts in `sys.inputs.document`, as JSON."""
        self._template = template
        # Only the fonts inside the package: a document looks the same on every machine.
        self._compiler = typst.Compiler(ignore_system_fonts=True)
        # The compiler refuses a second thread while it is at work ("Already borrowed").
        self._compiling = threading.Lock()

    def pdf(self, facts: Mapping[str, Any], at: datetime) -> bytes:
        """Typeset a tagged PDF, dated `at`; threads may call this together, and take turns.

        The PDF is archival and accessible (PDF/A-2a, PDF/UA-1), unless somebody's name has a
        letter that no embedded font can draw. Call it outside the event loop.
        """
        text = json.dumps(facts)
        try:
            return self._compiled(text, at, _STANDARDS)
        except typst.TypstError:
            # The standards forbid a box in place of a letter; a reader prefers it to no document.
            return self._compiled(text, at, [])

    def _compiled(self, facts: str, at: datetime, standards: list[Any]) -> bytes:
        with self._compiling:
            pdf = self._compiler.compile(
                # Given to the compiler once and for all, it would be forgotten by the second call.
                input=self._template,
                format="pdf",
                sys_inputs={"document": facts},
                pdf_standards=standards,
                timestamp=at.replace(microsecond=0),  # which it refuses
            )
        if not isinstance(pdf, bytes):  # a list would be one picture a page, which nobody asked for
            raise TypeError(f"the typesetter returned {type(pdf).__name__}")
        return pdf


def one_line(typed: str) -> str:
    """Drop what is not to be seen, such as line feeds and marks that turn the text around."""
    return " ".join("".join(c if c.isprintable() else " " for c in typed).split())


def locale_of(language: Language) -> str:
    """Name the locale whose habits a document in this language follows."""
    return f"{language}_{REGIONS[language]}"


def written_day(day: date, language: Language) -> str:
    """Write a day with the month's name: no reader takes the month for the day."""
    written = format_date(day, "long", locale=locale_of(language))
    # The locale data know "1 mars"; a francophone writes "1er mars".
    return written.replace("1", "1er", 1) if language == "fr" and day.day == 1 else written
