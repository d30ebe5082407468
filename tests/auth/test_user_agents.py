"""What a session is called that nobody named."""

import pytest

from itschool_api.auth.user_agents import described

_MOZILLA = "Mozilla/5.0 ({}) "


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (_MOZILLA.format("Windows NT 10.0; rv:140.0") + "Firefox/140.0", "Firefox, Windows"),
        (
            _MOZILLA.format("Windows NT 10.0") + "Chrome/138.0 Safari/537.36 Edg/138.0",
            "Edge, Windows",
        ),
        (
            _MOZILLA.format("Linux; Android 14") + "Chrome/138.0 Mobile Safari/537.36",
            "Chrome, Android",
        ),
        (_MOZILLA.format("iPhone; CPU like Mac OS X") + "Version/18 Safari/604", "Safari, iPhone"),
        (_MOZILLA.format("Macintosh") + "Version/18 Safari/605", "Safari, macOS"),
        ("curl/8.5.0", "curl"),
        ("<script>alert(1)</script>", None),
        ("A" * 5000, "A" * 40),
        ("", None),
        (None, None),
    ],
)
def test_a_session_is_called_by_browser_and_system(said: str | None, shown: str | None) -> None:
    assert described(said) == shown
