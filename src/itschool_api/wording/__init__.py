"""What refusals say, in French, Dutch, German and English: a file for each language beside this.

The words are keyed by the stable codes that clients see, so that a translator needs no program.
English titles stand in the program, where a refusal is written; what is said here in English is
what a refusal means and what to do. This module is pure: it knows no refusal.
"""

import tomllib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from itschool_api.languages import LANGUAGES, Language

# For a code that the words lack: a library's next version may refuse something in a new way.
_OTHER: Final = "other"


class Explanation(NamedTuple):
    """What the page of a problem says."""

    meaning: str
    advice: str


@cache
def words(language: Language) -> Mapping[str, Any]:
    """Return all that a language says: tables of `problems`, `details`, `faults` and `page`."""
    return tomllib.loads((files(__package__) / f"{language}.toml").read_text("utf-8"))


def title(code: str, english: str, language: Language) -> str:
    """Return a problem's title."""
    return str(words(language)["problems"].get(code, {}).get("title", english))


def explanation(code: str, language: Language) -> Explanation | None:
    """Return what a problem means and what to do, as far as the words have it."""
    found = words(language)["problems"].get(code)
    return Explanation(found["meaning"], found["advice"]) if found else None


def detail(english: str, language: Language) -> str:
    """Return a sentence of ours; one that names what happened is said in English alone."""
    return str(words(language)["details"].get(english, english))


def fault(code: str, facts: Mapping[str, Any], language: Language) -> str:
    """Return what is wrong with one piece of a request: never what was sent there."""
    said = words(language)["faults"]
    bare = {key: _plain(value) for key, value in facts.items()}
    return str(said.get(code, said[_OTHER])).format_map(defaultdict(str, bare))


def page(language: Language) -> Mapping[str, str]:
    """Return the words around the explanations."""
    found: Mapping[str, str] = words(language)["page"]
    return found


def load() -> None:
    """Read all files now, rather than at the first refusal."""
    for language in LANGUAGES:
        words(language)


def _plain(fact: Any) -> str:
    """Write a list of choices without the English word that Pydantic joins it with."""
    return str(fact).replace("' or '", "', '")
