"""The OpenAPI document as one page to read: HTML without scripts, made of the document alone.

Pure: a document in, a page out. All that comes from the document is escaped.
"""

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

_LIST_ITEM: Final = re.compile(r"^[*-] ", re.MULTILINE)
# Marks of Markdown that descriptions use, after escaping.
_MARKS: Final = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\[([^\]]+)\]\((https://[^)\s]+)\)"), r'<a href="\2" rel="noreferrer">\1</a>'),
)
_LIMITS: Final = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
)
# What the framework says of an answer where nobody said anything.
_NOTHING_TOLD: Final = "Successful Response"
# Bounds of JSON's exact integers say nothing to a reader.
_TELLING: Final = 2**53 - 1

Schema = dict[str, Any]
# Method, path and operation.
Operations = list[tuple[str, str, dict[str, Any]]]


def page(document: dict[str, Any]) -> str:
    """Return the page of a document."""
    groups = _grouped(document)
    schemas = document["components"]["schemas"]
    title = escape(document["info"]["title"])
    menu = "".join(_menu(tag, operations) for tag, operations in groups)
    body = "".join(_group(tag, operations) for tag, operations in groups)
    forms = "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/reference.css">
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<nav aria-label="Operations">
<p><strong>{title}</strong> {escape(document["info"]["version"])}</p>
<p><a href="/docs">Try it</a> · <a href="/openapi.json">OpenAPI</a></p>
{menu}
<p><a href="#schemas">Schemas</a></p>
</nav>
<main id="main" tabindex="-1">
<h1>{title}</h1>
{_prose(document["info"].get("description", ""))}
{body}
<h2 id="schemas">Schemas</h2>
{forms}
</main>
</body>
</html>
"""


def _grouped(document: dict[str, Any]) -> list[tuple[dict[str, str], Operations]]:
    """Sort operations below their tags, in the tags' order; webhooks have no path."""
    found = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    found += [
        ("webhook", name, operation)
        for name, item in document.get("webhooks", {}).items()
        for operation in item.values()
    ]
    groups = (
        (tag, [each for each in found if tag["name"] in each[2]["tags"]])
        for tag in document["tags"]
    )
    return [(tag, operations) for tag, operations in groups if operations]


def _menu(tag: dict[str, str], operations: Operations) -> str:
    links = "".join(
        f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
        for _, _, operation in operations
    )
    return f"<details><summary>{escape(tag['name'])}</summary><ul>{links}</ul></details>"


def _group(tag: dict[str, str], operations: Operations) -> str:
    name = escape(tag["name"])
    entries = "".join(_operation(*each) for each in operations)
    return (
        f'<section><h2 id="tag-{name}">{name}</h2>{_prose(tag["description"])}{entries}</section>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        _prose(operation.get("description", "")),
        _scopes(operation),
        _parameters(operation.get("parameters", [])),
        *_bodies("Body", operation.get("requestBody", {})),
        _answers(operation["responses"]),
    ]
    old = ' <span class="old">deprecated</span>' if operation.get("deprecated") else ""
    return (
        f'<article><h3 id="{operation["operationId"]}">{escape(operation["summary"])}{old}</h3>'
        f'<p class="call"><span class="method {method}">{method.upper()}</span> '
        f"<code>{escape(path)}</code></p>{''.join(parts)}</article>"
    )


def _scopes(operation: dict[str, Any]) -> str:
    needed = sorted(
        {scope for way in operation.get("security", []) for each in way.values() for scope in each}
    )
    return f"<p>Scopes: {_codes(needed)}.</p>" if needed else ""


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        _row(
            each["name"],
            each["schema"],
            note=f"{each['in']}{', required' if each.get('required') else ''}",
            text=each.get("description", ""),
        )
        for each in parameters
        if not each["name"].startswith("__Host-")
    ]
    return f"<h4>Parameters</h4>{_table(rows)}" if rows else ""


def _bodies(title: str, carrier: dict[str, Any]) -> Iterator[str]:
    """Give each media type of a body with its schema and an example."""
    content = carrier.get("content", {})
    if content:
        told = carrier.get("description", "")
        yield f"<h4>{title}</h4>{'' if told == _NOTHING_TOLD else _prose(told)}"
    for media_type, media in content.items():
        yield f"<p><code>{escape(media_type)}</code>: {_type(media['schema'])}</p>"
        if media["schema"].get("properties"):
            yield _fields(media["schema"])
        example = media.get("example")
        if isinstance(example, dict | list):
            text = json.dumps(example, indent=2, ensure_ascii=False)
            yield f"<details><summary>Example</summary><pre>{escape(text)}</pre></details>"


def _answers(responses: dict[str, Any]) -> str:
    """Return the good answers in the open, and the refusals below a summary."""
    good: list[str] = []
    refusals: list[str] = []
    for status, answer in sorted(responses.items()):
        if status < "400":
            good += _bodies(f"Answer {status}", answer)
            if not answer.get("content"):
                good.append(f"<h4>Answer {status}</h4>{_prose(answer['description'])}")
        else:
            refusals.append(f"<dt>{status}</dt><dd>{_prose(answer['description'])}</dd>")
    told = (
        f"<details><summary>Refusals</summary><dl>{''.join(refusals)}</dl></details>"
        if refusals
        else ""
    )
    return "".join(good) + told


def _schema(name: str, schema: Schema) -> str:
    words = f"<p>One of {_codes(schema['enum'])}.</p>" if "enum" in schema else ""
    return (
        f'<article><h3 id="schema-{escape(name)}">{escape(name)}</h3>'
        f"{_prose(schema.get('description', ''))}{words}{_fields(schema)}</article>"
    )


def _fields(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        _row(
            name,
            each,
            note="required" if name in required else "",
            text=each.get("description", ""),
        )
        for name, each in schema.get("properties", {}).items()
    ]
    return _table(rows) if rows else ""


def _row(name: str, schema: Schema, *, note: str, text: str) -> str:
    limits = ", ".join(_limits(schema))
    small = "; ".join(each for each in (note, limits) if each)
    return (
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{_type(schema)}'
        f"<small>{escape(small)}</small></td><td>{_prose(text)}</td></tr>"
    )


def _table(rows: Iterable[str]) -> str:
    return (
        '<div class="table" tabindex="0" role="group" aria-label="Fields"><table><thead><tr>'
        '<th scope="col">Name</th><th scope="col">Type</th><th scope="col">Description</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _limits(schema: Schema) -> Iterator[str]:
    for part in [schema, *schema.get("anyOf", [])]:
        for name, words in _LIMITS:
            if name in part and abs(part[name]) < _TELLING:
                yield words.format(f"{part[name]:,.0f}")


def _type(schema: Schema) -> str:
    """Say of what type something is, with links to what has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " or ".join(_type(each) for each in schema[union])
    if "enum" in schema or "const" in schema:
        return _codes(schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    named = schema.get("format") or schema.get("contentMediaType")
    kind = escape(str(schema.get("type", "anything")))
    return f"{kind} ({escape(str(named))})" if named and kind == "string" else kind


def _codes(values: Iterable[Any]) -> str:
    return ", ".join(f"<code>{escape(str(each))}</code>" for each in values)


def _prose(text: str) -> str:
    """Turn the little Markdown of descriptions into HTML."""
    blocks = (block for block in re.split(r"\n\s*\n", text.strip()) if block)
    return "".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    if not _LIST_ITEM.match(block):
        return f"<p>{_inline(block)}</p>"
    items = (item for item in _LIST_ITEM.split(block) if item)
    return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"


def _inline(text: str) -> str:
    escaped = escape(text.strip())
    for mark, html in _MARKS:
        escaped = mark.sub(html, escaped)
    return escaped
