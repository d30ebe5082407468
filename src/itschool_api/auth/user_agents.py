"""What a session is called that nobody named: the browser and the system, as a program says them.

Only words of ours and plain product names come out of what anybody may send. Pure.
"""

import re
from typing import Final

# In this order: browsers name those that they want to be taken for.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_PRODUCT: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,39}", re.ASCII)


def described(user_agent: str | None) -> str | None:
    """Return such as “Firefox, Windows”, a program's own name, or None where nothing is said."""
    said = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in said), None)
    if browser is None:
        product = _PRODUCT.match(said)
        return product[0] if product else None
    system = next((name for mark, name in _SYSTEMS if mark in said), None)
    return f"{browser}, {system}" if system else browser
