"""What the program refuses to start with (SEC-36)."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from itschool_api.app import create_app
from itschool_api.cli import app as command_line
from itschool_api.settings import Settings

GOOD = "q3vJ8mZr0tYx5LwBn7cKd2HfGs9PaUeQ1iOoTyRl4WMbXhNz"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, no file of the developer's."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "ITSCHOOL_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)


def made(**values: object) -> Settings:
    """Make settings for developing."""
    return Settings(**({"environment": "development", "secret_key": GOOD} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        GOOD[:31],
        "a" * 64,
        "ab" * 32,
        "change-me-change-me-change-me-0123456789",
        "CHANGE-ME-" + GOOD,
        "password-0123456789-abcdefghijklmnop",
        "itschool-" + GOOD,
        "my-secret-0123456789-abcdefghijklmnop",
        "example-0123456789-abcdefghijklmnopqrs",
    ],
)
def test_a_weak_or_well_known_secret_is_refused(secret: str) -> None:
    """SEC-36."""
    with pytest.raises(ValidationError) as refused:
        made(secret_key=secret)

    assert "secret_key" in str(refused.value)
    # The refusal may be printed where many read it.
    if secret:
        assert secret not in str(refused.value)


def test_there_is_no_default_secret() -> None:
    """SEC-36."""
    with pytest.raises(ValidationError, match="secret_key"):
        Settings(environment="development")


def test_production_needs_a_database_and_is_the_default() -> None:
    with pytest.raises(ValidationError, match="DATABASE_URL is missing"):
        Settings(secret_key=GOOD)
    with pytest.raises(ValidationError, match="DATABASE_URL is missing"):
        made(environment="production")

    assert made().database_url is None


def test_a_good_configuration_is_taken_and_hides_its_secrets() -> None:
    settings = made(smtp_password="letters for the mail server")

    assert GOOD not in repr(settings)
    assert "letters" not in repr(settings)
    assert settings.secret_key.get_secret_value() == GOOD


def test_settings_do_not_change_while_the_program_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        made().access_token_minutes = 60  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        {"access_token_minutes": 0},
        {"access_token_minutes": 1440},
        {"refresh_token_days": 0},
        {"bank_file_max_bytes": 65 * 1024**2},
        {"smtp_port": 0},
        {"smtp_tls": "maybe"},
        {"web_app_url": "javascript:alert(1)"},
        {"web_app_url": "https://app.example.org/#fragment"},
        {"log_level": "loud"},
        {"environment": "demo"},
    ],
)
def test_what_cannot_work_is_refused_at_start(values: dict[str, object]) -> None:
    with pytest.raises((ValidationError, KeyError)):
        made(**values)


def test_origins_are_a_list_with_commas_and_none_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SEC-31."""
    assert made().cors_origins == ()
    monkeypatch.setenv(
        "ITSCHOOL_CORS_ORIGINS", "https://app.example.org, http://localhost:5173,http://[::1]:1 ,"
    )
    assert made().cors_origins == (
        "https://app.example.org",
        "http://localhost:5173",
        "http://[::1]:1",
    )


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*",
        "https://*.example.org",
        "https://app.example.org/",
        "https://app.example.org/app",
        "https://app.example.org?x",
        "https://app.example.org#x",
        "https://user@app.example.org",
        "https://App.example.org",
        "HTTPS://app.example.org",
        "https://app.example.org:443",
        "http://localhost:80",
        "https://app.example.org:",
        "https://app.example.org:0",
        "https://app.example.org.",
        "https://.example.org",
        "https://-app.example.org",
        "https://",
        "http://app.example.org",
        "http://localhost.evil.example",
        "app.example.org",
        "//app.example.org",
        "file:///app",
        "https://a.example\nhttps://b.example",
        "https://a.example https://b.example",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """SEC-31: with a setting that never matches, or that matches too much, nothing starts."""
    with pytest.raises(ValidationError, match="cors_origins"):
        made(cors_origins=f"https://ok.example,{origin}")


def test_no_application_debugs() -> None:
    """SEC-36: a debugging one would show its insides to whoever makes it fail."""
    assert create_app(made()).debug is False


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["keys", "rotate"]])
def test_the_command_refuses_to_start_and_says_what_to_do(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-36."""
    weak = "change-me-change-me-change-me"
    for secret in (None, weak):
        if secret:
            monkeypatch.setenv("ITSCHOOL_SECRET_KEY", secret)
        result = CliRunner().invoke(command_line, command)
        assert result.exit_code == 2
        assert "ITSCHOOL_SECRET_KEY" in result.output
        assert weak not in result.output
        assert "Traceback" not in result.output


def test_debugging_is_off() -> None:
    assert create_app(made()).debug is False
