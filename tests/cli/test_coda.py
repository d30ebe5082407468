import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itschool_api.banking import coda
from itschool_api.cli.coda import app

RUN = CliRunner()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.cod"
    arguments = ["--pay", "+++010/8068/17183+++=12.34", "--on", "2026-11-24", "--movements", "8"]
    made = RUN.invoke(app, ["generate", *arguments, "--output", str(path)])
    assert made.exit_code == 0, made.output
    return path


def test_check_prints_one_json_line_for_each_file(file: Path) -> None:
    checked = RUN.invoke(app, ["check", "--json", str(file), str(file)])
    assert checked.exit_code == 0
    first, second = map(json.loads, checked.stdout.splitlines())
    assert first == second
    assert first["file"] == str(file)
    assert first["error"] is None
    (statement,) = first["statements"]
    assert statement["opening"] == "1000.00"
    assert len(statement["movements"]) == 8
    paid = [m for m in statement["movements"] if m["reference"] == "010806817183"]
    assert [m["amount"] for m in paid] == ["12.34"]


def test_check_exits_with_1_where_a_file_is_refused_or_missing(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cod"
    bad.write_bytes(coda.plant(file.read_bytes(), coda.Fault.WRONG_TRAILER_COUNT))
    missing = tmp_path / "missing.cod"
    checked = RUN.invoke(app, ["check", "--json", str(bad), str(missing), str(file)])
    assert checked.exit_code == 1
    refused, unreadable, good = map(json.loads, checked.stdout.splitlines())
    assert refused["error"].keys() == {"line", "column", "read", "expected", "reason"}
    assert unreadable["error"]["line"] is None
    assert good["error"] is None


def test_check_reads_standard_input(file: Path) -> None:
    checked = RUN.invoke(app, ["check", "--json", "-"], input=file.read_bytes())
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["file"] == "-"


def test_check_draws_a_table_for_people(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.cod"
    bad.write_bytes(b"nonsense")
    checked = RUN.invoke(app, ["check", str(file), str(bad)], env={"COLUMNS": "200"})
    assert checked.exit_code == 1
    assert "+++010/8068/17183+++" in checked.stdout
    assert "8 movements" in checked.stdout
    assert "refused" in checked.stdout


def test_generate_plants_faults_into_standard_output() -> None:
    made = RUN.invoke(app, ["generate", "--fault", "version-1"])
    assert made.exit_code == 0
    with pytest.raises(coda.CodaError, match="version 1"):
        coda.parse(made.stdout_bytes)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pay", "010806817184=1"],
        ["--pay", "010806817183"],
        ["--pay", "010806817183=1,5"],
        ["--opening", "much"],
        ["--account", "BE" * 30],
        ["--movements", "0", "--fault", "bad-date"],
    ],
)
def test_generate_refuses_what_it_cannot_make(arguments: list[str]) -> None:
    assert RUN.invoke(app, ["generate", *arguments]).exit_code == 2
