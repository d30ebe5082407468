"""What an export says around the data, in French, Dutch, German and English: a file for each.

Names of columns and codes stay as they are, for programs; this is for whoever the data are about.
This module is pure.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from itschool_api.languages import Language


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words."""

    withheld: str
    """What stands in place of somebody else's data."""
    explanations: Mapping[str, str]
    tables: Mapping[str, str]
    """What each table holds, by its name."""


@cache
def words(language: Language) -> Words:
    """Return what an export says in a language."""
    said = tomllib.loads((files(__package__) / f"{language}.toml").read_text("utf-8"))
    return Words(said["withheld"], said["explanations"], said["tables"])
