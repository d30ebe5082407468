"""What `itschool families` shows, and what it makes of a server that does not do what it should."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from rich.console import Console
from typer.testing import CliRunner

from itschool_api.cli import families, roll_report
from itschool_api.cli.roll_report import Outcome, Result
from itschool_api.errors import Fault, Problem
from itschool_api.roll.schemas import RollReport

_CLIENT = httpx2.Client
_TALLY = {"new": 2, "changed": 1, "unchanged": 340}
_CARRIED = {"new": 2, "unchanged": 0}
_FINDING = {
    "severity": "warning",
    "code": "student-not-in-file",
    "message": "Noor Peeters (S1) is not in the file, and stays.",
    "sheet": None,
    "row": None,
    "column": None,
}
REPORT: dict[str, Any] = {
    "preview": False,
    "changes": True,
    "file_sha256": "0" * 64,
    "school_year_id": "01a20d41-923b-760f-adc3-c009d3875ccf",
    "rows": 343,
    "students": _TALLY,
    "class_groups": 3,
    "enrolments": _TALLY,
    "guardians": _TALLY,
    "families": _TALLY,
    "memberships": _TALLY,
    "guardianships": {**_TALLY, "ended": 1},
    "references": _CARRIED,
    "opening_balances": {**_CARRIED, "new_cents": 12_50},
    "open_invoices": {**_CARRIED, "new": 0, "new_cents": 0},
    "errors": 0,
    "warnings": 102,
    "findings": [_FINDING] * 100
    + [
        {
            **_FINDING,
            "code": "renamed",
            "message": "Noor [b] becomes Nora: " + "x" * 200,
            "sheet": "Une feuille au nom très long",
            "row": 12,
            "column": "Une colonne au nom encore plus long",
        }
    ],
}
REFUSED = {
    "type": "/problems/roll-has-errors",
    "title": "No.",
    "status": 422,
    "errors": [
        {"location": "body", "pointer": pointer, "code": "invalid-date", "detail": "Which day?"}
        for pointer in ("/Élèves 1~12/7/Né le", "/7/birth_date", "/Élèves/solde", "/solde", "")
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "roll.csv"
    path.write_bytes(b"student_key\nS1\n")
    return path


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[httpx2.Request]]:
    """Let answers come from no network at all."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("ITSCHOOL_URL", "https://api.test")
    monkeypatch.setenv("ITSCHOOL_API_KEY", "its_0_0_0")

    def serve(*answers: httpx2.Response | Exception) -> list[httpx2.Request]:
        following: Iterator[httpx2.Response | Exception] = iter(answers)
        asked: list[httpx2.Request] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            request.read()
            asked.append(request)
            each = next(following)
            if isinstance(each, Exception):
                raise each
            return each

        transport = httpx2.MockTransport(answer)
        monkeypatch.setattr(
            httpx2, "Client", lambda **kwargs: _CLIENT(**kwargs, transport=transport)
        )
        return asked

    return serve


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(families.app, [*map(str, arguments)])


def drawn(result: Result) -> str:
    console = Console(width=80, record=True, force_terminal=True)
    roll_report.draw(console, result)
    return console.export_text()


def test_a_report_fits_80_columns_and_shows_the_rows_first() -> None:
    report = RollReport.model_validate(REPORT)
    shown = drawn(Result(file="roll.xlsx", outcome=Outcome.IMPORTED, report=report))

    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "Noor [b] becomes" in shown
    assert "Opening balances (12.50 €)" in shown
    assert "Open invoices" not in shown
    assert shown.index("Nora") < shown.index("Noor Peeters")
    assert shown.count("Noor Peeters") == 5
    assert "… and 96 more" in shown


def test_a_refusal_names_sheet_row_and_column() -> None:
    problem = Problem.model_validate(REFUSED)
    refused = Result(file="roll.xlsx", outcome=Outcome.REFUSED, problem=problem)

    assert max(len(line) for line in drawn(refused).splitlines()) <= 80
    assert [*roll_report.details(refused)] == [
        "  error: Élèves 1/2, row 7, Né le: Which day? (invalid-date)",
        "  error: row 7, birth_date: Which day? (invalid-date)",
        "  error: Élèves, solde: Which day? (invalid-date)",
        "  error: solde: Which day? (invalid-date)",
        "  error: Which day? (invalid-date)",
    ]
    assert isinstance(problem.errors, list)
    assert isinstance(problem.errors[0], Fault)


def test_what_is_asked_for_is_sent(file: Path, serving: Any) -> None:
    asked = serving(httpx2.Response(201, json=REPORT))

    ended = run("import", file, "--preview", "--end-missing", "--json")

    assert ended.exit_code == 0, ended.output
    (request,) = asked
    assert dict(request.url.params) == {"preview": "true", "end_missing": "true"}
    assert request.headers["content-type"] == "text/csv"
    assert request.content == b"student_key\nS1\n"
    assert json.loads(ended.stdout)["report"]["warnings"] == 102


def test_a_file_is_sent_whole_again_where_the_server_was_not_ready(
    file: Path, serving: Any
) -> None:
    file.write_bytes(b"PK\x03\x04" + b"x" * 200_000)
    busy = httpx2.Response(503, headers={"Retry-After": "1"})
    asked = serving(busy, httpx2.ConnectError("gone"), httpx2.Response(201, json=REPORT))

    ended = run("import", file)

    assert ended.exit_code == 0, ended.output
    assert [len(request.content) for request in asked] == [200_004] * 3
    assert asked[0].headers["content-type"].endswith("spreadsheetml.sheet")


def test_exit_codes_tell_what_to_do(file: Path, tmp_path: Path, serving: Any) -> None:
    wrong_preview = {**REPORT, "preview": True, "errors": 1}
    forbidden = {"type": "/problems/insufficient-scope", "title": "No.", "status": 403}
    no_year = {"type": "/problems/school-year-not-found", "title": "No year.", "status": 404}
    no_route = {"type": "/problems/not-found", "title": "Nothing.", "status": 404}
    for answer, code, said in (
        (httpx2.Response(200, json=REPORT), 0, "nothing new"),
        (httpx2.Response(200, json=wrong_preview), 1, "1 errors"),
        (httpx2.Response(422, json=REFUSED), 1, "row 7, birth_date"),
        (httpx2.Response(404, json=no_year), 1, "No year."),
        (httpx2.Response(403, json=forbidden), 2, "does not serve: No."),
        (httpx2.Response(404, json=no_route), 2, "no such API"),
        (httpx2.Response(404, html="<p>"), 2, "no such API"),
        (httpx2.Response(200, html="<p>"), 3, "not this API"),
    ):
        serving(answer)
        ended = run("import", file)
        assert (ended.exit_code, said in ended.output) == (code, True), (said, ended.output)
    serving(*[httpx2.ConnectError("no route")] * 4)
    assert run("import", file).exit_code == 3
    assert run("import", tmp_path / "missing.csv").exit_code == 1
    assert run("import", file, "--url", "api.test").exit_code == 2
    school = "01a20d41-923b-760f-adc3-c009d3875ccf"
    assert run("import", file, "--school", school).exit_code == 2


def test_an_export_is_written_whole_for_its_owner_only(tmp_path: Path, serving: Any) -> None:
    path = tmp_path / "roll.xlsx"
    asked = serving(httpx2.Response(200, content=b"PK"), httpx2.Response(200, content=b"two"))

    assert run("export", path).exit_code == 0

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"PK", 0o600)
    assert asked[0].headers["accept"].endswith("spreadsheetml.sheet")
    assert run("export", path).exit_code == 1
    assert run("export", path, "--force").exit_code == 0
    assert path.read_bytes() == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["roll.xlsx"]
    serving(httpx2.Response(200, content=b"x"))
    assert run("export", tmp_path / "nowhere" / "roll.csv").exit_code == 1
