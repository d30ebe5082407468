"""What time it is: instants in UTC, days in the school's time zone."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def now() -> datetime:
    """Return this instant, in UTC."""
    return datetime.now(UTC)


def today(time_zone: str) -> date:
    """Return the date on the wall of a school in `time_zone` (an IANA name)."""
    return datetime.now(ZoneInfo(time_zone)).date()


def day_begins(day: date, time_zone: str) -> datetime:
    """Return the instant, in UTC, at which `day` begins in `time_zone` (an IANA name)."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)
