"""Which of our languages a caller reads: asked by `Accept-Language` (RFC 9110, section 12.5.4).

What is asked is kept beside the request, for refusals are written where no request is at hand.
"""

from contextvars import ContextVar
from typing import Final, Literal

from itschool_api.quality import wishes

Language = Literal["fr", "nl", "de", "en"]

# In this order where the caller likes several alike; the first for who asks for none of them.
LANGUAGES: Final[tuple[Language, ...]] = ("fr", "nl", "de", "en")
# An answer's headers, where its words depend on what was asked.
VARY: Final = "Accept-Language"
_asked: ContextVar[str] = ContextVar("accept_language", default="")


def listen(accept_language: str) -> None:
    """Keep what the present request asks for."""
    _asked.set(accept_language)


def current() -> Language:
    """Return the language to answer the present request in."""
    return preferred(_asked.get())


def preferred(accept_language: str) -> Language:
    """Choose by the client's quality, then by its order, then by ours: `nl-BE` is Dutch.

    Who asks for none of our languages gets the first rather than a refusal.
    """
    asked = wishes(accept_language)
    found: list[tuple[int, int, int, Language]] = []
    for rank, language in enumerate(LANGUAGES):
        named = [each for each in asked if each.name.partition("-")[0] == language]
        named = named or [each for each in asked if each.name == "*"]
        best = max(named, key=lambda each: (each.quality, -each.place), default=None)
        if best is not None and best.quality:
            found.append((best.quality, -best.place, -rank, language))
    return max(found)[-1] if found else LANGUAGES[0]
