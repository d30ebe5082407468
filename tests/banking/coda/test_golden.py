from typing import Any

import pytest

from itschool_api.banking import coda
from itschool_api.banking.coda.reader import _StatementReader
from tests.banking.coda.goldens import CASES, FOLDER, rendered

NAMES = sorted(CASES)


def expected(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_file_reads_as_its_golden_answer(name: str) -> None:
    assert rendered(name, (FOLDER / f"{name}.cod").read_bytes()) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_still_makes_the_golden_file(name: str) -> None:
    assert CASES[name]() == (FOLDER / f"{name}.cod").read_bytes()


def test_there_is_no_golden_file_that_nobody_reads() -> None:
    assert sorted({path.stem for path in FOLDER.iterdir()}) == NAMES


@pytest.mark.parametrize("fault", coda.Fault)
def test_every_planted_fault_is_refused_with_its_place(fault: coda.Fault) -> None:
    with pytest.raises(coda.CodaError) as refused:
        coda.parse((FOLDER / f"fault-{fault}.cod").read_bytes())
    error = refused.value
    assert error.line >= 1
    assert 1 <= error.column <= 129
    assert error.reason in str(error)
    assert error.expected in str(error)


def test_a_reader_that_trusts_the_trailer_fails_the_golden_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trust(reader: _StatementReader, *_: Any) -> None:
        reader.at += 1

    monkeypatch.setattr(_StatementReader, "_check_trailer", trust)
    names = [f"fault-wrong-trailer-{field}" for field in ("count", "debit", "credit")]
    for name in names:
        assert rendered(name, (FOLDER / f"{name}.cod").read_bytes()) != expected(name)
