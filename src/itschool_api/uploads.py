"""One file sent to us: as the body itself, or as the only part of a form.

Browsers, and tools that know forms alone, send `multipart/form-data`; whoever can sends the bytes
as they are. Both are read as they come and left at the first byte too many; nothing is written to
disk. What is in the file, nobody here knows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from itschool_api import errors

FORM: Final = "multipart/form-data"
PART: Final = "file"
# What a form has besides its file: boundaries, the part's headers, the file's name.
ENVELOPE_BYTES: Final = 16 * 1024


class UnreadableUpload(errors.BadRequest):
    """The form breaks off, or is no `multipart/form-data`."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    content: bytes
    media_type: str | None
    """None for a form's: clients guess it from the file's name, each in its own way."""


def described(what: str, media_types: Collection[str], most_bytes: int) -> dict[str, Any]:
    """Return the OpenAPI entry of an operation that takes a file, in both ways."""
    file = {"type": "string", "format": "binary", "maxLength": most_bytes}
    part = {**file, "description": "The file; its name and media type do not matter."}
    form = {
        "type": "object",
        "properties": {PART: part},
        "required": [PART],
        "additionalProperties": False,
    }
    content = {media_type: {"schema": file} for media_type in media_types}
    return {
        "requestBody": {
            "required": True,
            "description": f"{what} As the body itself, or in a form whose one part is `{PART}`.",
            "content": content | {FORM: {"schema": form}},
        }
    }


async def read(
    request: Request,
    media_types: Collection[str],
    most_bytes: int,
    *,
    other: type[errors.Refusal],
    empty: type[errors.Refusal],
) -> Upload:
    """Read the file, and stop as soon as it is too large.

    Raises `other` for a body of another media type, `empty` for a file without a byte.
    """
    kind, options = parse_options_header(
        request.headers.get("content-type", "application/octet-stream")
    )
    media_type = kind.decode("latin-1").strip()
    if media_type == FORM:
        upload = Upload(await _part(request, options, most_bytes), None)
    elif media_type in media_types:
        upload = Upload(await _body(request, most_bytes), media_type)
    else:
        raise other
    if not upload.content:
        raise empty
    return upload


async def _body(request: Request, most_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        _limit(len(data), most_bytes)
    return bytes(data)


async def _part(request: Request, options: Mapping[bytes, bytes], most_bytes: int) -> bytes:
    """Read the form; raises `UnreadableUpload`, or `ValidationFailed` for what is not `file`."""
    form = _Form(most_bytes)
    boundary = options.get(b"boundary")
    if not boundary:
        raise UnreadableUpload
    received = 0
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in request.stream():
            received += len(chunk)
            # Whatever comes before, between and after the parts counts too.
            _limit(received, most_bytes + ENVELOPE_BYTES)
            parser.write(chunk)
    except FormParserError as error:
        raise UnreadableUpload from error
    return form.file()


class _Form:
    """The one file of a form, gathered while the form is read."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data: bytearray | None = None
        self._is_whole = False
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""

    def callbacks(self) -> Any:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._name,
            "on_part_data": self._take,
            "on_end": self._end,
        }

    def file(self) -> bytes:
        """Return the file, once the form has been read to its end."""
        if not self._is_whole:
            raise UnreadableUpload
        if self._data is None:
            raise _misfit(PART, "missing")
        return bytes(self._data)

    def _begin(self) -> None:
        self._disposition = b""

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _name(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode(errors="replace")
        if name != PART:
            raise _misfit(name, "extra_forbidden")
        if self._data is not None:
            raise _misfit(PART, "too_long", {"max_length": 1})
        self._data = bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._data is None:  # never: a part's headers come before its data
            raise UnreadableUpload
        self._data += data[start:end]
        _limit(len(self._data), self._most_bytes)

    def _end(self) -> None:
        self._is_whole = True


def _limit(count: int, most_bytes: int) -> None:
    if count > most_bytes:
        raise errors.TooLarge(f"At most {most_bytes} bytes are taken.")


def _misfit(name: str, code: str, facts: Mapping[str, Any] | None = None) -> errors.Refusal:
    return errors.ValidationFailed(errors=[errors.fault("body", [name], code, facts or {})])
