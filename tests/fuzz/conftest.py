"""The target, started once for each worker, beside the application of the other tests."""

from collections.abc import Iterator
from typing import Final

import pytest
from schemathesis.python import asgi

from itschool_api.app import create_app
from itschool_api.auth import logins
from itschool_api.settings import Settings
from tests.fuzz.target import Target

REQUESTS: Final = "requests of the attack"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how much was sent."""
    sent = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == REQUESTS
    ]
    if sent:
        terminalreporter.write_line(f"schemathesis: {sum(sent)} requests in {len(sent)} attacks")


@pytest.fixture(scope="session")
def target(settings: Settings, database_url: str) -> Iterator[Target]:
    # Sessions outlive the attack: it is not their life that is tested here.
    target = Target(
        create_app(settings.model_copy(update={"access_token_minutes": 60}), database_url)
    )
    with asgi.get_client(target):  # type: ignore[arg-type]  # it knows dicts alone
        yield target
        target.close()


@pytest.fixture(autouse=True)
def _any_number_of_names_may_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several operations count them together: which was attacked first must not decide."""
    monkeypatch.setattr(logins, "_TAKEN_NAMES_PER_ASKER", 1_000_000)
