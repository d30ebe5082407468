"""What a process counts of its own doings, for Prometheus.

Labels are few and known beforehand: templates of routes, never paths; kinds, never ids. So nothing
of a school or a person is in them, and no stranger can make them grow.
"""

import platform
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_METHODS: Final = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
_NOWHERE: Final = "(none)"
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Instruments:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Gauge(
            "itschool_build_info",
            "Which program this is.",
            ["version", "python"],
            registry=self.registry,
        )
        build.labels(version("itschool-api"), platform.python_version()).set(1)
        self._requests = Counter(
            "itschool_requests",
            "Requests, by the route's template; status 0: the caller went away.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "itschool_request_seconds",
            "How long requests took.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "itschool_requests_in_flight", "Requests being served.", registry=self.registry
        )
        self._files = Counter(
            "itschool_bank_files",
            "Bank files: imported, or nothing new (known, or a preview).",
            ["outcome"],
            registry=self.registry,
        )
        self._movements = Counter(
            "itschool_bank_movements",
            "Movements in bank files that were imported.",
            registry=self.registry,
        )
        self._import_seconds = Histogram(
            "itschool_bank_import_seconds",
            "How long imports took, from the whole file to the end of its statements.",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request; `route` is its template, None where no route has such an address."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route or _NOWHERE, str(status)).inc()
        self._seconds.labels(known, route or _NOWHERE).observe(seconds)

    def bank_file(self, *, created: bool, movements: int, seconds: float) -> None:
        """Count a bank file that was read to its end."""
        self._files.labels("imported" if created else "nothing_new").inc()
        if created:
            self._movements.inc(movements)
        self._import_seconds.observe(seconds)
