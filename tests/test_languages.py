"""Refusals speak the caller's language, and each of them is explained on a page of its own."""

import ast
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from itschool_api import errors, languages, openapi, problems, wording
from itschool_api.app import create_app
from itschool_api.settings import Settings
from tests.kit import School, client_of, ok, open_school, problem

SOURCE = Path(errors.__file__).parent
LANGUAGES = languages.LANGUAGES
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_OPERATION = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1/[^`]+)`")
pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with client_of(app) as opened:
        yield opened


@pytest.fixture(scope="module")
async def school_of_module(app: FastAPI) -> School:
    return await open_school(app)


def refusals(kind: type[errors.Refusal] = errors.Refusal) -> Iterator[type[errors.Refusal]]:
    """Give every refusal of the product; other tests have some of their own."""
    for refusal in kind.__subclasses__():
        if refusal.__module__.startswith("itschool_api."):
            yield refusal
            yield from refusals(refusal)


def calls() -> Iterator[ast.Call]:
    """Give every call in the product's source."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def name_of(call: ast.Call) -> str:
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def fixed(call: ast.Call) -> str | None:
    """Return a call's first argument if it is a sentence that stands in the program."""
    first = call.args[0] if call.args else None
    is_fixed = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return str(first.value) if is_fixed and isinstance(first, ast.Constant) else None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_is_translated_and_explained(settings: Settings, language: Any) -> None:
    """A new one comes with its words, and no words stay behind."""
    create_app(settings)  # with every refusal that there is
    told = wording.words(language)["problems"]
    wanted = {"meaning", "advice"} | (set() if language == "en" else {"title"})

    assert set(told) == {refusal.code() for refusal in refusals()}
    assert {code: set(each) for code, each in told.items()} == dict.fromkeys(told, wanted)
    assert [code for code, each in told.items() if not all(each.values())] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_explanations_name_operations_that_there_are(settings: Settings, language: Any) -> None:
    document = openapi.document(create_app(settings))
    there = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    told = [text for each in wording.words(language)["problems"].values() for text in each.values()]

    assert {found for text in told for found in _OPERATION.findall(text)} <= there
    assert all(text.count("`") % 2 == 0 for text in told)


def test_every_fixed_sentence_is_translated(settings: Settings) -> None:
    create_app(settings)
    names = {refusal.__name__ for refusal in refusals()} - {"IncompleteTokenRequest"}
    said = {fixed(call) for call in calls() if name_of(call) in names} - {None}
    said |= {
        str(each.value)
        for call in calls()
        if name_of(call) in {"Fault", "_fault"}
        for each in call.args[2:]
        if isinstance(each, ast.Constant)
    }
    source = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))

    assert len(said) > 10
    for language in ("fr", "nl", "de"):
        told = set(wording.words(language)["details"])
        assert said <= told, language
        assert [sentence for sentence in told if f'"{sentence}"' not in source] == [], language


def test_every_fault_is_translated_with_the_same_facts() -> None:
    own = {fixed(call) for call in calls() if name_of(call) == "PydanticCustomError"}
    english = wording.words("en")["faults"]

    assert own <= set(english)
    for language in LANGUAGES:
        faults = wording.words(language)["faults"]
        assert list(faults) == list(english), language
        for code, text in faults.items():
            assert _PLACEHOLDER.findall(text) == _PLACEHOLDER.findall(english[code]), (
                language,
                code,
            )
        assert set(wording.page(language)) == set(wording.page("en"))


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("en", "en"),
        ("nl-BE", "nl"),
        ("DE-be", "de"),
        ("es", "fr"),
        ("*", "fr"),
        ("es, *;q=0.1", "fr"),
        ("fr;q=0.5, nl;q=0.9", "nl"),
        ("nl, fr", "nl"),
        ("en-GB;q=0.3, de;q=0.2", "en"),
        ("fr;q=0, *", "nl"),
        ("fr;q=0", "fr"),
        ("nl;q=nonsense, de;q=0.1", "de"),
        ("\u00e9;;;q=,,", "fr"),
        (",".join(["es"] * 500) + ",nl", "fr"),
    ],
)
async def test_a_problem_is_in_the_language_that_is_asked_for(
    client: AsyncClient, asked: str | None, language: str
) -> None:
    del client.headers["Accept-Language"]
    headers = [] if asked is None else [(b"Accept-Language", asked.encode("utf-8"))]
    answer = await client.get("/v1/nothing-here", headers=headers)

    title = problem(answer, 404, "not-found")["title"]
    assert title == wording.title("not-found", errors.NotFound.title(), language)  # type: ignore[arg-type]
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]


async def test_a_detail_is_translated_and_an_oauth_description_is_not(client: AsyncClient) -> None:
    """RFC 6749, 5.2: `error_description` is ASCII."""
    answer = await client.post(
        "/v1/auth/token",
        data={"grant_type": "password", "username": "nobody", "password": "wrong"},
        headers={"Accept-Language": "fr"},
    )

    document = problem(answer, 400, "invalid-grant")
    assert (
        document["detail"] == "Le nom d\u2019utilisateur ou le mot de passe n\u2019est pas correct."
    )
    assert document["error_description"] == "The user name or the password is not right."


@pytest.mark.parametrize(
    ("language", "details"),
    [
        ("fr", ["Ceci ne peut pas être vide.", "Ce champ n\u2019existe pas."]),
        ("nl", ["Dit mag niet leeg zijn.", "Dit veld bestaat niet."]),
        ("de", ["Das darf nicht leer sein.", "Dieses Feld gibt es nicht."]),
        ("en", ["This must not be blank.", "There is no such field."]),
    ],
)
async def test_faults_are_translated(
    school_of_module: School, language: str, details: list[str]
) -> None:
    answer = await school_of_module.manager.post(
        "/v1/families", json={"name": " ", "x": 1}, headers={"Accept-Language": language}
    )

    faults = problem(answer, 422, "validation-failed")["errors"]
    assert [(fault["code"], fault["detail"]) for fault in faults] == [
        ("blank", details[0]),
        ("extra_forbidden", details[1]),
    ]


async def test_a_fault_of_several_fields_has_a_code_and_names_them(
    school_of_module: School,
) -> None:
    answer = await school_of_module.manager.post(
        "/v1/events",
        json={
            "title": "Marché de Noël",
            "begins_on": "2026-12-18",
            "ends_on": "2026-12-17",
            "audience": {"whole_school": True},
        },
    )

    (fault,) = problem(answer, 422, "validation-failed")["errors"]
    assert fault["code"] == "not_before"
    assert fault["detail"] == "`ends_on` must not lie before `begins_on`."


async def test_an_unknown_fault_is_said_without_what_was_sent() -> None:
    """SEC-32: a library's own words may quote a password."""
    for language in LANGUAGES:
        said = wording.fault("new_in_the_next_version", {"input": "canary"}, language)
        assert said == wording.words(language)["faults"]["other"]


class _Page(HTMLParser):
    """What a page loads, leads to and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_problem_leads_to_a_page(client: AsyncClient, language: Any) -> None:
    """SEC-30: from this origin alone, with no script."""
    headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
    codes = set(problems.catalogue())
    index = await client.get("/problems", headers=headers)
    links = {attrs["href"] for tag, attrs in _Page(index.text).tags if tag == "a"}

    assert {f"/problems/{refusal.code()}" for refusal in refusals()} <= links
    for url in ["/problems", *(f"/problems/{code}" for code in codes)]:
        answer = await client.get(url, headers=headers)
        assert answer.status_code == 200, url
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-language"] == language
        assert {"Accept", "Accept-Language"} <= set(answer.headers["vary"].split(", "))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "script" not in policy
        tags = _Page(answer.text).tags
        assert ("html", {"lang": language}) in tags
        assert not {"script", "img", "iframe", "form"} & {tag for tag, _ in tags}
        assert all("style" not in attrs and "src" not in attrs for _, attrs in tags)
        hrefs = [attrs["href"] or "" for _, attrs in tags if "href" in attrs]
        assert all(href.startswith(("/problems", "data:,")) for href in hrefs)


async def test_a_problem_is_explained_to_programs(client: AsyncClient) -> None:
    found = ok(
        await client.get("/problems/insufficient-funds", headers={"Accept": "application/json"})
    )

    assert found["title"] == "There is not that much money."
    assert found["status"] == 409
    assert found["meaning"]
    assert found["advice"]
    assert "pay_invoice" in {each["operation_id"] for each in found["operations"]}
    every = ok(await client.get("/problems", headers={"Accept": "application/json"}))
    assert found in every["items"]
    assert every["next"] is None


async def test_an_unknown_problem_is_not_found(client: AsyncClient) -> None:
    for code in ("nothing", "<script>alert(1)</script>", "refusal"):
        problem(await client.get(f"/problems/{code}"), 404, "not-found")
    answer = await client.get("/problems", headers={"Accept": "image/png"})
    problem(answer, 406, "not-acceptable")
