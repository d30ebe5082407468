"""A schema as a list of plain ones, any of which a value may fit: no references, no `anyOf`. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from itschool_api.compatibility.breaks import Part, constraints

_LOWEST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_HIGHEST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_TYPES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}

_FEW: Final[Mapping[str, Sequence[Any]]] = {"boolean": [False, True], "null": [None]}


def alternatives(part: Part, seen: frozenset[str] = frozenset()) -> list[Part]:
    """Return the plain schemas that a schema is made of."""
    schema = part.value
    if not isinstance(schema, Mapping):
        return [] if schema is False else [Part(part.root, part.place, {})]
    for word in ("$ref", "allOf", "anyOf", "oneOf"):
        if word in schema:
            rest = {key: value for key, value in constraints(schema).items() if key != word}
            return _both(
                alternatives(Part(part.root, part.place, rest), seen) if rest else [],
                _inner(part, word, seen),
            )
    types = schema.get("type")
    if schema.get("nullable") and isinstance(types, str):
        types = [types, "null"]
    if isinstance(types, list):
        return [Part(part.root, part.place, {**schema, "type": each}) for each in types]
    return [part]


def _inner(part: Part, word: str, seen: frozenset[str]) -> list[Part]:
    if word == "$ref":
        target = part.target()
        if target.place in seen:
            return [Part(part.root, target.place, {})]
        return alternatives(target, seen | {target.place})
    each = [alternatives(part.at(word, place), seen) for place in range(len(part.value[word]))]
    if word != "allOf":
        return [found for options in each for found in options]
    together: list[Part] = []
    for options in each:
        together = _both(together, options)
    return together


def _both(some: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    """Return what fits one of each; where there is one side only, that."""
    if not some or not others:
        return [*some, *others]
    pairs = [(one, other, _merged(one.value, other.value)) for one in some for other in others]
    return [Part(one.root, other.place, schema) for one, other, schema in pairs if schema]


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what both schemas ask; None where nothing fits both."""
    merged = {**one, **other}
    for key in one.keys() & other.keys():
        mine, theirs = one[key], other[key]
        if key == "type" and mine != theirs:
            if {mine, theirs} != {"integer", "number"}:
                return None
            merged[key] = "integer"
        elif key == "properties":
            merged[key] = mine | theirs
            for name in mine.keys() & theirs.keys():
                merged[key][name] = {"allOf": [mine[name], theirs[name]]}
        elif key == "required":
            merged[key] = [*mine, *(each for each in theirs if each not in mine)]
        elif key == "enum":
            merged[key] = [each for each in mine if each in theirs]
        elif key in _LOWEST:
            merged[key] = min(mine, theirs)
        elif key in _HIGHEST:
            merged[key] = max(mine, theirs)
    return merged


def values(schema: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return all values that fit, where they are few."""
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        found: Sequence[Any] = schema["enum"]
        return found
    return _FEW.get(schema.get("type", ""))


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Tell whether a value fits a plain schema."""
    few = values(schema)
    if few is not None:
        return any(type(value) is type(each) and value == each for each in few)
    if not is_within(_TYPES.get(type(value)), schema.get("type")):
        return False
    if isinstance(value, str):
        pattern = schema.get("pattern")
        longest = schema.get("maxLength", len(value))
        is_sized = schema.get("minLength", 0) <= len(value) <= longest
        return is_sized and (pattern is None or re.search(pattern, value) is not None)
    if isinstance(value, int | float):
        least, most = bounds(schema)
        return (least is None or value >= least) and (most is None or value <= most)
    return True


def is_within(kind: str | None, wider: str | None) -> bool:
    """Tell whether every value of a type is one of another; None is every type."""
    return wider in {None, kind} or (kind, wider) == ("integer", "number")


def bounds(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the least and the greatest number that fit; of fractions, what is beside them."""
    step = 1 if schema.get("type") == "integer" else 0
    least = [schema["minimum"]] if "minimum" in schema else []
    most = [schema["maximum"]] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        least.append(schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        most.append(schema["exclusiveMaximum"] - step)
    return max(least, default=None), min(most, default=None)
