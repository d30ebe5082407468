"""A break, and the part of a document that it is found in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import unquote

NOTHING: Final[Mapping[str, Any]] = {}


class Way(Enum):
    """Which way values go: what widens one of them narrows the other."""

    TAKEN = auto()  # clients send them
    GIVEN = auto()  # clients receive them


@dataclass(frozen=True, slots=True)
class Break:
    """Something that a client relied on."""

    place: str
    """A JSON pointer into the former document, or where the thing would have been."""
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document, with the way to it."""

    root: Mapping[str, Any]
    place: str
    value: Any

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return its members; a part that is no object, or not there, has none."""
        return self.value if isinstance(self.value, Mapping) else NOTHING

    def at(self, *keys: str | int, otherwise: Any = NOTHING) -> "Part":
        """Return a part of this part."""
        place, value = self.place, self.value
        for key in keys:
            place += "/" + str(key).replace("~", "~0").replace("/", "~1")
            is_there = isinstance(key, int) or (isinstance(value, Mapping) and key in value)
            value = value[key] if is_there else otherwise
        return Part(self.root, place, value)

    def followed(self) -> "Part":
        """Return what a reference leads to, or the part itself."""
        part, seen = self, {self.place}
        while "$ref" in part.fields and len(part.fields.keys() - _BESIDE) == 1:
            part = part.target()
            if part.place in seen:
                return Part(self.root, self.place, NOTHING)
            seen.add(part.place)
        return part

    def target(self) -> "Part":
        """Return what this reference names; references leave no document."""
        keys = [
            unquote(key).replace("~1", "/").replace("~0", "~")
            for key in str(self.fields["$ref"]).removeprefix("#/").split("/")
        ]
        return Part(self.root, "#", self.root).at(*keys)


# What tells people something, and holds no value back.
_BESIDE: Final = frozenset(
    {"default", "deprecated", "description", "example", "examples", "readOnly", "summary", "title"}
)


def constraints(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schema says of values."""
    return {key: value for key, value in schema.items() if key not in _BESIDE}
