"""Comparing OpenAPI documents: what a client made from the former one relies on. Pure.

What was announced as ending may be gone from its day on; see docs/versioning.md.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from itschool_api.compatibility.breaks import Break, Part, Way
from itschool_api.compatibility.shapes import Shapes

SUNSET: Final = "x-sunset"
"""The day from which a deprecated operation or parameter may be gone."""
_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_NAME_IN_PATH: Final = re.compile(r"\{[^}]*\}")
# Success as clients know it; 304 comes only to whoever asks for it.
_UNEXPECTED: Final = re.compile(r"2..|30[^4]|default")
_SERIALISATION: Final = ("style", "explode", "allowReserved")


def breaks(old: Mapping[str, Any], new: Mapping[str, Any], today: date) -> list[Break]:
    """Return what a new document breaks of an old one, in the order of the old one."""
    found = list(_Documents(Part(old, "#", old), Part(new, "#", new), today).breaks())
    return list(dict.fromkeys(found))


class _Documents:
    def __init__(self, old: Part, new: Part, today: date) -> None:
        self._old = old
        self._new = new
        self._today = today
        self._shapes = Shapes()

    def breaks(self) -> Iterator[Break]:
        yield from self._servers()
        yield from self._schemes()
        paths = {_NAME_IN_PATH.sub("{}", path): path for path in self._new.at("paths").fields}
        for path in self._old.at("paths").fields:
            present = self._new.at("paths", paths.get(_NAME_IN_PATH.sub("{}", path), path))
            yield from self._methods(self._old.at("paths", path), present, Way.TAKEN)
        for name in self._old.at("webhooks").fields:
            # The other way round: we send, and clients answer.
            pair = self._old.at("webhooks", name), self._new.at("webhooks", name)
            yield from self._methods(*pair, Way.GIVEN)

    def _servers(self) -> Iterator[Break]:
        there = [each.get("url") for each in self._new.at("servers", otherwise=[]).value]
        for place, server in enumerate(self._old.at("servers", otherwise=[]).value):
            if server.get("url") not in there:
                yield Break(self._old.at("servers", place).place, "the server is gone")

    def _schemes(self) -> Iterator[Break]:
        where = ("components", "securitySchemes")
        for name in self._old.at(*where).fields:
            old, new = self._old.at(*where, name), self._new.at(*where, name)
            for key in ("type", "scheme", "in", "name", "openIdConnectUrl"):
                if old.fields.get(key) != new.fields.get(key):
                    yield Break(old.place, f"{key} is {new.fields.get(key)!r} now")
            for flow in old.at("flows").fields:
                before, after = old.at("flows", flow), new.at("flows", flow)
                for key in ("authorizationUrl", "tokenUrl", "refreshUrl"):
                    if before.fields.get(key) != after.fields.get(key):
                        yield Break(before.place, f"{key} is {after.fields.get(key)!r} now")
                for scope in before.at("scopes").fields.keys() - after.at("scopes").fields.keys():
                    yield Break(before.at("scopes", scope).place, "the scope is gone")

    def _methods(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        old, new = old.followed(), new.followed()
        for method in _METHODS:
            if method not in old.fields:
                continue
            if method in new.fields:
                yield from self._operation((old, new), method, way)
            elif not self._has_ended(old.at(method)):
                yield Break(old.at(method).place, "the operation is gone")

    def _operation(self, items: tuple[Part, Part], method: str, way: Way) -> Iterator[Break]:
        old, new = (item.at(method) for item in items)
        if old.fields.get("operationId") != new.fields.get("operationId"):
            yield Break(old.place, f"its operationId is {new.fields.get('operationId')!r} now")
        yield from self._security(old, new)
        before, after = (_parameters(item, method) for item in items)
        yield from self._parameters(old, before, after, way)
        yield from self._body(old.at("requestBody"), new.at("requestBody"), way)
        back = Way.GIVEN if way is Way.TAKEN else Way.TAKEN
        yield from self._responses(old.at("responses"), new.at("responses"), back)

    def _security(self, old: Part, new: Part) -> Iterator[Break]:
        before, after = (
            part.fields.get("security", root.fields.get("security")) or [{}]
            for part, root in ((old, self._old), (new, self._new))
        )
        for each in before:
            if not any(_suffices(each, wanted) for wanted in after):
                given = "without login" if not each else f"with {_told(each)}"
                wanted = " or ".join(_told(one) for one in after)
                why = f"{given} it was open, and needs {wanted} now"
                yield Break(f"{old.place}/security", why)

    def _parameters(
        self,
        operation: Part,
        before: Mapping[tuple[str, str], Part],
        after: Mapping[tuple[str, str], Part],
        way: Way,
    ) -> Iterator[Break]:
        for (where, name), old in before.items():
            new = after.get((where, name))
            if new is None:
                elsewhere = [place for place, same in after if same == name]
                moved = (
                    f"moved from {where} to {elsewhere[0]}" if elsewhere else f"is gone ({where})"
                )
                if not self._has_ended(old):
                    yield Break(old.place, f"the parameter {name} {moved}")
                continue
            for key in _SERIALISATION:
                if old.fields.get(key) != new.fields.get(key):
                    yield Break(old.place, f"{key} of {name} is {new.fields.get(key)!r} now")
            yield from self._needs(old, new, way)
            yield from self._value(old, new, way)
        if way is Way.TAKEN:
            for (where, name), new in after.items():
                if (where, name) not in before and new.fields.get("required"):
                    place = f"{operation.place}/parameters"
                    yield Break(place, f"the parameter {name} ({where}) must be sent")

    def _needs(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        """Compare whether something must be there."""
        had, has = (bool(part.fields.get("required")) for part in (old, new))
        if way is Way.TAKEN and has and not had:
            yield Break(old.place, "it must be sent")
        if way is Way.GIVEN and had and not has:
            yield Break(old.place, "it may be missing")

    def _value(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        """Compare what a parameter or header holds."""
        if "content" in old.fields or "content" in new.fields:
            yield from self._content(old, new, way)
            return
        before, after = old.at("schema"), new.at("schema")
        if way is Way.TAKEN:
            yield from self._shapes.default_breaks(before, after)
        yield from self._shapes.breaks(before, after, way)

    def _body(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        old, new = old.followed(), new.followed()
        yield from self._needs(old, new, way)
        yield from self._content(old, new, way)

    def _content(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        for media in old.at("content").fields:
            before, after = old.at("content", media), new.at("content", media)
            if media in new.at("content").fields:
                yield from self._shapes.breaks(before.at("schema"), after.at("schema"), way)
            else:
                yield Break(before.place, "the media type is gone")

    def _responses(self, old: Part, new: Part, way: Way) -> Iterator[Break]:
        for status in old.fields:
            before, after = old.at(status).followed(), new.at(status).followed()
            if status not in new.fields:
                yield Break(before.place, "the answer is gone")
                continue
            yield from self._content(before, after, way)
            for name in before.at("headers").fields:
                header, present = (part.at("headers", name) for part in (before, after))
                if name not in after.at("headers").fields:
                    yield Break(header.place, "the header is gone")
                    continue
                header, present = header.followed(), present.followed()
                yield from self._needs(header, present, way)
                yield from self._value(header, present, way)
        if way is Way.GIVEN:
            for status in new.fields.keys() - old.fields.keys():
                if _UNEXPECTED.fullmatch(status):
                    yield Break(old.at(status).place, "an answer that clients do not expect")

    def _has_ended(self, part: Part) -> bool:
        """Tell whether it was announced that this would be gone by now."""
        day = part.fields.get(SUNSET) or part.at("schema").fields.get(SUNSET)
        return day is not None and date.fromisoformat(day) <= self._today


def _parameters(item: Part, method: str) -> dict[tuple[str, str], Part]:
    """Return the parameters of an operation, its path's too, by place and name."""
    found = {}
    for part in (item, item.at(method)):
        for place in range(len(part.fields.get("parameters", ()))):
            each = part.at("parameters", place).followed()
            where, name = each.fields["in"], each.fields["name"]
            # Names of headers are the same in capitals.
            found[where, name.lower() if where == "header" else name] = each
    return found


def _suffices(had: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Tell whether who had this may still go in."""
    return all(name in had and set(wanted[name]) <= set(had[name]) for name in wanted)


def _told(security: Mapping[str, Any]) -> str:
    return " and ".join(f"{name} {' '.join(scopes)}".strip() for name, scopes in security.items())
