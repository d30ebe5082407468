"""Passwords: the only module that knows passlib.

argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet). Hashing takes
about 20 ms of CPU: call it by `in_thread`.
"""

import asyncio
from collections.abc import Callable
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
    """Tell whether `password` is among the commonest (OWASP ASVS 5.0, 6.2.4)."""
    return password.lower() in _COMMON
