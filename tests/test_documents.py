"""The documents say what is so: settings, dependencies, decisions, links."""

import re
import tomllib
from pathlib import Path

import pytest

from itschool_api import schema
from tests import documents
from tests.documents import ENV_EXAMPLE, README, ROOT

DECISIONS = ROOT / "docs" / "decisions"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "requirements" / "README.md"]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
DEPENDENCY = re.compile(r"[a-z0-9-]+")


def section(title: str) -> str:
    """Return a section of the page on the architecture."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_readme_tells_every_setting_its_default_and_its_meaning() -> None:
    readme = README.read_text("utf-8")
    assert documents.with_table(readme) == readme, "rewrite it: python -m tests.documents"


def test_the_example_of_env_holds_every_setting() -> None:
    assert ENV_EXAMPLE.read_text("utf-8") == documents.env_example()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    text = (
        (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("\n## Dependencies\n")[2]
    )
    told = re.findall(r"^\| ([a-z0-9-]+) \| .+ \|$", text, re.MULTILINE)
    named = [match[0] for match in map(DEPENDENCY.match, wanted) if match]
    assert sorted(told) == sorted([*named, "package", "package"])


def test_every_room_of_the_house_is_described() -> None:
    rooms = {
        path.name + ("/" if path.is_dir() else "")
        for path in (ROOT / "src" / "itschool_api").iterdir()
        if not path.name.startswith("__") and path.name not in {"static", "py.typed"}
    }
    assert rooms <= set(re.findall(r"`([a-z]+(?:/|\.py))`", section("The house")))


def test_every_table_is_named() -> None:
    told = set(re.findall(r"`([a-z_]+)`", section("Tables, tenants, walls")))
    assert set(schema.metadata.tables) <= told


def test_every_decision_is_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text("utf-8")
    told = set(LINK.findall(index))
    assert told == {path.name for path in DECISIONS.glob("[0-9]*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()
    ]
    assert broken == []


def test_ci_calls_all_that_make_check_does() -> None:
    rules = (ROOT / "Makefile").read_text("utf-8")
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    check = re.search(r"^check: (.+?) ##", rules, re.MULTILINE)
    loop = re.search(r"^for target in (.+); do$", script, re.MULTILINE)
    assert check
    assert loop
    assert sorted(loop[1].split()) == sorted(check[1].split())
