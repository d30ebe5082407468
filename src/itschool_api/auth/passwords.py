"""Passwords: the only module that knows passlib.

argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet). Hashing takes
about 20 ms of CPU: call it by `in_thread`.
"""

import asyncio
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from passlib.context import CryptContext
from zxcvbn.frequency_lists import FREQUENCY_LISTS

SHORTEST: Final = 8
LONGEST: Final = 128
# 30,000 passwords from leaks; those that are too short are refused for that.
_COMMON: Final = frozenset(
    password for password in FREQUENCY_LISTS["passwords"] if len(password) >= SHORTEST
)
# Beside a person's own names, these make a password that a stranger tries first.
_CONTEXT_WORDS: Final = (
    *("itschool", "school", "ecole", "schule", "college", "institut", "basisschool"),
    *("parent", "ouder", "eltern", "teacher", "leerkracht", "admin", "manager"),
    *("password", "motdepasse", "wachtwoord", "passwort", "welcome", "bienvenue", "welkom"),
    *("willkommen", "azerty", "qwerty"),
)
_SHORTEST_WORD: Final = 3

_context = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__memory_cost=19_456,
    argon2__time_cost=2,
    argon2__parallelism=1,
)
# Verifying against it costs what a real user costs, so that time tells nothing.
_NOBODY: Final = _context.hash("no user has this password, for it is no user's")


# Few at once: forty threads that hash leave the event loop a fortieth of a core, and whoever only
# wants to read waits for all who log in.
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")

Given = ParamSpec("Given")
Result = TypeVar("Result")


async def in_thread(
    function: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    """Run `hashed` or `verified` beside the event loop, in turn with others."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, lambda: function(*given, **named))


def hashed(password: str) -> str:
    """Return the hash to store."""
    return str(_context.hash(password))


def verified(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Tell whether `password` is the one of `stored`, and the hash to store instead if any.

    Without a stored hash the same time is spent, and the answer is no.
    """
    if stored is None:
        _context.verify(password, _NOBODY)
        return False, None
    ok, renewed = _context.verify_and_update(password, stored)
    return bool(ok), renewed


def is_common(password: str) -> bool:
    """Tell whether `password` is among the commonest (OWASP ASVS 5.0, 6.2.4), or one repeated."""
    lowered = password.lower()
    repeated = lowered[: (lowered + lowered).find(lowered, 1)]
    return lowered in _COMMON or repeated in _COMMON


def is_guessable(password: str, known: Iterable[str]) -> bool:
    """Tell whether `password` is little more than the names in `known`, or the platform's words.

    Those words are no secret (OWASP ASVS 5.0, 6.2.11): what is left without them must be more than
    a few signs, or than a year. Accents, case and punctuation do not count.
    """
    words = {_folded(part) for text in known for part in (text, *_parts(text))}
    text = rest = _folded(password)
    for word in sorted(words.union(_CONTEXT_WORDS), key=len, reverse=True):
        if len(word) >= _SHORTEST_WORD:
            rest = rest.replace(word, "")
    if rest == text:
        return False
    return len(rest) < SHORTEST // 2 or (rest.isdecimal() and len(rest) < SHORTEST)


def _parts(text: str) -> list[str]:
    return "".join(sign if sign.isalnum() else " " for sign in text).split()


def _folded(text: str) -> str:
    """Return the letters and digits of `text`, small and without accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))
