"""What a problem's `type` leads to: a page that says what it means and what to do.

In the reader's language, from this origin alone and without a script; as JSON for who asks so.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from pydantic import BaseModel, ConfigDict, TypeAdapter

from itschool_api import errors, languages, wording
from itschool_api.languages import Language
from itschool_api.negotiation import preferred

router = APIRouter(include_in_schema=False)

_JSON: Final = "application/json"
_HTML: Final = "text/html"
_CODE: Final = re.compile(r"^`([a-z0-9-]+)`: ", re.MULTILINE)
_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.25; }
dt { font-weight: 600; margin-top: 1rem; }
dd { margin-left: 0; }
code { font-size: 0.95em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 1rem 0.35rem 0; }
tbody tr { border-top: 1px solid #8886; }
"""
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "public, max-age=3600",
    "Vary": f"Accept, {languages.VARY}",
}
_TEMPLATE: Final = """<!doctype html>
<html lang="{{ language }}">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>{{ problem.code if problem else words.title }} · itschool-api</title>
    <link rel="icon" href="data:,">
    <style>STYLE</style>
  </head>
  <body>
    <main>
{%- if problem %}
      <nav><a href="/problems">{{ words.all }}</a></nav>
      <h1>{{ problem.title | prose }}</h1>
      <dl>
        <dt>{{ words.code }}</dt>
        <dd><code>{{ problem.code }}</code></dd>
        <dt>{{ words.status }}</dt>
        <dd>{{ problem.status }}</dd>
        <dt>{{ words.meaning }}</dt>
        <dd>{{ problem.meaning | prose }}</dd>
        <dt>{{ words.advice }}</dt>
        <dd>{{ problem.advice | prose }}</dd>
        <dt>{{ words.operations }}</dt>
{%- for each in problem.operations %}
        <dd><code>{{ each.method }} {{ each.path }}</code></dd>
{%- else %}
        <dd>{{ words.anywhere }}</dd>
{%- endfor %}
      </dl>
{%- else %}
      <h1>{{ words.title }}</h1>
      <p>{{ words.intro }}</p>
      <table>
        <thead>
          <tr><th>{{ words.status }}</th><th>{{ words.code }}</th><th>{{ words.problem }}</th></tr>
        </thead>
        <tbody>
{%- for each in problems %}
          <tr>
            <td>{{ each.status }}</td>
            <td><a href="/problems/{{ each.code }}"><code>{{ each.code }}</code></a></td>
            <td>{{ each.title | prose }}</td>
          </tr>
{%- endfor %}
        </tbody>
      </table>
{%- endif %}
    </main>
  </body>
</html>
"""


def _prose(text: str) -> Markup:
    """Set what stands between backticks as code."""
    pieces = enumerate(text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)
        for place, piece in pieces
    )


_ENVIRONMENT: Final = Environment(autoescape=True, undefined=StrictUndefined)
_ENVIRONMENT.filters["prose"] = _prose
_PAGE: Final = _ENVIRONMENT.from_string(_TEMPLATE.replace("STYLE", _STYLE))


class _Operation(BaseModel):
    """An operation that can answer with a problem."""

    model_config = ConfigDict(frozen=True)

    operation_id: str
    method: str
    path: str


class _Explained(BaseModel):
    """A problem, explained."""

    model_config = ConfigDict(frozen=True)

    type: str
    code: str
    status: int
    title: str
    meaning: str
    advice: str
    operations: list[_Operation]
    """None are told of what any request can be answered with."""


class _All(BaseModel):
    """All problems, in the form of the other lists."""

    items: list[_Explained]
    next: None = None


_ONE_AS_JSON: Final = TypeAdapter(_Explained)
_ALL_AS_JSON: Final = TypeAdapter(_All)


# Plain functions run in a thread: the first one waits most of a second for the document.
@router.get("/problems")
def list_problems(request: Request) -> Response:
    """List every problem."""
    language = languages.current()
    problems = _explained(request.app.openapi(), language)
    if _wants_json(request):
        return _answer(_ALL_AS_JSON.dump_json(_All(items=problems)), _JSON, language)
    return _answer(_page(language, problems=problems), _HTML, language)


@router.get("/problems/{code}")
def read_problem(request: Request, code: str) -> Response:
    """Explain one problem."""
    language = languages.current()
    found = [each for each in _explained(request.app.openapi(), language) if each.code == code]
    if not found:
        raise errors.NotFound
    if _wants_json(request):
        return _answer(_ONE_AS_JSON.dump_json(found[0]), _JSON, language)
    return _answer(_page(language, problem=found[0]), _HTML, language)


def catalogue() -> dict[str, type[errors.Refusal]]:
    """Return every refusal that is explained, by its code."""
    found = {refusal.code(): refusal for refusal in _leaves(errors.Refusal)}
    return {code: each for code, each in found.items() if wording.explanation(code, "en")}


def _leaves(kind: type[errors.Refusal]) -> Iterator[type[errors.Refusal]]:
    for refusal in kind.__subclasses__():
        yield from _leaves(refusal)
        yield refusal


def _explained(document: dict[str, Any], language: Language) -> list[_Explained]:
    """Explain all problems, in the order of their statuses."""
    operations: dict[str, list[_Operation]] = {}
    for code, operation in _answers(document):
        operations.setdefault(code, []).append(operation)
    problems = []
    for code, refusal in catalogue().items():
        explanation = wording.explanation(code, language)
        if explanation is not None:
            problems.append(
                _Explained(
                    type=f"/problems/{code}",
                    code=code,
                    status=refusal.status,
                    title=wording.title(code, refusal.title(), language),
                    meaning=explanation.meaning,
                    advice=explanation.advice,
                    operations=operations.get(code, []),
                )
            )
    return sorted(problems, key=lambda each: (each.status, each.code))


def _answers(document: dict[str, Any]) -> Iterator[tuple[str, _Operation]]:
    """Give each code with each operation that tells of it, as `errors.responses` wrote it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            about = _Operation(
                operation_id=operation["operationId"], method=method.upper(), path=path
            )
            for response in operation["responses"].values():
                for code in _CODE.findall(response["description"]):
                    yield code, about


def _wants_json(request: Request) -> bool:
    return preferred(request.headers.get("accept"), (_HTML, _JSON)) == _JSON


def _page(language: Language, **facts: Any) -> bytes:
    page = {"problem": None, **facts}
    return _PAGE.render(language=language, words=wording.page(language), **page).encode()


def _answer(body: bytes, media_type: str, language: Language) -> Response:
    return Response(body, media_type=media_type, headers={**_HEADERS, "Content-Language": language})
