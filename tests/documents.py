"""What the documents say of settings and of people, and the command that writes it into them.

python -m tests.documents
"""

import re
import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from itschool_api.privacy.inventory import TABLES, Fate
from itschool_api.settings import Settings

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
ENV_EXAMPLE = ROOT / ".env.example"
PRIVACY = ROOT / "docs" / "privacy.md"
_BETWEEN = re.compile(r"(<!-- settings: .*? -->\n).*?(<!-- /settings -->\n)", re.DOTALL)
_INVENTORY = re.compile(r"(<!-- inventory: .*? -->\n).*?(<!-- /inventory -->\n)", re.DOTALL)
_HEAD = """\
# All settings, with their defaults. Copy this file to .env, and set what differs.
# In production DATABASE_URL and ITSCHOOL_SECRET_KEY are needed; on a machine of your own,
# ITSCHOOL_ENVIRONMENT=development and a secret are enough.
"""


def variable(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a field."""
    return str(field.validation_alias or f"ITSCHOOL_{name.upper()}")


def default(field: FieldInfo) -> str:
    """Return a field's default as the environment would say it; empty where there is none."""
    if field.default in {None, PydanticUndefined, ()}:
        return ""
    if isinstance(field.default, tuple):
        return ",".join(map(str, field.default))
    return str(field.default)


def settings_table() -> str:
    """Return the README's table of all settings."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        value = "**required**" if field.is_required() else default(field)
        shown = f"`{value}`" if default(field) else value
        lines.append(f"| `{variable(name, field)}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """Return `.env.example`: every setting, explained and commented out."""
    entries = [
        "\n".join(
            [
                *textwrap.wrap(
                    field.description or "", 98, initial_indent="# ", subsequent_indent="# "
                ),
                f"#{variable(name, field)}={default(field)}",
            ]
        )
        for name, field in Settings.model_fields.items()
    ]
    return "\n\n".join([_HEAD.rstrip(), *entries]) + "\n"


def with_table(readme: str) -> str:
    """Return the README with the table as it should be."""
    if not _BETWEEN.search(readme):
        raise LookupError("the README has no place for the settings")
    return _BETWEEN.sub(lambda found: found[1] + settings_table() + found[2], readme)


def inventory_table() -> str:
    """Return the table of what is known of people: an erasure's doing, and what goes by itself."""
    lines = ["| table | what | at an erasure | goes by itself after |", "|---|---|---|---|"]
    for name, table in TABLES.items():
        fates: dict[Fate, list[str]] = {}
        for column, classified in table.personal.items():
            fates.setdefault(classified.fate, []).append(f"`{column}`")
        told = "; ".join(f"{fate}: {', '.join(columns)}" for fate, columns in fates.items())
        expires = re.sub(
            r"retention_[a-z_]+", lambda found: f"`ITSCHOOL_{found[0].upper()}`", table.expires
        )
        lines.append(f"| `{name}` | {table.holds} | {told} | {expires} |")
    return "\n".join(lines) + "\n"


def with_inventory(page: str) -> str:
    """Return the page on privacy with its table as it should be."""
    if not _INVENTORY.search(page):
        raise LookupError("the page has no place for the inventory")
    return _INVENTORY.sub(lambda found: found[1] + inventory_table() + found[2], page)


def main() -> None:
    """Rewrite what is generated."""
    PRIVACY.write_text(with_inventory(PRIVACY.read_text("utf-8")), "utf-8")
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")
    ENV_EXAMPLE.write_text(env_example(), "utf-8")


if __name__ == "__main__":
    main()
