"""Files as no bank sends them are refused or told of in words, not with a crash."""

from datetime import date

import pytest

from itschool_api.banking import coda
from itschool_api.banking.coda.builders import transfer
from itschool_api.banking.schemas import MOST_FINDINGS, MOST_STATEMENTS
from itschool_api.money import Cents
from tests.kit import PAYER, School, problem

pytestmark = pytest.mark.anyio
DAY = date(2026, 11, 20)


async def test_a_file_of_too_many_statements_is_refused(school: School) -> None:
    one = coda.write([coda.statement(coda.Account(number=school.iban), [], number=1, on=DAY)])
    most = await school.manager.post(
        "/v1/bank-statements",
        content=one * MOST_STATEMENTS,
        headers={"Content-Type": "text/plain"},
        params={"preview": "true"},
    )
    more = await school.manager.post(
        "/v1/bank-statements",
        content=one * (MOST_STATEMENTS + 1),
        headers={"Content-Type": "text/plain"},
    )

    assert most.status_code == 200
    problem(more, 413, "too-many-statements")


async def test_of_very_many_findings_the_first_are_told(school: School) -> None:
    lines = [transfer("x", Cents(1), PAYER)] * (2 * MOST_FINDINGS)
    part = coda.statement(
        coda.Account(number=school.iban), lines, number=1, on=DAY, separate_application="00001"
    )
    # A part of the movements has gaps in its numbers: only every second is there.
    records = coda.write([part]).decode().split("\r\n")
    data = "\r\n".join(
        record[:2] + f"{int(record[2:6]) * 2:04d}" + record[6:] if record[:1] == "2" else record
        for record in records
    )

    report = await school.post_coda(data.encode())

    assert len(report["statements"][0]["findings"]) == MOST_FINDINGS
