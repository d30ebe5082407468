"""What the environment may say to the program: one frozen class, read once.

Every field is an environment variable of the same name in capitals, with the prefix `ITSCHOOL_`
except for the two database URLs. The README's table is held to this class by a test.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

# Values that people copy from examples; the program refuses them (OWASP ASVS 5.0, 13.4.2).
_WELL_KNOWN_SECRETS = ("change-me", "changeme", "secret", "password", "example", "itschool")
_SECRET_LENGTH = 32
_SECRET_ALPHABET = 10
_DRIVER = "postgresql+asyncpg"
_LAST_PORT = 65_535
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_ORIGIN = re.compile(
    rf"(https://{_LABEL}(\.{_LABEL})*|https?://(localhost|127\.0\.0\.1|\[::1\]))(:[1-9][0-9]{{0,4}})?"
)


def _strong(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < _SECRET_LENGTH or len(set(text)) < _SECRET_ALPHABET:
        raise ValueError(
            f"is too weak: give at least {_SECRET_LENGTH} random characters, for instance those "
            'of: python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    if any(word in text.lower() for word in _WELL_KNOWN_SECRETS):
        raise ValueError("is a well-known example: make one of your own")
    return secret


def _link(url: str) -> str:
    if not url.startswith(("http://", "https://")) or "#" in url:
        raise ValueError("must begin with http:// or https:// and have no #")
    return url


def _listed(value: object) -> object:
    """Take a list as the environment writes it: with commas."""
    if isinstance(value, str):
        return tuple(filter(None, (each.strip() for each in value.split(","))))
    return value


def _port(value: object) -> object:
    """Take a number as the environment writes it, too."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value


def _origin(text: str) -> str:
    """Take an origin exactly as a browser sends it, for it is compared as a whole."""
    usual_port = text.endswith(":443" if text.startswith("https:") else ":80")
    if not _ORIGIN.fullmatch(text) or usual_port:
        raise ValueError(
            f"{text!r} is not an origin as browsers send it, such as https://app.example.org "
            "or http://localhost:5173: no *, no path, no capitals, no usual port; http is for "
            "this machine alone"
        )
    return text


def _postgresql(url: str) -> str:
    """Take a URL as providers of PostgreSQL print it, and name our driver."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError("is not a URL such as postgresql://user:password@host/name") from error
    if parsed.drivername not in {"postgresql", "postgres", _DRIVER}:
        raise ValueError("must begin with postgresql://: there is no other engine")
    query = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    return parsed.set(drivername=_DRIVER, query=query).render_as_string(hide_password=False)


DatabaseUrl = Annotated[str, AfterValidator(_postgresql)]


class DatabaseSettings(BaseSettings):
    """What every command needs: where the data are, and how to speak of it."""

    model_config = SettingsConfigDict(
        env_prefix="ITSCHOOL_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseUrl | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL, as the role `itschool_app`; without it the embedded server.",
    )
    database_owner_url: DatabaseUrl | None = Field(
        None,
        validation_alias="DATABASE_OWNER_URL",
        description="The same database as the tables' owner: only `itschool db` uses it.",
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="Connections that one process keeps open."
    )
    requests_per_minute: int = Field(
        1200,
        ge=1,
        description="How many requests one caller may make in a minute; who is not known counts by "
        "address.",
    )
    data_dir: Path = Field(
        Path(".itschool"), description="Folder of stored files and of the embedded PostgreSQL."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: for people in a terminal, JSON elsewhere."
    )


class Settings(DatabaseSettings):
    """The whole configuration; values that cannot work are refused at start."""

    secret_key: Annotated[SecretStr, AfterValidator(_strong)] = Field(
        description="Key from which all others are derived; at least 32 random characters."
    )
    metrics_token: Annotated[SecretStr, AfterValidator(_strong)] | None = Field(
        None,
        description="Bearer token for `/metrics`; at least 32 random characters. Empty: no metrics.",
    )
    environment: Literal["development", "production"] = Field(
        "production", description="`development` allows the embedded PostgreSQL."
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="Where clients reach this API; issuer of its tokens."
    )
    web_app_url: Annotated[str, AfterValidator(_link)] = Field(
        "http://127.0.0.1:8000/docs", description="Where the links in e-mails lead."
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_listed)
    ] = Field((), description="Origins whose pages may call this API, exact, separated by commas.")
    access_token_minutes: int = Field(
        10, ge=1, le=60, description="Life of an access token, in minutes."
    )
    refresh_token_days: int = Field(30, ge=1, le=365, description="Life of a session, in days.")
    bank_file_max_bytes: int = Field(
        16 * 1024**2, ge=1024, le=64 * 1024**2, description="Largest bank file taken, in bytes."
    )
    roll_max_bytes: int = Field(
        8 * 1024**2, ge=1024, le=32 * 1024**2, description="Largest roll taken, in bytes."
    )
    mail_from: str = Field(
        "iT-School <no-reply@itschool.invalid>", description="Sender of every e-mail."
    )
    smtp_host: str | None = Field(
        None, description="Mail server; without it mails are kept as files in the data folder."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_username: str | None = Field(None, description="User at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="How the connection to the mail server is protected."
    )
    webhook_ports: Annotated[
        tuple[Annotated[int, BeforeValidator(_port), Field(ge=1, le=_LAST_PORT)], ...],
        NoDecode,
        BeforeValidator(_listed),
    ] = Field((443, 8443), description="Ports that webhooks may be sent to, separated by commas.")
    webhook_loopback: bool = Field(
        False,
        description="Webhooks may go to this machine, over http too: for developing only.",
    )
    retention_export_days: int = Field(
        7, ge=1, le=30, description="How long the file of an export is kept, in days."
    )
    retention_mail_days: int = Field(
        90, ge=15, le=730, description="How long it is known which mails were sent, in days."
    )
    retention_webhook_days: int = Field(
        30, ge=4, le=365, description="How long it is known which webhooks were sent, in days."
    )
    retention_session_days: int = Field(
        30,
        ge=1,
        le=365,
        description="How long ended sessions, tokens and offers are kept, in days.",
    )
    retention_origin_days: int = Field(
        365, ge=1, le=730, description="How long a user's network addresses are known, in days."
    )
    retention_job_days: int = Field(
        30, ge=1, le=365, description="How long it is known which jobs were done, in days."
    )
    retention_leaver_months: int | None = Field(
        None,
        ge=1,
        le=120,
        description="Months after which leavers who owe nothing are erased; empty: never by itself.",
    )
    retention_accounting_years: int = Field(
        10,
        ge=7,
        le=30,
        description="How long invoices and the bank's files keep their names: years after theirs.",
    )

    @model_validator(mode="after")
    def _no_embedded_database_in_production(self) -> Self:
        if self.environment == "production" and self.database_url is None:
            raise ValueError(
                "DATABASE_URL is missing: the embedded PostgreSQL is for trying out and "
                "developing (ITSCHOOL_ENVIRONMENT=development)"
            )
        return self

    @model_validator(mode="after")
    def _no_webhooks_to_ourselves_in_production(self) -> Self:
        if self.environment == "production" and self.webhook_loopback:
            raise ValueError(
                "ITSCHOOL_WEBHOOK_LOOPBACK is for developing (ITSCHOOL_ENVIRONMENT=development): "
                "schools could reach what runs beside the program"
            )
        return self
