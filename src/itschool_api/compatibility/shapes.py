"""Comparing schemas: what clients send must still be taken, what they get be as it was told. Pure.

Of what they get, limits of length and size are no promise: a longer name is one, and fields that
are new are to be ignored.
"""

from collections.abc import Sequence
from typing import Any, Final

from itschool_api.compatibility.alternatives import alternatives, bounds, fits, is_within, values
from itschool_api.compatibility.breaks import Break, Part, Way

OPEN: Final = "x-open-enum"
"""Marks a list of values that answers may add to: clients were told to expect others."""
# Each asks more where it is there, or is another one.
_EXACT: Final = ("format", "pattern", "contentMediaType", "contentEncoding", "discriminator")
_MOST: Final = ("maxLength", "maxItems", "maxProperties")
_LEAST: Final = ("minLength", "minItems", "minProperties")
# Rather a false alarm than silence about words that are not understood here.
_OPAQUE: Final = [
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "dependentRequired",
    "dependentSchemas",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "prefixItems",
    "$dynamicRef",
]


class Shapes:
    """Pairs of schemas, each compared once however often it is met."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, Way], list[Break]] = {}

    def breaks(self, old: Part, new: Part, way: Way) -> list[Break]:
        """Return how a schema breaks what its former self said."""
        old, new = old.followed(), new.followed()
        key = (old.place, new.place, way)
        if key not in self._found:
            # Met again within itself, it breaks nothing beyond what is found here.
            self._found[key] = []
            some, others = (old, new) if way is Way.TAKEN else (new, old)
            wider = alternatives(others)
            self._found[key] = [
                each
                for narrower in alternatives(some)
                for each in self._within(narrower, wider, old, way)
            ]
        return self._found[key]

    def default_breaks(self, old: Part, new: Part) -> list[Break]:
        """Return whether leaving something out means something else now."""
        if "default" not in old.fields:
            return []
        now = repr(new.fields["default"]) if "default" in new.fields else "none"
        if now == repr(old.fields["default"]):
            return []
        return [Break(old.place, f"the default was {old.fields['default']!r}, and is {now} now")]

    def _within(self, some: Part, wider: Sequence[Part], old: Part, way: Way) -> list[Break]:
        """Return what of a plain schema fits none of the wider ones."""
        place = some.place if way is Way.TAKEN else old.place
        few = values(some.value)
        if few is not None:
            left = [each for each in few if not any(fits(each, one.value) for one in wider)]
            is_open = way is Way.GIVEN and any(each.value.get(OPEN) for each in wider)
            return [] if is_open else [Break(place, _changed(each, way)) for each in left]
        kind = some.value.get("type")
        alike = [each for each in wider if is_within(kind, each.value.get("type"))]
        if not alike:
            return [Break(place, _changed(_Kind(kind or "anything"), way))]
        found = []
        for each in alike:
            pair = (some, each) if way is Way.TAKEN else (each, some)
            found.append(self._differences(*pair, way))
        return min(found, key=len)

    def _differences(self, old: Part, new: Part, way: Way) -> list[Break]:
        """Return how one plain schema breaks another of its type."""
        some, wider = (old.value, new.value) if way is Way.TAKEN else (new.value, old.value)
        found = [f"{word} is another one" for word in _EXACT if _is_stricter(some, wider, word)]
        if values(wider) is not None and not (way is Way.GIVEN and wider.get(OPEN)):
            found.append("only some values are left" if way is Way.TAKEN else "any value may come")
        found += [
            f"{word} changed, which cannot be judged here"
            for word in _OPAQUE
            if some.get(word) != wider.get(word)
        ]
        if way is Way.TAKEN:
            found += _tightened(some, wider)
        here = [Break(old.place, why) for why in found]
        return [*here, *self._fields(old, new, way), *self._items(old, new, way)]

    def _items(self, old: Part, new: Part, way: Way) -> list[Break]:
        if "items" not in old.value and "items" not in new.value:
            return []
        return self.breaks(old.at("items"), new.at("items"), way)

    def _fields(self, old: Part, new: Part, way: Way) -> list[Break]:
        before, after = (part.at("properties").fields for part in (old, new))
        needed, needs = (set(part.fields.get("required", ())) for part in (old, new))
        found = []
        for name in before:
            place, present = old.at("properties", name), new.at("properties", name)
            if name not in after:
                found.append(Break(place.place, "the field is gone"))
                continue
            if way is Way.TAKEN:
                found += self.default_breaks(place, present)
            elif name in needed - needs:
                found.append(Break(place.place, "the field may be missing"))
            found += self.breaks(place, present, way)
        if way is Way.TAKEN:
            found += [
                Break(old.at("properties", name).place, "the field must be sent")
                for name in sorted(needs - needed)
            ]
        return found + self._others(old, new, way)

    def _others(self, old: Part, new: Part, way: Way) -> list[Break]:
        """Return what happens to fields that have no name in a schema."""
        word = "additionalProperties"
        before, after = (part.at(word, otherwise=True) for part in (old, new))
        if isinstance(before.value, bool) and (way is Way.GIVEN or before.value is False):
            # Whatever else comes in an answer, clients were told to ignore.
            return []
        if before.value is after.value is True:
            return []
        if after.value is False:
            return [Break(before.place, "other fields are gone")]
        found = self.breaks(before, after, way)
        names = "propertyNames"
        if names in old.value or names in new.value:
            found = [*found, *self.breaks(old.at(names), new.at(names), way)]
        return found


class _Kind(str):
    """The name of a type, told from a value that is a text."""

    __slots__ = ()


def _changed(what: Any, way: Way) -> str:
    shown = what if isinstance(what, _Kind) else "null" if what is None else repr(what)
    return f"{shown} is not taken any more" if way is Way.TAKEN else f"it may be {shown} now"


def _is_stricter(some: Any, wider: Any, word: str) -> bool:
    return word in wider and some.get(word) != wider[word]


def _tightened(some: Any, wider: Any) -> list[str]:
    """Return the limits that something may now be beyond."""
    found = [
        f"{word} is {wider[word]} now"
        for word in (*_MOST, *_LEAST)
        if word in wider
        and (
            (word in _MOST and some.get(word, wider[word] + 1) > wider[word])
            or (word in _LEAST and some.get(word, 0) < wider[word])
        )
    ]
    (least, most), (least_now, most_now) = bounds(some), bounds(wider)
    if least_now is not None and (least is None or least < least_now):
        found.append(f"the least is {least_now} now")
    if most_now is not None and (most is None or most > most_now):
        found.append(f"the most is {most_now} now")
    step = wider.get("multipleOf")
    if step is not None and ("multipleOf" not in some or some["multipleOf"] % step):
        found.append(f"only multiples of {step} are left")
    if wider.get("uniqueItems") and not some.get("uniqueItems"):
        found.append("no item may come twice")
    return found
