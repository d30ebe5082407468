"""The containers' recipe: its commands and settings are the program's, and it opens no door."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]

from itschool_api.cli import app as command_line
from itschool_api.settings import Settings
from tests.documents import variable

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
OURS = {name: each for name, each in COMPOSE["services"].items() if "build" in each}
# Options of `serve` that the environment may say too.
NAMES = {variable(*each) for each in Settings.model_fields.items()} | {"ITSCHOOL_TRUSTED_PROXIES"}


def understood(words: list[str]) -> None:
    """Let the command line read a command with its options, without running it."""
    command: Any = typer.main.get_command(command_line)
    for place, word in enumerate(words):
        command = command.get_command(command.make_context("itschool", words[place:]), word)
        assert command, f"there is no command {word}"
        if not hasattr(command, "get_command"):
            command.make_context(word, words[place + 1 :])
            return
    raise AssertionError("the command is not said to its end")


def test_the_services_are_there() -> None:
    assert {*OURS} == {"api", "worker", "migrate"}
    assert {*COMPOSE["services"]} - {*OURS} == {"postgres", "mailpit"}


@pytest.mark.parametrize("name", OURS)
def test_a_services_command_and_settings_are_the_programs(name: str) -> None:
    service = OURS[name]

    understood(service["command"])
    assert service["environment"].keys() <= NAMES


def test_the_images_command_and_settings_are_the_programs() -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)

    understood(yaml.safe_load(command))
    assert {*re.findall(r"ITSCHOOL_[A-Z_]+(?==)", DOCKERFILE)} <= NAMES
    assert "--require-hashes -r requirements/app.lock" in DOCKERFILE


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_has_no_rights_and_is_not_open_to_the_network(name: str) -> None:
    service = COMPOSE["services"][name]

    assert service["read_only"]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert service["healthcheck"]


def test_every_secret_must_be_given() -> None:
    """SEC-36: none has a default."""
    text = (ROOT / "compose.yaml").read_text("utf-8")
    for name in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|TOKEN)\w*)", text):
        given = rf"\$\{{{name}:(\?[^}}]+|-)\}}"
        assert re.search(given, text), name
        assert not re.search(rf"\$\{{{name}:-[^}}]", text), name


def test_only_the_migration_is_the_owner() -> None:
    holders = {name for name, each in OURS.items() if "DATABASE_OWNER_URL" in each["environment"]}

    assert holders == {"migrate"}
