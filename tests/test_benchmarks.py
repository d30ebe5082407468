"""The measurements run, and miss what they should miss; how fast it is, `make bench` tells."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Figure, table

ROOT = Path(__file__).parents[1]


def figure(value: float | None, **asked: float) -> Figure:
    return Figure(what="speed", found="3 and 2", value=value, **asked)


@pytest.mark.parametrize(
    ("value", "asked", "is_missed"),
    [
        (3.0, {"at_least": 3}, False),
        (2.9, {"at_least": 3, "aim": 4}, True),
        (1.5, {"at_most": 1.5}, False),
        (1.6, {"at_most": 1.5}, True),
        (0.1, {}, False),
    ],
)
def test_a_figure_that_is_not_what_is_asked_is_missed(
    value: float, asked: dict[str, float], is_missed: bool
) -> None:
    found = figure(value, **asked)
    assert found.is_missed is is_missed
    assert ("missed" in table([found])) is is_missed


@pytest.mark.parametrize("name", ["reader", "imports"])
def test_it_runs(name: str) -> None:
    """A little of it: the import's books are checked, and both sides of the ratio are there."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "benchmarks", name, "--small"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "| CODA reader" in done.stdout or "| import end to end" in done.stdout
