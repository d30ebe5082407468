"""Login letters as a document: facts in, one A4 PDF out, a letter for each guardian.

This module is pure. It knows no database, no request and no clock. It decides how a token, a link
and a day are written; `letter.typ` beside it decides where they stand, and `letter_words.toml` in
which words. What it makes holds login tokens: it is for the printer, and is kept nowhere.
"""

import io
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib.resources import files
from typing import Any, Final

import segno
from babel.lists import format_list

from itschool_api.languages import Language
from itschool_api.typesetting import (
    REGIONS,
    Letterhead,
    Typesetter,
    locale_of,
    one_line,
    written_day,
)

_HERE: Final = files(__package__)
_TYPESETTER: Final = Typesetter((_HERE / "letter.typ").read_bytes())
_WORDS: Final[dict[str, dict[str, Any]]] = tomllib.loads(
    (_HERE / "letter_words.toml").read_text("utf-8")
)
_GROUP: Final = 4  # letters that the eye carries from paper to screen at once
_GROUPS_A_LINE: Final = 4
_QUIET_ZONE: Final = 4  # modules, ISO/IEC 18004
# Trying all eight takes five times as long, a minute for a large school, and scans no better: the
# token, which is most of the code, is as good as random under any of them.
_MASK: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One guardian's way in; `link` carries the token in its fragment."""

    language: Language
    name: str
    address: tuple[str, ...]
    """Street and place; empty where nobody knows them."""
    children: tuple[str, ...]
    """Each with the class, for whoever hands the letters out."""
    user_name: str
    token: str = field(repr=False)
    link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """A print run: `valid_until` is the last day on which the tokens work."""

    language: Language
    """The school's, in which the file calls itself."""
    school: Letterhead
    web_app_url: str
    printed_at: datetime
    printed_on: date
    valid_until: date
    both_sides: bool
    letters: Sequence[Letter]


def render(run: Letters) -> bytes:
    """Typeset the letters as one tagged PDF; threads take turns.

    About 6 ms a letter: call it outside the event loop.
    """
    facts = {
        "language": run.language,
        "region": REGIONS[run.language],
        "title": _WORDS[run.language]["file"],
        "school": run.school.printed(),
        "both_sides": run.both_sides,
        "letters": [_facts(letter, run) for letter in run.letters],
    }
    return _TYPESETTER.pdf(facts, run.printed_at)


def _facts(letter: Letter, run: Letters) -> dict[str, Any]:
    """Write every fact as the template prints it."""
    words = _WORDS[letter.language]
    name = one_line(letter.name)
    children = [one_line(child) for child in letter.children]
    values = {
        "school": one_line(run.school.name),
        "name": name,
        "day": written_day(run.valid_until, letter.language),
        "contact": format_list(
            [each for each in (run.school.phone, run.school.email) if each],
            style="or",
            locale=locale_of(letter.language),
        ),
    }
    help_wanted = "help_by_contact" if values["contact"] else "help"
    address = [one_line(line) for line in letter.address]
    return {
        "language": letter.language,
        "region": REGIONS[letter.language],
        "words": {
            key: words[key]
            for key in ("title", "date", "student", "user_name", "token", "scan", "qr_alt", "steps")
        },
        # Without an address, whoever hands it out needs the child's name on the outside.
        "addressee": [name, *(address or children)],
        "date": written_day(run.printed_on, letter.language),
        "children": children,
        "greeting": words["greeting"].format(**values),
        "opening": words["opening"].format(**values),
        "validity": words["validity"].format(**values),
        "caution": words["caution"],
        "help": words[help_wanted].format(**values),
        "closing": words["closing"],
        "user_name": letter.user_name,
        "token": _grouped(letter.token),
        "url": run.web_app_url,
        "qr": _qr(letter.link),
    }


def _grouped(token: str) -> list[str]:
    """Write a token in lines of short groups; where it is typed, only letters and digits count."""
    text = "".join(filter(str.isalnum, token))
    groups = [text[place : place + _GROUP] for place in range(0, len(text), _GROUP)]
    return [
        " ".join(groups[place : place + _GROUPS_A_LINE])
        for place in range(0, len(groups), _GROUPS_A_LINE)
    ]


def _qr(link: str) -> str:
    """Draw a link as an SVG picture."""
    drawing = io.BytesIO()
    code = segno.make_qr(link, error="m", mask=_MASK, boost_error=False)
    code.save(drawing, kind="svg", border=_QUIET_ZONE, omitsize=True, light="#fff")
    return drawing.getvalue().decode()
